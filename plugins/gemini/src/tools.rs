//! Functions, and whether they must be called (<https://ai.google.dev/gemini-api/docs/function-calling>).

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::{CompletionRequest, ToolChoice, ToolDefinition};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::openapi;
use crate::settings::{Schemas, Settings};

#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Tool<'a> {
    #[serde(rename_all = "camelCase")]
    Functions { function_declarations: Vec<Declaration<'a>> },
    /// Of Google's own, as the settings have it.
    Server(&'a RawValue),
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Declaration<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters_json_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Cow<'a, RawValue>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Config<'a> {
    function_calling_config: Calling<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Calling<'a> {
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_function_names: Option<[&'a str; 1]>,
}

/// # Errors
/// If a schema is no JSON.
pub(crate) fn tools<'a>(
    request: &'a CompletionRequest,
    settings: &'a Settings,
) -> Result<Vec<Tool<'a>>, Failure> {
    let mut tools = Vec::new();
    if !request.tools.is_empty() {
        let declared = request.tools.iter().map(|tool| declaration(tool, settings.schemas));
        tools.push(Tool::Functions { function_declarations: declared.collect::<Result<_, _>>()? });
    }
    tools.extend(settings.tools.iter().map(|tool| Tool::Server(tool)));
    Ok(tools)
}

/// Without functions it would be an error.
pub(crate) fn config(request: &CompletionRequest) -> Option<Config<'_>> {
    let choice = request.tool_choice.as_ref().filter(|_| !request.tools.is_empty())?;
    let (mode, name) = match choice {
        ToolChoice::None => ("NONE", None),
        ToolChoice::Auto => ("AUTO", None),
        ToolChoice::Required => ("ANY", None),
        ToolChoice::Function(name) => ("ANY", Some(name.as_str())),
    };
    let allowed_function_names = name.map(|name| [name]);
    Some(Config { function_calling_config: Calling { mode, allowed_function_names } })
}

fn declaration(tool: &ToolDefinition, schemas: Schemas) -> Result<Declaration<'_>, Failure> {
    let parameters = tool.parameters.as_deref().map(|text| schema(text, "tools", &tool.name)).transpose()?;
    let (parameters_json_schema, parameters) = match (schemas, parameters) {
        (Schemas::JsonSchema, schema) => (schema, None),
        (Schemas::Openapi, Some(schema)) => (None, openapi::reduced(schema)?.map(Cow::Owned)),
        (Schemas::Openapi, None) => (None, None),
    };
    let description = tool.description.as_deref();
    Ok(Declaration { name: &tool.name, description, parameters_json_schema, parameters })
}

/// JSON text, checked and then written as it came.
pub(crate) fn schema<'a>(text: &'a str, param: &str, name: &str) -> Result<&'a RawValue, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("the JSON Schema of `{name}` is no JSON: {error}");
        Failure::invalid_request(message).with_param(param)
    })
}
