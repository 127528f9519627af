//! Every operation of the description that may change something is made once, and leaves an event of its request; or
//! it stands here with the reason why not. A new one that does neither fails.

use std::collections::BTreeSet;

use axum::body::Body;
use hardpoint_store::event_search::{self, Search};
use http::{Method, Request, header};
use serde_json::{Value, json};

use crate::documents::form;
use crate::hostile::add_destination;
use crate::support::{TestApp, echo};

/// What changes nothing that is kept, or is told of otherwise.
const WITHOUT: [(&str, &str); 18] = [
    ("POST /chat/completions", "a call record with what it cost"),
    ("POST /embeddings", "a call record with what it cost"),
    ("POST /tools/{name}/call", "a call record"),
    ("POST /search", "changes nothing"),
    ("POST /chat", "`chat.created`, `chat.completed`: see knowledge_found.rs"),
    ("DELETE /chat/conversations/{id}", "`chat.deleted`: see knowledge_found.rs"),
    ("POST /billing/quote", "changes nothing"),
    ("POST /admin/auth/request-pin", "tells nobody whether there is such an address, its log neither"),
    // Shown where there is more of their scenery.
    ("POST /admin/auth/verify-pin", "`session.created`, `user.activated`, `login.failed`: see login.rs"),
    ("POST /admin/auth/logout", "`session.ended`: see login.rs"),
    ("POST /billing/checkout", "`billing.checkout_started`: see payments.rs"),
    ("POST /billing/portal", "`billing.portal_opened`: see payments.rs"),
    ("POST /billing/webhook", "what the notice brings about: see payments.rs"),
    ("POST /audit-logs/siem/{exporter}/export", "`audit_log.exported`: see exports.rs"),
    ("POST /siem/destinations", "`siem_destination.created`: see destinations.rs"),
    ("POST /siem/destinations/{id}/test", "`siem_destination.tested`: see destinations.rs"),
    ("POST /siem/destinations/{id}/dead-letters/replay", "there are none here: see destinations.rs"),
    (
        "POST /webhook_endpoints/{id}/deliveries/{delivery_id}/replay",
        "one that is on its way stays so; `webhook.replayed` of others: see webhooks.rs",
    ),
];

/// The host, and what was done so far.
struct Scene {
    app: TestApp,
    done: BTreeSet<String>,
}

impl Scene {
    /// Makes an operation, `METHOD /path` with its parameters filled in, and fails unless it leaves an event with who
    /// did it and in which request.
    async fn does(&mut self, operation: &str, path: &str, body: Option<Value>) -> Value {
        let (method, _) = operation.split_once(' ').unwrap();
        let method: Method = method.parse().unwrap();
        let request = self.app.request(method, &format!("/api/v1{path}"), body.as_ref());
        self.sends(operation, request).await
    }

    async fn sends(&mut self, operation: &str, request: Request<Body>) -> Value {
        let answer = self.app.send(request).await;
        assert!(answer.status.is_success(), "{operation}: {} {}", answer.status, answer.text());
        let id = answer.header("request-id").to_owned();
        let search = Search { request_id: Some(id.clone()), ..Search::default() };
        let window = hardpoint_store::Window { limit: 10, offset: 0 };
        let mut conn = self.app.app().store.read().await.unwrap();
        let found = event_search::page(&mut conn, &search, None, window).await.unwrap();
        let event = &found.first().unwrap_or_else(|| panic!("{operation} leaves no event")).event;
        assert_eq!(event.actor.kind, "key", "{operation}: {event:?}");
        assert!(event.actor.id.is_some() && !event.target.id.is_empty(), "{operation}: {event:?}");
        self.done.insert(operation.to_owned());
        if answer.body.is_empty() { Value::Null } else { answer.json() }
    }
}

fn id(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}

async fn organizations_and_people(scene: &mut Scene) {
    let made = scene.does("POST /orgs", "/orgs", Some(json!({ "name": "Acme", "plan": "enterprise" }))).await;
    let org = id(&made);
    let limits = json!({ "requests_per_minute": 100 });
    scene.does("PUT /orgs/{org_id}/limits", &format!("/orgs/{org}/limits"), Some(limits)).await;
    let days = json!({ "audit_log_retention_days": 730 });
    let path = format!("/enterprise/orgs/{org}/retention");
    scene.does("PUT /enterprise/orgs/{org_id}/retention", &path, Some(days)).await;

    // People are invited to one's own organisation.
    let org = id(&scene.app.get("/api/v1/org").await.expect(200));
    let all = format!("/orgs/{org}/workspaces");
    let workspace = scene.does("POST /orgs/{org_id}/workspaces", &all, Some(json!({ "name": "One" }))).await;
    let one = format!("{all}/{}", id(&workspace));
    scene.does("PUT /orgs/{org_id}/workspaces/{id}", &one, Some(json!({ "name": "Two" }))).await;
    let person = json!({ "email": "ann@example.com" });
    let user = id(&scene.does("POST /users", "/users", Some(person)).await);
    let member = format!("{one}/members/{user}");
    let put = "PUT /orgs/{org_id}/workspaces/{id}/members/{user_id}";
    scene.does(put, &member, Some(json!({ "role": "member" }))).await;
    scene.does("DELETE /orgs/{org_id}/workspaces/{id}/members/{user_id}", &member, None).await;
    scene.does("DELETE /orgs/{org_id}/workspaces/{id}", &one, None).await;
    scene.does("PUT /users/{id}", &format!("/users/{user}"), Some(json!({ "name": "Ann" }))).await;
    scene.does("POST /users/{id}/deactivate", &format!("/users/{user}/deactivate"), None).await;
    scene.does("POST /users/{id}/activate", &format!("/users/{user}/activate"), None).await;
}

