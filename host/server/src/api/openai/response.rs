//! A completion as one JSON object, gathered from its deltas.

use hardpoint_domain::message::{Delta, FinishReason, ToolCall, ToolCallPiece, Usage};

use super::schema::{AssistantMessage, ChatCompletion, Choice};
use super::stream::Identity;

/// What the deltas of an answer amount to.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    text: String,
    reasoning: String,
    refusal: String,
    calls: Vec<ToolCall>,
    finish: Option<FinishReason>,
}

impl Gathered {
    pub(crate) fn take(&mut self, delta: Delta) {
        match delta {
            Delta::Text(text) => self.text.push_str(&text),
            Delta::Reasoning(text) => self.reasoning.push_str(&text),
            Delta::Refusal(text) => self.refusal.push_str(&text),
            Delta::ToolCall(piece) => self.piece(piece),
            Delta::Finish(reason) => self.finish = Some(reason),
            // The service adds them up over all rounds.
            Delta::Usage(_) => {}
        }
    }

    /// The service numbers calls from 0 without gaps; the first piece brings id and name.
    fn piece(&mut self, piece: ToolCallPiece) {
        match self.calls.get_mut(piece.index as usize) {
            Some(call) => call.arguments.push_str(&piece.arguments),
            None => self.calls.push(ToolCall {
                id: piece.id.unwrap_or_default(),
                name: piece.name.unwrap_or_default(),
                arguments: piece.arguments,
            }),
        }
    }

    /// The answer's body.
    pub(crate) fn into_completion(self, of: Identity<'_>, usage: Usage) -> ChatCompletion {
        let given = |text: String| Some(text).filter(|text| !text.is_empty());
        let silent = !self.calls.is_empty() || !self.refusal.is_empty();
        ChatCompletion {
            id: of.id.to_owned(),
            object: "chat.completion",
            created: of.created,
            model: of.model.to_owned(),
            system_fingerprint: of.plugin.to_owned(),
            choices: vec![Choice {
                index: 0,
                message: AssistantMessage {
                    role: "assistant",
                    content: if silent { given(self.text) } else { Some(self.text) },
                    refusal: given(self.refusal),
                    reasoning_content: given(self.reasoning),
                    tool_calls: self.calls.into_iter().map(Into::into).collect(),
                },
                logprobs: None,
                finish_reason: self.finish.unwrap_or(FinishReason::Stop),
            }],
            usage: usage.into(),
            sources: None,
        }
    }
}

#[cfg(test)]
mod tests;
