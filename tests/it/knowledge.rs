//! Documents through the real binary: a real PDF with the real model, hosts that are killed while they read, and what is
//! gone from the disk.

use std::path::{Path, PathBuf};

use hardpoint_tests::client::Client;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use serde_json::{Value, json};

use crate::lifecycle::new_database;
use crate::money::count;
use crate::real_clients::{Package, command};

const BINDING: &str =
    "[bindings.hybrid]\nplugin = \"hybrid\"\n[bindings.hybrid.grant]\nindex = true\nembed = true\n";

/// A host that reads and searches.
pub(crate) fn options() -> Options {
    Options::new().shipped("hybrid").config(BINDING)
}

/// A PDF of one of Debian's `-doc` packages.
fn manual() -> PathBuf {
    let named = std::env::var_os("HARDPOINT_PDF").map(PathBuf::from);
    let path = named.unwrap_or_else(|| "/usr/share/doc/libtasn1-doc/libtasn1.pdf".into());
    assert!(path.exists(), "{}: `cargo xtask test --only blackbox` fetches it", path.display());
    path
}

pub(crate) async fn make_base(client: &Client, body: &Value) -> String {
    let made = client.post("/api/v1/knowledge", body).await.expect(201);
    made["id"].as_str().expect("an id").to_owned()
}

/// Uploads one file; its document.
pub(crate) async fn upload(client: &Client, base: &str, filename: &str, bytes: &[u8]) -> Value {
    try_upload(client, base, filename, bytes).await.expect("the host is there")
}