async fn keys(scene: &mut Scene) {
    let key = scene.does("POST /api_keys", "/api_keys", Some(json!({ "label": "a" }))).await;
    let rotate = format!("/api_keys/{}/rotate", id(&key));
    let next = scene.does("POST /api_keys/{id}/rotate", &rotate, Some(json!({ "overlap": 0 }))).await;
    scene.does("DELETE /api_keys/{id}", &format!("/api_keys/{}", id(&next)), None).await;
    let used = scene.does("POST /api_keys", "/api_keys", Some(json!({ "label": "b" }))).await;
    let text = used["key"].as_str().unwrap();
    scene.app.get_as(text, "/api/v1/me").await.expect(200);
    scene.does("POST /api_keys/{id}/archive", &format!("/api_keys/{}/archive", id(&used)), None).await;
}

async fn money_and_settings(scene: &mut Scene) {
    let org = scene.app.get("/api/v1/org").await.expect(200);
    let credits = json!({ "organizationId": id(&org), "amountCents": 100, "reason": "a test" });
    scene.does("POST /billing/credits", "/billing/credits", Some(credits)).await;
    scene.does("PUT /billing/budget", "/billing/budget", Some(json!({ "spendCapCents": 500 }))).await;
    scene.does("POST /billing/approvals", "/billing/approvals", Some(json!({ "maxCents": 28 }))).await;
    scene.does("PUT /configs", "/configs", Some(json!({ "log": { "level": "warn" } }))).await;
}

async fn plugins(scene: &mut Scene) {
    let upload = |bytes: bytes::Bytes, app: &TestApp| {
        let mut request = app.request(Method::POST, "/api/v1/plugins", None);
        request.headers_mut().insert(header::CONTENT_TYPE, "application/wasm".parse().unwrap());
        *request.body_mut() = Body::from(bytes);
        request
    };
    let first = upload(echo("1.0.0", ""), &scene.app);
    let first = scene.sends("POST /plugins", first).await;
    // What serves is shown first, and what was uploaded beside it.
    let approve = |of: &Value| {
        let digest = if of["candidate"].is_null() { &of["digest"] } else { &of["candidate"]["digest"] };
        Some(json!({ "digest": digest }))
    };
    scene.does("POST /plugins/{id}/approve", "/plugins/echo/approve", approve(&first)).await;
    scene.app.settle().await;
    let binding = "/plugins/echo/bindings/other";
    scene.does("PUT /plugins/{id}/bindings/{name}", binding, Some(json!({}))).await;
    scene.does("DELETE /plugins/{id}/bindings/{name}", binding, None).await;
    let all = "/plugins/echo/organizations";
    let org = id(&scene.app.get("/api/v1/org").await.expect(200));
    scene.does("PUT /plugins/{id}/organizations", all, Some(json!({ "others": false }))).await;
    let one = format!("{all}/{org}");
    scene.does("PUT /plugins/{id}/organizations/{org}", &one, Some(json!({ "enabled": true }))).await;
    scene.does("DELETE /plugins/{id}/organizations/{org}", &one, None).await;
    scene.does("POST /plugins/reload", "/plugins/reload", None).await;
    scene.does("POST /plugins/{id}/reload", "/plugins/echo/reload", None).await;
    scene.does("POST /plugins/{id}/pause", "/plugins/echo/pause", None).await;
    scene.does("POST /plugins/{id}/resume", "/plugins/echo/resume", None).await;
    // One that did not serve yet is nothing to go back to.
    scene.app.settle().await;
    let second = upload(echo("2.0.0", ""), &scene.app);
    let second = scene.sends("POST /plugins", second).await;
    scene.does("POST /plugins/{id}/approve", "/plugins/echo/approve", approve(&second)).await;
    scene.app.settle().await;
    let there = scene.app.plugin("echo").await;
    assert_eq!((&there["version"], &there["state"]), (&json!("2.0.0"), &json!("active")), "{there}");
    scene.does("POST /plugins/{id}/rollback", "/plugins/echo/rollback", None).await;
    let third = upload(echo("3.0.0", ""), &scene.app);
    scene.sends("POST /plugins", third).await;
    scene.does("DELETE /plugins/{id}/waiting", "/plugins/echo/waiting", None).await;
    scene.does("POST /plugins/{id}/revoke", "/plugins/echo/revoke", None).await;
    scene.does("DELETE /plugins/{id}", "/plugins/echo", None).await;
}

