//! `/knowledge`: who makes, sees, changes and removes knowledge bases.

use hardpoint_domain::event::Event;
use hardpoint_server::service::accounts::keys::Wanted;
use hardpoint_server::service::accounts::{Accounts, Principal};
use hardpoint_store::events;
use hardpoint_store::keys::Role;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Tenant, TestApp, echo, fixture};

const BASES: &str = "/api/v1/knowledge";

/// The id of what was made.
pub fn id(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}

pub async fn put(app: &TestApp, key: &str, path: &str, body: &Value) -> Answer {
    app.ask(key, Method::PUT, path, Some(body)).await
}

/// The events whose kinds begin like this, oldest first.
pub async fn told(app: &TestApp, beginning: &str) -> Vec<Event> {
    let mut conn = app.app().store.read().await.unwrap();
    let mut all: Vec<_> = events::list(&mut conn, None, None, 1_000).await.unwrap();
    all.sort_by_key(|stored| stored.event.time);
    all.into_iter().map(|stored| stored.event).filter(|event| event.kind.starts_with(beginning)).collect()
}

/// A workspace of a tenant, and a key that is bound to it.
pub async fn bound(app: &TestApp, tenant: &Tenant, name: &str, role: Role) -> (String, String) {
    let all = format!("/api/v1/orgs/{}/workspaces", tenant.organization);
    let workspace = id(&app.post_as(&tenant.key, &all, &json!({"name": name})).await.expect(201));
    (workspace.clone(), key(app, tenant, Some(workspace), role, true).await)
}

