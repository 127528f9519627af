//! A binding's settings with an export's options; `plugin.toml` has their schema.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::{Request, parts, secret};
use serde::{Deserialize, Serialize};

/// One destination.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    intake_url: String,
    pub(crate) event_action: EventAction,
    pub(crate) severity: Option<Severity>,
    pub(crate) source: String,
    pub(crate) component: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) class: Option<String>,
    pub(crate) dedup_key_prefix: String,
    pub(crate) tags: Vec<String>,
}

/// What an event does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EventAction {
    Trigger,
    Acknowledge,
    Resolve,
    /// As the event's type says.
    Auto,
}

/// PagerDuty's severities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    Critical,
    Error,
    Warning,
    Info,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            intake_url: "https://events.pagerduty.com/v2/enqueue".to_string(),
            event_action: EventAction::Trigger,
            severity: None,
            source: "hardpoint".to_string(),
            component: None,
            group: None,
            class: None,
            dedup_key_prefix: "hardpoint".to_string(),
            tags: Vec::new(),
        }
    }
}

impl Settings {
    /// A request with this alert, a JSON object with at least one member and without a routing key.
    pub(crate) fn post(&self, alert: &[u8]) -> Request {
        let members = alert.strip_prefix(b"{").unwrap_or(alert);
        let body = parts!["{\"routing_key\":\"", secret("routing_key").json(), "\",", members.to_vec()];
        Request::post(self.url()).header("accept", "application/json").json_bytes(body)
    }

    fn url(&self) -> String {
        let host = self.intake_url.split_once("://").map_or("", |(_, rest)| rest);
        match host.split_once('/') {
            Some((_, path)) if !path.is_empty() => self.intake_url.clone(),
            _ => [self.intake_url.trim_end_matches('/'), "/v2/enqueue"].concat(),
        }
    }
}
