//! A binding's settings with an export's options; `plugin.toml` has their schema.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::{Failure, Request, parts, secret};
use serde::Deserialize;

/// What is read of an answer, so that it stays small: nothing but what became of each document, and why.
const FILTER: &str = "filter_path=errors,error,status,items.*.status,items.*.error.type,items.*.error.reason,\
                      items.*.error.caused_by.reason,items.*.failure_store";

/// One destination.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    intake_url: String,
    auth: Auth,
    data_stream: String,
    pipeline: Option<String>,
    pub(crate) service: String,
    pub(crate) tags: Vec<String>,
}

/// Which secret goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Auth {
    ApiKey,
    Basic,
    None,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            intake_url: String::new(),
            auth: Auth::ApiKey,
            data_stream: "logs-hardpoint.audit-default".to_string(),
            pipeline: None,
            service: "hardpoint".to_string(),
            tags: Vec::new(),
        }
    }
}

impl Settings {
    /// There is no address that would be right for everybody: it comes from the binding or with the export.
    ///
    /// # Errors
    /// Where neither has one.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.intake_url.is_empty() {
            let failure = Failure::invalid_request("the option `intake_url` is missing");
            return Err(failure.with_param("intake_url"));
        }
        Ok(())
    }

    /// A request with these actions and documents, a line each.
    pub(crate) fn bulk(&self, lines: Vec<u8>) -> Request {
        let request = Request::post(self.url()).header("accept", "application/json");
        let request = match self.auth {
            Auth::ApiKey => request.header("authorization", parts!["ApiKey ", secret("api_key")]),
            Auth::Basic => request.header("authorization", parts!["Basic ", secret("basic_auth").base64()]),
            Auth::None => request,
        };
        request.header("content-type", "application/x-ndjson").body(lines).gzip()
    }

    fn url(&self) -> String {
        let (base, stream) = (self.intake_url.trim_end_matches('/'), &self.data_stream);
        let pipeline = self.pipeline.as_ref().map(|name| format!("&pipeline={name}")).unwrap_or_default();
        format!("{base}/{stream}/_bulk?{FILTER}{pipeline}")
    }
}