pub async fn key(
    app: &TestApp,
    tenant: &Tenant,
    workspace_id: Option<String>,
    role: Role,
    livemode: bool,
) -> String {
    let wanted = Wanted {
        organization_id: Some(tenant.organization.clone()),
        workspace_id,
        label: String::new(),
        role,
        scopes: Vec::new(),
        livemode,
        rate_limit_per_minute: None,
        rate_limit_per_hour: None,
        expires_at: None,
    };
    let made = Accounts::of(app.app()).create_key(&Principal::Cli, wanted).await.unwrap();
    made.text.reveal().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_knowledge_base() {
    let app = TestApp::start().await;
    let made = app.post(BASES, &json!({"name": "Handbook", "description": "For all."})).await.expect(201);
    let one = format!("{BASES}/{}", id(&made));
    assert!(id(&made).starts_with("kb-"), "{made}");
    insta::assert_snapshot!(app.get(&one).await.shown(), @r#"
    200
    {
      "chunking": {
        "overlap": 30,
        "tokens": 200
      },
      "coverage": {
        "chunks": 0,
        "embedded": 0,
        "share": 0.0
      },
      "created_at": "…",
      "default": false,
      "description": "For all.",
      "document_count": 0,
      "embedder": null,
      "fallback": null,
      "id": "kb-…",
      "name": "Handbook",
      "next_embedder": null,
      "organization_id": "org_…",
      "retriever": "hybrid",
      "sharing": {
        "workspaces": null
      },
      "similarity_threshold": 0.7,
      "size": "…",
      "updated_at": "…"
    }
    "#);
    // By the bare UUID, under Seclai's name, and at the root.
    let digits = &id(&made)[3..];
    let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    for path in [
        format!("{BASES}/{}", parts.join("-")),
        format!("/v1/knowledge-bases/{}", id(&made)),
        format!("/knowledge-bases/{}", id(&made)),
    ] {
        assert_eq!(app.get(&path).await.expect(200)["id"], made["id"], "{path}");
    }
    assert_eq!(app.get("/knowledge-bases").await.expect(200)["total"], 1);

    app.clock().advance(std::time::Duration::from_secs(60));
    let change = json!({"name": "Rules", "chunking": {"tokens": 40}, "fallback": "Ask Ann.",
        "similarity_threshold": 0.5});
    let changed = put(&app, app.key(), &one, &change).await.expect(200);
    assert_eq!((&changed["name"], &changed["description"]), (&json!("Rules"), &json!("For all.")));
    assert_eq!(changed["chunking"], json!({"tokens": 40, "overlap": 20}));
    assert_eq!((&changed["fallback"], &changed["similarity_threshold"]), (&json!("Ask Ann."), &json!(0.5)));
    assert_ne!(changed["updated_at"], made["updated_at"]);
    let changed = put(&app, app.key(), &one, &json!({"fallback": null})).await.expect(200);
    assert_eq!((&changed["fallback"], &changed["name"]), (&Value::Null, &json!("Rules")));

    assert_eq!(app.delete(&one).await.status, 204);
    for answer in [app.get(&one).await, app.delete(&one).await, put(&app, app.key(), &one, &json!({})).await]
    {
        answer.expect(404);
    }
    assert_eq!(app.get(BASES).await.expect(200)["total"], 0);
    let told = told(&app, "knowledge_base.").await;
    let kinds: Vec<&str> = told.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(
        kinds,
        [
            "knowledge_base.created",
            "knowledge_base.updated",
            "knowledge_base.updated",
            "knowledge_base.deleted"
        ]
    );
    assert_eq!(told[1].before.as_ref().unwrap()["name"], "Handbook");
    assert_eq!(told[1].after.as_ref().unwrap()["name"], "Rules");
    assert!(told.iter().all(|event| event.target.id == id(&made) && event.request_id.is_some()));
    assert!(told[3].after.is_none() && told[3].organization_id.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_first_in_pages() {
    let app = TestApp::start().await;
    for number in 0..5 {
        app.post(BASES, &json!({"name": format!("Base {number}")})).await.expect(201);
    }
    let page = app.get(&format!("{BASES}?page=2&page_size=2")).await.expect(200);
    let names: Vec<&str> =
        page["data"].as_array().unwrap().iter().map(|base| base["name"].as_str().unwrap()).collect();
    assert_eq!((names, &page["total"], &page["page_size"]), (vec!["Base 2", "Base 1"], &json!(5), &json!(2)));
    app.get(&format!("{BASES}?page=0")).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_named() {
    let app =
        TestApp::with("", &[("reader.wasm", fixture("reader")), ("echo.wasm", echo("1.0.0", ""))]).await;
    let one = format!("{BASES}/{}", id(&app.post(BASES, &json!({"name": "a"})).await.expect(201)));
    for (status, body, field) in [
        (400, json!({"name": " "}), "name"),
        (400, json!({"name": "a\nb"}), "name"),
        (400, json!({"name": "a", "chunking": {"tokens": 31}}), "chunking.tokens"),
        (400, json!({"name": "a", "chunking": {"overlap": 101}}), "chunking.overlap"),
        (400, json!({"name": "a", "chunking": {"tokens": -1}}), "chunking.tokens"),
        (400, json!({"name": "a", "similarity_threshold": 1.01}), "similarity_threshold"),
        (400, json!({"name": "a", "fallback": " "}), "fallback"),
        (400, json!({"name": "a", "sharing": {"workspaces": []}}), "sharing.workspaces"),
        (400, json!({"name": "a", "colour": "blue"}), "colour"),
        (422, json!({"name": "a", "sharing": {"workspaces": ["ws_1"]}}), "sharing.workspaces"),
        (422, json!({"name": "a", "retriever": "nobody"}), "retriever"),
        (422, json!({"name": "a", "retriever": "No Name"}), "retriever"),
        // A tool is no retriever.
        (422, json!({"name": "a", "retriever": "echo"}), "retriever"),
        (422, json!({"name": "a", "embedder": {"model": "text-embedding-3-small"}}), "embedder.model"),
    ] {
        let made = app.post(BASES, &body).await;
        assert_eq!(made.expect(status)["error"]["details"]["field"], field, "{body}");
        let changed = put(&app, app.key(), &one, &body).await;
        assert_eq!(changed.expect(status)["error"]["details"]["field"], field, "{body}");
    }
    app.post(BASES, &json!({})).await.expect(400);
    let refused = app.post(BASES, &json!({"name": "a", "retriever": "nobody"})).await;
    let text = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(text, "There is no retriever `nobody`.");
    // One that waits for its grant is known.
    app.post(BASES, &json!({"name": "a", "retriever": "reader"})).await.expect(201);
    let made = app.post(BASES, &json!({"name": "a", "embedder": null})).await.expect(201);
    assert_eq!(made["embedder"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_do_what() {
    let app = TestApp::with("", &[("hybrid.wasm", hybrid(""))]).await;
    let acme = app.tenant("Acme").await;
    let (viewer, member) =
        (key(&app, &acme, None, Role::Viewer, true).await, key(&app, &acme, None, Role::Member, true).await);
    let wanted = json!({"name": "a"});
    let one = format!("{BASES}/{}", id(&app.post_as(&acme.key, BASES, &wanted).await.expect(201)));
    for reader in [&viewer, &member] {
        app.get_as(reader, &one).await.expect(200);
        app.post_as(reader, BASES, &wanted).await.expect(403);
        put(&app, reader, &one, &wanted).await.expect(403);
        app.ask(reader, Method::DELETE, &one, None).await.expect(403);
    }
    // What would not stay on this host is nothing for a test key; what is not there cannot tell.
    let test = key(&app, &acme, None, Role::Admin, false).await;
    app.post_as(&test, BASES, &wanted).await.expect(403);
    put(&app, &test, &one, &wanted).await.expect(403);
    app.ask(&test, Method::DELETE, &one, None).await.expect(403);
    app.get_as(&test, &one).await.expect(200);
}

/// A retriever called `hybrid`, with more in its manifest.
fn hybrid(more: &str) -> bytes::Bytes {
    let manifest = format!(
        "id = \"hybrid\"\nversion = \"1.0.0\"\nkind = \"retriever\"\ndescription = \"Reads text.\"\nindex = true\n{more}"
    );
    crate::support::repacked("reader", &manifest)
}

#[tokio::test(flavor = "multi_thread")]
async fn other_organisations_and_workspaces_see_nothing() {
    let app = TestApp::start().await;
    let (acme, others) = (app.tenant("Acme").await, app.tenant("Others").await);
    let (first, in_first) = bound(&app, &acme, "First", Role::Admin).await;
    let (second, in_second) = bound(&app, &acme, "Second", Role::Admin).await;
    let make = |key: String, body: Value| {
        let app = &app;
        async move { id(&app.post_as(&key, BASES, &body).await.expect(201)) }
    };
    let everybodys = make(acme.key.clone(), json!({"name": "All"})).await;
    let of_both = json!({"name": "Both", "sharing": {"workspaces": [first, second]}});
    let of_both = make(acme.key.clone(), of_both).await;
    let of_second = json!({"name": "Second's", "sharing": {"workspaces": [second]}});
    let of_second = make(acme.key.clone(), of_second).await;
    // Whoever is bound to a workspace makes them for that one.
    let own = make(in_first.clone(), json!({"name": "First's"})).await;
    let shown = app.get_as(&acme.key, &format!("{BASES}/{own}")).await.expect(200);
    assert_eq!(shown["sharing"], json!({"workspaces": [first]}));
    for sharing in [json!({"workspaces": null}), json!({"workspaces": [second]})] {
        app.post_as(&in_first, BASES, &json!({"name": "a", "sharing": sharing})).await.expect(403);
        let path = format!("{BASES}/{own}");
        put(&app, &in_first, &path, &json!({"sharing": sharing})).await.expect(403);
    }

    for (who, seen, changed) in [
        (
            &acme.key,
            vec![&own, &of_second, &of_both, &everybodys],
            vec![&own, &of_second, &of_both, &everybodys],
        ),
        (&in_first, vec![&own, &of_both, &everybodys], vec![&own]),
        (&in_second, vec![&of_second, &of_both, &everybodys], vec![&of_second]),
        (&others.key, vec![], vec![]),
    ] {
        let page = app.get_as(who, BASES).await.expect(200);
        let listed: Vec<String> = page["data"].as_array().unwrap().iter().map(id).collect();
        assert_eq!((listed.iter().collect::<Vec<_>>(), &page["total"]), (seen.clone(), &json!(seen.len())));
        for base in [&everybodys, &of_both, &of_second, &own] {
            let path = format!("{BASES}/{base}");
            let (got, put) =
                (app.get_as(who, &path).await, put(&app, who, &path, &json!({"description": "x"})).await);
            match (seen.contains(&base), changed.contains(&base)) {
                (true, true) => assert_eq!((got.status.as_u16(), put.status.as_u16()), (200, 200), "{path}"),
                (true, false) => assert_eq!((got.status.as_u16(), put.status.as_u16()), (200, 403), "{path}"),
                _ => {
                    let never = format!("kb-{}", "0".repeat(32));
                    let nothing = app.get_as(who, &format!("{BASES}/{never}")).await;
                    for answer in [got, put, app.ask(who, Method::DELETE, &path, None).await] {
                        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
                        assert_eq!(answer.text().replace(&**base, "…"), nothing.text().replace(&never, "…"));
                    }
                }
            }
        }
    }
    let everybodys = format!("{BASES}/{everybodys}");
    app.ask(&in_first, Method::DELETE, &everybodys, None).await.expect(403);
    assert_eq!(app.ask(&in_first, Method::DELETE, &format!("{BASES}/{own}"), None).await.status, 204);
}
