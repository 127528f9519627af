//! What was seen of an answer: its blocks, in a stream or whole, and how it ended.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::model::{CompletionEffect, FinishReason, ToolCallPiece, Usage};
use hardpoint_sdk::{Effects, Failure};
use serde_json::value::RawValue;

use crate::call_id::{self, Thought};
use crate::wire::{Block, Delta, End, Message, UsageJson};

/// More calls in one turn than any model makes.
const MAX_CALLS: u32 = 512;

const NOTHING: Usage =
    Usage { input_tokens: 0, cached_input_tokens: 0, output_tokens: 0, reasoning_tokens: 0 };

type Out = Effects<CompletionEffect>;

/// An answer under way.
pub(crate) struct Reply {
    /// The tool whose arguments are the answer.
    answer_tool: Option<String>,
    /// The longest id that may carry thoughts, in bytes.
    call_id_bytes: usize,
    /// The block under way. Blocks come one after the other.
    block: Option<(u32, Open)>,
    thoughts: Thoughts,
    calls: u32,
    has_answered: bool,
    usage: UsageJson,
    /// Of the requests before this one, where the turn was interrupted.
    spent: Usage,
    end: End,
}

/// What must be known of the block under way.
enum Open {
    Text,
    Thinking {
        bytes: usize,
        signature: String,
    },
    /// A call of a tool, or the answer as one.
    Arguments {
        call: Option<u32>,
        is_begun: bool,
        input: String,
    },
    Other,
}

/// The thinking before the first call.
#[derive(Default)]
struct Thoughts {
    all: Vec<Thought<'static>>,
    /// Something else was said before the last of it, which an id cannot tell: it stays where it is.
    is_lost: bool,
    has_spoken: bool,
}

impl Thoughts {
    fn push(&mut self, thought: Thought<'static>) {
        self.is_lost |= self.has_spoken;
        self.all.push(thought);
    }
}

impl Reply {
    pub(crate) fn new(answer_tool: Option<String>, call_id_bytes: usize) -> Self {
        Self {
            answer_tool,
            call_id_bytes,
            block: None,
            thoughts: Thoughts::default(),
            calls: 0,
            has_answered: false,
            usage: UsageJson::default(),
            spent: NOTHING,
            end: End::default(),
        }
    }

    pub(crate) fn whole(&mut self, message: Message<'_>, out: &mut Out) -> Result<(), Failure> {
        for (index, block) in (0..).zip(message.content.unwrap_or_default()) {
            self.start(index, block, out)?;
            self.stop(index, out);
        }
        self.end = End { stop_reason: message.stop_reason, stop_details: message.stop_details };
        self.usage = self.usage.updated_by(message.usage.unwrap_or_default());
        Ok(())
    }

    /// `content_block_start`.
    pub(crate) fn start(&mut self, index: u32, block: &RawValue, out: &mut Out) -> Result<(), Failure> {
        let block: Block<'_> = serde_json::from_str(block.get())?;
        let open = match block.kind.as_str() {
            "text" => {
                self.text(block.text.unwrap_or_default(), out);
                Open::Text
            }
            "thinking" => {
                let (text, signature) =
                    (block.thinking.unwrap_or_default(), block.signature.unwrap_or_default());
                let bytes = text.len();
                reason(text, out);
                Open::Thinking { bytes, signature }
            }
            "redacted_thinking" => {
                self.thoughts.push(Thought::Redacted(Cow::Owned(block.data.unwrap_or_default())));
                Open::Other
            }
            "tool_use" => self.call(block, out)?,
            // What Anthropic's own tools were asked and answered cannot be given back later, so the thinking
            // beside it cannot either.
            _ => {
                self.thoughts.is_lost = true;
                Open::Other
            }
        };
        self.block = Some((index, open));
        Ok(())
    }

