//! What `/metrics` shows of webhooks and destinations.

use std::time::Duration;

use hardpoint_server::worker::gauges;
use serde_json::json;

use crate::support::TestApp;

/// The value of a line of `/metrics`; none where there is no such line.
pub(crate) async fn metric(app: &TestApp, name: &str) -> Option<f64> {
    let text = app.get("/metrics").await.text();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("hardpoint_{name} ")))?;
    Some(line.parse().unwrap())
}

async fn waited_for(app: &TestApp, name: &str, value: f64) {
    let waiting = async {
        loop {
            gauges::read(app.app()).await;
            if metric(app, name).await == Some(value) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    if waited.is_err() {
        panic!("{name} is not {value}:\n{}", app.get("/metrics").await.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_are_counted_by_what_comes_of_them() {
    // Nobody listens there.
    let allowed = "[egress]\nallow_internal_webhooks = [\"127.0.0.1:1\"]\n";
    let app = TestApp::with(allowed, &[]).await;
    for events in [["user.created"], ["billing.refund_uncovered"]] {
        let body = json!({"url": "http://127.0.0.1:1/hook", "events": events});
        let made = app.post("/api/v1/webhook_endpoints", &body).await.expect(201);
        if events == ["billing.refund_uncovered"] {
            let one = format!("/api/v1/webhook_endpoints/{}", made["id"].as_str().unwrap());
            let off = json!({"enabled": false});
            app.ask(app.key(), http::Method::PUT, &one, Some(&off)).await.expect(200);
        }
    }
    app.post("/api/v1/users", &json!({"email": "ann@example.com", "role": "member"})).await.expect(201);
    waited_for(&app, "webhook_attempts_total{outcome=\"failed\"}", 1.0).await;
    waited_for(&app, "webhook_pending", 1.0).await;
    waited_for(&app, "webhook_endpoints{state=\"active\"}", 1.0).await;
    waited_for(&app, "webhook_endpoints{state=\"disabled\"}", 1.0).await;
    assert_eq!(metric(&app, "webhook_lag_seconds").await, Some(0.0), "it is not due yet");
    assert_eq!(metric(&app, "webhook_dead_letters_total").await, Some(0.0));

    // Five failures in a row, and it is left alone.
    for number in 2..=5 {
        let body = json!({"email": format!("user{number}@example.com"), "role": "member"});
        app.post("/api/v1/users", &body).await.expect(201);
        waited_for(&app, "webhook_attempts_total{outcome=\"failed\"}", f64::from(number)).await;
    }
    waited_for(&app, "webhook_endpoints{state=\"failing\"}", 1.0).await;
    app.clock().advance(Duration::from_secs(73 * 3_600));
    waited_for(&app, "webhook_pending", 4.0).await;
    // The probe was the last attempt of its delivery. It is counted once that is written down.
    waited_for(&app, "webhook_dead_letters_total", 1.0).await;
}
