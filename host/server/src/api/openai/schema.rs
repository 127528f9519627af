//! The wire types, as answers are rendered and as `/openapi.json` describes them.
//!
//! The request types are descriptions only: bodies are read by `super::request` and
//! `super::embedding`, which know every rule and name the member that breaks one.

use hardpoint_domain::message::{FinishReason, ToolCall, ToolCallPiece, Usage};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::api::search::SourceBody;

/// A completion, whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChatCompletion {
    /// `chatcmpl-…`.
    pub id: String,
    /// `chat.completion`.
    pub object: &'static str,
    /// Unix seconds.
    pub created: i64,
    /// The model that answered: the one asked for, or one of its fallbacks.
    pub model: String,
    /// The plugin that spoke with the model, and its version: `openai@0.1.0`.
    pub system_fingerprint: String,
    /// Exactly one.
    pub choices: Vec<Choice>,
    /// Tokens, over all rounds of the host's own tool loop.
    pub usage: CompletionUsage,
    /// What the answer rests on, best first; only where `knowledge` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sources: Option<Vec<SourceBody>>,
}

/// The answer itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct Choice {
    /// 0.
    pub index: u32,
    /// What the model said.
    pub message: AssistantMessage,
    /// Never filled.
    #[schema(value_type = Option<Object>)]
    pub logprobs: Option<()>,
    /// `stop`, `length`, `tool_calls` or `content_filter`.
    #[schema(value_type = String)]
    pub finish_reason: FinishReason,
}

/// What the model said.
#[derive(Debug, Serialize, ToSchema)]
pub struct AssistantMessage {
    /// `assistant`.
    pub role: &'static str,
    /// Null where it only called tools or refused.
    pub content: Option<String>,
    /// Its words, where it refused.
    pub refusal: Option<String>,
    /// Its reasoning, where the provider tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning_content: Option<String>,
    /// The client's tools that it wants called.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<WireToolCall>,
}

/// A call of one of the client's tools; in a stream, a piece of one.
#[derive(Debug, Serialize, ToSchema)]
pub struct WireToolCall {
    /// Which call of this turn. Only in streams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// In a stream, only in the first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `function`. In a stream, only in the first piece.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// The function and its arguments.
    pub function: WireFunction,
}

/// The function and its arguments.
#[derive(Debug, Serialize, ToSchema)]
pub struct WireFunction {
    /// In a stream, only in the first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// JSON text, as the model wrote it; in a stream, to be appended.
    pub arguments: String,
}

impl From<ToolCall> for WireToolCall {
    fn from(call: ToolCall) -> Self {
        let function = WireFunction { name: Some(call.name), arguments: call.arguments };
        Self { index: None, id: Some(call.id), kind: Some("function"), function }
    }
}

impl From<ToolCallPiece> for WireToolCall {
    fn from(piece: ToolCallPiece) -> Self {
        let kind = piece.id.is_some().then_some("function");
        let function = WireFunction { name: piece.name, arguments: piece.arguments };
        Self { index: Some(piece.index), id: piece.id, kind, function }
    }
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompletionUsage {
    /// Read.
    pub prompt_tokens: u64,
    /// Written.
    pub completion_tokens: u64,
    /// Both.
    pub total_tokens: u64,
    /// Of those read.
    pub prompt_tokens_details: PromptTokens,
    /// Of those written.
    pub completion_tokens_details: CompletionTokens,
}

/// Of the tokens read.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromptTokens {
    /// Served from the provider's cache.
    pub cached_tokens: u64,
}

/// Of the tokens written.
#[derive(Debug, Serialize, ToSchema)]
pub struct CompletionTokens {
    /// Spent on reasoning.
    pub reasoning_tokens: u64,
}

impl From<Usage> for CompletionUsage {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.input_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: usage.total(),
            prompt_tokens_details: PromptTokens { cached_tokens: usage.cached_input_tokens },
            completion_tokens_details: CompletionTokens { reasoning_tokens: usage.reasoning_tokens },
        }
    }
}

/// A list of embeddings.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbeddingList {
    /// `list`.
    pub object: &'static str,
    /// In the order of the inputs.
    pub data: Vec<WireEmbedding>,
    /// The model that answered.
    pub model: String,
    /// Tokens.
    pub usage: EmbeddingUsage,
}

/// One input's vector.
#[derive(Debug, Serialize, ToSchema)]
pub struct WireEmbedding {
    /// `embedding`.
    pub object: &'static str,
    /// Position of its input.
    pub index: usize,
    /// The vector.
    pub embedding: Vector,
}

/// A vector: an array of numbers, or with `encoding_format: "base64"` its 32-bit floats, little-endian, in base64.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Vector {
    /// `float`.
    Numbers(Vec<f32>),
    /// `base64`.
    Base64(String),
}

/// Tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct EmbeddingUsage {
    /// Read.
    pub prompt_tokens: u64,
    /// The same.
    pub total_tokens: u64,
}

/// What `/chat/completions` takes. Members that are not listed pass through to the provider.
#[derive(ToSchema)]
pub struct ChatCompletionRequest {
    /// The id of a model, from `/models`.
    pub model: String,
    /// Ids of knowledge bases, at most 16: the answer rests on what is found there about the latest question, and the
    /// sources stand beside the choices; in a stream, in its first event.
    #[schema(max_items = 16)]
    pub knowledge: Option<Vec<String>>,
    /// The conversation, oldest first; at least one.
    pub messages: Vec<ChatMessage>,
    /// Tools that the client answers itself; at most 128.
    pub tools: Option<Vec<ChatTool>>,
    /// `none`, `auto`, `required`, or `{"type":"function","function":{"name":"…"}}`.
    pub tool_choice: Option<Value>,
    /// Whether several calls may come in one turn.
    pub parallel_tool_calls: Option<bool>,
    /// `{"type":"text"}`, `{"type":"json_object"}`, or `{"type":"json_schema","json_schema":{"name","schema","strict"?}}`.
    #[schema(value_type = Option<Object>)]
    pub response_format: Option<Map<String, Value>>,
    /// Whether to answer with server-sent events.
    #[schema(default = false)]
    pub stream: Option<bool>,
    /// In a stream.
    pub stream_options: Option<StreamOptions>,
    /// The most tokens to produce.
    #[schema(minimum = 1)]
    pub max_completion_tokens: Option<u32>,
    /// The older name of `max_completion_tokens`.
    #[schema(minimum = 1, deprecated)]
    pub max_tokens: Option<u32>,
    /// Sampling temperature.
    #[schema(minimum = 0, maximum = 2)]
    pub temperature: Option<f64>,
    /// Nucleus sampling.
    #[schema(minimum = 0, maximum = 1)]
    pub top_p: Option<f64>,
    /// Against words that were used often.
    #[schema(minimum = -2, maximum = 2)]
    pub frequency_penalty: Option<f64>,
    /// Against words that were used at all.
    #[schema(minimum = -2, maximum = 2)]
    pub presence_penalty: Option<f64>,
    /// A string, or an array of at most four: the answer ends before any of them.
    pub stop: Option<Value>,
    /// For repeatable sampling, as far as the provider can.
    pub seed: Option<i64>,
    /// The client's opaque name for its own user.
    #[schema(max_length = 512)]
    pub user: Option<String>,
    /// Only 1.
    #[schema(minimum = 1, maximum = 1)]
    pub n: Option<u32>,
}

/// In a stream.
#[derive(ToSchema)]
pub struct StreamOptions {
    /// Whether a last chunk, with no choices, tells the usage.
    pub include_usage: Option<bool>,
}

/// One turn of the conversation.
#[derive(ToSchema)]
pub struct ChatMessage {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    pub role: String,
    /// A string, or an array of parts: `{"type":"text","text":"…"}`, and in messages of the user
    /// `{"type":"image_url","image_url":{"url":"https:… or data:…","detail"?}}`.
    pub content: Option<Value>,
    /// The participant's name.
    pub name: Option<String>,
    /// Calls that the assistant made in this turn.
    #[schema(value_type = Option<Vec<Object>>)]
    pub tool_calls: Option<Vec<Value>>,
    /// The call that this message of a tool answers.
    pub tool_call_id: Option<String>,
    /// The assistant's reasoning, given back.
    pub reasoning_content: Option<String>,
    /// The assistant's refusal, given back.
    pub refusal: Option<String>,
}

/// A tool that the client answers itself.
#[derive(ToSchema)]
pub struct ChatTool {
    /// `function`.
    pub r#type: String,
    /// The function.
    pub function: ChatFunction,
}

/// A function that the model may call.
#[derive(ToSchema)]
pub struct ChatFunction {
    /// 1 to 64 letters, digits, underscores and hyphens.
    pub name: String,
    /// What it does, for the model.
    pub description: Option<String>,
    /// A JSON Schema of its arguments.
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
    /// Whether arguments must follow the schema exactly.
    pub strict: Option<bool>,
}

/// What `/embeddings` takes. Members that are not listed pass through to the provider.
#[derive(ToSchema)]
pub struct CreateEmbeddingRequest {
    /// The id of a model, from `/models`.
    pub model: String,
    /// A string, or an array of at most 2,048 strings.
    pub input: Value,
    /// `float` or `base64`.
    #[schema(default = "float")]
    pub encoding_format: Option<String>,
    /// The wished-for length of the vectors.
    #[schema(minimum = 1)]
    pub dimensions: Option<u32>,
    /// The client's opaque name for its own user.
    #[schema(max_length = 512)]
    pub user: Option<String>,
}
