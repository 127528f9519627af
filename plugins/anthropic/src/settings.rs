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
    XApiKey,
    Bearer,
    None,
}

/// Whether the model thinks before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Thinking {
    Default,
    Adaptive,
    Enabled,
    Disabled,
}

/// How many of `temperature` and `top_p` are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sampling {
    One,
    Both,
    None,
}

/// How an answer is made to follow a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum JsonFormat {
    OutputConfig,
    Tool,
}

/// One endpoint.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    base_url: String,
    auth: Auth,
    version: String,
    beta: Vec<String>,
    headers: BTreeMap<String, String>,
    pub(crate) always_stream: bool,
    pub(crate) max_tokens: u32,
    pub(crate) thinking: Thinking,
    pub(crate) thinking_budget_tokens: u32,
    pub(crate) thinking_display: Option<String>,
    pub(crate) effort: Option<String>,
    pub(crate) caller_effort: bool,
    sampling: Sampling,
    pub(crate) json_format: JsonFormat,
    pub(crate) prompt_cache: String,
    pub(crate) server_tools: Vec<Box<RawValue>>,
    pub(crate) call_id_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_url: "https://api.anthropic.com".to_string(),
            auth: Auth::XApiKey,
            version: "2023-06-01".to_string(),
            beta: Vec::new(),
            headers: BTreeMap::new(),
            always_stream: false,
            max_tokens: 4096,
            thinking: Thinking::Default,
            thinking_budget_tokens: 8192,
            thinking_display: None,
            effort: None,
            caller_effort: false,
            sampling: Sampling::One,
            json_format: JsonFormat::OutputConfig,
            prompt_cache: "off".to_string(),
            server_tools: Vec::new(),
            call_id_bytes: 512,
        }
    }
}

/// The first version of the API without `temperature`, `top_p` and `top_k`
/// (<https://platform.claude.com/docs/en/api/versioning>).
const WITHOUT_SAMPLING: &str = "2026-10-21";

impl Settings {
    /// What is sent of `temperature` and `top_p`.
    pub(crate) fn sampling(&self) -> Sampling {
        if self.has_no_sampling() { Sampling::None } else { self.sampling }
    }

    /// Whether the API's version knows no member about sampling. Versions are dates, which sort as text.
    pub(crate) fn has_no_sampling(&self) -> bool {
        self.version.as_str() >= WITHOUT_SAMPLING
    }

    /// A request with every header but those of the body. Where the key was not given, the host leaves its
    /// header out.
    pub(crate) fn post(&self, streamed: bool) -> Request {
        let mut url = self.base_url.trim_end_matches('/').to_string();
        url.push_str("/v1/messages");
        let accept = if streamed { "text/event-stream" } else { "application/json" };
        let mut request =
            Request::post(url).header("accept", accept).header("anthropic-version", self.version.as_str());
        request = match self.auth {
            Auth::XApiKey => request.header("x-api-key", secret("api_key")),
            Auth::Bearer => request.header("authorization", parts!["Bearer ", secret("api_key")]),
            Auth::None => request,
        };
        if !self.beta.is_empty() {
            request = request.header("anthropic-beta", self.beta.join(","));
        }
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.as_str());
        }
        request
    }
}
