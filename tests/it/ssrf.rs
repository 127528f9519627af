//! Hosts that nobody outside may reach, against webhooks and exporters of the real binary; tools are in `egress.rs`. It
//! has the system's resolver, so names that lead astray are tried where a test can have one of its own: in
//! `host/server/tests/it/ssrf.rs`.

#[path = "../../host/runtime/src/egress/tests/hosts.rs"]
mod hosts;

use std::collections::BTreeSet;

use hardpoint_tests::client::Client;
use hardpoint_tests::double::plain::Plain;
use hardpoint_tests::double::script::Script;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use hosts::HOSTS;
use serde_json::{Value, json};

/// The refusals of a kind that are in the audit log.
async fn told(client: &Client, kind: &str) -> Vec<Value> {
    let path = format!("/api/v1/audit-logs?event_type={kind}&page_size=100");
    let page = client.get(&path).await.expect(200);
    let all = page["data"].as_array().unwrap_or_else(|| panic!("{page}")).clone();
    assert!(all.iter().all(|event| event["outcome"] == "refused" && event["organization_id"].is_string()));
    all
}

/// How many they are, as they count themselves.
pub(crate) async fn refusals(client: &Client, kind: &str) -> u64 {
    told(client, kind).await.iter().map(|event| event["after"]["count"].as_u64().unwrap_or(1)).sum()
}

/// Allows a plugin what it asks for: what refuses an address then is where it leads.
async fn allow(client: &Client, plugin: &str) {
    let path = format!("/api/v1/plugins/{plugin}");
    let digest = client.get(&path).await.expect(200)["digest"].clone();
    client.post(&format!("{path}/approve"), &json!({ "digest": digest })).await.expect(200);
    until("it to serve", || async {
        (client.get(&path).await.expect(200)["state"] == "active").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_and_exporters_are_refused_inner_addresses_and_each_refusal_is_told() {
    let inside = Plain::start().await.expect("a double");
    inside.on("/", Script::new().bytes("secret of the house"));
    let port = inside.server().address().port();
    let mut host = Host::start(Options::new().shipped("datadog")).await;
    let client = host.client();
    allow(&client, "datadog").await;
    let export = "/api/v1/audit-logs/siem/datadog/export";
    for (what, address) in HOSTS {
        for scheme in ["https", "http"] {
            let body = json!({"url": format!("{scheme}://{address}:{port}/")});
            let refused = client.post("/api/v1/webhook_endpoints", &body).await;
            assert_eq!(refused.status, 422, "{what}: {}", refused.text());
        }
        let url = format!("https://{address}:{port}/api/v2/logs");
        let body = json!({"events": [{"id": "evt_1"}], "intake_url": url, "api_key": "the-callers-own"});
        let answer = client.post(export, &body).await;
        let is_delivered = answer.status == 200 && answer.json()["delivered"] != 0;
        assert!(!is_delivered, "{what}: {}", answer.text());
    }
    assert_eq!(inside.server().connections_accepted(), 0, "refused before any connection");
    // What a host counts it writes down when it stops.
    assert!(host.stop().await.success());
    host.restart().await;
    let client = host.client();
    assert_eq!(refusals(&client, "webhook.refused").await, 2 * HOSTS.len() as u64);
    let found = told(&client, "egress.refused").await;
    let origins: BTreeSet<_> = found.iter().filter_map(|event| event["after"]["origin"].as_str()).collect();
    let all: Vec<_> = HOSTS.iter().map(|(_, address)| format!("https://{address}:{port}")).collect();
    assert_eq!(origins, all.iter().map(String::as_str).collect(), "each, as it was written");
}