/// The same where the host may go down meanwhile.
pub(crate) async fn try_upload(client: &Client, base: &str, filename: &str, bytes: &[u8]) -> Option<Value> {
    const BORDER: &str = "border-of-this-form";
    let mut form = format!(
        "--{BORDER}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{filename}\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    form.extend_from_slice(bytes);
    form.extend_from_slice(format!("\r\n--{BORDER}--\r\n").as_bytes());
    let media_type = format!("multipart/form-data; boundary={BORDER}");
    let path = format!("/api/v1/knowledge/{base}/documents");
    let answer =
        client.try_send(http::Method::POST, &path, &[("content-type", &media_type)], form).await.ok()?;
    assert!(matches!(answer.status, 200..=202), "{} {}", answer.status, answer.text());
    let told = answer.json();
    Some(told["data"].get(0).cloned().unwrap_or(told))
}

/// The document once it is no longer read.
pub(crate) async fn ended(client: &Client, base: &str, id: &str) -> Value {
    let path = format!("/api/v1/knowledge/{base}/documents/{id}");
    until("the document to be read", || async {
        let document = client.get(&path).await.expect(200);
        (document["status"] != "processing").then_some(document)
    })
    .await
}

/// Waits until every passage has a vector.
async fn embedded(client: &Client, base: &str) {
    let path = format!("/api/v1/knowledge/{base}");
    until("all vectors", || async {
        let base = client.get(&path).await.expect(200);
        (base["coverage"]["share"] == 1.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_document_is_read_asked_about_and_cited() {
    let options = options().shipped("extractive").env("HARDPOINT__KNOWLEDGE__EMBED", "true");
    let host = Host::start(options).await;
    let client = host.client();
    let base = make_base(&client, &json!({ "name": "Manuals" })).await;
    let bytes = std::fs::read(manual()).expect("a PDF");
    let uploaded = upload(&client, &base, "libtasn1.pdf", &bytes).await;
    assert_eq!(uploaded["status"], "processing");
    let read = ended(&client, &base, uploaded["id"].as_str().expect("an id")).await;
    assert_eq!((&read["status"], &read["page_count"]), (&"indexed".into(), &36.into()), "{read}");
    // By its words, since its vectors follow.
    let at_once = json!({ "query": "How are names of simple types declared?", "knowledge": [base], "similarity_threshold": 0.0 });
    assert_ne!(
        client.post("/api/v1/search", &at_once).await.expect(200)["count"],
        0,
        "by the very next search"
    );
    embedded(&client, &base).await;

    // Page 6 as the file counts is the second one of the text: what the manual says of naming.
    let question = "How are names of simple types declared in an ASN.1 definition?";
    let asked = json!({ "message": question, "knowledge": [base] });
    let answer = client.post("/api/v1/chat", &asked).await.expect(200);
    assert_eq!(answer["fallback_triggered"], false, "{answer}");
    let source = &answer["sources"][0];
    assert_eq!(
        (&source["document_filename"], &source["score_kind"]),
        (&"libtasn1.pdf".into(), &"semantic".into())
    );
    let text = text_of_page(source["page"].as_u64().expect("a page"));
    let cited = source["text"].as_str().expect("a text");
    let words: Vec<&str> = cited.split_whitespace().take(6).collect();
    assert!(text.contains(&words.join(" ")), "{words:?} is on page {}: {text}", source["page"]);
    assert!(answer["confidence"].as_f64().expect("a number") >= 0.7, "{answer}");

    let other = json!({ "message": "Which wine goes with grilled salmon?", "knowledge": [base] });
    let nothing = client.post("/api/v1/chat", &other).await.expect(200);
    assert_eq!(
        (&nothing["fallback_triggered"], &nothing["sources"]),
        (&true.into(), &json!([])),
        "{nothing}"
    );

    let mut script = command(Package::Python, "python/openai_knowledge.py", "");
    script.env("HARDPOINT_URL", format!("{}/v1", host.origin())).env("HARDPOINT_KEY", host.key());
    script.env("HARDPOINT_KB", &base).env("HARDPOINT_QUESTION", question);
    let output =
        tokio::task::spawn_blocking(move || script.output()).await.expect("no panic").expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(told["pages"], told["streamed_pages"], "{told}");
    assert_eq!(told["pages"][0], json!(["libtasn1.pdf", source["page"]]), "{told}");
    assert_eq!(told["whole"], told["streamed"], "{told}");
    assert!(told["whole"].as_str().is_some_and(|text| text.len() > 20), "{told}");
}

/// A page's text by another reader, words apart by single spaces.
fn text_of_page(page: u64) -> String {
    let page = page.to_string();
    let read = std::process::Command::new("pdftotext")
        .args(["-f", &page, "-l", &page])
        .arg(manual())
        .arg("-")
        .output();
    let text = read.expect("pdftotext, from Debian's poppler-utils").stdout;
    String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn no_document_is_lost_on_sqlite() {
    killed_while_reading(options(), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_document_is_lost_on_postgres() {
    let url = new_database("knowledge_kills");
    killed_while_reading(options().env("HARDPOINT__DATABASE__URL", &url), false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_vector_is_lost_on_sqlite() {
    killed_while_reading(options(), true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_vector_is_lost_on_postgres() {
    let url = new_database("knowledge_vector_kills");
    killed_while_reading(options().env("HARDPOINT__DATABASE__URL", &url), true).await;
}

/// Uploads, kills the host at another moment each time, and asks in the end: each document that was answered is there, is
/// found, and has each of its passages once.
/// With the model each has its vector too.
async fn killed_while_reading(options: Options, embeds: bool) {
    let lines = if embeds { 60 } else { 400 };
    let options = options.env("HARDPOINT__KNOWLEDGE__EMBED", &embeds.to_string());
    let rounds = count("HARDPOINT_READING_KILLS", 3);
    let options =
        options.env("HARDPOINT__KNOWLEDGE__LEASE", "2s").env("HARDPOINT__DATABASE__CLOCK_TOLERANCE", "500ms");
    let mut host = Host::start(options).await;
    let base = make_base(&host.client(), &json!({ "name": "Killed" })).await;
    let mut answered: Vec<(String, u32)> = Vec::new();
    for round in 0..rounds {
        let client = host.client();
        for number in 0..4 {
            let name = round * 4 + number;
            let text: String = (0..lines)
                .map(|line| format!("Note {name} of line {line}: marker{name}x{line} is said here once.\n\n"))
                .collect();
            let told = upload(&client, &base, &format!("notes{name}.txt"), text.as_bytes()).await;
            answered.push((told["id"].as_str().expect("an id").to_owned(), name));
        }
        // At first in the midst of an upload; later when so many of them are read, and others are not.
        if round > 0 {
            until("some to be read", || async {
                let all = client
                    .get(&format!("/api/v1/knowledge/{base}/documents?page_size=100"))
                    .await
                    .expect(200);
                let documents = all["data"].as_array().expect("documents").iter();
                let read = documents.filter(|document| document["status"] == "indexed").count();
                (read >= (round as usize % 3).min(answered.len())).then_some(())
            })
            .await;
        }
        host.kill();
        host.restart().await;
    }
    let client = host.client();
    for (id, _) in &answered {
        let document = ended(&client, &base, id).await;
        assert_eq!(document["status"], "indexed", "{document}");
    }
    if embeds {
        embedded(&client, &base).await;
    }
    for (id, name) in &answered {
        for line in [0, lines / 2, lines - 1] {
            let query = json!({ "query": format!("marker{name}x{line}"), "knowledge": [base], "use_hybrid": true, "similarity_threshold": 0.0, "top_k": 50 });
            let found = client.post("/api/v1/search", &query).await.expect(200);
            let hits = found["results"].as_array().expect("hits");
            let holds: Vec<&Value> = hits
                .iter()
                .filter(|hit| {
                    hit["text"].as_str().is_some_and(|text| text.contains(&format!("marker{name}x{line} ")))
                })
                .collect();
            assert!(!holds.is_empty(), "line {line} of document {name} is not found: {found}");
            assert!(holds.iter().all(|hit| hit["document_id"] == id.as_str()), "{found}");
            // A passage that was doubled would be there with another id; its neighbour overlaps with it.
            assert!(holds.len() <= 2, "{found}");
            let kind = if embeds { "semantic" } else { "lexical" };
            assert!(holds.iter().all(|hit| hit["score_kind"] == kind), "{found}");
        }
    }
    let base = client.get(&format!("/api/v1/knowledge/{base}")).await.expect(200);
    assert_eq!(base["document_count"], answered.len(), "{base}");
    eprintln!("\n{rounds} kills while documents were read: all {} are indexed", answered.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_in_no_file() {
    const CANARY: &str = "quokkaplumb";
    let host = Host::start(options()).await;
    let client = host.client();
    let base = make_base(&client, &json!({ "name": "To be gone" })).await;
    let kept = make_base(&client, &json!({ "name": "Kept" })).await;
    let text = format!("The {CANARY} sings.\n\nIt is the only one.");
    let document = upload(&client, &base, "canary.txt", text.as_bytes()).await;
    ended(&client, &base, document["id"].as_str().expect("an id")).await;
    let single = upload(&client, &kept, "single.txt", format!("{text} And kept.").as_bytes()).await;
    ended(&client, &kept, single["id"].as_str().expect("an id")).await;
    let data = host.folder().join("data");
    assert!(!holding(&data, CANARY).is_empty(), "it is there at first");
    let one = format!("/api/v1/knowledge/{kept}/documents/{}", single["id"].as_str().expect("an id"));
    assert_eq!(client.delete(&one).await.status, 204);
    assert_eq!(client.delete(&format!("/api/v1/knowledge/{base}")).await.status, 204);
    let query =
        json!({ "query": CANARY, "knowledge": [kept], "use_hybrid": true, "similarity_threshold": 0.0 });
    let found = client.post("/api/v1/search", &query).await.expect(200);
    assert_eq!(found["count"], 0, "{found}");
    until("the canary to be gone from the disk", || async {
        holding(&data, CANARY).is_empty().then_some(())
    })
    .await;
}

/// The files under a folder that hold a text, whatever they are.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // What goes while it is looked through is gone.
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if std::fs::read(&path)
                .is_ok_and(|bytes| memchr::memmem::find(&bytes, text.as_bytes()).is_some())
            {
                found.push(path);
            }
        }
    }
    found
}
