//! What the API answers, read leniently: it may grow members and kinds.

use alloc::string::String;
use alloc::vec::Vec;

use hardpoint_sdk::model::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A whole answer, or one event of a stream.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer<'a> {
    #[serde(borrow, default)]
    pub(crate) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(default)]
    pub(crate) prompt_feedback: Option<PromptFeedback>,
    #[serde(default)]
    pub(crate) usage_metadata: Option<UsageJson>,
    #[serde(default)]
    pub(crate) response_id: Option<String>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Candidate<'a> {
    #[serde(default)]
    pub(crate) index: Option<u32>,
    #[serde(borrow, default)]
    pub(crate) content: Option<Content<'a>>,
    #[serde(default)]
    pub(crate) finish_reason: Option<String>,
    #[serde(default)]
    pub(crate) finish_message: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct Content<'a> {
    #[serde(borrow, default)]
    pub(crate) parts: Option<Vec<Part<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Part<'a> {
    #[serde(default)]
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) thought: Option<bool>,
    #[serde(default)]
    pub(crate) thought_signature: Option<String>,
    #[serde(borrow, default)]
    pub(crate) function_call: Option<FunctionCall<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct FunctionCall<'a> {
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(borrow, default)]
    pub(crate) args: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PromptFeedback {
    #[serde(default)]
    pub(crate) block_reason: Option<String>,
    #[serde(default)]
    pub(crate) block_reason_message: Option<String>,
}

/// <https://ai.google.dev/api/generate-content#UsageMetadata>
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UsageJson {
    #[serde(default)]
    prompt_token_count: Option<u64>,
    #[serde(default)]
    tool_use_prompt_token_count: Option<u64>,
    #[serde(default)]
    cached_content_token_count: Option<u64>,
    #[serde(default)]
    candidates_token_count: Option<u64>,
    #[serde(default)]
    thoughts_token_count: Option<u64>,
}

impl From<UsageJson> for Usage {
    /// What was cached is within the prompt; thoughts are beside the candidates.
    fn from(json: UsageJson) -> Self {
        let sum = |one: Option<u64>, other: Option<u64>| {
            one.unwrap_or_default().saturating_add(other.unwrap_or_default())
        };
        Self {
            input_tokens: sum(json.prompt_token_count, json.tool_use_prompt_token_count),
            cached_input_tokens: json.cached_content_token_count.unwrap_or_default(),
            output_tokens: sum(json.candidates_token_count, json.thoughts_token_count),
            reasoning_tokens: json.thoughts_token_count.unwrap_or_default(),
        }
    }
}

/// An answer to `batchEmbedContents`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EmbeddingAnswer<'a> {
    #[serde(default)]
    pub(crate) embeddings: Option<Vec<Embedding>>,
    #[serde(default)]
    pub(crate) usage_metadata: Option<UsageJson>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct Embedding {
    pub(crate) values: Vec<f32>,
}
