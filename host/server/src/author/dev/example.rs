//! A request that calls what was built, for authors who want to see it work.

use hardpoint_domain::manifest::{Kind, example};
use serde::Serialize;
use serde_json::{Value, json};

use super::Host;

/// A request that calls a plugin.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Example {
    /// Below the host's API.
    pub path: String,
    /// JSON.
    pub body: Value,
    /// Members of the body that stand for values which only the author knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own: Vec<String>,
}

impl Example {
    /// One that fits a plugin as it is bound; none for a kind that is not called.
    ///
    /// # Errors
    /// The host does not say how it is bound, or what a tool takes.
    pub(super) async fn of(host: &Host, kind: Kind, id: &str) -> anyhow::Result<Option<Self>> {
        let mut own = Vec::new();
        let seen = host.plugin(id).await?;
        let binding = seen.callable(id);
        let (path, body) = match kind {
            Kind::Tool => {
                let arguments = host.parameters(binding).await?.as_ref().map_or_else(|| json!({}), example);
                (format!("/tools/{binding}/call"), json!({ "arguments": arguments }))
            }
            Kind::Model => (
                "/chat/completions".to_owned(),
                json!({ "model": id, "messages": [{ "role": "user", "content": "Hello!" }] }),
            ),
            Kind::Exporter => {
                let mut body = seen.open_settings(binding);
                own = body.keys().cloned().collect();
                body.insert("events".to_owned(), json!([{ "kind": "hello" }]));
                (format!("/audit-logs/siem/{binding}/export"), Value::Object(body))
            }
            Kind::Retriever => return Ok(None),
        };
        Ok(Some(Self { path, body, own }))
    }

    /// What an author is told above it.
    pub fn heading(&self) -> String {
        match self.own.join("`, `") {
            names if names.is_empty() => "Try it:".to_owned(),
            names => {
                format!("Try it, with a value of your own for `{names}` (or set it for all with --settings):")
            }
        }
    }

    /// For a shell. `key` stands between double quotes, so that it may be a variable.
    pub fn as_curl(&self, base: &str, key: &str) -> String {
        let body = self.body.to_string().replace('\'', r"'\''");
        let path = &self.path;
        format!(
            "curl {base}{path} \\\n    -H \"Authorization: Bearer {key}\" \\\n    -H 'Content-Type: application/json' \\\n    -d '{body}'"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_a_shell_takes() {
        let body = json!({ "text": "it's" });
        let call = Example { path: "/tools/a/call".to_owned(), body, own: Vec::new() };
        let line = call.as_curl("http://127.0.0.1:1/api/v1", "$KEY");
        assert_eq!(
            line,
            "curl http://127.0.0.1:1/api/v1/tools/a/call \\\n    -H \"Authorization: Bearer $KEY\" \\\n    \
             -H 'Content-Type: application/json' \\\n    -d '{\"text\":\"it'\\''s\"}'"
        );
    }
}