async fn webhooks(scene: &mut Scene) {
    let wanted = json!({ "url": "https://example.com/hook", "events": ["billing.refund_uncovered"] });
    let made = scene.does("POST /webhook_endpoints", "/webhook_endpoints", Some(wanted)).await;
    let one = format!("/webhook_endpoints/{}", id(&made));
    let about = json!({ "description": "ours" });
    scene.does("PUT /webhook_endpoints/{id}", &one, Some(about)).await;
    let rotate = format!("{one}/rotate_secret");
    scene.does("POST /webhook_endpoints/{id}/rotate_secret", &rotate, Some(json!({}))).await;
    scene.does("POST /webhook_endpoints/{id}/test", &format!("{one}/test"), None).await;
    let replay = format!("{one}/replay?since=2023-01-01T00:00:00Z");
    scene.does("POST /webhook_endpoints/{id}/replay", &replay, None).await;
    scene.does("DELETE /webhook_endpoints/{id}", &one, None).await;
}

async fn destinations(scene: &mut Scene) {
    let tenant = scene.app.tenant("Acme").await;
    add_destination(&scene.app, &tenant, "dst_1").await;
    let one = "/siem/destinations/dst_1";
    let named = json!({ "name": "another" });
    scene.does("PUT /siem/destinations/{id}", one, Some(named)).await;
    scene.does("POST /siem/destinations/{id}/pause", &format!("{one}/pause"), None).await;
    scene.does("POST /siem/destinations/{id}/resume", &format!("{one}/resume"), None).await;
    let from = json!({ "cursor": 0 });
    scene.does("POST /siem/destinations/{id}/replay", &format!("{one}/replay"), Some(from)).await;
    scene.does("DELETE /siem/destinations/{id}", one, None).await;
}

async fn knowledge(scene: &mut Scene) {
    for all in ["/knowledge", "/knowledge-bases"] {
        let made = scene.does(&format!("POST {all}"), all, Some(json!({ "name": "One" }))).await;
        let one = format!("{all}/{}", id(&made));
        let named = Some(json!({ "name": "Two" }));
        scene.does(&format!("PUT {all}/{{kb_id}}"), &one, named).await;
        let files = format!("{all}/{{kb_id}}/documents");
        let file = ("file", Some("a.txt"), all.as_bytes());
        let sent = form(&scene.app, scene.app.key(), &format!("/api/v1{one}/documents"), &[file]);
        let file = format!("{one}/documents/{}", id(&scene.sends(&format!("POST {files}"), sent).await));
        scene.does(&format!("POST {files}/{{id}}/reindex"), &format!("{file}/reindex"), None).await;
        scene.does(&format!("DELETE {files}/{{id}}"), &file, None).await;
        scene.does(&format!("DELETE {all}/{{kb_id}}"), &one, None).await;
    }
    // The first makes the default knowledge base as well.
    for all in ["/documents/upload", "/documents", "/sources"] {
        let file = ("file", Some("a.txt"), all.as_bytes());
        let sent = form(&scene.app, scene.app.key(), &format!("/api/v1{all}"), &[file]);
        let made = scene.sends(&format!("POST {all}"), sent).await;
        let one = format!("{}/{}", all.trim_end_matches("/upload"), id(&made));
        if all == "/documents" {
            scene.does("POST /documents/{id}/reindex", &format!("{one}/reindex"), None).await;
        }
        let path = format!("DELETE {}/{{id}}", all.trim_end_matches("/upload"));
        scene.does(&path, &one, None).await;
    }
}

/// `METHOD /path` of what is described and is no `GET`.
async fn described(app: &TestApp) -> BTreeSet<String> {
    let document = app.get("/api/v1/openapi.json").await.expect(200);
    let paths = document["paths"].as_object().unwrap().iter();
    let all = paths.flat_map(|(path, item)| {
        let path = path.strip_prefix("/api/v1").unwrap_or(path).to_owned();
        let methods = item.as_object().unwrap().keys().map(|method| method.to_uppercase());
        methods.filter(|method| method != "GET").map(move |method| format!("{method} {path}"))
    });
    all.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_leaves_an_event() {
    let mut scene = Scene { app: TestApp::start().await, done: BTreeSet::new() };
    organizations_and_people(&mut scene).await;
    keys(&mut scene).await;
    money_and_settings(&mut scene).await;
    plugins(&mut scene).await;
    webhooks(&mut scene).await;
    destinations(&mut scene).await;
    knowledge(&mut scene).await;
    let told = scene.done.into_iter().chain(WITHOUT.iter().map(|(operation, _)| (*operation).to_owned()));
    assert_eq!(told.collect::<BTreeSet<_>>(), described(&scene.app).await);
}
