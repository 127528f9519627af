//! What comes of an exchange, and how two outcomes differ.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::asked::ToolCallInput;
use crate::exchange::Bytes;

/// What came of it. Members that do not belong to what was asked stay empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Outcome {
    /// A completion's text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// The reasoning before it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reasoning: String,
    /// A refusal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub refusal: String,
    /// The calls that the model wants made, put together.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallInput>,
    /// Why a completion ended: `stop`, `length`, `tool_calls` or `content_filter`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finish: Option<String>,
    /// The vectors of an embedding, in the order of its inputs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vectors: Vec<Vec<f32>>,
    /// Tokens. None and zeros are the same: of an embedding that counts nothing the host has zeros.
    #[serde(skip_serializing_if = "counts_nothing")]
    pub usage: Option<Usage>,
    /// What became of each event of a delivery; null for one without a verdict.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Option<Verdict>>,
    /// Whether the events without a verdict are to be offered again in two halves.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub split: bool,
    /// Why the destination was parked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parked: Option<String>,
    /// What was saved last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saved: Option<Bytes>,
    /// A tool's answer: JSON where it is JSON, else text. Null is an answer too.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "some")]
    pub result: Option<Value>,
    /// Why a tool did not take its arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalid_arguments: Option<String>,
    /// The failure it ended with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// `usage` of `model.wit`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Usage {
    pub input_tokens: u64,
    pub cached_input_tokens: u64,
    pub output_tokens: u64,
    pub reasoning_tokens: u64,
}

/// `verdict` of `exporter.wit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The other side has it.
    Delivered,
    /// Offer it again after so many milliseconds.
    RetryAfter(u64),
    /// It can never be delivered, for this reason.
    Drop(String),
}

/// `failure` of `types.wit`. A message that is left out is not compared: it is for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct Failure {
    /// In snake case, as `rate_limited`; a tool's own is `failed`. Where an answer broke off, that of the break:
    /// `denied`, `connect`, `timeout`, `reset` or `protocol`.
    pub kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
}

fn counts_nothing(usage: &Option<Usage>) -> bool {
    usage.unwrap_or_default() == Usage::default()
}

/// A member that is there, whatever it holds.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

impl Outcome {
    /// How another outcome differs from this, the expected one; empty where it does not.
    pub fn differences(&self, got: &Self) -> Vec<String> {
        let mut got = got.clone();
        if let (Some(expected), Some(failure)) = (&self.failure, &mut got.failure)
            && expected.message.is_none()
        {
            failure.message = None;
        }
        let members = |outcome: &Self| match serde_json::to_value(outcome) {
            Ok(Value::Object(members)) => members,
            _ => serde_json::Map::new(),
        };
        let (expected, got) = (members(self), members(&got));
        let mut names: Vec<&String> = expected.keys().chain(got.keys()).collect();
        names.sort();
        names.dedup();
        let shown = |value: Option<&Value>| value.map_or_else(|| "left out".to_owned(), Value::to_string);
        let differs = names.into_iter().filter(|name| expected.get(*name) != got.get(*name));
        differs
            .map(|name| format!("`{name}` is {}, not {}", shown(got.get(name)), shown(expected.get(name))))
            .collect()
    }
}
