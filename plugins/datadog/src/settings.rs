//! A binding's settings with an export's options; `plugin.toml` has their schema.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::{Request, secret};
use serde::Deserialize;

/// One destination.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    intake_url: String,
    pub(crate) service: String,
    pub(crate) source: String,
    pub(crate) hostname: Option<String>,
    pub(crate) tags: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            intake_url: "https://http-intake.logs.datadoghq.com/api/v2/logs".to_string(),
            service: "hardpoint".to_string(),
            source: "hardpoint".to_string(),
            hostname: None,
            tags: Vec::new(),
        }
    }
}

impl Settings {
    /// A request with these logs, a JSON array.
    pub(crate) fn post(&self, logs: Vec<u8>) -> Request {
        Request::post(self.url())
            .header("accept", "application/json")
            .header("dd-api-key", secret("api_key"))
            .json_bytes(logs)
            .gzip()
    }

    fn url(&self) -> String {
        let host = self.intake_url.split_once("://").map_or("", |(_, rest)| rest);
        match host.split_once('/') {
            Some((_, path)) if !path.is_empty() => self.intake_url.clone(),
            _ => [self.intake_url.trim_end_matches('/'), "/api/v2/logs"].concat(),
        }
    }
}
