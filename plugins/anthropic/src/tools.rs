//! Tools, and whether they must be called
//! (<https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools>).

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::{CompletionRequest, ToolChoice, ToolDefinition};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::conversation::Conversation;
use crate::format::Format;
use crate::settings::Settings;

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Tool<'a> {
    Custom {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        input_schema: Cow<'a, RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    },
    /// Of Anthropic's own, as the settings have it.
    Server(&'a RawValue),
}

#[derive(Serialize)]
pub(crate) struct Choice<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_parallel_tool_use: Option<bool>,
}

impl Choice<'_> {
    pub(crate) fn is_forced(&self) -> bool {
        matches!(self.kind, "any" | "tool")
    }
}

/// Every tool of the request, of the settings, and the one whose arguments are the answer.
///
/// # Errors
/// If a schema is no JSON.
pub(crate) fn tools<'a>(
    request: &'a CompletionRequest,
    settings: &'a Settings,
    format: &'a Format<'_>,
    conversation: &Conversation<'a>,
) -> Result<Vec<Tool<'a>>, Failure> {
    let mut tools: Vec<_> = request.tools.iter().map(custom).collect::<Result<_, _>>()?;
    if tools.is_empty() {
        // Where turns speak of calls, the API wants the tools defined.
        for name in conversation.called() {
            tools.push(Tool::Custom { name, description: None, input_schema: any_object()?, strict: None });
        }
    }
    tools.extend(settings.server_tools.iter().map(|tool| Tool::Server(tool)));
    if let Format::Tool { name, description, schema } = format {
        let input_schema = Cow::Borrowed(schema.as_ref());
        tools.push(Tool::Custom { name, description: Some(description), input_schema, strict: None });
    }
    Ok(tools)
}

/// With a tool for the answer something must be called: the answer, if no other tool.
pub(crate) fn choice<'a>(
    request: &'a CompletionRequest,
    settings: &Settings,
    format: &'a Format<'_>,
    has_tools: bool,
) -> Option<Choice<'a>> {
    if !has_tools {
        return None;
    }
    let disable_parallel_tool_use = request.parallel_tool_calls.filter(|may| !may).map(|_| true);
    let choice = |kind, name| Some(Choice { kind, name, disable_parallel_tool_use });
    let is_defined = !request.tools.is_empty();
    match (&request.tool_choice, format.tool()) {
        (Some(ToolChoice::Function(name)), _) if is_defined => choice("tool", Some(name)),
        (Some(ToolChoice::None), Some(answer)) => choice("tool", Some(answer)),
        (_, Some(answer)) if !is_defined => choice("tool", Some(answer)),
        (_, Some(_)) => choice("any", None),
        (Some(ToolChoice::Required), None) if is_defined => choice("any", None),
        (Some(ToolChoice::None), None) => {
            Some(Choice { kind: "none", name: None, disable_parallel_tool_use: None })
        }
        // Only what earlier turns called is defined, which the request does not offer any more.
        (_, None) if !is_defined && settings.server_tools.is_empty() => {
            Some(Choice { kind: "none", name: None, disable_parallel_tool_use: None })
        }
        (Some(ToolChoice::Auto), None) => choice("auto", None),
        _ if disable_parallel_tool_use.is_some() => choice("auto", None),
        _ => None,
    }
}

fn custom(tool: &ToolDefinition) -> Result<Tool<'_>, Failure> {
    let input_schema = match &tool.parameters {
        Some(text) => of_object(schema(text, "tools", &tool.name)?)?,
        None => any_object()?,
    };
    let strict = tool.strict.filter(|strict| *strict);
    Ok(Tool::Custom { name: &tool.name, description: tool.description.as_deref(), input_schema, strict })
}

/// The API wants to be told that arguments are an object, which OpenAI takes for granted.
fn of_object(schema: &RawValue) -> Result<Cow<'_, RawValue>, Failure> {
    let Ok(mut members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(schema.get()) else {
        return Ok(Cow::Borrowed(schema));
    };
    if members.contains_key("type") {
        return Ok(Cow::Borrowed(schema));
    }
    let object = to_raw_value("object")?;
    members.insert("type".to_string(), &object);
    Ok(Cow::Owned(to_raw_value(&members)?))
}

fn any_object() -> Result<Cow<'static, RawValue>, Failure> {
    Ok(Cow::Owned(to_raw_value(&serde_json::json!({ "type": "object", "properties": {} }))?))
}

/// JSON text, checked and then written as it came.
pub(crate) fn schema<'a>(text: &'a str, param: &str, name: &str) -> Result<&'a RawValue, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("the JSON Schema of `{name}` is no JSON: {error}");
        Failure::invalid_request(message).with_param(param)
    })
}
