//! One turn of a conversation, as JSON.

use alloc::vec::Vec;

use hardpoint_sdk::model::{ContentPart, Message, Role};
use serde::Serialize;

use crate::settings::Settings;

#[derive(Serialize)]
pub(crate) struct MessageJson<'a> {
    role: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Null(()),
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
}

#[derive(Serialize)]
struct ImageUrl<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

#[derive(Serialize)]
struct Call<'a> {
    id: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    function: Called<'a>,
}

#[derive(Serialize)]
struct Called<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> MessageJson<'a> {
    pub(crate) fn new(message: &'a Message, settings: &'a Settings) -> Self {
        let role = match message.role {
            Role::System => "system",
            Role::Developer => settings.developer_role.as_str(),
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        let content = match message.content.as_slice() {
            [] if message.tool_calls.is_empty() && message.refusal.is_none() => Content::Text(""),
            [] => Content::Null(()),
            // Servers with simple templates know no other form.
            [ContentPart::Text(text)] => Content::Text(text),
            parts => Content::Parts(parts.iter().map(part).collect()),
        };
        let reasoning =
            |field: &str| message.reasoning.as_deref().filter(|_| settings.reasoning_field == field);
        let call = |call: &'a hardpoint_sdk::model::ToolCall| Call {
            id: &call.id,
            kind: "function",
            function: Called { name: &call.name, arguments: &call.arguments },
        };
        Self {
            role,
            content,
            name: message.name.as_deref(),
            reasoning_content: reasoning("reasoning_content"),
            reasoning: reasoning("reasoning"),
            refusal: message.refusal.as_deref(),
            tool_calls: message.tool_calls.iter().map(call).collect(),
            tool_call_id: message.tool_call_id.as_deref(),
        }
    }
}

fn part(part: &ContentPart) -> Part<'_> {
    match part {
        ContentPart::Text(text) => Part::Text { text },
        ContentPart::Image(image) => {
            Part::ImageUrl { image_url: ImageUrl { url: &image.url, detail: image.detail.as_deref() } }
        }
    }
}
