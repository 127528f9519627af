//! What no endpoint takes. The cases are made from the served description, so that no endpoint can be left out:
//! every answer is one that the description has, none is a 500, and where it is plain what was wrong it is named.

use hardpoint_domain::id;
use hardpoint_store::Lane;
use hardpoint_store::destinations::{self, Destination, State};
use hardpoint_store::knowledge::conversations::{self, Conversation};
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde_json::{Map, Value, json};

use crate::documents::form;
use crate::support::{Answer, Tenant, TestApp, fixture};

/// Texts that mean something elsewhere.
const TEXTS: [&str; 7] = [
    "x' OR '1'='1",
    "'; DROP TABLE api_keys;--",
    "a\0b",
    "a\r\nX-Evil: yes",
    "../../etc/passwd",
    "\u{202e}☃\u{10ffff}",
    "${jndi:ldap://evil.example}",
];

/// The same and others as they stand in a path or a query.
const IN_PATHS: [&str; 8] = [
    "none",
    "x'%20OR%20'1'='1",
    "%00",
    "a%0d%0aX-Evil:%20yes",
    "..%2f..%2fetc%2fpasswd",
    "%ff",
    "%E2%98%83",
    "org_00000000000000000000000000000000",
];

/// One operation of the description.
struct Operation<'a> {
    document: &'a Value,
    method: Method,
    path: &'a str,
    of: &'a Value,
}

