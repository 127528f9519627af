//! What a collector's answers mean: OTLP/HTTP, section «Response».

use alloc::format;
use alloc::string::{String, ToString};

use prost::Message;
use serde_json::Value;

use crate::message::{ExportResponse, Status};
use crate::settings::Encoding;

/// Messages with more characters than this are cut.
const MAX_MESSAGE: usize = 500;

/// What a status means for the records of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The collector has them, or all but those that the body counts.
    Accepted,
    /// One of them is to blame, or their number. The same request must not be sent again; halves are others.
    Refused,
    /// One of the four statuses that the protocol calls retryable.
    Later,
    /// All others must not be tried again: nothing will be accepted before somebody has mended something.
    Operator,
}

impl Meaning {
    pub(crate) fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Accepted,
            400 | 413 | 422 => Self::Refused,
            429 | 502 | 503 | 504 => Self::Later,
            _ => Self::Operator,
        }
    }
}

/// What a collector says beside having accepted a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Partial {
    /// How many records it rejected.
    pub(crate) rejected: u64,
    /// Why, or a warning where it rejected none.
    pub(crate) message: String,
}

impl Partial {
    /// From the body of an answer of 200. One that cannot be read says nothing: the status has said it.
    pub(crate) fn read(body: &[u8], encoding: Encoding) -> Self {
        match encoding {
            Encoding::Json => Self::of_json(body).unwrap_or_default(),
            Encoding::Protobuf => {
                let read = ExportResponse::decode(body).ok().and_then(|response| response.partial_success);
                read.map_or_else(Self::default, |partial| Self {
                    rejected: u64::try_from(partial.rejected_log_records).unwrap_or_default(),
                    message: cut(&partial.error_message),
                })
            }
        }
    }

    fn of_json(body: &[u8]) -> Option<Self> {
        let response: Value = serde_json::from_str(core::str::from_utf8(body).ok()?).ok()?;
        let partial = response.get("partialSuccess")?;
        // Protobuf's JSON writes 64-bit integers as strings, and takes either.
        let rejected = match partial.get("rejectedLogRecords") {
            Some(Value::String(digits)) => digits.parse().unwrap_or_default(),
            Some(number) => number.as_u64().unwrap_or_default(),
            None => 0,
        };
        let message = partial.get("errorMessage").and_then(Value::as_str).map(cut).unwrap_or_default();
        Some(Self { rejected, message })
    }
}

/// A refusal in the collector's words: a `google.rpc.Status` in the encoding of the request, or what a proxy before
/// it says.
pub(crate) fn reason(status: u16, content_type: &str, body: &[u8]) -> String {
    let said = if content_type.starts_with("application/x-protobuf") {
        Status::decode(body).map(|status| status.message).unwrap_or_default()
    } else {
        let text = String::from_utf8_lossy(body);
        let json = serde_json::from_str::<Value>(&text).ok();
        let words = |json: &Value| json.get("message").and_then(Value::as_str).map(ToString::to_string);
        json.as_ref().and_then(words).unwrap_or_else(|| text.to_string())
    };
    let advice = match status {
        401 | 403 | 407 => ": are the credential, auth and auth_header right?",
        300..=399 | 404 | 405 | 410 => ": are endpoint and path right?",
        415 => ": does it take this encoding?",
        _ => "",
    };
    match cut(&said) {
        said if said.is_empty() => format!("the collector answered {status}{advice}"),
        said => format!("the collector answered {status} ({said}){advice}"),
    }
}

/// On one line, and not endless.
fn cut(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > 4 * MAX_MESSAGE {
            break;
        }
    }
    out.chars().take(MAX_MESSAGE).collect()
}
