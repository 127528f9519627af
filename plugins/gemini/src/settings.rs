//! A binding's settings; `plugin.toml` has their schema.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::{Request, parts, secret};
use serde::Deserialize;
use serde_json::value::RawValue;

/// How the key is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Auth {
    XGoogApiKey,
    Bearer,
    None,
}

/// What a caller's `reasoning_effort` becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallerEffort {
    Ignore,
    Level,
    Budget,
}

/// In which words schemas are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Schemas {
    JsonSchema,
    Openapi,
}

/// Whether calls without a signature get the vendor's placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Placeholder {
    Auto,
    Always,
    Never,
}

/// One endpoint.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    base_url: String,
    auth: Auth,
    headers: BTreeMap<String, String>,
    pub(crate) always_stream: bool,
    pub(crate) thinking_level: Option<String>,
    pub(crate) thinking_budget: Option<i32>,
    pub(crate) include_thoughts: Option<bool>,
    pub(crate) caller_effort: CallerEffort,
    pub(crate) schemas: Schemas,
    pub(crate) safety_settings: Vec<Box<RawValue>>,
    pub(crate) tools: Vec<Box<RawValue>>,
    pub(crate) task_type: Option<String>,
    pub(crate) call_ids: bool,
    pub(crate) call_id_bytes: usize,
    pub(crate) placeholder_signature: Placeholder,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_url: "https://generativelanguage.googleapis.com/v1beta".to_string(),
            auth: Auth::XGoogApiKey,
            headers: BTreeMap::new(),
            always_stream: false,
            thinking_level: None,
            thinking_budget: None,
            include_thoughts: None,
            caller_effort: CallerEffort::Ignore,
            schemas: Schemas::JsonSchema,
            safety_settings: Vec::new(),
            tools: Vec::new(),
            task_type: None,
            call_ids: true,
            call_id_bytes: 512,
            placeholder_signature: Placeholder::Auto,
        }
    }
}

impl Settings {
    /// A request with every header but those of the body; `path` is the model's, `method` begins with a colon.
    /// Where the key was not given, the host leaves its header out.
    pub(crate) fn post(&self, path: &str, method: &str, streamed: bool) -> Request {
        let url = [self.base_url.trim_end_matches('/'), "/", path, method].concat();
        let accept = if streamed { "text/event-stream" } else { "application/json" };
        let mut request = Request::post(url).header("accept", accept);
        request = match self.auth {
            Auth::XGoogApiKey => request.header("x-goog-api-key", secret("api_key")),
            Auth::Bearer => request.header("authorization", parts!["Bearer ", secret("api_key")]),
            Auth::None => request,
        };
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.as_str());
        }
        request
    }
}
