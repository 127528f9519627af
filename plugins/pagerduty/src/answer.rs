//! What PagerDuty's answers mean: `{"status":"success","message":"Event processed","dedup_key":…}` or
//! `{"status":"invalid event","message":…,"errors":[…]}` ("Events API v2 Overview", response codes).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::Value;

/// Messages with more characters than this are cut.
const MAX_MESSAGE: usize = 500;

/// What an answer means for its event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// PagerDuty has the event.
    Accepted,
    /// It will never take this event.
    Refused,
    /// Worth another attempt.
    Later,
    /// Nothing will be accepted before somebody has mended key or address.
    Operator,
}

impl Meaning {
    pub(crate) fn of(status: u16, body: &str) -> Self {
        match status {
            200..=299 => Self::Accepted,
            // The key is part of the event: a wrong one makes every event invalid.
            400 if said(body).to_lowercase().replace('_', " ").contains("routing key") => Self::Operator,
            400 | 413 | 422 => Self::Refused,
            408 | 425 | 429 | 500..=599 => Self::Later,
            _ => Self::Operator,
        }
    }
}

/// An answer in PagerDuty's words.
pub(crate) fn reason(status: u16, body: &str) -> String {
    let advice = match (status, Meaning::of(status, body)) {
        (300..=399 | 404 | 405 | 410, _) => ": is intake_url right?",
        (400 | 401 | 403, Meaning::Operator) => {
            ": is the routing key right, and of the service region of intake_url?"
        }
        _ => "",
    };
    match said(body) {
        said if said.is_empty() => format!("PagerDuty answered {status}{advice}"),
        said => {
            let said: String = said.chars().take(MAX_MESSAGE).collect();
            format!("PagerDuty answered {status} ({said}){advice}")
        }
    }
}

/// The errors, else the message; nothing of what is no such answer.
fn said(body: &str) -> String {
    let json = serde_json::from_str::<Value>(body).unwrap_or_default();
    let errors: Vec<&str> = match &json["errors"] {
        Value::Array(errors) => errors.iter().filter_map(Value::as_str).collect(),
        Value::String(error) => Vec::from([error.as_str()]),
        _ => Vec::new(),
    };
    let message = json["message"].as_str().unwrap_or_default();
    if errors.is_empty() { String::from(message) } else { errors.join("; ") }
}
