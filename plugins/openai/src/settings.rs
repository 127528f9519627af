//! A binding's settings; `plugin.toml` has their schema.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use hardpoint_sdk::{Request, parts, secret};
use serde::Deserialize;

/// How the key is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Auth {
    #[default]
    Bearer,
    ApiKey,
    None,
}

/// One upstream server.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    base_url: String,
    auth: Auth,
    organization: Option<String>,
    project: Option<String>,
    headers: BTreeMap<String, String>,
    pub(crate) max_tokens_field: String,
    pub(crate) developer_role: String,
    pub(crate) reasoning_field: String,
    pub(crate) stream_usage: bool,
    pub(crate) embedding_encoding: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_string(),
            auth: Auth::Bearer,
            organization: None,
            project: None,
            headers: BTreeMap::new(),
            max_tokens_field: "max_tokens".to_string(),
            developer_role: "developer".to_string(),
            reasoning_field: "none".to_string(),
            stream_usage: true,
            embedding_encoding: "base64".to_string(),
        }
    }
}

impl Settings {
    /// A request with every header but those of the body. Where the key was not given, the host leaves its
    /// header out.
    pub(crate) fn post(&self, path: &str, streamed: bool) -> Request {
        let base = self.base_url.trim_end_matches('/');
        let mut url = String::with_capacity(base.len() + path.len());
        url.push_str(base);
        url.push_str(path);
        let accept = if streamed { "text/event-stream" } else { "application/json" };
        let mut request = Request::post(url).header("accept", accept);
        request = match self.auth {
            Auth::Bearer => request.header("authorization", parts!["Bearer ", secret("api_key")]),
            Auth::ApiKey => request.header("api-key", secret("api_key")),
            Auth::None => request,
        };
        if let Some(organization) = &self.organization {
            request = request.header("openai-organization", organization.as_str());
        }
        if let Some(project) = &self.project {
            request = request.header("openai-project", project.as_str());
        }
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.as_str());
        }
        request
    }
}
