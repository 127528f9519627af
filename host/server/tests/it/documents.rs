//! Documents: uploads, what is seen of them, and who sees it.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hardpoint_domain::id;
use hardpoint_store::keys::Role;
use hardpoint_store::knowledge::removals;
use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::knowledge::{bound, id as id_of, key, told};
use crate::support::{Answer, TestApp};

const BASES: &str = "/api/v1/knowledge";
const DOCUMENTS: &str = "/api/v1/documents";
/// How long a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// One part of a form: its name, the file's name, its bytes.
type Part<'a> = (&'a str, Option<&'a str>, &'a [u8]);

fn body(parts: &[Part<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, bytes) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"\r\nContent-Type: text/plain"));
        let head = format!(
            "--b\r\nContent-Disposition: form-data; name=\"{name}\"{}\r\n\r\n",
            file.unwrap_or_default()
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--b--\r\n");
    body
}

pub fn form(app: &TestApp, key: &str, path: &str, parts: &[Part<'_>]) -> Request<Body> {
    raw(app, key, path, Body::from(body(parts)))
}

fn raw(app: &TestApp, key: &str, path: &str, body: Body) -> Request<Body> {
    let mut request = app.request(Method::POST, path, None);
    request.headers_mut().insert(header::AUTHORIZATION, format!("Bearer {key}").parse().unwrap());
    let kind = "multipart/form-data; boundary=b".parse().unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    *request.body_mut() = body;
    request
}

async fn upload(app: &TestApp, path: &str, parts: &[Part<'_>]) -> Answer {
    app.send(form(app, app.key(), path, parts)).await
}

async fn base(app: &TestApp) -> String {
    format!("{BASES}/{}", id_of(&app.post(BASES, &json!({"name": "Handbook"})).await.expect(201)))
}

/// Files in the folder of documents, those on their way among them.
fn files(app: &TestApp) -> Vec<String> {
    let found = std::fs::read_dir(app.folder().join("data/blobs/documents")).into_iter().flatten();
    found.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

/// Waits until something is so.
async fn until<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let asked = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_| panic!("it never is so: {what}"));
}

async fn is_removal_due(app: &TestApp) -> bool {
    let mut conn = app.app().store.read().await.unwrap();
    removals::is_due(&mut conn, app.app().clock.now()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_document() {
    let app = TestApp::start().await;
    let base = base(&app).await;
    let all = format!("{base}/documents");
    let sent = upload(&app, &all, &[("file", Some("policies.txt"), b"Whales sing.")]).await;
    insta::assert_snapshot!(sent.shown(), @r#"
    201
    {
      "coverage": {
        "chunks": 0,
        "embedded": 0,
        "share": 0.0
      },
      "created_at": "…",
      "filename": "policies.txt",
      "id": "doc-…",
      "indexed_at": null,
      "knowledge_base_id": "kb-…",
      "media_type": "text/plain",
      "page_count": 0,
      "progress": {
        "done": 0,
        "total": 0
      },
      "reason": null,
      "sha256": "…",
      "size": "…",
      "status": "processing",
      "title": null,
      "updated_at": "…"
    }
    "#);
    let made = sent.expect(201);
    let one = format!("{all}/{}", id_of(&made));
    assert_eq!(app.get(&one).await.expect(200), made);
    assert_eq!(app.get(&all).await.expect(200)["data"], json!([made]));
    assert_eq!(app.get(DOCUMENTS).await.expect(200)["data"], json!([made]));
    let bare = id::bare(&id_of(&made)).unwrap();
    for path in [
        format!("{DOCUMENTS}/{bare}"),
        format!("{all}/{bare}"),
        format!("/sources/{}", id_of(&made)),
        format!("/v1/sources/{bare}"),
        one.replace("/api/v1/knowledge/", "/knowledge-bases/"),
    ] {
        assert_eq!(app.get(&path).await.expect(200), made, "{path}");
    }
    let shown = app.get(&base).await.expect(200);
    assert_eq!((&shown["document_count"], &shown["size"]), (&json!(1), &json!(12)));

    let content = app.get(&format!("{DOCUMENTS}/{bare}/content")).await;
    assert_eq!((content.status.as_u16(), &*content.text()), (200, "Whales sing."));
    assert_eq!(content.header("content-type"), "text/plain");
    assert_eq!(content.header("content-length"), "12");
    assert_eq!(
        content.header("content-disposition"),
        "attachment; filename=\"policies.txt\"; filename*=UTF-8''policies.txt"
    );
    assert_eq!(content.header("x-content-type-options"), "nosniff");

    let again = app.post(&format!("{one}/reindex"), &json!({})).await.expect(202);
    assert_eq!((&again["id"], &again["status"]), (&made["id"], &json!("processing")));
    app.post(&format!("{DOCUMENTS}/{bare}/reindex"), &json!({})).await.expect(202);
    assert_eq!(app.delete(&one).await.status, 204);
    for path in [one.clone(), format!("{DOCUMENTS}/{bare}"), format!("{DOCUMENTS}/{bare}/content")] {
        app.get(&path).await.expect(404);
    }
    for path in [format!("{one}/reindex"), format!("{DOCUMENTS}/{bare}/reindex")] {
        app.post(&path, &json!({})).await.expect(404);
    }
    assert_eq!(
        (app.delete(&one).await.status.as_u16(), app.get(&all).await.expect(200)["total"].clone()),
        (404, json!(0))
    );
    let gone = app.get(&format!("/sources/{bare}")).await.expect(404);
    assert_eq!(gone["error"]["message"], "Source not found");

    let told = told(&app, "document.").await;
    let kinds: Vec<&str> = told.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["document.uploaded", "document.reindexed", "document.reindexed", "document.deleted"]);
    let data = json!({
        "document_id": made["id"], "knowledge_base_id": made["knowledge_base_id"], "filename": "policies.txt",
        "status": "processing", "page_count": 0,
    });
    assert!(told.iter().all(|event| event.after == Some(data.clone()) && event.request_id.is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_are_the_same_document() {
    let app = TestApp::start().await;
    let all = format!("{}/documents", base(&app).await);
    let made = upload(&app, &all, &[("file", Some("a.txt"), b"Whales sing.")]).await.expect(201);
    let again = upload(&app, &all, &[("file", Some("b.txt"), b"Whales sing.")]).await.expect(200);
    assert_eq!((&again, &again["filename"]), (&made, &json!("a.txt")));
    // Elsewhere it is another one.
    let other = format!("{}/documents", base(&app).await);
    let there = upload(&app, &other, &[("file", Some("a.txt"), b"Whales sing.")]).await.expect(201);
    assert_ne!(there["id"], made["id"]);
    assert_eq!(told(&app, "document.uploaded").await.len(), 2);
    until("what was put a second time is gone", || async { files(&app).len() == 2 }).await;
    // What was removed is not there.
    assert_eq!(app.delete(&format!("{all}/{}", id_of(&made))).await.status, 204);
    let anew = upload(&app, &all, &[("file", Some("b.txt"), b"Whales sing.")]).await.expect(201);
    assert_ne!(anew["id"], made["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_bytes_at_once_are_one_document() {
    let mut hosts = vec![TestApp::start().await];
    hosts.extend(TestApp::pair("", &[]).await.into_iter().flatten().take(1));
    for app in &hosts {
        let all = format!("{}/documents", base(app).await);
        let files: Vec<String> = (0..8).map(|number| format!("The file {number}.")).collect();
        let sent = (0..12).map(|turn| {
            // In another order each time.
            let mut parts: Vec<Part<'_>> =
                files.iter().map(|text| ("file", Some("a.txt"), text.as_bytes())).collect();
            parts.rotate_left(turn % 8);
            app.send(form(app, app.key(), &all, &parts))
        });
        let answers = futures_util::future::join_all(sent).await;
        let made = answers.iter().filter(|answer| answer.status == 201).count();
        assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 200 | 201)) && made >= 1);
        assert_eq!(app.get(&all).await.expect(200)["total"], 8);
        assert_eq!(told(app, "document.uploaded").await.len(), 8);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_files_come_together_or_not_at_all() {
    let app = TestApp::with("[knowledge]\nmax_document = \"1KB\"\n", &[]).await;
    let all = format!("{}/documents", base(&app).await);
    let texts: Vec<String> = (0..100).map(|number| format!("The file {number}.")).collect();
    let parts: Vec<Part<'_>> = texts.iter().map(|text| ("file", Some("a.txt"), text.as_bytes())).collect();
    let sent = upload(&app, &all, &parts).await.expect(201);
    assert_eq!((&sent["total"], sent["data"].as_array().unwrap().len()), (&json!(100), 100));
    let contents = sent["data"].as_array().unwrap().iter().map(|document| {
        let path = format!("{DOCUMENTS}/{}/content", id_of(document));
        let app = &app;
        async move { app.get(&path).await.text() }
    });
    assert_eq!(futures_util::future::join_all(contents).await, texts, "in the order in which they came");
    // One that is there, one that is new, and the same twice.
    let mixed: [Part<'_>; 3] = [
        ("files", Some("a.txt"), b"The file 7."),
        ("files[]", Some("b.txt"), b"Another."),
        ("file", Some("c.txt"), b"Another."),
    ];
    let sent = upload(&app, &all, &mixed).await.expect(201);
    assert_eq!(sent["data"][1], sent["data"][2]);
    assert_eq!(app.get(&all).await.expect(200)["total"], 101);

    let whole: &[u8] = &[b'x'; 1_000];
    upload(&app, &all, &[("file", Some("a.txt"), whole)]).await.expect(201);
    let large: &[u8] = &[b'x'; 1_001];
    for (status, bad) in [(413, large), (422, b"".as_slice())] {
        let name = format!("{status}.txt");
        let parts: [Part<'_>; 3] = [
            ("file", Some("good.txt"), b"Good so far."),
            ("file", Some(&*name), bad),
            ("file", Some("later.txt"), b"Good as well."),
        ];
        let refused = upload(&app, &all, &parts).await.expect(status);
        assert!(refused["error"]["message"].as_str().unwrap().contains(&name), "{refused}");
    }
    let one_more: Vec<Part<'_>> = parts.iter().copied().chain([("file", None, b"x".as_slice())]).collect();
    assert_eq!(
        upload(&app, &all, &one_more).await.expect(400)["error"]["details"]["constraint"],
        "max_items"
    );
    assert_eq!(app.get(&all).await.expect(200)["total"], 102);
    until("what was put for those that failed is gone", || async { files(&app).len() == 102 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_form_of_files() {
    let app = TestApp::start().await;
    let all = format!("{}/documents", base(&app).await);
    for path in [&*all, DOCUMENTS, "/api/v1/documents/upload"] {
        let mut json = app.request(Method::POST, path, Some(&json!({})));
        assert_eq!(app.send(json).await.status, 415, "{path}");
        json = app.request(Method::POST, path, None);
        assert_eq!(app.send(json).await.status, 415, "{path}");
        let mut unbounded = raw(&app, app.key(), path, Body::from("x"));
        unbounded.headers_mut().insert(header::CONTENT_TYPE, "multipart/form-data".parse().unwrap());
        assert_eq!(app.send(unbounded).await.status, 400, "{path}");
        let none: [&[Part<'_>]; 3] = [&[], &[("text", None, b"x")], &[("data", Some("a.txt"), b"x")]];
        for parts in none {
            assert_eq!(upload(&app, path, parts).await.status, 400, "{path} {parts:?}");
        }
        let cut = body(&[("file", Some("a.txt"), b"Whales sing.")]);
        let broken = raw(&app, app.key(), path, Body::from(cut[..cut.len() - 12].to_vec()));
        assert_eq!(app.send(broken).await.status, 400, "{path}");
    }
    assert_eq!(app.get(DOCUMENTS).await.expect(200)["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_of_files() {
    let app = TestApp::start().await;
    let all = format!("{}/documents", base(&app).await);
    let long = "n".repeat(5_000);
    for (at, (sent, kept)) in [
        ("../../etc/passwd", "passwd"),
        ("..", "document"),
        ("a\u{202e}fdp.exe", "afdp.exe"),
        ("C:\\\\plans\\\\a.txt", "a.txt"),
        ("a\0b.txt", "ab.txt"),
        ("☃\u{10ffff}.txt", "☃\u{10ffff}.txt"),
        ("x' OR '1'='1", "x' OR '1'='1"),
        (&*long, &long[..255]),
    ]
    .into_iter()
    .enumerate()
    {
        let text = format!("The file {at}.");
        let answer = upload(&app, &all, &[("file", Some(sent), text.as_bytes())]).await;
        // A form's head takes no NUL.
        if sent.contains('\0') && answer.status == 400 {
            continue;
        }
        let made = answer.expect(201);
        assert_eq!(made["filename"], kept, "{sent}");
        let content = app.get(&format!("{DOCUMENTS}/{}/content", id_of(&made))).await;
        assert_eq!(content.text(), text);
        assert!(content.header("content-disposition").starts_with("attachment; filename=\""));
    }
    assert!(!app.folder().join("data/etc").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_default_knowledge_base_is_made_when_it_is_needed() {
    let app = TestApp::start().await;
    let acme = app.tenant("Acme").await;
    let member = key(&app, &acme, None, Role::Member, true).await;
    let file: Part<'_> = ("file", Some("policies.pdf"), b"Whales sing.");
    let sent = app.send(form(&app, &member, "/api/v1/documents/upload", &[file])).await;
    let made = sent.expect(201);
    assert_eq!(made.as_object().unwrap().len(), 3, "{made}");
    assert_eq!((&made["filename"], &made["status"]), (&json!("policies.pdf"), &json!("processing")));
    assert_eq!(id_of(&made).len(), 36, "a bare UUID: {made}");
    let again = app.send(form(&app, &member, "/api/v1/documents/upload", &[file])).await.expect(200);
    assert_eq!(again, made);
    let document = app.get_as(&member, &format!("{DOCUMENTS}/{}", id_of(&made))).await.expect(200);
    let default = app.get_as(&member, BASES).await.expect(200);
    assert_eq!((&default["total"], &default["data"][0]["default"]), (&json!(1), &json!(true)));
    let default = &default["data"][0];
    assert_eq!((&default["id"], &default["name"]), (&document["knowledge_base_id"], &json!("Default")));
    assert_eq!(told(&app, "knowledge_base.created").await.len(), 1);

    // Or the one that is named, before or after the file; not twice, and not one that there is not.
    let other = id_of(&app.post_as(&acme.key, BASES, &json!({"name": "Other"})).await.expect(201));
    let named: Part<'_> = ("knowledge_base_id", None, other.as_bytes());
    for (number, path) in [DOCUMENTS, "/sources", "/v1/documents"].into_iter().enumerate() {
        for (turn, is_first) in [(0, true), (1, false)] {
            let text = format!("{number} {turn}");
            let file: Part<'_> = ("file", Some("a.txt"), text.as_bytes());
            let parts = if is_first { [named, file] } else { [file, named] };
            let made = app.send(form(&app, &member, path, &parts)).await.expect(201);
            assert_eq!(made["knowledge_base_id"], other, "{path}");
        }
    }
    assert_eq!(app.send(form(&app, &member, DOCUMENTS, &[named, named, file])).await.status, 400);
    let never: Part<'_> = ("knowledge_base_id", None, b"kb-00000000000000000000000000000000");
    assert_eq!(app.send(form(&app, &member, DOCUMENTS, &[never, file])).await.status, 404);

    // It is for everybody; the next one is made when it is gone.
    let one = format!("{BASES}/{}", default["id"].as_str().unwrap());
    let (workspace, in_workspace) = bound(&app, &acme, "One", Role::Member).await;
    let few = json!({"sharing": {"workspaces": [workspace]}});
    crate::knowledge::put(&app, &acme.key, &one, &few).await.expect(422);
    assert_eq!(app.ask(&acme.key, Method::DELETE, &one, None).await.status, 204);
    let file: Part<'_> = ("file", Some("a.txt"), b"Ships have hulls.");
    app.send(form(&app, &in_workspace, "/api/v1/documents/upload", &[file])).await.expect(201);
    let bases = app.get_as(&in_workspace, BASES).await.expect(200);
    assert!(bases["data"].as_array().unwrap().iter().any(|base| base["default"] == true), "{bases}");
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_a_quick_upload_are_flat() {
    let app = TestApp::start().await;
    let path = "/api/v1/documents/upload";
    let parts: [Part<'_>; 2] = [("file", Some("a"), b"x"), ("file", Some("b"), b"y")];
    for (answer, status, word) in [
        (app.send(form(&app, "faqsure_sk_1", path, &[])).await, 401, "invalid_api_key"),
        (upload(&app, path, &[]).await, 400, "validation_error"),
        (upload(&app, path, &parts).await, 400, "validation_error"),
        (upload(&app, path, &[("file", Some("a"), b"")]).await, 422, "validation_error"),
    ] {
        let flat = answer.expect(status);
        assert_eq!(flat["error"], word, "{flat}");
        assert!(flat["message"].is_string(), "{flat}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_do_what_with_documents() {
    let app = TestApp::start().await;
    let (acme, others) = (app.tenant("Acme").await, app.tenant("Others").await);
    let (first, in_first) = bound(&app, &acme, "First", Role::Member).await;
    let (_, in_second) = bound(&app, &acme, "Second", Role::Admin).await;
    let (viewer, test) =
        (key(&app, &acme, None, Role::Viewer, true).await, key(&app, &acme, None, Role::Member, false).await);
    let wanted = json!({"name": "First's", "sharing": {"workspaces": [first]}});
    let base = id_of(&app.post_as(&acme.key, BASES, &wanted).await.expect(201));
    let all = format!("{BASES}/{base}/documents");
    let elsewhere = id_of(&app.post_as(&acme.key, BASES, &json!({"name": "Other"})).await.expect(201));
    let file: Part<'_> = ("file", Some("a.txt"), b"Whales sing.");
    let document = id_of(&app.send(form(&app, &in_first, &all, &[file])).await.expect(201));

    app.get_as(&viewer, &format!("{all}/{document}")).await.expect(200);
    for (who, status) in [(&viewer, 403), (&test, 403), (&in_second, 404), (&others.key, 404)] {
        app.send(form(&app, who, &all, &[file])).await.expect(status);
        let named: Part<'_> = ("knowledge_base_id", None, base.as_bytes());
        app.send(form(&app, who, DOCUMENTS, &[named, file])).await.expect(status);
        for path in
            [format!("{all}/{document}"), format!("{DOCUMENTS}/{document}"), format!("/sources/{document}")]
        {
            app.ask(who, Method::DELETE, &path, None).await.expect(status);
        }
        app.post_as(who, &format!("{DOCUMENTS}/{document}/reindex"), &json!({})).await.expect(status);
    }
    // Whoever may not see it learns nothing of it.
    let never = format!("doc-{}", "0".repeat(32));
    for who in [&in_second, &others.key] {
        for path in ["/api/v1/documents/ID", "/api/v1/documents/ID/content", "/sources/ID"] {
            let of = |id: &str| {
                let (app, path) = (&app, path.replace("ID", id));
                async move { app.get_as(who, &path).await }
            };
            let (there, nothing) = (of(&document).await, of(&never).await);
            assert_eq!(there.status, 404, "{path}");
            assert_eq!(there.text().replace(&document, "…"), nothing.text().replace(&never, "…"));
        }
        app.get_as(who, &format!("{all}/{document}/events")).await.expect(404);
        assert_eq!(app.get_as(who, DOCUMENTS).await.expect(200)["total"], 0);
    }
    assert_eq!(app.get_as(&in_first, DOCUMENTS).await.expect(200)["total"], 1);
    // A document is where it is, and nowhere else.
    for end in ["", "/events"] {
        let path = format!("{BASES}/{elsewhere}/documents/{document}{end}");
        app.get_as(&acme.key, &path).await.expect(404);
    }
    let path = format!("{BASES}/{elsewhere}/documents/{document}");
    app.ask(&acme.key, Method::DELETE, &path, None).await.expect(404);
    assert_eq!(app.ask(&in_first, Method::DELETE, &format!("{all}/{document}"), None).await.status, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_first_in_pages() {
    let app = TestApp::start().await;
    let all = format!("{}/documents", base(&app).await);
    for number in 0..5 {
        let text = format!("The file {number}.");
        let name = format!("{number}.txt");
        upload(&app, &all, &[("file", Some(&*name), text.as_bytes())]).await.expect(201);
    }
    for path in [&*all, DOCUMENTS, "/sources"] {
        let page = app.get(&format!("{path}?page=2&page_size=2")).await.expect(200);
        let names: Vec<&Value> =
            page["data"].as_array().unwrap().iter().map(|one| &one["filename"]).collect();
        assert_eq!((names, &page["total"]), (vec![&json!("2.txt"), &json!("1.txt")], &json!(5)), "{path}");
        app.get(&format!("{path}?page_size=101")).await.expect(400);
    }
}

/// A client that sends a file and half of another, and leaves.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_leaves_nothing() {
    let app = TestApp::start().await;
    let all = format!("{}/documents", base(&app).await);
    let whole = body(&[("file", Some("a.txt"), b"Whales sing.")]);
    let first = whole[..whole.len() - b"--b--\r\n".len()].to_vec();
    let second = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"b.txt\"\r\n\r\n".to_vec();
    let sent = [first, second].into_iter().chain((0..200).map(|_| vec![b'x'; 50_000]));
    let pieces = stream::iter(sent.map(|piece| Ok::<_, Infallible>(Bytes::from(piece))));
    let request = raw(&app, app.key(), &all, Body::from_stream(pieces.chain(stream::pending())));
    {
        let sending = app.begin(request);
        tokio::pin!(sending);
        tokio::select! {
            answer = &mut sending => panic!("it is not all there: {}", answer.status()),
            () = until("one is whole and one on its way", || async { files(&app).len() == 2 }) => {}
        }
        assert!(!is_removal_due(&app).await, "the rest may still come");
    }
    until("nothing of it is left", || async { files(&app).is_empty() }).await;
    assert_eq!(app.get(&all).await.expect(200)["total"], 0);
    assert!(told(&app, "document.").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_quick_uploads_are_told_the_keys_limits() {
    let app = TestApp::start().await;
    let key = app.stranger_on("enterprise", Some(1)).await;
    let path = "/api/v1/documents/upload";
    let file: Part<'_> = ("file", Some("a.txt"), b"Whales sing.");
    app.send(form(&app, &key, path, &[file])).await.expect(201);
    let flat = app.send(form(&app, &key, path, &[file])).await.expect(429);
    assert_eq!((&flat["error"], &flat["limit_per_minute"]), (&json!("rate_limit_exceeded"), &json!(1)));
    assert!(flat.as_object().unwrap().contains_key("limit_per_hour"), "{flat}");
}

/// Events as they come: name and data.
async fn next_event(body: &mut axum::body::BodyDataStream) -> Option<(String, Value)> {
    let piece = tokio::time::timeout(PATIENCE, body.next()).await.expect("it comes")?.unwrap();
    let text = String::from_utf8(piece.to_vec()).unwrap();
    let (name, data) = text.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
    Some((name.to_owned(), serde_json::from_str(data.trim_end()).unwrap()))
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_told_until_it_ends() {
    let app = TestApp::start().await;
    let all = format!("{}/documents", base(&app).await);
    let made = upload(&app, &all, &[("file", Some("a.txt"), b"Whales sing.")]).await.expect(201);
    let one = format!("{all}/{}", id_of(&made));
    let response = app.begin(app.request(Method::GET, &format!("{one}/events"), None)).await;
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut events = response.into_body().into_data_stream();
    assert_eq!(next_event(&mut events).await.unwrap(), ("progress".to_owned(), made));
    app.post(&format!("{one}/reindex"), &json!({})).await.expect(202);
    let (name, data) = next_event(&mut events).await.unwrap();
    assert_eq!((&*name, &data["status"]), ("progress", &json!("processing")));
    assert_eq!(app.delete(&one).await.status, 204);
    assert_eq!(next_event(&mut events).await.unwrap().0, "deleted");
    assert!(next_event(&mut events).await.is_none(), "and that is all");
    app.get(&format!("{one}/events")).await.expect(404);
}
