//! Messages as the API has them: an instruction of the system, and contents of user and model.

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::{CompletionRequest, ContentPart, Message, Role, ToolCall};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::call_id;
use crate::content::{self, FunctionCall, FunctionResponse, Part};
use crate::model;
use crate::settings::{Placeholder, Settings};

/// What the vendor accepts in the place of a signature that is not known
/// (<https://ai.google.dev/gemini-api/docs/thought-signatures>, "FAQs").
const PLACEHOLDER: &str = "skip_thought_signature_validator";

#[derive(Serialize)]
pub(crate) struct Content<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<Part<'a>>,
}

/// Who speaks in a content, and whether it is a function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    User,
    Model,
    Function,
}

impl Speaker {
    fn role(self) -> &'static str {
        match self {
            Self::User | Self::Function => "user",
            Self::Model => "model",
        }
    }
}

pub(crate) struct Conversation<'a> {
    system: Vec<Part<'a>>,
    pub(crate) contents: Vec<Content<'a>>,
    last: Option<Speaker>,
    call_ids: bool,
}

impl<'a> Conversation<'a> {
    /// # Errors
    /// If there is nothing to answer, an image is none, or a function answers a call that was never made.
    pub(crate) fn new(request: &'a CompletionRequest, settings: &Settings) -> Result<Self, Failure> {
        let messages = &request.messages;
        let mut all =
            Self { system: Vec::new(), contents: Vec::new(), last: None, call_ids: settings.call_ids };
        let needs_signature = match settings.placeholder_signature {
            Placeholder::Auto => model::is_gemini_3(&request.upstream_model),
            Placeholder::Always => true,
            Placeholder::Never => false,
        };
        // Only what was called since the user spoke last is looked at.
        let is_spoken = |message: &Message| message.role == Role::User && !is_empty(message);
        let turn = messages.iter().rposition(is_spoken).unwrap_or_default();
        for (at, message) in messages.iter().enumerate() {
            match message.role {
                Role::System | Role::Developer => {
                    all.system.extend(message.texts().filter_map(content::text))
                }
                Role::User => all.say(Speaker::User, content::parts(&message.content)?),
                Role::Assistant => {
                    let parts = all.model(message, needs_signature && at > turn)?;
                    all.say(Speaker::Model, parts);
                }
                Role::Tool => {
                    let response = all.response(message, &messages[..at])?;
                    all.say(Speaker::Function, alloc::vec![response]);
                }
            }
        }
        if all.contents.is_empty() {
            let message = "there is no message of a user with anything in it";
            return Err(Failure::invalid_request(message).with_param("messages"));
        }
        Ok(all)
    }

    pub(crate) fn instruct(&mut self, text: impl Into<Cow<'a, str>>) {
        self.system.push(Part::of(text));
    }

    pub(crate) fn take_system(&mut self) -> Option<Content<'a>> {
        let parts = core::mem::take(&mut self.system);
        (!parts.is_empty()).then_some(Content { role: None, parts })
    }

    /// What one side says in several messages is one content. All answers of functions are one too, and
    /// nothing else: the API counts them against the calls before.
    fn say(&mut self, speaker: Speaker, parts: Vec<Part<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.contents.last_mut() {
            Some(content) if self.last == Some(speaker) => content.parts.extend(parts),
            _ => self.contents.push(Content { role: Some(speaker.role()), parts }),
        }
        self.last = Some(speaker);
    }

    fn model(&self, message: &'a Message, needs_signature: bool) -> Result<Vec<Part<'a>>, Failure> {
        let mut parts = content::parts(&message.content)?;
        parts.extend(message.refusal.as_deref().and_then(content::text));
        for (at, call) in message.tool_calls.iter().enumerate() {
            let mut part = self.call(call);
            // Of calls side by side only the first has one.
            if part.thought_signature.is_none() && at == 0 && needs_signature {
                part.thought_signature = Some(PLACEHOLDER.into());
            }
            parts.push(part);
        }
        Ok(parts)
    }

    fn call(&self, call: &'a ToolCall) -> Part<'a> {
        let id = call_id::given(&call.id).filter(|_| self.call_ids);
        let function = FunctionCall { id, name: &call.name, args: args(&call.arguments) };
        let thought_signature = call_id::signature(&call.id);
        Part { function_call: Some(function), thought_signature, ..Part::default() }
    }

    /// The API knows answers by the names of their functions.
    fn response(&self, message: &'a Message, before: &'a [Message]) -> Result<Part<'a>, Failure> {
        let id = message.tool_call_id.as_deref().unwrap_or_default();
        let calls = before.iter().rev().flat_map(|message| &message.tool_calls);
        let call = calls.into_iter().find(|call| call.id == id).ok_or_else(|| {
            let id = crate::error::cut(id, 100);
            let message = format!("a tool answers the call `{id}`, which no message before it makes");
            Failure::invalid_request(message).with_param("messages")
        })?;
        let id = call_id::given(id).filter(|_| self.call_ids);
        let text = message.texts().collect::<Vec<_>>().join("\n");
        let function = FunctionResponse { id, name: &call.name, response: response(&text)? };
        Ok(Part { function_response: Some(function), ..Part::default() })
    }
}

fn is_empty(message: &Message) -> bool {
    message.content.iter().all(|part| matches!(part, ContentPart::Text(text) if text.is_empty()))
}

/// Arguments must be a JSON object. What a model wrote amiss is shown to it as text, so that it can mend it.
fn args(arguments: &str) -> Cow<'_, RawValue> {
    let arguments = arguments.trim();
    let fallback = |value: Value| to_raw_value(&value).map_or(Cow::Borrowed(RawValue::NULL), Cow::Owned);
    if arguments.is_empty() {
        return fallback(serde_json::json!({}));
    }
    match serde_json::from_str::<&RawValue>(arguments) {
        Ok(object) if object.get().starts_with('{') => Cow::Borrowed(object),
        _ => fallback(serde_json::json!({ "invalid_arguments": arguments })),
    }
}

/// What a function answered must be an object too; the vendor's name for an answer that is none is `output`.
fn response(text: &str) -> Result<Cow<'static, RawValue>, Failure> {
    let value = match serde_json::from_str::<Value>(text) {
        Ok(object @ Value::Object(_)) => object,
        Ok(value) => serde_json::json!({ "output": value }),
        Err(_) => serde_json::json!({ "output": text }),
    };
    Ok(Cow::Owned(to_raw_value(&value)?))
}
