//! A binding's settings with an export's options; `plugin.toml` has their schema.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::{Failure, Request, parts, secret};
use serde::Deserialize;

/// One destination.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    intake_url: String,
    pub(crate) source: Option<String>,
    pub(crate) sourcetype: String,
    pub(crate) host: Option<String>,
    pub(crate) index: Option<String>,
    pub(crate) tags: Vec<String>,
    pub(crate) fields: BTreeMap<String, String>,
    acknowledgement: Acknowledgement,
    acknowledgement_timeout_s: u64,
}

/// When an event counts as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Acknowledgement {
    /// As the token has it.
    Auto,
    /// Once the indexer has it.
    Required,
    /// Once the collector has it.
    Off,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            intake_url: String::new(),
            source: None,
            sourcetype: "_json".to_string(),
            host: None,
            index: None,
            tags: Vec::new(),
            fields: BTreeMap::new(),
            acknowledgement: Acknowledgement::Auto,
            acknowledgement_timeout_s: 300,
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

    /// A request with these events, one JSON object after the other.
    pub(crate) fn events(&self, events: Vec<u8>) -> Request {
        let url = match self.collector() {
            Some(collector) => [&collector, "/event"].concat(),
            None => self.intake_url.clone(),
        };
        post(url).json_bytes(events).gzip()
    }

    /// A request for the status of acknowledgements; none where no address is known for it.
    pub(crate) fn acks(&self, body: Vec<u8>) -> Option<Request> {
        Some(post([&self.collector()?, "/ack"].concat()).json_bytes(body))
    }

    /// Whether acknowledgements are asked for. What is granted is the path of `intake_url` and below: beside
    /// `/event` nothing is.
    pub(crate) fn acknowledgement(&self) -> Acknowledgement {
        match self.acknowledgement {
            Acknowledgement::Auto if self.collector().is_none() => Acknowledgement::Off,
            chosen => chosen,
        }
    }

    /// In microseconds.
    pub(crate) fn acknowledgement_timeout(&self) -> u64 {
        self.acknowledgement_timeout_s.saturating_mul(1_000_000)
    }

    /// The address that `/event` and `/ack` are below.
    fn collector(&self) -> Option<String> {
        let url = self.intake_url.trim_end_matches('/');
        let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        match path {
            None => Some([url, "/services/collector"].concat()),
            Some((_, path)) if path.ends_with("/event") || path.ends_with("/event/1.0") => None,
            Some(_) => Some(url.to_string()),
        }
    }
}

fn post(url: String) -> Request {
    Request::post(url)
        .header("accept", "application/json")
        .header("authorization", parts!["Splunk ", secret("hec_token")])
}
