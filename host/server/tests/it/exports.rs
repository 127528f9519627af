//! `POST /audit-logs/siem/{exporter}/export`, by an exporter that somebody else wrote.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use hardpoint_domain::time::Clock;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::{TestApp, fixture, repacked};

/// A destination that keeps what it is sent.
#[derive(Clone, Default)]
pub(crate) struct Double(Arc<Mutex<Vec<(HeaderMap, String)>>>);

impl Double {
    /// The token of the latest request.
    pub(crate) fn token(&self) -> Option<String> {
        let seen = self.0.lock().unwrap();
        seen.last()?.0.get("x-token").map(|token| token.to_str().unwrap().to_owned())
    }

    pub(crate) async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let double = Self::default();
        let taken = |State(double): State<Double>, headers: HeaderMap, body: String| async move {
            double.0.lock().unwrap().push((headers, body));
            StatusCode::OK
        };
        let router = Router::new()
            .route("/in", post(taken))
            .route("/refuse", post(|| async { StatusCode::FORBIDDEN }))
            .with_state(double.clone());
        tokio::spawn(async move { axum_serve(listener, router).await });
        (double, address)
    }

    pub(crate) fn bodies(&self) -> Vec<Value> {
        let seen = self.0.lock().unwrap();
        seen.iter()
            .flat_map(|(_, body)| body.lines())
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// axum's own `serve` is behind a feature that the product does not need.
pub(crate) async fn axum_serve(listener: TcpListener, router: Router) {
    let settings = hardpoint_server::serve::Connections {
        header_timeout: Duration::from_secs(10),
        stall_timeout: Duration::from_secs(10),
        most: 100,
        shutdown_grace: Duration::ZERO,
    };
    let (_stop, stopping) = tokio::sync::watch::channel(false);
    hardpoint_server::serve::serve(listener, router, settings, stopping).await;
}

pub(crate) fn config(address: &str) -> String {
    format!(
        "[egress]\nallow_internal = [\"127.0.0.1\"]\n\
         [secrets.configured]\nvalue = \"configured-token\"\naudience = \"http://{address}\"\n\
         [bindings.elsewhere]\nplugin = \"elsewhere\"\nsettings = {{ url = \"http://{address}/in\" }}\n\
         secrets = {{ token = \"configured\" }}\n"
    )
}

async fn granted(address: &str) -> TestApp {
    let app = TestApp::with(&config(address), &[("elsewhere.wasm", fixture("elsewhere"))]).await;
    let digest = app.plugin("elsewhere").await["digest"].clone();
    let approved =
        app.post("/api/v1/plugins/elsewhere/approve", &json!({"digest": digest})).await.expect(200);
    assert_eq!(approved["state"], "active", "{approved}");
    app
}

const PAUSE: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(60);
const EXPORT: &str = "/api/v1/audit-logs/siem/elsewhere/export";

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_is_there_while_it_is_granted() {
    let (double, address) = Double::start().await;
    let app = TestApp::with(&config(&address), &[("elsewhere.wasm", fixture("elsewhere"))]).await;
    let batch = json!({"events": [{"id": "evt_1", "kind": "a.b", "n": 1}, {"n": 2}]});
    insta::assert_snapshot!(app.post(EXPORT, &batch).await.shown(), @r#"
    404
    {
      "error": {
        "message": "There is no enabled exporter `elsewhere`.",
        "type": "not_found"
      }
    }
    "#);
    let digest = app.plugin("elsewhere").await["digest"].clone();
    app.post("/api/v1/plugins/elsewhere/approve", &json!({"digest": digest})).await.expect(200);
    let exported = app.post(EXPORT, &batch).await.expect(200);
    let expected =
        json!({"exporter": "elsewhere", "matched": 2, "delivered": 2, "rejected": [], "cursor": null});
    assert_eq!(exported, expected);
    assert_eq!(double.bodies(), [json!({"id": "evt_1", "kind": "a.b", "n": 1}), json!({"n": 2})]);
    app.post("/api/v1/plugins/elsewhere/revoke", &json!({})).await.expect(200);
    assert_eq!(app.post(EXPORT, &batch).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_from_the_store_where_none_are_given() {
    let (double, address) = Double::start().await;
    let app = granted(&address).await;
    let exported = app.post(EXPORT, &json!({"event_type": "plugin.approved"})).await.expect(200);
    assert_eq!((&exported["matched"], &exported["delivered"]), (&json!(1), &json!(1)));
    assert_eq!(double.bodies()[0]["kind"], "plugin.approved");
    // In pages, newest first; within a page in order.
    let first = app.post(EXPORT, &json!({"limit": 2})).await.expect(200);
    let rest = app.post(EXPORT, &json!({"cursor": first["cursor"]})).await.expect(200);
    let kinds: Vec<_> =
        double.bodies()[1..].iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(rest["cursor"], Value::Null);
    let mut sorted = kinds.clone();
    sorted.sort();
    // The first export is itself an event by then.
    let first = "audit_log.exported";
    assert_eq!(sorted, [first, "key.created", "plugin.activated", "plugin.approved", "plugin.published"]);
    for body in [json!({"limit": 0}), json!({"limit": 1001}), json!({"cursor": "what"})] {
        assert_eq!(app.post(EXPORT, &body).await.status, 400, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_go_where_they_belong() {
    let (double, address) = Double::start().await;
    let (other, elsewhere) = Double::start().await;
    let app = granted(&address).await;
    let export = |options: Value| {
        let mut body = json!({"events": [{"n": 1}]});
        body.as_object_mut().unwrap().extend(options.as_object().unwrap().clone());
        let app = &app;
        async move { app.post(EXPORT, &body).await }
    };
    export(json!({"authenticated": true})).await.expect(200);
    assert_eq!(double.token().as_deref(), Some("configured-token"));
    // The caller's own takes its place; the plugin sees neither.
    export(json!({"authenticated": true, "token": "own-token"})).await.expect(200);
    assert_eq!(double.token().as_deref(), Some("own-token"));
    // Another address: the configured token stays here.
    let url = format!("http://{elsewhere}/in");
    let refused = export(json!({"url": url, "authenticated": true})).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(!refused.text().contains("configured-token"));
    assert!(other.0.lock().unwrap().is_empty());
    // With a token of its own the caller may choose, but not what is internal: that an operator lets
    // another binding go there opens it to nobody else.
    for host in [&elsewhere, &elsewhere.replace("127.0.0.1", "127.1")] {
        let url = format!("http://{host}/in");
        let refused = export(json!({"url": url, "authenticated": true, "token": "own-token"})).await;
        assert_eq!(refused.status, 422, "{}", refused.text());
        let text = refused.text();
        assert!(text.contains("must be a public one") && !text.contains("own-token"), "{text}");
    }
    assert!(other.0.lock().unwrap().is_empty());
    // Where the configured address and another are asked for in turn, the configured one stays open.
    export(json!({"url": format!("http://{address}/in"), "authenticated": true, "token": "own-token"}))
        .await
        .expect(200);
    // Without any token in use there is no address to choose.
    assert_eq!(export(json!({"url": url})).await.status, 422);
    // What does not fit is told, and the token is not among what is told.
    let unfit = export(json!({"colour": "red", "token": "own-token"})).await;
    assert_eq!(unfit.status, 400, "{}", unfit.text());
    let unfit = export(json!({"token": 4711})).await;
    insta::assert_snapshot!(unfit.shown(), @r#"
    400
    {
      "error": {
        "details": {
          "constraint": "type",
          "field": "token"
        },
        "message": "The 'token' field must be a text that is not empty.",
        "type": "validation_error"
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_grant_leaves_callers_no_choice() {
    let (_, address) = Double::start().await;
    let (other, elsewhere) = Double::start().await;
    let declared = format!(
        "{}[bindings.elsewhere.grant]\nhttp = [\"POST http://{address}/in\"]\nsecrets = [\"token\"]\n",
        config(&address)
    );
    let app = TestApp::with(&declared, &[("elsewhere.wasm", fixture("elsewhere"))]).await;
    app.post(EXPORT, &json!({"events": [{"n": 1}], "authenticated": true})).await.expect(200);
    let body = json!({"events": [{"n": 1}], "url": format!("http://{elsewhere}/in"), "token": "own-token"});
    insta::assert_snapshot!(app.post(EXPORT, &body).await.shown().replace(&elsewhere, "ELSEWHERE"), @r#"
    422
    {
      "error": {
        "details": {
          "constraint": "granted",
          "field": "url"
        },
        "message": "The exporter `elsewhere` is not allowed to send POST http://ELSEWHERE/in: an operator may add it to [bindings.elsewhere.grant] in hardpoint.toml.",
        "type": "validation_error"
      }
    }
    "#);
    assert!(other.bodies().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_refuses() {
    let (_, address) = Double::start().await;
    let app = granted(&address).await;
    let refused = app
        .post(EXPORT, &json!({"events": [{"id": "evt_1"}], "url": format!("http://{address}/in/x")}))
        .await;
    assert_eq!(refused.status, 200, "below the granted path; {}", refused.text());
    assert_eq!(refused.json()["rejected"], json!([{"id": "evt_1", "reason": "answered 404"}]));
    // The log says how it ended, and says nothing where it ended well.
    app.post(EXPORT, &json!({"events": [{"id": "evt_2"}]})).await.expect(200);
    let told = app.get("/api/v1/audit-logs?action=audit_log.export_failed").await.expect(200);
    let [failed] = told["data"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!(failed["outcome"], "failure", "{failed}");
    assert_eq!(failed["after"], json!({"matched": 1, "delivered": 0}));
}

/// How much the destination has nobody knows.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_nobody_waited_for_is_told_as_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = granted(&listener.local_addr().unwrap().to_string()).await;
    let begun = app.clock().now();
    {
        let batch = json!({"events": [{"n": 1}, {"n": 2}]});
        let export = app.post(EXPORT, &batch);
        let hangs = async {
            let arrived = listener.accept().await.unwrap();
            app.clock().advance(Duration::from_secs(60));
            arrived
        };
        tokio::select! {
            answer = export => panic!("{}", answer.text()),
            _ = hangs => {}
        }
    }
    let told = async {
        loop {
            let told = app.get("/api/v1/audit-logs?action=audit_log.export_failed").await.expect(200);
            if let [failed] = told["data"].as_array().unwrap().as_slice() {
                return failed.clone();
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    let failed = tokio::time::timeout(PATIENCE, told).await.expect("it is told");
    assert_eq!((&failed["outcome"], &failed["after"]["delivered"]), (&json!("failure"), &Value::Null));
    assert_eq!(failed["after"]["matched"], 2);
    let left = begun.plus(Duration::from_secs(60)).to_rfc3339();
    assert!(failed["time"].as_str() >= Some(&left), "{failed}: when they left");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_export_their_own() {
    let (double, address) = Double::start().await;
    let app = granted(&address).await;
    let stranger = app.stranger().await;
    let exported = app.post_as(&stranger, EXPORT, &json!({})).await.expect(200);
    assert_eq!(
        (&exported["matched"], double.bodies().len()),
        (&json!(0), 0),
        "the platform's events are not theirs"
    );
    let others = json!({"organization_id": "org_other"});
    assert_eq!(app.post_as(&stranger, EXPORT, &others).await.status, 404);
    let member = app.key_of(hardpoint_store::keys::Role::Member).await;
    assert_eq!(app.post_as(&member, EXPORT, &json!({})).await.status, 403);
    assert_eq!(app.post("/api/v1/audit-logs/siem/nobody/export", &json!({})).await.status, 404);
    let test = json!({"role": "admin", "livemode": false});
    let test = app.post("/api/v1/api_keys", &test).await.expect(201)["key"].clone();
    assert_eq!(app.post_as(test.as_str().unwrap(), EXPORT, &json!({})).await.status, 403);
    assert_eq!(double.bodies().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_workspace_exports_that_workspace() {
    let (_double, address) = Double::start().await;
    let app = granted(&address).await;
    let org = app.get("/api/v1/org").await.expect(200);
    let all = format!("/api/v1/orgs/{}/workspaces", org["id"].as_str().unwrap());
    let ws = app.post(&all, &json!({"name": "One"})).await.expect(201)["id"].clone();
    let made = app.post("/api/v1/api_keys", &json!({"role": "admin", "workspace_id": ws})).await.expect(201);
    let bound = made["key"].as_str().unwrap();
    let matched = async |body| app.post_as(bound, EXPORT, &body).await.expect(200)["matched"].clone();
    assert_eq!(matched(json!({})).await, 2, "that it was made, and the key");
    assert_eq!(matched(json!({"workspace_id": ws})).await, 3, "and that they were exported");
    let other = app.post_as(bound, EXPORT, &json!({"workspace_id": "ws_other"})).await;
    assert_eq!(other.status, 404, "{}", other.text());
    assert!(app.post(EXPORT, &json!({})).await.expect(200)["matched"].as_u64() > Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn given_events_are_counted_and_go_with_no_filter() {
    let (double, address) = Double::start().await;
    let app = granted(&address).await;
    let field = |answer: crate::support::Answer| answer.expect(400)["error"]["details"]["field"].clone();
    let many: Vec<Value> = (0..1_001).map(|n| json!({"n": n})).collect();
    assert_eq!(field(app.post(EXPORT, &json!({"events": many})).await), "events");
    for (name, value) in [
        ("organization_id", json!("org_other")),
        ("workspace_id", json!("ws_1")),
        ("event_type", json!("a.b")),
        ("limit", json!(1)),
        ("cursor", json!("what")),
    ] {
        let mut body = json!({"events": [{"n": 1}]});
        body[name] = value;
        let stranger = app.post(EXPORT, &body).await;
        assert_eq!(field(stranger), name);
    }
    assert!(double.bodies().is_empty());
    let most = app.post(EXPORT, &json!({"events": many[..1_000]})).await.expect(200);
    assert_eq!(most["delivered"], 1_000);
}

/// The exporter with another `[batch]`, and the sizes of the batches in which it delivers events as long as
/// these numbers say: events and bytes.
async fn batches(wish: &str, lengths: &[usize]) -> Vec<(usize, usize)> {
    let (double, address) = Double::start().await;
    let whole = String::from_utf8(manifest_of("elsewhere")).unwrap();
    let limited = whole.replace("max_events = 100\nmax_bytes = 1_000_000\n", wish);
    assert_ne!(limited, whole);
    let app = TestApp::with(&config(&address), &[("elsewhere.wasm", repacked("elsewhere", &limited))]).await;
    let body = json!({"digest": app.plugin("elsewhere").await["digest"]});
    app.post("/api/v1/plugins/elsewhere/approve", &body).await.expect(200);
    let event = |length: &usize| json!({"n": "x".repeat(length - json!({"n": ""}).to_string().len())});
    let events: Vec<Value> = lengths.iter().map(event).collect();
    let exported = app.post(EXPORT, &json!({"events": events})).await.expect(200);
    assert_eq!(exported["delivered"], lengths.len(), "{exported}");
    let seen = double.0.lock().unwrap();
    let size = |lines: &str| (lines.lines().count(), lines.lines().map(str::len).sum());
    seen.iter().map(|(_, lines)| size(lines)).collect()
}

/// The manifest that a fixture was packed with.
fn manifest_of(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../tests/fixtures/{name}/plugin.toml", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_batch_has_more_events_than_was_asked_for() {
    let wish = "max_events = 3\nmax_bytes = 1_000_000\n";
    assert_eq!(batches(wish, &[20; 7]).await, [(3, 60), (3, 60), (1, 20)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_batch_has_more_bytes_than_was_asked_for() {
    let wish = "max_events = 100\nmax_bytes = 100\n";
    assert_eq!(batches(wish, &[40, 40, 40, 90, 20, 20]).await, [(2, 80), (1, 40), (1, 90), (2, 40)]);
}

/// The exporter sends what it was told, and the token in a header of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_option_is_not_among_the_settings() {
    let (double, address) = Double::start().await;
    let app = granted(&address).await;
    let url = format!("http://{address}/in");
    let body = json!({"events": [{"n": 1}], "url": url, "authenticated": true, "token": "own-token"});
    app.post(EXPORT, &body).await.expect(200);
    let seen = double.0.lock().unwrap();
    let header = |name: &str| seen[0].0[name].to_str().unwrap().to_owned();
    assert_eq!(header("x-token"), "own-token");
    let told: Value = serde_json::from_str(&header("x-settings")).unwrap();
    assert_eq!(told, json!({"url": url, "authenticated": true}));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_is_there_for_those_whom_it_is_open_to() {
    let (double, address) = Double::start().await;
    let app = granted(&address).await;
    let stranger = app.stranger().await;
    let batch = json!({"events": [{"id": "evt_1", "kind": "a.b"}]});
    let path = "/api/v1/plugins/elsewhere/organizations/org_stranger";
    let switch = app.request(http::Method::PUT, path, Some(&json!({"enabled": false})));
    app.send(switch).await.expect(200);
    assert_eq!(app.post_as(&stranger, EXPORT, &batch).await.status, 404);
    assert_eq!(app.post(EXPORT, &batch).await.status, 200);
    app.delete(path).await.expect(200);
    assert_eq!(app.post_as(&stranger, EXPORT, &batch).await.status, 200);
    assert_eq!(double.bodies().len(), 2);
}

/// What it requires and nobody set is said before the first export fails for want of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_every_export_has_to_bring_is_told() {
    let manifest = "id = \"elsewhere\"\nversion = \"1.0.0\"\nkind = \"exporter\"\ndescription = \"x\"\n\
                    [batch]\nmax_events = 10\nmax_bytes = 1000\n\
                    [[secret]]\nname = \"token\"\naudience = \"https://a.example.com\"\noptional = true\n\
                    [settings]\ntype = \"object\"\nrequired = [\"index\", \"token\"]\n\
                    [settings.properties.index]\ntype = \"string\"\n\
                    [settings.properties.token]\ntype = \"string\"\nsecret = true\n";
    let app = TestApp::with("", &[("elsewhere.wasm", repacked("elsewhere", manifest))]).await;
    let binding = app.plugin("elsewhere").await["bindings"][0].clone();
    let told = json!(["every export has to bring `index`: no setting says it"]);
    assert_eq!(binding["warnings"], told, "{binding}");
}
