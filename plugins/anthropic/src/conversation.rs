//! Messages as the API has them: one system prompt, then turns of user and assistant that alternate.

use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::{Message, Role, ToolCall};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::call_id::{self, Thought};
use crate::content::{self, Block};

#[derive(Serialize)]
pub(crate) struct Turn<'a> {
    role: &'static str,
    content: Vec<Block<'a>>,
}

pub(crate) struct Conversation<'a> {
    /// There is no role for it: whatever the operator and the developer say stands before all turns.
    pub(crate) system: Vec<Block<'a>>,
    pub(crate) turns: Vec<Turn<'a>>,
}

const USER: &str = "user";
const ASSISTANT: &str = "assistant";

impl<'a> Conversation<'a> {
    /// # Errors
    /// If there is nothing to answer, or an image that the API does not take.
    pub(crate) fn new(messages: &'a [Message]) -> Result<Self, Failure> {
        let mut all = Self { system: Vec::new(), turns: Vec::new() };
        for message in messages {
            match message.role {
                Role::System | Role::Developer => {
                    all.system.extend(message.texts().filter_map(content::text));
                }
                Role::User => all.say(USER, content::blocks(&message.content)?),
                Role::Assistant => all.say(ASSISTANT, assistant(message)?),
                Role::Tool => {
                    let id = message.tool_call_id.as_deref().unwrap_or_default();
                    let content = content::blocks(&message.content)?;
                    all.result(Block::ToolResult { tool_use_id: call_id::plain(id), content });
                }
            }
        }
        if all.turns.is_empty() {
            let message = "there is no message of a user with anything in it";
            return Err(Failure::invalid_request(message).with_param("messages"));
        }
        all.trim_prefill();
        Ok(all)
    }

    /// What one side says in several messages is one turn.
    fn say(&mut self, role: &'static str, content: Vec<Block<'a>>) {
        if content.is_empty() {
            return;
        }
        match self.turns.last_mut() {
            Some(turn) if turn.role == role => turn.content.extend(content),
            _ => self.turns.push(Turn { role, content }),
        }
    }

    /// Results come first in the turn after the calls, before whatever else the user says.
    fn result(&mut self, result: Block<'a>) {
        match self.turns.last_mut() {
            Some(turn) if turn.role == USER => {
                let results = turn.content.iter().take_while(|block| block.is_result()).count();
                turn.content.insert(results, result);
            }
            _ => self.turns.push(Turn { role: USER, content: alloc::vec![result] }),
        }
    }

    /// A last turn of the assistant is the beginning of the answer; it may not end in white space.
    fn trim_prefill(&mut self) {
        let Some(turn) = self.turns.last_mut().filter(|turn| turn.role == ASSISTANT) else { return };
        if let Some(Block::Text { text }) = turn.content.last_mut() {
            *text = text.trim_end().to_string().into();
        }
    }

    /// Whether the model is in the midst of a tool loop that did not begin with thinking, or whose thinking
    /// was lost: the manual mode refuses to think from there on.
    pub(crate) fn is_within_thoughtless_loop(&self) -> bool {
        let is_answer =
            |turn: &&Turn<'_>| turn.role == ASSISTANT || turn.content.iter().any(Block::is_result);
        if !self.turns.last().is_some_and(|turn| turn.role == USER && is_answer(&turn)) {
            return false;
        }
        let of_loop = self.turns.iter().rev().take_while(is_answer);
        let first = of_loop.filter(|turn| turn.role == ASSISTANT).last();
        first.is_some_and(|turn| !turn.content.first().is_some_and(Block::is_thinking))
    }

    /// The functions that earlier turns called.
    pub(crate) fn called(&self) -> Vec<&'a str> {
        let blocks = self.turns.iter().flat_map(|turn| &turn.content);
        let mut names: Vec<_> = blocks
            .filter_map(|block| match block {
                Block::ToolUse { name, .. } => Some(*name),
                _ => None,
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn assistant(message: &Message) -> Result<Vec<Block<'_>>, Failure> {
    let mut blocks = thinking(message);
    blocks.extend(content::blocks(&message.content)?);
    blocks.extend(message.refusal.as_deref().and_then(content::text));
    blocks.extend(message.tool_calls.iter().map(tool_use));
    Ok(blocks)
}

/// The thinking before the calls, if all of it is there: half of it is refused, none of it is not.
fn thinking(message: &Message) -> Vec<Block<'_>> {
    let thoughts = message.tool_calls.iter().flat_map(|call| call_id::thoughts(&call.id));
    let mut rest = message.reasoning.as_deref().unwrap_or_default();
    let mut blocks = Vec::new();
    for thought in thoughts {
        blocks.push(match thought {
            Thought::Redacted(data) => Block::RedactedThinking { data },
            Thought::Signed(length, signature) => {
                let Some((thinking, more)) = rest.split_at_checked(length) else { return Vec::new() };
                rest = more;
                Block::Thinking { thinking, signature }
            }
        });
    }
    if rest.is_empty() { blocks } else { Vec::new() }
}

fn tool_use(call: &ToolCall) -> Block<'_> {
    Block::ToolUse { id: call_id::plain(&call.id), name: &call.name, input: input(&call.arguments) }
}

/// Arguments must be a JSON object. What a model wrote amiss is shown to it as text, so that it can mend it.
fn input(arguments: &str) -> Cow<'_, RawValue> {
    let arguments = arguments.trim();
    let fallback = |value| to_raw_value(&value).map_or_else(|_| Cow::Borrowed(RawValue::NULL), Cow::Owned);
    if arguments.is_empty() {
        return fallback(serde_json::json!({}));
    }
    match serde_json::from_str::<&RawValue>(arguments) {
        Ok(object) if object.get().starts_with('{') => Cow::Borrowed(object),
        _ => fallback(serde_json::json!({ "invalid_arguments": arguments })),
    }
}
