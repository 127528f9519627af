//! Models and exporters inside a running host, between its API and a double of what is outside.

use std::fs;
use std::path::Path;
use std::time::Duration;

use hardpoint_tests::double::plain::Plain;
use hardpoint_tests::double::script::Script;
use hardpoint_tests::host::{Host, Options};
use serde_json::{Value, json};

const STREAM: &str = "\
data: {\"choices\":[{\"delta\":{\"content\":\"Becau\"}}]}\n\n\
data: {\"choices\":[{\"delta\":{\"content\":\"se. ü\"},\"finish_reason\":\"length\"}]}\n\n\
data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n\
data: [DONE]\n\n";

/// A completion, streamed in pieces that cut characters, and an error with a time to wait.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn model(plugin: &Path, id: &str) -> Host {
    let upstream = Plain::start().await.unwrap();
    let more = format!("[[models]]\nid = \"m\"\nbinding = \"{id}\"\n[completions]\nattempts = 1\n");
    let url = format!("{}/v1", upstream.server().origin());
    let host = bound(plugin, id, "base_url", &url, "api_key", &upstream, &more).await;
    let client = host.client();
    let asked = json!({ "model": "m", "messages": [{ "role": "user", "content": "Why?" }] });

    upstream.on("/v1/chat/completions", Script::events().cut(STREAM, 3));
    let answer = client.post("/api/v1/chat/completions", &asked).await.expect(200);
    assert_eq!(answer["choices"][0]["message"]["content"], "Because. ü");
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["usage"]["prompt_tokens"], 7);
    let sent = &upstream.seen()[0];
    assert_eq!(sent.headers["authorization"], "Bearer the-secret");
    let body: Value = serde_json::from_slice(&sent.body).unwrap();
    assert_eq!(body["messages"], json!([{ "role": "user", "content": "Why?" }]));

    upstream
        .on("/v1/chat/completions", Script::new().status(429).header("retry-after", "7").bytes("slow down"));
    let refused = client.post("/api/v1/chat/completions", &asked).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert_eq!(refused.header("retry-after"), Some("7"));
    host
}

/// A delivery, and a refusal that parks nothing and loses nothing.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn exporter(plugin: &Path, id: &str) -> Host {
    let collector = Plain::start().await.unwrap();
    let url = format!("{}/in", collector.server().origin());
    let host = bound(plugin, id, "url", &url, "token", &collector, "").await;
    let client = host.client();
    let path = format!("/api/v1/audit-logs/siem/{id}/export");
    let events = json!([{ "id": "evt_1", "kind": "a.b" }, { "id": "evt_2", "kind": "a.b" }]);

    collector.on("/in", Script::new().status(204));
    let answer = client.post(&path, &json!({ "events": events })).await.expect(200);
    assert_eq!(answer["delivered"], 2, "{answer}");
    let sent = &collector.seen()[0];
    assert_eq!(sent.headers["authorization"], "Bearer the-secret");
    assert_eq!(sent.headers["content-encoding"], "gzip");

    collector.on("/in", Script::new().status(400));
    let answer = client.post(&path, &json!({ "events": events })).await;
    assert!(answer.text().contains("refused with status 400"), "{}", answer.text());
    host
}

/// A host with this plugin, bound to a double under its own id, with all that it asks for.
async fn bound(
    plugin: &Path,
    id: &str,
    setting: &str,
    url: &str,
    secret: &str,
    double: &Plain,
    more: &str,
) -> Host {
    let (address, origin) = (double.server().address(), double.server().origin());
    let config = format!(
        r#"
[egress]
allow_internal = ["{address}"]

[secrets.outside]
value = "the-secret"
audience = "{origin}"

[bindings.{id}]
plugin = "{id}"
settings = {{ {setting} = "{url}" }}
secrets = {{ {secret} = "outside" }}

[bindings.{id}.grant]
http = ["POST {url}"]
secrets = ["{secret}"]

{more}"#
    );
    let host = Host::start(Options::new().config(&config)).await;
    // Dropped into a host that runs: a large component on a busy machine takes longer to compile than starting may.
    host.drop_plugin(id, &fs::read(plugin).unwrap());
    serving(&host, id).await;
    host
}

/// Waits until a plugin that was dropped into a host's folder serves.
pub(crate) async fn serving(host: &Host, id: &str) {
    let client = host.client();
    let serving = async {
        loop {
            let answer = client.get(&format!("/api/v1/plugins/{id}")).await;
            if answer.status == 200 {
                let found = answer.json();
                assert_ne!(found["state"], "rejected", "{found:#}");
                if !found["live"].is_null() {
                    return;
                }
            }
            // It happens in another process: there is nothing to be woken by.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), serving)
        .await
        .expect("the plugin serves within five minutes");
}
