//! What the intake's answers mean.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::Value;

/// Messages with more characters than this are cut.
const MAX_MESSAGE: usize = 500;

/// What a status means for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Datadog has the logs.
    Accepted,
    /// Something in the batch, or its size, is wrong.
    Refused,
    /// Worth another attempt.
    Later,
    /// Nothing will be accepted before somebody has mended key or address.
    Operator,
}

impl Meaning {
    pub(crate) fn of(status: u16) -> Self {
        match status {
            200..=299 => Self::Accepted,
            400 | 413 | 422 => Self::Refused,
            408 | 425 | 429 | 500..=599 => Self::Later,
            // A wrong key (401, 403), a wrong address (404, 405, 410, a redirect), and what is not foreseen.
            _ => Self::Operator,
        }
    }
}

/// A refusal in Datadog's words: `{"errors":["Forbidden"]}` or `{"errors":[{"title":…,"detail":…}]}`.
pub(crate) fn reason(status: u16, body: &str) -> String {
    let said =
        serde_json::from_str::<Value>(body).ok().map(|json| words(&json)).filter(|said| !said.is_empty());
    let advice = match status {
        401 | 403 => ": is the API key right, and of the site of intake_url?",
        300..=399 | 404 | 405 | 410 => ": is intake_url right?",
        _ => "",
    };
    match said {
        Some(said) => format!("Datadog answered {status} ({}){advice}", cut(&said)),
        None => format!("Datadog answered {status}{advice}"),
    }
}

fn words(json: &Value) -> String {
    let one = |error: &Value| match error {
        Value::String(text) => text.clone(),
        error => [&error["detail"], &error["title"]]
            .into_iter()
            .find_map(Value::as_str)
            .unwrap_or_default()
            .to_string(),
    };
    let errors = json["errors"].as_array().or_else(|| json["error"].as_array());
    let all: Vec<String> = errors.into_iter().flatten().map(one).filter(|text| !text.is_empty()).collect();
    if all.is_empty() { json["message"].as_str().unwrap_or_default().to_string() } else { all.join("; ") }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_MESSAGE).collect()
}
