//! A host with one exporter that is bound to a double.

use hardpoint_tests::host::{Host, Options};
use serde_json::json;

/// An exporter whose `intake_url` is `origin` and `path`, with more settings in TOML, and a secret of the
/// operator's.
pub(crate) async fn exporting(
    plugin: &str,
    origin: &str,
    path: &str,
    more: &str,
    (name, value): (&str, &str),
) -> Host {
    let address = origin.replace("http://", "");
    let config = format!(
        r#"
[egress]
allow_internal = ["{address}"]

[secrets.destination]
value = "{value}"
audience = "{origin}"

[bindings.{plugin}]
plugin = "{plugin}"
settings = {{ intake_url = "{origin}{path}"{more} }}
secrets = {{ {name} = "destination" }}

[bindings.{plugin}.grant]
http = ["POST {origin}{path}"]
secrets = ["{name}"]
"#
    );
    Host::start(Options::new().shipped(plugin).config(&config)).await
}

/// Where an exporter is asked to export.
pub(crate) fn export(plugin: &str) -> String {
    format!("/api/v1/audit-logs/siem/{plugin}/export")
}

/// Built-in exporters need no configuration where a request brings address and secret. `address` is a double's,
/// and no public one.
pub(crate) async fn without_configuration(plugin: &str, address: &str, secret: &str) {
    let host = Host::start(Options::new().shipped(plugin)).await;
    let client = host.client();
    let shown = client.get(&format!("/api/v1/plugins/{plugin}")).await.expect(200);
    assert_eq!(shown["state"], "active", "{shown}");
    let export = export(plugin);
    let nowhere = client.post(&export, &json!({"events": [{"id": "evt_1"}]})).await;
    assert!(nowhere.status == 422 && nowhere.text().contains("intake_url"), "{}", nowhere.text());
    let bare = client.post(&export, &json!({"events": [{"id": "evt_1"}], "intake_url": address})).await;
    assert_eq!(bare.status, 422, "{}", bare.text());
    let mut body = json!({"events": [{"id": "evt_1"}], "intake_url": address});
    body[secret] = json!("a-secret-of-the-caller");
    let answer = client.post(&export, &body).await;
    assert!(matches!(answer.status, 200 | 422), "{}", answer.text());
    assert!(answer.text().contains("egress.allow_internal"), "{}", answer.text());
}
