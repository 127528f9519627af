use std::marker::PhantomData;

use serde_json::Value;

use super::answer::{Answer, Cut};
use super::drive::{Step, drive, every_way};
use super::sent::Sent;
use crate::failure::Failure;
use crate::model::{
    CompletionEffect, CompletionRequest, FinishReason, ModelAdapter, ToolCall, ToolCallPiece, Usage,
};
use crate::settings;

/// A completion to be driven. Settings are JSON, as a binding has them.
pub fn completion<A: ModelAdapter>(request: CompletionRequest, settings: Value) -> Completion<A> {
    Completion { request, settings: settings.to_string(), script: Vec::new(), adapter: PhantomData }
}

/// See [`completion`].
#[derive(Debug)]
pub struct Completion<A> {
    request: CompletionRequest,
    settings: String,
    script: Vec<Answer>,
    adapter: PhantomData<A>,
}

/// What came of a completion. Two are equal if a client would see the same, whatever the borders of deltas.
#[derive(Debug)]
pub struct Completed {
    /// Requests, in order.
    pub sent: Vec<Sent>,
    /// The answer.
    pub text: String,
    /// The reasoning before it.
    pub reasoning: String,
    /// The refusal.
    pub refusal: String,
    /// The tool calls, put together.
    pub tool_calls: Vec<ToolCall>,
    /// What was used.
    pub usage: Option<Usage>,
    /// How it ended.
    pub result: Result<FinishReason, Failure>,
    /// The deltas one by one.
    pub deltas: Vec<CompletionEffect>,
}

impl PartialEq for Completed {
    fn eq(&self, other: &Self) -> bool {
        let key = |it: &Self| {
            let texts = [it.text.clone(), it.reasoning.clone(), it.refusal.clone()];
            (it.sent.clone(), texts, it.tool_calls.clone(), it.usage, it.result.clone())
        };
        key(self) == key(other)
    }
}

impl<A: ModelAdapter> Completion<A> {
    /// Adds the answer to the next request.
    pub fn answer(mut self, answer: Answer) -> Self {
        self.script.push(answer);
        self
    }

    /// Runs it once, with the answers cut as the script has them.
    pub fn run(&self) -> Completed {
        self.run_cut(Cut::AsGiven)
    }

    /// Runs it with the answers cut every way, and requires the same outcome.
    pub fn every_way(&self) -> Completed {
        every_way(&self.script, |cut| self.run_cut(cut))
    }

    fn run_cut(&self, cut: Cut) -> Completed {
        let mut done = Completed {
            sent: Vec::new(),
            text: String::new(),
            reasoning: String::new(),
            refusal: String::new(),
            tool_calls: Vec::new(),
            usage: None,
            result: Ok(FinishReason::Stop),
            deltas: Vec::new(),
        };
        let machine =
            settings::parse(&self.settings).and_then(|settings| A::complete(self.request.clone(), settings));
        let mut sent = Vec::new();
        let mut finish = None;
        let result = machine.and_then(|machine| {
            drive(machine, &self.script, cut, &mut sent, |effect| {
                if let CompletionEffect::Finish(reason) = &effect {
                    finish = Some(*reason);
                }
                done.take(effect)
            })
        });
        done.sent = sent;
        done.result = result.map(|is_finished| {
            assert!(is_finished, "the completion asked for nothing more and did not finish");
            finish.unwrap_or(FinishReason::Stop)
        });
        done
    }
}

impl Completed {
    /// The deltas that are text of the answer.
    pub fn texts(&self) -> Vec<&str> {
        let texts = self.deltas.iter().filter_map(|delta| match delta {
            CompletionEffect::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// The failure that it must have ended with.
    pub fn failure(&self) -> &Failure {
        match &self.result {
            Err(failure) => failure,
            Ok(reason) => panic!("the completion finished ({reason:?}), with {:?}", self.text),
        }
    }

    fn take(&mut self, effect: CompletionEffect) -> Step {
        match &effect {
            CompletionEffect::Send(_) => {}
            CompletionEffect::Text(text) => self.text.push_str(text),
            CompletionEffect::Reasoning(text) => self.reasoning.push_str(text),
            CompletionEffect::Refusal(text) => self.refusal.push_str(text),
            CompletionEffect::ToolCall(piece) => self.piece(piece),
            CompletionEffect::Usage(usage) => self.usage = Some(*usage),
            CompletionEffect::Finish(_) => return Step::Finish,
            CompletionEffect::Again => return Step::Resume,
        }
        if let CompletionEffect::Send(request) = effect {
            return Step::Send(request);
        }
        self.deltas.push(effect);
        Step::Done
    }

    fn piece(&mut self, piece: &ToolCallPiece) {
        let index = piece.index as usize;
        assert!(index <= self.tool_calls.len(), "tool call {index} comes before one that is not there yet");
        if index == self.tool_calls.len() {
            let first = |value: &Option<String>, what| match value {
                Some(value) if !value.is_empty() => value.to_string(),
                _ => panic!("the first piece of tool call {index} has no {what}"),
            };
            self.tool_calls.push(ToolCall {
                id: first(&piece.id, "id"),
                name: first(&piece.name, "name"),
                arguments: String::new(),
            });
        } else {
            assert!(piece.id.is_none() && piece.name.is_none(), "tool call {index} is named twice");
        }
        self.tool_calls[index].arguments.push_str(&piece.arguments);
    }
}
