//! What the host asks of a plugin. The members are those of the interfaces in `wit/`, in snake case; what is
//! left out has its default.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::exchange::Bytes;

/// One of the things that can be asked.
#[derive(Clone, Debug)]
pub enum Asked {
    /// Of a model adapter.
    Completion(Box<CompletionInput>),
    /// Of a model adapter.
    Embedding(EmbeddingInput),
    /// Of an exporter.
    Delivery(DeliveryInput),
    /// Of a tool.
    Call(CallInput),
}

/// `completion-request` of `model.wit`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct CompletionInput {
    pub upstream_model: String,
    pub messages: Vec<MessageInput>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ToolInput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<ToolChoiceInput>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_format: Option<ResponseFormatInput>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub streamed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// `message` of `model.wit`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct MessageInput {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    pub role: String,
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub content: Content,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCallInput>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
}

/// Content: a text, or parts.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// One text.
    Text(String),
    /// Parts in order.
    Parts(Vec<PartInput>),
}

/// `content-part` of `model.wit`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum PartInput {
    Text(String),
    Image {
        url: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
}

/// `tool-call` of `model.wit`; in outcomes too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ToolCallInput {
    pub id: String,
    pub name: String,
    /// JSON text, as the model wrote it.
    pub arguments: String,
}

/// `tool-definition` of `model.wit`; `parameters` as JSON, not as text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ToolInput {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// `tool-choice` of `model.wit`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum ToolChoiceInput {
    None,
    Auto,
    Required,
    Function(String),
}

/// `response-format` of `model.wit`; the schema as JSON, not as text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum ResponseFormatInput {
    Text,
    JsonObject,
    JsonSchema {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        schema: Value,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
}

/// `embedding-request` of `model.wit`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[allow(missing_docs)]
pub struct EmbeddingInput {
    pub upstream_model: String,
    pub inputs: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub extra: Map<String, Value>,
}

/// `batch` of `exporter.wit`, with what was saved last.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliveryInput {
    /// 1 for the first attempt.
    #[serde(default = "one")]
    pub attempt: u32,
    /// Microseconds since the Unix epoch.
    #[serde(default)]
    pub now: u64,
    /// In the order they happened.
    pub events: Vec<EventInput>,
    /// What an earlier delivery saved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Bytes>,
}

/// `event` of `exporter.wit`; the body as JSON, not as text.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct EventInput {
    pub id: String,
    pub kind: String,
    /// Microseconds since the Unix epoch.
    pub time: u64,
    pub body: Value,
}

/// A call of a tool.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallInput {
    /// A JSON object.
    pub arguments: Value,
    /// What its `kv` holds before.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub kv: Map<String, Value>,
}

const fn one() -> u32 {
    1
}

impl Default for Content {
    fn default() -> Self {
        Self::Parts(Vec::new())
    }
}

impl Content {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Parts(parts) if parts.is_empty())
    }

    /// Its parts, whichever way it is written.
    pub fn into_parts(self) -> Vec<PartInput> {
        match self {
            Self::Text(text) => vec![PartInput::Text(text)],
            Self::Parts(parts) => parts,
        }
    }
}
