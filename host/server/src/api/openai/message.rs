//! The `messages` of a completion request.

use hardpoint_domain::message::{ContentPart, Message, Role, ToolCall};

use super::json::{Field, Object};
use crate::error::ApiError;

const MAX_MESSAGES: usize = 4_096;
const MAX_PARTS: usize = 1_024;
/// Also how many tools a request may define.
pub(super) const MAX_TOOLS: usize = 128;
/// Of an `https:` URL. A data URL is bounded by the body it stands in.
const MAX_URL: usize = 8_192;

pub(super) fn messages(field: &Field<'_, '_>) -> Result<Vec<Message>, ApiError> {
    let items = field.items(MAX_MESSAGES)?;
    if items.is_empty() {
        return Err(field.bad("min_items", "must have at least one item"));
    }
    items.iter().map(message).collect()
}

fn message(item: &Field<'_, '_>) -> Result<Message, ApiError> {
    let mut object = item.object()?;
    let role = role(&object.require("role")?)?;
    let name = object.take("name").map(|name| name.short_string(64)).transpose()?;
    let tool_calls = match (role, object.take("tool_calls")) {
        (Role::Assistant, Some(calls)) => {
            calls.items(MAX_TOOLS)?.iter().map(tool_call).collect::<Result<_, _>>()?
        }
        (_, Some(calls)) => return Err(calls.bad("role", "belongs to messages of the assistant only")),
        (_, None) => Vec::new(),
    };
    let tool_call_id = match role {
        Role::Tool => Some(object.require("tool_call_id")?.short_string(512)?),
        _ => None,
    };
    let (reasoning, refusal) = match role {
        Role::Assistant => (text(&mut object, "reasoning_content")?, text(&mut object, "refusal")?),
        _ => (None, None),
    };
    let content = match object.take("content") {
        // An assistant's turn may be a refusal, or nothing but tool calls.
        None if refusal.is_some() || !tool_calls.is_empty() => Vec::new(),
        None => return Err(object.missing("content")),
        Some(content) => content_of(&content, role)?,
    };
    Ok(Message { role, content, name, reasoning, refusal, tool_calls, tool_call_id })
}

fn text<'p>(object: &mut Object<'_, 'p>, name: &'p str) -> Result<Option<String>, ApiError> {
    object.take(name).map(|field| field.string()).transpose()
}

fn role(field: &Field<'_, '_>) -> Result<Role, ApiError> {
    Ok(match field.string()?.as_str() {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        "function" => {
            return Err(field.impossible("unsupported", "is the old `function`: send `tool` instead"));
        }
        _ => return Err(field.bad("enum", "must be one of system, developer, user, assistant, tool")),
    })
}

fn content_of(field: &Field<'_, '_>, role: Role) -> Result<Vec<ContentPart>, ApiError> {
    if field.begins_with(b'"') {
        return Ok(vec![ContentPart::Text(field.string()?)]);
    }
    if !field.begins_with(b'[') {
        return Err(field.bad("type", "must be a string or an array of parts"));
    }
    let parts = field.items(MAX_PARTS)?;
    if parts.is_empty() {
        return Err(field.bad("min_items", "must have at least one item"));
    }
    parts.iter().map(|part| content_part(part, role)).collect()
}

fn content_part(item: &Field<'_, '_>, role: Role) -> Result<ContentPart, ApiError> {
    let mut object = item.object()?;
    let kind = object.require("type")?;
    match kind.string()?.as_str() {
        "text" => Ok(ContentPart::Text(object.require("text")?.string()?)),
        "refusal" if role == Role::Assistant => Ok(ContentPart::Text(object.require("refusal")?.string()?)),
        "image_url" if role == Role::User => image(&object.require("image_url")?),
        "image_url" => Err(kind.bad("role", "may be `image_url` in messages of the user only")),
        "input_audio" | "file" => {
            Err(kind.impossible("unsupported", "names a kind of content that is not offered here"))
        }
        _ => Err(kind.bad("enum", "must be `text` or `image_url`")),
    }
}

fn image(field: &Field<'_, '_>) -> Result<ContentPart, ApiError> {
    let mut object = field.object()?;
    let url_field = object.require("url")?;
    let url = url_field.string()?;
    if !is_image_url(&url) {
        return Err(url_field.bad("format", "must be an `https:` URL, or `data:image/…;base64,…`"));
    }
    let detail = match object.take("detail") {
        Some(detail) => {
            let word = detail.string()?;
            if !matches!(word.as_str(), "low" | "high" | "auto") {
                return Err(detail.bad("enum", "must be one of low, high, auto"));
            }
            Some(word)
        }
        None => None,
    };
    Ok(ContentPart::Image { url, detail })
}

fn is_image_url(text: &str) -> bool {
    if let Some(data) = text.strip_prefix("data:image/") {
        let Some((media, bytes)) = data.split_once(',') else { return false };
        return media.len() <= 128 && media.ends_with(";base64") && !bytes.is_empty();
    }
    text.len() <= MAX_URL
        && url::Url::parse(text).is_ok_and(|url| url.scheme() == "https" && url.host().is_some())
}

fn tool_call(item: &Field<'_, '_>) -> Result<ToolCall, ApiError> {
    let mut object = item.object()?;
    only_functions(&mut object)?;
    let id = object.require("id")?.short_string(512)?;
    let function = object.require("function")?;
    let mut function = function.object()?;
    let name = function.require("name")?.name()?;
    let arguments = function.require("arguments")?.string()?;
    Ok(ToolCall { id, name, arguments })
}

/// `type` is `function` wherever tools are spoken of; left out, it is taken for that.
pub(super) fn only_functions(object: &mut Object<'_, '_>) -> Result<(), ApiError> {
    match object.take("type") {
        Some(kind) if kind.string()? != "function" => {
            Err(kind.impossible("unsupported", "must be `function`: no other kind of tool is offered here"))
        }
        _ => Ok(()),
    }
}
