//! A host with one exporter that is bound to a double.

use hardpoint_tests::host::{Host, Options};

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
