//! A completion request, from its body to the domain's value.

use hardpoint_domain::message::{CompletionRequest, ResponseFormat, ToolChoice, ToolDefinition};

use super::json::{Field, Object};
use super::message::{MAX_TOOLS, messages, only_functions};
use crate::error::ApiError;

/// Members that pass through as `extra`.
pub(super) const MAX_EXTRA: usize = 64;
pub(super) const MAX_MODEL: usize = 256;
pub(super) const MAX_USER: usize = 512;

/// Knowledge bases that a request may name.
const MAX_KNOWLEDGE: usize = 16;

/// A body of `/chat/completions`.
#[derive(Debug)]
pub(crate) struct ChatRequest {
    /// What the model is asked.
    pub(crate) completion: CompletionRequest,
    /// The knowledge bases whose sources it is given; none where it is to be asked as it is.
    pub(crate) knowledge: Vec<String>,
}

/// Reads and checks a body of `/chat/completions`.
pub(crate) fn chat(body: &[u8]) -> Result<ChatRequest, ApiError> {
    let mut object = Object::body(body)?;
    let knowledge = object.take("knowledge").map(|field| knowledge(&field)).transpose()?.unwrap_or_default();
    Ok(ChatRequest { completion: of_object(object)?, knowledge })
}

fn knowledge(field: &Field<'_, '_>) -> Result<Vec<String>, ApiError> {
    field.items(MAX_KNOWLEDGE)?.iter().map(|item| item.short_string(80)).collect()
}

/// Reads and checks a body of what is asked as it is.
pub(crate) fn completion(body: &[u8]) -> Result<CompletionRequest, ApiError> {
    of_object(Object::body(body)?)
}

fn of_object(mut object: Object<'_, '_>) -> Result<CompletionRequest, ApiError> {
    let model = object.require("model")?.short_string(MAX_MODEL)?;
    let messages = messages(&object.require("messages")?)?;
    let tools = tools(&mut object)?;
    let streamed = object.take("stream").map(|field| field.boolean()).transpose()?.unwrap_or(false);
    refuse_what_cannot_be_answered(&mut object)?;
    Ok(CompletionRequest {
        model,
        messages,
        tool_choice: object.take("tool_choice").map(|field| tool_choice(&field)).transpose()?,
        tools,
        parallel_tool_calls: object.take("parallel_tool_calls").map(|field| field.boolean()).transpose()?,
        response_format: object.take("response_format").map(|field| response_format(&field)).transpose()?,
        streamed,
        include_usage: include_usage(&mut object)? && streamed,
        max_tokens: max_tokens(&mut object)?,
        temperature: number(&mut object, "temperature", 0.0, 2.0)?,
        top_p: number(&mut object, "top_p", 0.0, 1.0)?,
        frequency_penalty: number(&mut object, "frequency_penalty", -2.0, 2.0)?,
        presence_penalty: number(&mut object, "presence_penalty", -2.0, 2.0)?,
        stop: object.take("stop").map(|field| stop(&field)).transpose()?.unwrap_or_default(),
        seed: object.take("seed").map(|field| field.integer()).transpose()?,
        user: object.take("user").map(|field| field.short_string(MAX_USER)).transpose()?,
        extra: object.rest(MAX_EXTRA)?,
    })
}

/// What would be answered with something else than what was asked for.
fn refuse_what_cannot_be_answered(object: &mut Object<'_, '_>) -> Result<(), ApiError> {
    if let Some(n) = object.take("n")
        && n.count()? != 1
    {
        return Err(n.impossible("unsupported", "must be 1: send a request for each answer"));
    }
    for (old, new) in [("functions", "tools"), ("function_call", "tool_choice")] {
        if let Some(field) = object.take(old) {
            return Err(
                field.impossible("unsupported", format_args!("is no longer taken: send `{new}` instead"))
            );
        }
    }
    if let Some(field) = object.take("modalities") {
        for modality in field.items(8)? {
            if modality.string()? != "text" {
                return Err(modality.impossible("unsupported", "must be `text`"));
            }
        }
    }
    if let Some(field) = object.take("audio") {
        return Err(field.impossible("unsupported", "cannot be answered: no model here speaks"));
    }
    Ok(())
}

