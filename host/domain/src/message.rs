//! Completion and embedding requests and what comes back, free of any provider's wire format.
//! They mirror `wit/model.wit`; the runtime translates one into the other.

use serde::{Deserialize, Serialize};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions of the operator.
    System,
    /// Instructions of the developer.
    Developer,
    /// The person who asks.
    User,
    /// The model.
    Assistant,
    /// The answer of a tool.
    Tool,
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum ContentPart {
    /// Plain text.
    Text(String),
    /// An image by `https:` or `data:` URL, with the wished-for detail.
    Image {
        /// `https:` or `data:`.
        url: String,
        /// `low`, `high` or `auto`.
        detail: Option<String>,
    },
}

/// A call of a tool, complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The model's id for this call.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// JSON text, as the model wrote it.
    pub arguments: String,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// Empty where an assistant only called tools.
    pub content: Vec<ContentPart>,
    /// The participant's name.
    pub name: Option<String>,
    /// The assistant's reasoning before its content, where it is given back.
    pub reasoning: Option<String>,
    /// That the assistant refused, in its words.
    pub refusal: Option<String>,
    /// Calls that the assistant made in this turn.
    pub tool_calls: Vec<ToolCall>,
    /// The call that this message of a tool answers.
    pub tool_call_id: Option<String>,
}

/// A function that the model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolDefinition {
    /// The function's name.
    pub name: String,
    /// What it does, for the model.
    pub description: Option<String>,
    /// JSON Schema of its arguments, as JSON text.
    pub parameters: Option<String>,
    /// Whether arguments must follow the schema exactly.
    pub strict: Option<bool>,
}

/// Whether the model may, must or must not call tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// It must not.
    None,
    /// It may.
    Auto,
    /// It must call one.
    Required,
    /// It must call this one.
    Function(String),
}

/// The shape that an answer must have.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseFormat {
    /// Text.
    Text,
    /// Some JSON object.
    JsonObject,
    /// JSON that follows a schema.
    JsonSchema {
        /// The schema's name.
        name: String,
        /// What it is for.
        description: Option<String>,
        /// JSON text.
        schema: String,
        /// Whether the answer must follow it exactly.
        strict: Option<bool>,
    },
}

/// A request for a completion, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct CompletionRequest {
    /// The id of a configured model.
    pub model: String,
    /// At least one.
    pub messages: Vec<Message>,
    /// Tools that the caller answers itself.
    pub tools: Vec<ToolDefinition>,
    /// Whether tools may or must be called.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several calls may come in one turn.
    pub parallel_tool_calls: Option<bool>,
    /// The shape of the answer.
    pub response_format: Option<ResponseFormat>,
    /// Whether the caller wants deltas as they come.
    pub streamed: bool,
    /// In a stream: whether a last chunk tells the usage.
    pub include_usage: bool,
    /// The most tokens to produce.
    pub max_tokens: Option<u32>,
    /// 0 to 2.
    pub temperature: Option<f64>,
    /// 0 to 1.
    pub top_p: Option<f64>,
    /// -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// -2 to 2.
    pub presence_penalty: Option<f64>,
    /// At most four.
    pub stop: Vec<String>,
    /// For repeatable sampling.
    pub seed: Option<i64>,
    /// The caller's opaque name for its own user.
    pub user: Option<String>,
    /// Members that the host does not know, passed through.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// A request for embeddings, validated.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingRequest {
    /// The id of a configured model.
    pub model: String,
    /// At least one.
    pub inputs: Vec<String>,
    /// The wished-for length of the vectors.
    pub dimensions: Option<u32>,
    /// The caller's opaque name for its own user.
    pub user: Option<String>,
    /// Members that the host does not know, passed through.
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// Tokens, as the provider counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub input_tokens: u64,
    /// Of those, served from the provider's cache.
    pub cached_input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Of those, spent on reasoning.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// The sum over several rounds of one request; saturates.
    pub fn plus(self, other: Self) -> Self {
        Self {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            cached_input_tokens: self.cached_input_tokens.saturating_add(other.cached_input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            reasoning_tokens: self.reasoning_tokens.saturating_add(other.reasoning_tokens),
        }
    }

    /// Read and written together; saturates.
    pub fn total(self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }
}

/// A piece of a tool call in a stream; pieces with one index belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCallPiece {
    /// Which call of this turn.
    pub index: u32,
    /// On the first piece.
    pub id: Option<String>,
    /// On the first piece.
    pub name: Option<String>,
    /// To be appended.
    pub arguments: String,
}

/// Why a completion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model was done, or met a stop sequence.
    Stop,
    /// It met the token limit.
    Length,
    /// It wants tools called.
    ToolCalls,
    /// It was cut off by a filter.
    ContentFilter,
}

/// What a completion yields, in order. `Finish` is the last.
#[derive(Clone, Debug, PartialEq)]
pub enum Delta {
    /// Text of the answer.
    Text(String),
    /// Text of the reasoning before it.
    Reasoning(String),
    /// Text of a refusal.
    Refusal(String),
    /// A piece of a tool call.
    ToolCall(ToolCallPiece),
    /// What was used, at most once a round.
    Usage(Usage),
    /// The end.
    Finish(FinishReason),
}

/// The vectors of an embedding request, in the order of its inputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    /// One vector an input.
    pub vectors: Vec<Vec<f32>>,
    /// What was used.
    pub usage: Usage,
}
