//! What the collector's answers mean: `{"text":"Success","code":0,"ackId":7}`
//! ("Troubleshoot HTTP Event Collector", possible error codes).

use alloc::format;
use alloc::string::String;

use serde::Deserialize;

/// Messages with more characters than this are cut.
const MAX_MESSAGE: usize = 500;

/// An answer, as far as it can be read. Other collectors of the same protocol say less than Splunk does.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Reply {
    text: Option<String>,
    pub(crate) code: Option<u16>,
    #[serde(rename = "ackId")]
    pub(crate) ack_id: Option<u64>,
    /// The position of the event that was refused, from 0.
    #[serde(rename = "invalid-event-number")]
    pub(crate) invalid_event: Option<usize>,
}

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The collector has the events.
    Accepted,
    /// Something in the batch, or its size, is wrong.
    Refused,
    /// Worth another attempt.
    Later,
    /// Nothing will be accepted before somebody has mended token, address or settings.
    Operator(&'static str),
    /// The token has no acknowledgement.
    AcksOff,
}

const TOKEN: &str = ": is the HEC token right and enabled?";
const ADDRESS: &str = ": is intake_url right?";
const CHANNEL: &str = ": the token asks for indexer acknowledgement; set `acknowledgement` to `auto`, and \
                       `intake_url` to an address that ends in /services/collector";

impl Reply {
    pub(crate) fn read(body: &str) -> Self {
        // Of an answer with one member of the wrong type all the same as of one without members.
        serde_json::from_str(body).unwrap_or_default()
    }

    /// The code decides where there is one; else, for proxies and load balancers, the status does.
    pub(crate) fn meaning(&self, status: u16) -> Meaning {
        use Meaning::{Accepted, AcksOff, Later, Operator, Refused};
        match (self.code, status) {
            // Success; success and a warning that queue (24) or channel (25) are filling up.
            (Some(0 | 24 | 25), 200..=299) => Accepted,
            // Disabled; missing; of a wrong form; unknown; in the query; unknown and disabled, as health has it.
            (Some(1..=4 | 16 | 21 | 22), _) => Operator(TOKEN),
            // No data; no JSON; no `event`; a blank one; nested fields.
            (Some(5 | 6 | 12 | 13 | 15), _) => Refused,
            (Some(7), _) => Operator(": does the token allow this index, and is it there?"),
            // Internal error; busy; full queues; no acknowledgements for now, and both; shutting down; at capacity.
            (Some(8 | 9 | 18..=20 | 23 | 26 | 27), _) => Later,
            // No channel; no GUID; no channel, as Splunk Cloud says it.
            (Some(10 | 11 | 28), _) => Operator(CHANNEL),
            (Some(14), _) => AcksOff,
            (_, 200..=299) => Accepted,
            (_, 400 | 413 | 422) => Refused,
            (_, 408 | 425 | 429 | 500..=599) => Later,
            (_, 401 | 403) => Operator(TOKEN),
            (_, 300..=399 | 404 | 405 | 410) => Operator(ADDRESS),
            _ => Operator(""),
        }
    }

    /// An answer in Splunk's words.
    pub(crate) fn reason(&self, status: u16) -> String {
        let code = self.code.map(|code| format!(", code {code}")).unwrap_or_default();
        match self.text.as_deref().filter(|text| !text.is_empty()) {
            Some(text) => {
                let text: String = text.chars().take(MAX_MESSAGE).collect();
                format!("Splunk answered {status}{code} ({text})")
            }
            None => format!("Splunk answered {status}{code}"),
        }
    }

    /// Whether it warns of a limit that is near.
    pub(crate) fn is_warning(&self) -> bool {
        matches!(self.code, Some(24 | 25))
    }
}