    fn call(&mut self, block: Block<'_>, out: &mut Out) -> Result<Open, Failure> {
        let name = block.name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Failure::protocol("a tool call has no name"))?;
        let input = block.input.map(|input| input.get().to_string()).unwrap_or_default();
        if self.answer_tool.as_ref() == Some(&name) {
            self.has_answered = true;
            return Ok(Open::Arguments { call: None, is_begun: false, input });
        }
        if self.calls == MAX_CALLS {
            return Err(Failure::protocol(format!("the answer calls more than {MAX_CALLS} tools")));
        }
        let index = self.calls;
        self.calls += 1;
        let id = block.id.filter(|id| !id.is_empty()).unwrap_or_else(|| format!("call_{index}"));
        // The thoughts belong to the turn; its first call carries them.
        let thoughts = core::mem::take(&mut self.thoughts);
        let id = if index == 0 && !thoughts.is_lost {
            call_id::with_thoughts(&id, &thoughts.all, self.call_id_bytes)
        } else {
            id
        };
        self.thoughts.has_spoken = true;
        out.tool_call(ToolCallPiece { index, id: Some(id), name: Some(name), arguments: String::new() });
        Ok(Open::Arguments { call: Some(index), is_begun: false, input })
    }

    /// `content_block_delta`.
    pub(crate) fn delta(&mut self, index: u32, delta: Delta, out: &mut Out) -> Result<(), Failure> {
        let Some((_, open)) = self.block.as_mut().filter(|(open, _)| *open == index) else {
            return Err(Failure::protocol(format!("content block {index} goes on and never began")));
        };
        match (delta.kind.as_str(), open) {
            ("text_delta", Open::Text) => self.text(delta.text.unwrap_or_default(), out),
            ("thinking_delta", Open::Thinking { bytes, .. }) => {
                let text = delta.thinking.unwrap_or_default();
                *bytes += text.len();
                reason(text, out);
            }
            ("signature_delta", Open::Thinking { signature, .. }) => {
                signature.push_str(&delta.signature.unwrap_or_default());
            }
            ("input_json_delta", Open::Arguments { call, is_begun, .. }) => {
                let piece = delta.partial_json.unwrap_or_default();
                *is_begun |= !piece.is_empty();
                arguments(*call, piece, out);
            }
            _ => {}
        }
        Ok(())
    }

    /// `content_block_stop`.
    pub(crate) fn stop(&mut self, index: u32, out: &mut Out) {
        let Some((_, open)) = self.block.take_if(|(open, _)| *open == index) else { return };
        match open {
            Open::Thinking { bytes, signature } => {
                self.thoughts.push(Thought::Signed(bytes, Cow::Owned(signature)));
            }
            // A call without arguments, or one that came whole.
            Open::Arguments { call, is_begun: false, input } => {
                let input = if input.is_empty() || input == "null" { "{}".to_string() } else { input };
                arguments(call, input, out);
            }
            Open::Arguments { .. } | Open::Text | Open::Other => {}
        }
    }

    /// `message_start` and `message_delta`.
    pub(crate) fn used(&mut self, usage: Option<UsageJson>, out: &mut Out) {
        let Some(usage) = usage else { return };
        self.usage = self.usage.updated_by(usage);
        out.usage(self.total());
    }

    /// `message_delta`.
    pub(crate) fn ends(&mut self, end: End) {
        self.end = End {
            stop_reason: end.stop_reason.or(self.end.stop_reason.take()),
            stop_details: end.stop_details.or(self.end.stop_details.take()),
        };
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.end.stop_reason.is_some()
    }

    pub(crate) fn is_paused(&self) -> bool {
        self.end.stop_reason.as_deref() == Some("pause_turn")
    }

    /// The turn goes on with another request.
    pub(crate) fn go_on(&mut self) {
        self.spent = self.total();
        (self.usage, self.end, self.block) = (UsageJson::default(), End::default(), None);
        self.thoughts.is_lost = true;
    }

    /// The reasons of <https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons>.
    pub(crate) fn finish(&mut self, out: &mut Out) {
        out.usage(self.total());
        let reason = match self.end.stop_reason.as_deref().unwrap_or_default() {
            "max_tokens" | "model_context_window_exceeded" | "pause_turn" => FinishReason::Length,
            "refusal" => {
                let details = self.end.stop_details.take().unwrap_or_default();
                if let Some(explanation) = details.explanation.filter(|text| !text.is_empty()) {
                    out.refusal(explanation);
                }
                FinishReason::ContentFilter
            }
            _ if self.calls > 0 => FinishReason::ToolCalls,
            // Also `tool_use` where the only tool was the answer.
            _ => FinishReason::Stop,
        };
        out.finish(reason);
    }

    fn total(&self) -> Usage {
        let (now, spent) = (self.usage.usage(), self.spent);
        Usage {
            input_tokens: now.input_tokens.saturating_add(spent.input_tokens),
            cached_input_tokens: now.cached_input_tokens.saturating_add(spent.cached_input_tokens),
            output_tokens: now.output_tokens.saturating_add(spent.output_tokens),
            reasoning_tokens: now.reasoning_tokens.saturating_add(spent.reasoning_tokens),
        }
    }

    fn text(&mut self, text: String, out: &mut Out) {
        if !text.is_empty() {
            self.thoughts.has_spoken = true;
            out.text(text);
        }
    }
}

fn reason(text: String, out: &mut Out) {
    if !text.is_empty() {
        out.reasoning(text);
    }
}

fn arguments(call: Option<u32>, arguments: String, out: &mut Out) {
    match call {
        _ if arguments.is_empty() => {}
        Some(index) => out.tool_call(ToolCallPiece { index, id: None, name: None, arguments }),
        None => out.text(arguments),
    }
}
