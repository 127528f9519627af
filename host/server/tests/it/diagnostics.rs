//! `/diagnostics`: what became of one request, and of deliveries.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, fixture};

const ENDPOINTS: &str = "/api/v1/webhook_endpoints";

/// An endpoint that nothing arrives at: nobody listens there.
const NOWHERE: &str = "[egress]\nallow_internal_webhooks = [\"127.0.0.1:9\"]\n";

async fn trace(app: &TestApp, key: &str, request_id: &str) -> Value {
    app.get_as(key, &format!("/api/v1/diagnostics/requests/{request_id}")).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_of_a_request() {
    let app = TestApp::with(NOWHERE, &[("echo.wasm", fixture("echo"))]).await;
    let (mine, theirs) = (app.tenant("Mine").await, app.tenant("Theirs").await);
    let body = json!({"url": "http://127.0.0.1:9/", "events": ["user.created"]});
    app.post_as(&mine.key, ENDPOINTS, &body).await.expect(201);
    let invited = app.post_as(&mine.key, "/api/v1/users", &json!({"email": "ann@example.com"})).await;
    let request_id = invited.header("request-id").to_owned();
    let user = invited.expect(201);

    let traced = trace(&app, &mine.key, &request_id).await;
    let call = &traced["call"];
    assert_eq!((&call["endpoint"], &call["status"]), (&json!("/api/v1/users"), &json!(201)));
    assert_eq!((&call["key_id"], &call["outcome"]), (&json!(mine.key_id), &json!("completed")));
    assert_eq!((&traced["meters"]["requests"], &traced["meters"]["output_tokens"]), (&json!(1), &json!(0)));
    let event = &traced["events"][0];
    assert_eq!((&event["kind"], &event["target"]["id"]), (&json!("user.created"), &user["id"]));
    let delivery = &traced["webhook_deliveries"][0];
    assert_eq!((&delivery["webhook_id"], &delivery["event"]), (&event["id"], &json!("user.created")));
    assert_eq!((&traced["exports"], &traced["plugin_calls"]), (&json!([]), &json!([])));

    // A request that a plugin served, and one that never was.
    let called = app.post_as(&mine.key, "/api/v1/tools/echo/call", &json!({"arguments": {}})).await;
    let request_id = called.header("request-id").to_owned();
    called.expect(200);
    assert_eq!(trace(&app, &mine.key, &request_id).await["plugin_calls"][0]["plugin"], "echo");
    for id in ["none", "req_1", &format!("req_{}", "0".repeat(32))] {
        app.get_as(&mine.key, &format!("/api/v1/diagnostics/requests/{id}")).await.expect(404);
    }
    // Another organisation's is not there; an operator names it.
    let path = format!("/api/v1/diagnostics/requests/{request_id}");
    app.get_as(&theirs.key, &path).await.expect(404);
    app.get(&path).await.expect(404);
    app.get(&format!("{path}?organization_id={}", mine.organization)).await.expect(200);

    // What left the house by it.
    let exported = app.get_as(&mine.key, "/api/v1/events/export?limit=1").await;
    let request_id = exported.header("request-id").to_owned();
    exported.expect(200);
    let exports = &trace(&app, &mine.key, &request_id).await["exports"];
    assert_eq!(exports[0]["kind"], "audit_log.exported", "{exports}");

    // What an operator does to another organisation, or to none, is one request as well.
    let path = format!("/api/v1/enterprise/orgs/{}/retention", mine.organization);
    let changed = app.send(app.request(Method::PUT, &path, Some(&json!({"audit_log_retention_days": 400}))));
    let changed = changed.await;
    let request_id = changed.header("request-id").to_owned();
    changed.expect(200);
    let path = format!("/api/v1/diagnostics/requests/{request_id}");
    let events = app.get(&path).await.expect(200)["events"].clone();
    let kind_and_whose = (&events[0]["kind"], &events[0]["organization_id"]);
    assert_eq!(kind_and_whose, (&json!("organization.retention_changed"), &json!(mine.organization)));
    // That organisation is told of it too, and no other one.
    let theirs_too = app.get_as(&mine.key, &path).await.expect(200);
    assert_eq!((&theirs_too["events"], &theirs_too["call"]), (&events, &Value::Null));
    app.get_as(&theirs.key, &path).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_deliveries_are() {
    let app = TestApp::with(NOWHERE, &[]).await;
    let mine = app.tenant("Mine").await;
    let summary = async |query: &str| {
        let path = format!("/api/v1/diagnostics/deliveries/summary{query}");
        app.get_as(&mine.key, &path).await.expect(200)
    };
    assert_eq!(summary("").await["totals"], json!({"pending": 0, "delivered": 0, "dead": 0, "attempts": 0}));
    let body = json!({"url": "http://127.0.0.1:9/", "events": ["user.created"]});
    let endpoint = app.post_as(&mine.key, ENDPOINTS, &body).await.expect(201);
    app.post_as(&mine.key, "/api/v1/users", &json!({"email": "ann@example.com"})).await.expect(201);
    let failing = async {
        loop {
            let found = summary("?limit=1").await;
            if found["failing"] != json!([]) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), failing).await.unwrap();
    let expected = json!({"pending": 1, "delivered": 0, "dead": 0, "attempts": 1});
    assert_eq!(found["totals"], expected);
    assert_eq!(found["endpoints"][0]["endpoint_id"], endpoint["id"]);
    assert!(found["failing"][0]["last_error"].as_str().unwrap().contains("cannot be reached"));
    assert_eq!(summary("?since=2100-01-01").await["totals"]["pending"], 0);
    for query in ["?limit=0", "?limit=1001", "?since=soon"] {
        app.get_as(&mine.key, &format!("/api/v1/diagnostics/deliveries/summary{query}")).await.expect(400);
    }
    // Another organisation's deliveries do not count.
    let others = app.get("/api/v1/diagnostics/deliveries/summary").await.expect(200);
    assert_eq!(others["totals"]["pending"], 0);
}
