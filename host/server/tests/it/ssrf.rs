//! Hosts that nobody outside may reach, against whatever sends to addresses that others choose: webhooks, exporters
//! and tools. Each is refused, and each refusal is in the audit log. Names whose answers lead inside or change are
//! tried in the runtime's own tests, which have a resolver of their own.

#[path = "../../../runtime/src/egress/tests/hosts.rs"]
mod hosts;

use std::fmt::Write as _;

use hardpoint_domain::event::{Event, Outcome};
use hardpoint_store::events;
use hosts::HOSTS;
use serde_json::json;

use crate::support::{TestApp, fixture};

/// The events of a kind, once the host has written down what it counts.
async fn refusals(app: TestApp, kind: &str) -> Vec<Event> {
    let app = app.restart_at_once().await;
    let mut conn = app.app().store.read().await.unwrap();
    let all = events::list(&mut conn, None, None, 1_000).await.unwrap();
    let all: Vec<Event> =
        all.into_iter().map(|stored| stored.event).filter(|event| event.kind == kind).collect();
    assert!(all.iter().all(|event| event.outcome == Outcome::Refused && event.organization_id.is_some()));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks() {
    let app = TestApp::start().await;
    for (what, host) in HOSTS {
        for scheme in ["https", "http"] {
            let body = json!({"url": format!("{scheme}://{host}:9/")});
            let refused = app.post("/api/v1/webhook_endpoints", &body).await;
            assert_eq!(refused.status, 422, "{what}: {}", refused.text());
        }
    }
    assert_eq!(refusals(app, "webhook.refused").await.len(), 2 * HOSTS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn exporters() {
    let config =
        "[bindings.elsewhere]\nplugin = \"elsewhere\"\nsettings = { url = \"https://example.com/in\" }\n";
    let app = TestApp::with(config, &[("elsewhere.wasm", fixture("elsewhere"))]).await;
    let digest = app.plugin("elsewhere").await["digest"].clone();
    app.post("/api/v1/plugins/elsewhere/approve", &json!({"digest": digest})).await.expect(200);
    for (what, host) in HOSTS {
        let body = json!({"events": [{"n": 1}], "url": format!("https://{host}:9/"), "token": "their-own"});
        let answer = app.post("/api/v1/audit-logs/siem/elsewhere/export", &body).await;
        let is_delivered = answer.status.is_success() && answer.json()["delivered"] != 0;
        assert!(!is_delivered, "{what}: {}", answer.text());
    }
    let refused = refusals(app, "egress.refused").await;
    let count: u64 =
        refused.iter().map(|event| event.after.as_ref().unwrap()["count"].as_u64().unwrap()).sum();
    assert!(count >= HOSTS.len() as u64, "{count} of {}: {refused:?}", HOSTS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn tools() {
    let mut config = String::new();
    // The grant covers each of these hosts; what refuses them is where they lead.
    let literal: Vec<_> = HOSTS.iter().filter(|(_, host)| !host.contains(['%', '１'])).collect();
    for (at, (_, host)) in literal.iter().enumerate() {
        let origin = url::Url::parse(&format!("http://{host}:9")).unwrap();
        let origin = origin.as_str().trim_end_matches('/');
        let _ = writeln!(
            config,
            "[bindings.t{at}]\nplugin = \"prober\"\nsettings = {{ target = \"{origin}/\" }}\n\
             [bindings.t{at}.grant]\nhttp = [\"GET,POST {origin}\"]\nkv = true\nscratch = true\n"
        );
    }
    let app = TestApp::with(&config, &[("prober.wasm", fixture("prober"))]).await;
    for (at, (what, host)) in literal.iter().enumerate() {
        let arguments = json!({"arguments": {"do": "send", "url": format!("http://{host}:9/")}});
        let answer = app.post(&format!("/api/v1/tools/t{at}/call"), &arguments).await.expect(200);
        assert_eq!(answer["result"]["error"], "TransportFailureKind::Denied", "{what}: {answer}");
        assert!(answer["result"]["message"].as_str().unwrap().contains("allow_internal"), "{what}: {answer}");
    }
    assert_eq!(refusals(app, "egress.refused").await.len(), literal.len());
}
