//! A host whose models are served by a double of a provider.

use std::fmt::Write as _;

use hardpoint_tests::client::{Answer, Client, Events};
use hardpoint_tests::double::openai::{self, OpenAi};
use hardpoint_tests::host::{Host, Options};
use serde_json::{Value, json};

/// The three of them.
pub(crate) struct Scene {
    pub(crate) double: OpenAi,
    pub(crate) host: Host,
    pub(crate) client: Client,
}

/// A host with a model for each name, all behind one binding of `openai` to one double.
pub(crate) async fn scene(models: &[&str]) -> Scene {
    scene_with(models, "", Options::new()).await
}

/// The same, with more of the configuration, and other options.
pub(crate) async fn scene_with(models: &[&str], more: &str, options: Options) -> Scene {
    let double = OpenAi::start().await.expect("a double");
    let options = options.shipped("openai").config(&upstream(&double)).config(&entries(models)).config(more);
    let host = Host::start(options).await;
    let client = host.client();
    Scene { double, host, client }
}

/// A binding `upstream` of `openai` to the double, as an operator would write it. Waits are short.
pub(crate) fn upstream(double: &OpenAi) -> String {
    let (address, base_url, key) = (double.server().address(), double.base_url(), openai::KEY);
    format!(
        r#"
[egress]
allow_internal = ["{address}"]

[completions]
retry_base = "1ms"
retry_cap = "5ms"

[secrets.double]
value = "{key}"
audience = "http://{address}"

[bindings.upstream]
plugin = "openai"
settings = {{ base_url = "{base_url}" }}
secrets = {{ api_key = "double" }}

[bindings.upstream.grant]
http = ["POST {base_url}"]
secrets = ["api_key"]
"#
    )
}

/// One `[[models]]` each.
pub(crate) fn entries(models: &[&str]) -> String {
    let mut text = String::new();
    for model in models {
        let _ = writeln!(text, "[[models]]\nid = \"{model}\"\nbinding = \"upstream\"\n");
    }
    text
}

/// A request for a completion with one message of a user.
pub(crate) fn says(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

impl Scene {
    /// A whole completion.
    pub(crate) async fn complete(&self, request: &Value) -> Answer {
        self.client.post("/api/v1/chat/completions", request).await
    }

    /// A streamed completion, with its usage.
    pub(crate) async fn stream(&self, request: &Value) -> Events {
        self.client.stream("/api/v1/chat/completions", &streamed(request)).await
    }
}

/// The same request, streamed, with its usage.
pub(crate) fn streamed(request: &Value) -> Value {
    let mut request = request.clone();
    request["stream"] = json!(true);
    request["stream_options"] = json!({"include_usage": true});
    request
}

/// What a whole completion says.
pub(crate) fn text_of(completion: &Value) -> &str {
    completion["choices"][0]["message"]["content"].as_str().unwrap_or_default()
}
