//! What Elasticsearch's answers mean: of a whole request, `{"error":{"type":…,"reason":…},"status":400}`, and
//! of each document, `{"errors":true,"items":[{"create":{"status":201}},…]}`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::Value;

/// Messages with more characters than this are cut.
const MAX_MESSAGE: usize = 500;

/// What an answer means, for a request or for a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// It is there.
    Accepted,
    /// Something in it, or its size, is wrong.
    Refused,
    /// Worth another attempt.
    Later,
    /// Nothing will be accepted before somebody has mended credentials, address or data stream.
    Operator,
}

/// What became of each document, in the order of the request.
#[derive(Deserialize)]
pub(crate) struct Reply {
    pub(crate) items: Vec<Line>,
}

#[derive(Deserialize)]
pub(crate) struct Line {
    pub(crate) create: Item,
}

/// What became of a document.
#[derive(Deserialize)]
pub(crate) struct Item {
    pub(crate) status: u16,
    #[serde(default)]
    error: Value,
    /// `used` where a document that does not fit was put aside, in the data stream's failure store.
    #[serde(default)]
    failure_store: Option<String>,
}

impl Meaning {
    /// Of a whole request.
    pub(crate) fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Accepted,
            400 | 413 | 422 => Self::Refused,
            408 | 425 | 429 | 500..=599 => Self::Later,
            // Credentials (401), privileges (403), no such path (404, 405, 410, a redirect), no such format (406).
            _ => Self::Operator,
        }
    }
}

impl Item {
    /// Of a document.
    pub(crate) fn meaning(&self) -> Meaning {
        let kind = self.error["type"].as_str().unwrap_or_default();
        match self.status {
            // The event is there already: an earlier attempt brought it.
            200..=299 | 409 => Meaning::Accepted,
            // A read-only index, as versions before 7.7 say of a full disk; it ends by itself.
            403 if kind == "cluster_block_exception" => Meaning::Later,
            400 if self.words().contains("pipeline with id [") => Meaning::Operator,
            // No privileges, no such data stream.
            401 | 403 | 404 => Meaning::Operator,
            408 | 425 | 429 | 500..=599 => Meaning::Later,
            // A document that does not fit the mapping, or too many fields.
            _ => Meaning::Refused,
        }
    }

    pub(crate) fn is_put_aside(&self) -> bool {
        self.failure_store.as_deref() == Some("used")
    }

    pub(crate) fn reason(&self) -> String {
        let advice = match (self.meaning(), self.status) {
            (Meaning::Operator, 404) => ": is there such a data stream, or may it be created?",
            (Meaning::Operator, 401 | 403) => ": may these credentials write to the data stream?",
            (Meaning::Operator, _) => ": is the pipeline right?",
            _ => "",
        };
        told(self.status, &self.words(), advice)
    }

    fn words(&self) -> String {
        words(&self.error)
    }
}

/// A refusal of a whole request in Elasticsearch's words.
pub(crate) fn reason(status: u16, body: &str) -> String {
    let json = serde_json::from_str::<Value>(body).unwrap_or_default();
    let advice = match status {
        401 | 403 => ": are the credentials right, and of this deployment?",
        300..=399 | 404 | 405 | 410 => ": is intake_url right?",
        _ => "",
    };
    told(status, &words(&json["error"]), advice)
}

fn told(status: u16, words: &str, advice: &str) -> String {
    if words.is_empty() {
        return format!("Elasticsearch answered {status}{advice}");
    }
    let words: String = words.chars().take(MAX_MESSAGE).collect();
    format!("Elasticsearch answered {status} ({words}){advice}")
}

/// `mapper_parsing_exception: failed to parse field [a]: …`, as far as it is told.
fn words(error: &Value) -> String {
    let cause = error["caused_by"]["reason"].as_str();
    let told: Vec<&str> = match error {
        Value::String(text) => Vec::from([text.as_str()]),
        error => [error["type"].as_str(), error["reason"].as_str(), cause].into_iter().flatten().collect(),
    };
    told.join(": ").trim().to_string()
}