impl<'a> Operation<'a> {
    /// All that a key can call. Whoever sends notices of payments has none: see `payments.rs`.
    fn all(document: &'a Value) -> Vec<Self> {
        let paths = document["paths"].as_object().unwrap().iter();
        let operations = paths.flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, of)| {
                let method = method.to_uppercase().parse().unwrap();
                Operation { document, method, path, of }
            })
        });
        let is_called = |path: &str| path.starts_with("/api/v1/") && !path.ends_with("/billing/webhook");
        operations.filter(|operation| is_called(operation.path)).collect()
    }

    fn parameters(&self, place: &str) -> Vec<&'a str> {
        let all = self.of["parameters"].as_array().into_iter().flatten();
        all.filter(|one| one["in"] == place).map(|one| one["name"].as_str().unwrap()).collect()
    }

    fn resolved(&self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(name) => {
                self.resolved(&self.document["components"]["schemas"][name.rsplit('/').next().unwrap()])
            }
            None => schema,
        }
    }

    /// The members of the JSON body with their schemas, and the names of those that must be there; none where it
    /// takes no JSON.
    fn members(&self) -> Option<(Map<String, Value>, Vec<&'a str>)> {
        let schema = self.resolved(self.of["requestBody"]["content"].get("application/json")?.get("schema")?);
        let mut members = Map::new();
        let mut required = Vec::new();
        let parts = ["oneOf", "allOf"].into_iter().filter_map(|all| schema[all].as_array()).flatten();
        for part in parts.map(|part| self.resolved(part)).chain([schema]) {
            for (name, schema) in part["properties"].as_object().into_iter().flatten() {
                members.insert(name.clone(), self.resolved(schema).clone());
            }
            required.extend(part["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
        }
        Some((members, required))
    }

    /// The least body that it takes, as far as types tell.
    fn least(&self) -> Option<Map<String, Value>> {
        let (members, required) = self.members()?;
        let least = required.iter().map(|name| {
            let value = match (*name, members[*name]["type"].as_str()) {
                ("role", _) => json!("member"),
                ("email", _) => json!("bob@example.com"),
                ("audit_log_retention_days", _) => json!(730),
                (_, Some("string")) => json!("x"),
                _ => Value::Null,
            };
            ((*name).to_owned(), value)
        });
        Some(least.collect())
    }

    /// The path with each parameter in its place.
    fn at(&self, value: impl Fn(&str) -> String) -> String {
        self.parameters("path")
            .into_iter()
            .fold(self.path.to_owned(), |path, name| path.replace(&format!("{{{name}}}"), &value(name)))
    }

    fn describes(&self, status: StatusCode) -> bool {
        self.of["responses"].get(status.as_str()).is_some()
    }
}

/// The host, and what the caller's requests may be about.
struct Scene {
    app: TestApp,
    document: Value,
    /// Made for each scene: requests may end it.
    caller: Tenant,
    /// Not the one that asks, or the first that is rotated ends it all.
    key: String,
    user: String,
    workspace: String,
    endpoint: String,
    base: String,
    file: String,
}

impl Scene {
    async fn start() -> Self {
        let toml = "[server]\nmax_json_body = \"12MB\"\n";
        let app = TestApp::with(toml, &[("echo.wasm", fixture("echo"))]).await;
        let document = app.get("/api/v1/openapi.json").await.expect(200);
        let caller = app.tenant("Mine").await;
        let (user, workspace) = belongings(&app, &caller).await;
        let wanted = json!({"url": "https://example.com/hook", "events": ["billing.refund_uncovered"]});
        let endpoint = app.post_as(&caller.key, "/api/v1/webhook_endpoints", &wanted).await.expect(201);
        let endpoint = endpoint["id"].as_str().unwrap().to_owned();
        let spare = app.post_as(&caller.key, "/api/v1/api_keys", &json!({})).await.expect(201);
        let key = spare["id"].as_str().unwrap().to_owned();
        add_destination(&app, &caller, "dst_1").await;
        let (base, file) = known(&app, &caller).await;
        Self { app, document, caller, key, user, workspace, endpoint, base, file }
    }

    /// What stands in a path's place of an operation, so that the operation is about something that is there.
    fn good(&self, path: &str, name: &str) -> String {
        let found = match (name, path) {
            ("org_id" | "org", _) => &self.caller.organization,
            ("user_id", _) => &self.user,
            ("kb_id", _) => &self.base,
            ("id", path) if path.contains("/api_keys/") => &self.key,
            ("id", path) if path.contains("/documents/") || path.contains("/sources/") => &self.file,
            ("id", path) if path.contains("/users/") => &self.user,
            ("id", path) if path.contains("/workspaces/") => &self.workspace,
            ("id", path) if path.contains("/webhook_endpoints/") => &self.endpoint,
            ("id", path) if path.contains("/plugins/") => "echo",
            ("id", path) if path.contains("/destinations/") => "dst_1",
            ("name", path) if path.contains("/tools/") => "echo",
            _ => "none",
        };
        found.to_owned()
    }

    /// Sends it, as an operator where only they may, and fails unless the answer is one that is described.
    async fn send(&self, operation: &Operation<'_>, path: &str, body: Option<Vec<u8>>) -> Answer {
        let ends = ["/billing/credits", "/configs", "/orgs"];
        let for_operators = operation.path.contains("/plugins")
            || operation.path.ends_with("{org_id}/limits")
            || ends.iter().any(|end| operation.path.ends_with(end));
        let key = if for_operators { self.app.key() } else { &self.caller.key };
        let mut request = Request::builder().method(operation.method.clone()).uri(path);
        request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let shown: String = body
            .iter()
            .flat_map(|body| String::from_utf8_lossy(body).chars().take(120).collect::<Vec<_>>())
            .collect();
        let answer = self.app.send(request.body(body.unwrap_or_default().into()).unwrap()).await;
        let told: String = answer.text().chars().take(600).collect();
        let what = format!("{} {path:.200} {shown}: {} {told}", operation.method, answer.status);
        assert!(operation.describes(answer.status) && answer.status != 500, "{what}");
        assert!(answer.headers.get("x-evil").is_none(), "{what}");
        if !answer.status.is_success() {
            assert!(answer.json()["error"].is_object() || answer.json()["error"].is_string(), "{what}");
            assert!(answer.body.len() < 2_000, "{what}");
        }
        answer
    }
}

/// A standing destination of a tenant, whose exporter is not there.
pub async fn add_destination(app: &TestApp, tenant: &Tenant, id: &str) {
    let now = app.app().clock.now();
    let new = Destination {
        id: id.to_owned(),
        owner_id: tenant.organization.clone(),
        name: id.to_owned(),
        organization_id: Some(tenant.organization.clone()),
        workspace_id: None,
        kinds: Vec::new(),
        exporter: "none".to_owned(),
        options: json!({}),
        state: State::Active,
        reason: None,
        cursor: 0,
        kept: "{}".to_owned(),
        saved: None,
        failures: 0,
        due_at: now,
        last_error: None,
        last_error_at: None,
        delivered: 0,
        delivered_at: None,
        created_by: tenant.key_id.clone(),
        created_at: now,
        updated_at: now,
    };
    let write = app
        .app()
        .store
        .write(Lane::Request, |tx| Box::pin(async move { destinations::insert(tx, &new).await }));
    write.await.unwrap();
}

/// A knowledge base of a tenant and a document in it.
async fn known(app: &TestApp, tenant: &Tenant) -> (String, String) {
    let base = app.post_as(&tenant.key, "/api/v1/knowledge", &json!({"name": "Handbook"})).await.expect(201);
    let base = base["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/knowledge/{base}/documents");
    let file = ("file", Some("a.txt"), b"Whales sing.".as_slice());
    let made = app.send(form(app, &tenant.key, &path, &[file])).await.expect(201);
    (base, made["id"].as_str().unwrap().to_owned())
}

/// A conversation of a tenant.
async fn conversation(app: &TestApp, tenant: &Tenant) -> String {
    let now = app.app().clock.now();
    let begun = Conversation {
        id: id::uuid_v7(now, &*app.app().rng).to_string(),
        organization_id: tenant.organization.clone(),
        workspace_id: None,
        agent_id: None,
        title: "Whales".to_owned(),
        message_count: 0,
        created_by: tenant.key_id.clone(),
        created_at: now,
        updated_at: now,
        archived_at: None,
    };
    let id = begun.id.clone();
    let write = app
        .app()
        .store
        .write(Lane::Request, move |tx| Box::pin(async move { conversations::create(tx, &begun).await }));
    write.await.unwrap();
    id
}

/// A user and a workspace of a tenant.
async fn belongings(app: &TestApp, tenant: &Tenant) -> (String, String) {
    let user =
        app.post_as(&tenant.key, "/api/v1/users", &json!({"email": "ann@example.com"})).await.expect(201);
    let all = format!("/api/v1/orgs/{}/workspaces", tenant.organization);
    let workspace = app.post_as(&tenant.key, &all, &json!({"name": "One"})).await.expect(201);
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    (id(&user), id(&workspace))
}

/// A webhook endpoint of a tenant, a delivery to it, and the request that caused it.
async fn told(app: &TestApp, tenant: &Tenant) -> (String, String, String) {
    let all = "/api/v1/webhook_endpoints";
    let wanted = json!({"url": "https://example.com/hook"});
    let endpoint = app.post_as(&tenant.key, all, &wanted).await.expect(201);
    let endpoint = endpoint["id"].as_str().unwrap().to_owned();
    let tested = app.post_as(&tenant.key, &format!("{all}/{endpoint}/test"), &json!({})).await;
    let request = tested.header("request-id").to_owned();
    let delivery = tested.expect(202)["id"].as_str().unwrap().to_owned();
    (endpoint, delivery, request)
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_queries() {
    let scene = Scene::start().await;
    let mut count = 0;
    let long = "x".repeat(6_000);
    for operation in Operation::all(&scene.document) {
        for hostile in IN_PATHS.into_iter().chain([long.as_str()]) {
            for place in operation.parameters("path") {
                // Who puts something chooses its name, and these are good ones.
                if operation.method == Method::PUT && place == "name" && !hostile.contains('%') {
                    continue;
                }
                let path = operation.at(|name| match name == place {
                    true => hostile.to_owned(),
                    false => scene.good(operation.path, name),
                });
                let body = operation.members().map(|_| b"{}".to_vec());
                let answer = scene.send(&operation, &path, body).await;
                // An exception that there is not can be taken away.
                let may = matches!((operation.method.as_str(), place), ("DELETE", "org"));
                let refused = answer.status.is_client_error() || may;
                assert!(refused, "{} {path}: {}", operation.method, answer.text());
                count += 1;
            }
            if operation.method != Method::GET {
                continue;
            }
            for name in operation.parameters("query") {
                let path = operation.at(|name| scene.good(operation.path, name));
                scene.send(&operation, &format!("{path}?{name}={hostile}"), None).await;
                count += 1;
            }
        }
    }
    assert!(count > 400, "{count}");
}

/// Of each type one value.
fn values() -> [(&'static str, Value); 5] {
    [
        ("boolean", json!(true)),
        ("integer", json!(7)),
        ("string", json!("x")),
        ("array", json!([[[]]])),
        ("object", json!({"x": {}})),
    ]
}

/// Whether a schema takes a type. What it does not say it may take.
fn takes(schema: &Value, kind: &str) -> bool {
    let is = |one: &Value| one == kind || (one == "number" && kind == "integer");
    match &schema["type"] {
        Value::String(_) => is(&schema["type"]),
        Value::Array(all) => all.iter().any(is),
        _ => true,
    }
}

fn bytes(members: &Map<String, Value>) -> Vec<u8> {
    serde_json::to_vec(members).unwrap()
}

/// Fails unless the answer is a 400 that names the member, or what is in it.
fn names(answer: &Answer, member: &str, what: &str) {
    let error = answer.expect(400);
    if let Some(said) = error["message"].as_str() {
        // The quick-answer endpoints have no details.
        return assert!(said.contains(&format!("'{member}")), "{what}: {error}");
    }
    let field = error["error"]["details"]["field"].as_str().unwrap_or_default();
    let rest = field.strip_prefix(member).unwrap_or_else(|| panic!("{what}: {error}"));
    assert!(rest.is_empty() || rest.starts_with(['.', '[']), "{what}: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_bodies() {
    let scene = Scene::start().await;
    let (mut count, mut operations) = (0, 0);
    for operation in Operation::all(&scene.document) {
        let Some((members, required)) = operation.members() else { continue };
        operations += 1;
        let path = operation.at(|name| scene.good(operation.path, name));
        // What must be there is there, of the right type.
        let sample = |name: &str| {
            let fits = values().into_iter().find(|(kind, _)| takes(&members[name], kind));
            fits.map_or(json!("x"), |(_, value)| value)
        };
        let base: Map<String, Value> =
            required.iter().map(|name| ((*name).to_owned(), sample(name))).collect();
        let with = |name: &str, value: Value| {
            let mut body = base.clone();
            body.insert(name.to_owned(), value);
            bytes(&body)
        };
        for missing in &required {
            let mut body = base.clone();
            body.remove(*missing);
            let answer = scene.send(&operation, &path, Some(bytes(&body))).await;
            // Another that must be there may be what is told.
            let told = answer.expect(400);
            // The quick-answer endpoints have no details: there the message says it.
            let is_named = |name: &&str| match told["error"]["details"]["field"].as_str() {
                Some(field) => field.starts_with(*name),
                None => told["message"].as_str().is_some_and(|said| said.contains(&format!("'{name}'"))),
            };
            assert!(required.iter().any(is_named), "{path} {missing}: {}", answer.text());
            count += 1;
        }
        for (name, schema) in &members {
            for (kind, value) in values() {
                let answer = scene.send(&operation, &path, Some(with(name, value))).await;
                // Only where nothing else is wrong with it.
                if !takes(schema, kind) && required.len() <= 1 {
                    names(&answer, name, &format!("{path} {name}: {kind}"));
                }
                count += 1;
            }
            if !schema["enum"].is_null() {
                names(
                    &scene.send(&operation, &path, Some(with(name, json!("none of them")))).await,
                    name,
                    &path,
                );
            }
            for text in TEXTS {
                scene.send(&operation, &path, Some(with(name, json!(text)))).await;
                count += 1;
            }
            scene.send(&operation, &path, Some(with(name, json!("x".repeat(100_000))))).await;
            scene.send(&operation, &path, Some(with(name, json!(1e300)))).await;
            scene.send(&operation, &path, Some(with(name, json!(i64::MIN)))).await;
        }
        for whole in ["", "null", "[]", "7", "{", "\"x\"", "{\"a\":", "\u{feff}{}", "{} {}"] {
            scene.send(&operation, &path, Some(whole.into())).await;
        }
        scene.send(&operation, &path, Some(vec![0xff, 0xfe, 0x00])).await;
    }
    assert!(operations > 12 && count > 500, "{operations} {count}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_of_nesting() {
    let scene = Scene::start().await;
    for operation in Operation::all(&scene.document) {
        let Some((members, _)) = operation.members() else { continue };
        let path = operation.at(|name| scene.good(operation.path, name));
        let name = members.keys().next().map_or("arguments", String::as_str);
        let nested = format!("{{\"{name}\":{}1{}}}", "[".repeat(5_000_000), "]".repeat(5_000_000));
        let answer = scene.send(&operation, &path, Some(nested.into())).await;
        assert_eq!(answer.status, 400, "{path}: {}", answer.text());
        let wide = format!("{{\"{name}\":\"{}\"}}", "x".repeat(13_000_000));
        let answer = scene.send(&operation, &path, Some(wide.into())).await;
        assert_eq!(answer.status, 413, "{path}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_of_another_kind() {
    let scene = Scene::start().await;
    for operation in Operation::all(&scene.document) {
        if operation.members().is_none() {
            continue;
        }
        let path = operation.at(|name| scene.good(operation.path, name));
        for kind in
            ["text/plain", "application/x-www-form-urlencoded", "application/jso", "multipart/form-data"]
        {
            let mut request = scene.app.request(operation.method.clone(), &path, Some(&json!({})));
            request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            let answer = scene.app.send(request).await;
            assert!(operation.describes(answer.status), "{path} {kind}: {} {}", answer.status, answer.text());
            assert!(answer.status.as_u16() < 500, "{path} {kind}: {}", answer.text());
        }
    }
}

/// Whose the things are that stand in paths; what is not here is nobody's, or everybody's.
const EVERYBODYS: [&str; 5] = ["/models/", "/tools/", "/plugins/", "/audit-logs/", "/openapi.json"];

#[tokio::test(flavor = "multi_thread")]
async fn what_is_another_tenants_is_as_if_it_never_was() {
    let scene = Scene::start().await;
    let theirs = scene.app.tenant("Theirs").await;
    let (user, workspace) = belongings(&scene.app, &theirs).await;
    let (endpoint, delivery, request) = told(&scene.app, &theirs).await;
    let destination = "dst_2".to_owned();
    add_destination(&scene.app, &theirs, &destination).await;
    let (base, file) = known(&scene.app, &theirs).await;
    let chat = conversation(&scene.app, &theirs).await;
    let mut count = 0;
    for operation in Operation::all(&scene.document) {
        let path = operation.path.strip_prefix("/api/v1").unwrap();
        // Operators see every organisation.
        if EVERYBODYS.iter().any(|shared| path.starts_with(shared)) || path == "/orgs/{org_id}/limits" {
            continue;
        }
        for place in operation.parameters("path") {
            let (their_id, prefix) = match (place, path) {
                ("org_id", _) => (&theirs.organization, "org"),
                ("user_id", _) => (&user, "user"),
                ("kb_id", _) => (&base, "kb"),
                ("id", path) if path.starts_with("/api_keys/") => (&theirs.key_id, "key"),
                ("id", path) if path.contains("/documents/") || path.starts_with("/sources/") => {
                    (&file, "doc")
                }
                ("id", path) if path.starts_with("/chat/conversations/") => (&chat, "uuid"),
                ("id", path) if path.starts_with("/users/") => (&user, "user"),
                ("id", path) if path.contains("/workspaces/") => (&workspace, "ws"),
                ("id", path) if path.starts_with("/webhook_endpoints/") => (&endpoint, "whe"),
                ("delivery_id", _) => (&delivery, "dlv"),
                ("id", path) if path.starts_with("/diagnostics/requests/") => (&request, "req"),
                ("id", path) if path.contains("/destinations/") => (&destination, "dst"),
                _ => panic!("say here whose {{{place}}} is in {path}, and what is another tenant's"),
            };
            let never = match prefix {
                "uuid" => "00000000-0000-7000-8000-000000000000".to_owned(),
                "kb" | "doc" => format!("{prefix}-{}", "0".repeat(32)),
                _ => format!("{prefix}_{}", "0".repeat(32)),
            };
            let mut told = Vec::new();
            for id in [their_id, &never] {
                let path = operation.at(|name| match name == place {
                    true => id.clone(),
                    false => scene.good(operation.path, name),
                });
                let body = operation.least().map(|least| bytes(&least));
                let answer = scene.send(&operation, &path, body).await;
                assert_eq!(answer.status, 404, "{} {path}: {}", operation.method, answer.text());
                told.push(answer.text().replace(id.as_str(), "…"));
                count += 1;
            }
            assert_eq!(told[0], told[1], "{} {path}", operation.method);
        }
    }
    assert!(count >= 40, "{count}");
    // And all of it is still there.
    for path in [
        format!("/api/v1/api_keys/{}", theirs.key_id),
        format!("/api/v1/users/{user}"),
        format!("/api/v1/knowledge/{base}/documents/{file}"),
        format!("/api/v1/siem/destinations/{destination}"),
        format!("/api/v1/orgs/{}/workspaces/{workspace}", theirs.organization),
        format!("/api/v1/webhook_endpoints/{endpoint}/deliveries/{delivery}"),
        format!("/api/v1/diagnostics/requests/{request}"),
    ] {
        scene.app.get_as(&theirs.key, &path).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_another_tenant_learns_nothing() {
    let scene = Scene::start().await;
    let theirs = scene.app.tenant("Theirs").await;
    let (_, workspace) = belongings(&scene.app, &theirs).await;
    let mut count = 0;
    // Operators see every organisation; who asks for a PIN is told nothing of any (see `login`).
    let is_asked = |one: &&Operation| !one.path.contains("/plugins") && !one.path.contains("/admin/auth");
    for operation in Operation::all(&scene.document).iter().filter(is_asked) {
        let path = operation.at(|name| scene.good(operation.path, name));
        for (name, their_id, prefix) in
            [("organization_id", &theirs.organization, "org"), ("workspace_id", &workspace, "ws")]
        {
            let never = format!("{prefix}_{}", "0".repeat(32));
            let mut told = Vec::new();
            for id in [their_id, &never] {
                if operation.parameters("query").contains(&name) {
                    let body = operation.least().map(|least| bytes(&least));
                    told.push((id, scene.send(operation, &format!("{path}?{name}={id}"), body).await));
                }
                if operation.members().is_some_and(|(members, _)| members.contains_key(name)) {
                    let mut body = operation.least().unwrap();
                    body.insert(name.to_owned(), json!(id));
                    told.push((id, scene.send(operation, &path, Some(bytes(&body))).await));
                }
            }
            for (id, answer) in &told {
                let is_refused = matches!(answer.status.as_u16(), 404 | 422);
                assert!(is_refused, "{} {path} {name} {id}: {}", operation.method, answer.text());
                count += 1;
            }
            let shown = |(id, answer): &(&String, Answer)| answer.text().replace(id.as_str(), "…");
            assert!(
                told.iter().all(|one| shown(one) == shown(&told[0])),
                "{} {path} {name}",
                operation.method
            );
        }
    }
    assert!(count >= 16, "{count}");
}
