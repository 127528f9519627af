//! What was seen of an answer, and how it ended.

use alloc::format;
use alloc::string::{String, ToString};

use hardpoint_sdk::model::{CompletionEffect, FinishReason, ToolCallPiece, Usage};
use hardpoint_sdk::{Effects, Failure, FailureKind};

use crate::call_id;
use crate::error;
use crate::wire::{Answer, Candidate, FunctionCall, Part, PromptFeedback};

/// More calls in one turn than any model makes.
const MAX_CALLS: u32 = 512;

type Out = Effects<CompletionEffect>;

/// An answer under way.
pub(crate) struct Reply {
    /// The longest id that may carry a signature, in bytes.
    call_id_bytes: usize,
    response_id: String,
    calls: u32,
    has_spoken: bool,
    usage: Option<Usage>,
    finish_reason: Option<String>,
    finish_message: Option<String>,
}

impl Reply {
    pub(crate) fn new(call_id_bytes: usize) -> Self {
        Self {
            call_id_bytes,
            response_id: String::new(),
            calls: 0,
            has_spoken: false,
            usage: None,
            finish_reason: None,
            finish_message: None,
        }
    }

    /// # Errors
    /// If the answer is an error, the prompt was blocked, or a call has no name.
    pub(crate) fn take(&mut self, answer: Answer<'_>, out: &mut Out) -> Result<(), Failure> {
        if let Some(error) = answer.error.filter(|error| error.get() != "null") {
            return Err(error::of_object(error.get()));
        }
        if let Some(id) = answer.response_id {
            self.response_id = id;
        }
        if let Some(usage) = answer.usage_metadata {
            let usage = Usage::from(usage);
            self.usage = Some(usage);
            out.usage(usage);
        }
        if let Some(blocked) = answer.prompt_feedback.and_then(blocked) {
            return Err(blocked);
        }
        // One candidate was asked for; another is somebody else's.
        let ours = |candidate: &Candidate<'_>| candidate.index.unwrap_or_default() == 0;
        for candidate in answer.candidates.into_iter().flatten().filter(ours) {
            for part in candidate.content.and_then(|content| content.parts).into_iter().flatten() {
                self.part(part, out)?;
            }
            self.finish_reason = candidate.finish_reason.or(self.finish_reason.take());
            self.finish_message = candidate.finish_message.or(self.finish_message.take());
        }
        Ok(())
    }

    fn part(&mut self, part: Part<'_>, out: &mut Out) -> Result<(), Failure> {
        if let Some(call) = part.function_call {
            return self.call(call, part.thought_signature.as_deref(), out);
        }
        match part.text.filter(|text| !text.is_empty()) {
            Some(text) if part.thought == Some(true) => out.reasoning(text),
            Some(text) => {
                self.has_spoken = true;
                out.text(text);
            }
            // Code that Google ran, pictures, signatures of nothing: there is no word for them here.
            None => {}
        }
        Ok(())
    }

    fn call(
        &mut self,
        call: FunctionCall<'_>,
        signature: Option<&str>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let name = call.name.filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Failure::protocol("a function call has no name"))?;
        if self.calls == MAX_CALLS {
            return Err(Failure::protocol(format!("the answer calls more than {MAX_CALLS} functions")));
        }
        let index = self.calls;
        self.calls += 1;
        let id = call.id.filter(|id| !id.is_empty());
        let id = id.unwrap_or_else(|| call_id::local(&self.response_id, index));
        let id = call_id::with_signature(&id, signature, self.call_id_bytes);
        let arguments = call.args.map(|args| args.get()).filter(|args| *args != "null").unwrap_or("{}");
        let arguments = arguments.to_string();
        out.tool_call(ToolCallPiece { index, id: Some(id), name: Some(name), arguments });
        Ok(())
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.finish_reason.is_some()
    }

    /// The reasons of <https://ai.google.dev/api/generate-content#FinishReason>.
    ///
    /// # Errors
    /// If it ended without an answer.
    pub(crate) fn finish(&mut self, out: &mut Out) -> Result<(), Failure> {
        let word = self.finish_reason.take().unwrap_or_default();
        let reason = match word.as_str() {
            "MAX_TOKENS" | "TOO_MANY_TOOL_CALLS" => FinishReason::Length,
            "SAFETY"
            | "RECITATION"
            | "LANGUAGE"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "MODEL_ARMOR"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION" => FinishReason::ContentFilter,
            // The model wrote a call that is none; another attempt may do better.
            "MALFORMED_FUNCTION_CALL" | "MALFORMED_RESPONSE" | "UNEXPECTED_TOOL_CALL" => {
                return Err(self.failure(FailureKind::Upstream, &word));
            }
            // Another attempt would not.
            "MISSING_THOUGHT_SIGNATURE" => return Err(self.failure(FailureKind::Unsupported, &word)),
            _ if self.calls > 0 => FinishReason::ToolCalls,
            "STOP" | "FINISH_REASON_UNSPECIFIED" => FinishReason::Stop,
            _ if self.has_spoken => FinishReason::Stop,
            _ => return Err(self.failure(FailureKind::Upstream, &word)),
        };
        if let Some(usage) = self.usage {
            out.usage(usage);
        }
        out.finish(reason);
        Ok(())
    }

    fn failure(&self, kind: FailureKind, word: &str) -> Failure {
        let word = error::cut(word, 64);
        let message = match self.finish_message.as_deref().filter(|message| !message.is_empty()) {
            Some(message) => format!("the model ended with {word}: {}", error::cut(message, 1_000)),
            None => format!("the model ended with {word}"),
        };
        Failure::new(kind, message).with_code(word)
    }
}

/// A prompt that the API did not let the model see.
fn blocked(feedback: PromptFeedback) -> Option<Failure> {
    let reason = feedback.block_reason.filter(|reason| reason != "BLOCK_REASON_UNSPECIFIED")?;
    let reason = error::cut(&reason, 64);
    let message = match feedback.block_reason_message.filter(|message| !message.is_empty()) {
        Some(message) => format!("the prompt was blocked: {}", error::cut(&message, 1_000)),
        None => format!("the prompt was blocked: {reason}"),
    };
    Some(Failure::new(FailureKind::ContentFiltered, message).with_code(reason))
}