fn number<'p>(
    object: &mut Object<'_, 'p>,
    name: &'p str,
    from: f64,
    to: f64,
) -> Result<Option<f64>, ApiError> {
    object.take(name).map(|field| field.number(from..=to)).transpose()
}

/// `max_completion_tokens`, and its older name.
fn max_tokens(object: &mut Object<'_, '_>) -> Result<Option<u32>, ApiError> {
    let old = object.take("max_tokens").map(|field| field.count()).transpose()?;
    let Some(field) = object.take("max_completion_tokens") else { return Ok(old) };
    let new = field.count()?;
    if old.is_some_and(|old| old != new) {
        return Err(field.bad("conflict", "must not differ from 'max_tokens', its older name"));
    }
    Ok(Some(new))
}

fn include_usage(object: &mut Object<'_, '_>) -> Result<bool, ApiError> {
    let Some(options) = object.take("stream_options") else { return Ok(false) };
    let mut options = options.object()?;
    Ok(options.take("include_usage").map(|field| field.boolean()).transpose()?.unwrap_or(false))
}

fn stop(field: &Field<'_, '_>) -> Result<Vec<String>, ApiError> {
    if field.begins_with(b'"') {
        return Ok(vec![field.short_string(256)?]);
    }
    if !field.begins_with(b'[') {
        return Err(field.bad("type", "must be a string or an array of strings"));
    }
    field.items(4)?.iter().map(|item| item.short_string(256)).collect()
}

fn tools(object: &mut Object<'_, '_>) -> Result<Vec<ToolDefinition>, ApiError> {
    let Some(field) = object.take("tools") else { return Ok(Vec::new()) };
    let mut tools: Vec<ToolDefinition> = Vec::new();
    for item in field.items(MAX_TOOLS)? {
        let tool = tool(&item)?;
        if tools.iter().any(|other| other.name == tool.name) {
            return Err(item.bad("unique", format_args!("defines '{}' a second time", tool.name)));
        }
        tools.push(tool);
    }
    Ok(tools)
}

fn tool(item: &Field<'_, '_>) -> Result<ToolDefinition, ApiError> {
    let mut object = item.object()?;
    only_functions(&mut object)?;
    let function = object.require("function")?;
    let mut function = function.object()?;
    Ok(ToolDefinition {
        name: function.require("name")?.name()?,
        description: function.take("description").map(|field| field.string()).transpose()?,
        parameters: function.take("parameters").map(|field| field.verbatim_object()).transpose()?,
        strict: function.take("strict").map(|field| field.boolean()).transpose()?,
    })
}

fn tool_choice(field: &Field<'_, '_>) -> Result<ToolChoice, ApiError> {
    if field.begins_with(b'"') {
        return Ok(match field.string()?.as_str() {
            "none" => ToolChoice::None,
            "auto" => ToolChoice::Auto,
            "required" => ToolChoice::Required,
            _ => {
                return Err(field.bad("enum", "must be none, auto, required, or an object naming a function"));
            }
        });
    }
    if !field.begins_with(b'{') {
        return Err(field.bad("type", "must be a string or an object"));
    }
    let mut object = field.object()?;
    only_functions(&mut object)?;
    let function = object.require("function")?;
    let name = function.object()?.require("name")?.name()?;
    Ok(ToolChoice::Function(name))
}

fn response_format(field: &Field<'_, '_>) -> Result<ResponseFormat, ApiError> {
    let mut object = field.object()?;
    let kind = object.require("type")?;
    match kind.string()?.as_str() {
        "text" => Ok(ResponseFormat::Text),
        "json_object" => Ok(ResponseFormat::JsonObject),
        "json_schema" => {
            let wanted = object.require("json_schema")?;
            let mut wanted = wanted.object()?;
            Ok(ResponseFormat::JsonSchema {
                name: wanted.require("name")?.name()?,
                description: wanted.take("description").map(|field| field.string()).transpose()?,
                schema: wanted.require("schema")?.verbatim_object()?,
                strict: wanted.take("strict").map(|field| field.boolean()).transpose()?,
            })
        }
        _ => Err(kind.bad("enum", "must be one of text, json_object, json_schema")),
    }
}

#[cfg(test)]
mod tests;
