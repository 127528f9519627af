//! What the API answers, read leniently: events and blocks may grow members and kinds
//! (<https://platform.claude.com/docs/en/build-with-claude/streaming>).

use alloc::string::String;
use alloc::vec::Vec;

use hardpoint_sdk::model::Usage;
use serde::Deserialize;
use serde_json::value::RawValue;

/// An event of a stream.
#[derive(Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    #[serde(borrow, default)]
    pub(crate) message: Option<Message<'a>>,
    #[serde(default)]
    pub(crate) index: u32,
    #[serde(borrow, default)]
    pub(crate) content_block: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) delta: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) usage: Option<UsageJson>,
}

/// A whole answer, and the beginning of a streamed one.
#[derive(Default, Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(rename = "type", default)]
    pub(crate) kind: Option<String>,
    #[serde(borrow, default)]
    pub(crate) content: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    pub(crate) stop_reason: Option<String>,
    #[serde(default)]
    pub(crate) stop_details: Option<StopDetails>,
    #[serde(default)]
    pub(crate) usage: Option<UsageJson>,
}

/// How a streamed message ended: the `delta` of `message_delta`.
#[derive(Default, Deserialize)]
pub(crate) struct End {
    #[serde(default)]
    pub(crate) stop_reason: Option<String>,
    #[serde(default)]
    pub(crate) stop_details: Option<StopDetails>,
}

#[derive(Default, Deserialize)]
pub(crate) struct StopDetails {
    #[serde(default)]
    pub(crate) explanation: Option<String>,
}

/// A content block, or as much of one as `content_block_start` has.
#[derive(Deserialize)]
pub(crate) struct Block<'a> {
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) thinking: Option<String>,
    #[serde(default)]
    pub(crate) signature: Option<String>,
    #[serde(default)]
    pub(crate) data: Option<String>,
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(borrow, default)]
    pub(crate) input: Option<&'a RawValue>,
}

/// A change of a content block.
#[derive(Deserialize)]
pub(crate) struct Delta {
    #[serde(rename = "type", default)]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) text: Option<String>,
    #[serde(default)]
    pub(crate) thinking: Option<String>,
    #[serde(default)]
    pub(crate) signature: Option<String>,
    #[serde(default)]
    pub(crate) partial_json: Option<String>,
}

/// Tokens so far; what a later event leaves out stays as it was.
#[derive(Clone, Copy, Default, Deserialize)]
pub(crate) struct UsageJson {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
    #[serde(default)]
    output_tokens_details: Option<Details>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Details {
    #[serde(default)]
    thinking_tokens: Option<u64>,
}

impl UsageJson {
    pub(crate) fn updated_by(self, later: Self) -> Self {
        Self {
            input_tokens: later.input_tokens.or(self.input_tokens),
            cache_creation_input_tokens: later
                .cache_creation_input_tokens
                .or(self.cache_creation_input_tokens),
            cache_read_input_tokens: later.cache_read_input_tokens.or(self.cache_read_input_tokens),
            output_tokens: later.output_tokens.or(self.output_tokens),
            output_tokens_details: later.output_tokens_details.or(self.output_tokens_details),
        }
    }

    /// The API counts what was read from the cache and written to it beside the input, not within
    /// (<https://platform.claude.com/docs/en/build-with-claude/prompt-caching>).
    pub(crate) fn usage(self) -> Usage {
        let cached = self.cache_read_input_tokens.unwrap_or_default();
        let input = [self.input_tokens, self.cache_creation_input_tokens].into_iter().flatten();
        Usage {
            input_tokens: input.fold(cached, u64::saturating_add),
            cached_input_tokens: cached,
            output_tokens: self.output_tokens.unwrap_or_default(),
            reasoning_tokens: self
                .output_tokens_details
                .and_then(|details| details.thinking_tokens)
                .unwrap_or_default(),
        }
    }
}
