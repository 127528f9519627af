//! The JSON of requests.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::{CompletionRequest, EmbeddingRequest, ResponseFormat, ToolChoice, ToolDefinition};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::message::MessageJson;
use crate::settings::Settings;

/// Members of a request that the host does not know, as they came.
type Extra<'a> = BTreeMap<String, &'a RawValue>;

/// What `extra` cannot set, whether or not the request has it.
const OWN: [&str; 17] = [
    "model",
    "messages",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "max_tokens",
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "stop",
    "seed",
    "user",
    "n",
];

const OWN_OF_EMBEDDINGS: [&str; 5] = ["model", "input", "encoding_format", "dimensions", "user"];

#[derive(Serialize)]
struct CompletionJson<'a> {
    model: &'a str,
    messages: Vec<MessageJson<'a>>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Typed<Function<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    stop: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(flatten)]
    extra: Extra<'a>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// `{"type": "function", "function": …}`.
#[derive(Serialize)]
struct Typed<T> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: T,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct Named<'a> {
    name: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Choice<'a> {
    Mode(&'static str),
    Function(Typed<Named<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Format<'a> {
    Text,
    JsonObject,
    JsonSchema { json_schema: Schema<'a> },
}

#[derive(Serialize)]
struct Schema<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

#[derive(Serialize)]
struct EmbeddingJson<'a> {
    model: &'a str,
    input: &'a [String],
    encoding_format: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(flatten)]
    extra: Extra<'a>,
}

/// # Errors
/// If a schema or the extra members are no JSON, or several choices are asked for.
pub(crate) fn completion(request: &CompletionRequest, settings: &Settings) -> Result<Vec<u8>, Failure> {
    let mut extra = extra(request.extra.as_deref())?;
    if let Some(n) = extra.get("n").filter(|n| !matches!(n.get(), "1" | "null")) {
        let message = format!("only one choice can be served, `n` is {}", n.get());
        return Err(Failure::invalid_request(message).with_param("n"));
    }
    let has_completion_tokens = settings.max_tokens_field == "max_completion_tokens";
    let is_told = has_completion_tokens && request.max_tokens.is_some();
    let is_own = |name: &str| OWN.contains(&name) || (is_told && name == "max_completion_tokens");
    extra.retain(|name, _| !is_own(name));
    let has_tools = !request.tools.is_empty();
    write(&CompletionJson {
        model: &request.upstream_model,
        messages: request.messages.iter().map(|message| MessageJson::new(message, settings)).collect(),
        stream: request.streamed,
        stream_options: (request.streamed && settings.stream_usage)
            .then_some(StreamOptions { include_usage: true }),
        tools: request.tools.iter().map(tool).collect::<Result<_, _>>()?,
        // Without tools these two are errors to OpenAI.
        tool_choice: request.tool_choice.as_ref().filter(|_| has_tools).map(choice),
        parallel_tool_calls: request.parallel_tool_calls.filter(|_| has_tools),
        response_format: request.response_format.as_ref().map(format_of).transpose()?,
        max_tokens: request.max_tokens.filter(|_| !has_completion_tokens),
        max_completion_tokens: request.max_tokens.filter(|_| has_completion_tokens),
        temperature: request.temperature,
        top_p: request.top_p,
        frequency_penalty: request.frequency_penalty,
        presence_penalty: request.presence_penalty,
        stop: &request.stop,
        seed: request.seed,
        user: request.user.as_deref(),
        extra,
    })
}

/// # Errors
/// If the extra members are no JSON object.
pub(crate) fn embedding(request: &EmbeddingRequest, settings: &Settings) -> Result<Vec<u8>, Failure> {
    let mut extra = extra(request.extra.as_deref())?;
    extra.retain(|name, _| !OWN_OF_EMBEDDINGS.contains(&name.as_str()));
    write(&EmbeddingJson {
        model: &request.upstream_model,
        input: &request.inputs,
        encoding_format: &settings.embedding_encoding,
        dimensions: request.dimensions,
        user: request.user.as_deref(),
        extra,
    })
}

fn write(value: &impl Serialize) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(value)
        .map_err(|error| Failure::invalid_request(format!("the request cannot be written: {error}")))
}

fn extra(text: Option<&str>) -> Result<Extra<'_>, Failure> {
    let Some(text) = text else { return Ok(Extra::new()) };
    serde_json::from_str(text)
        .map_err(|error| Failure::invalid_request(format!("the extra members are no JSON object: {error}")))
}

/// JSON text, checked and then written as it came.
fn schema<'a>(text: &'a str, param: &str, name: &str) -> Result<&'a RawValue, Failure> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!("the JSON Schema of `{name}` is no JSON: {error}");
        Failure::invalid_request(message).with_param(param)
    })
}

fn tool(tool: &ToolDefinition) -> Result<Typed<Function<'_>>, Failure> {
    let parameters = tool.parameters.as_deref().map(|text| schema(text, "tools", &tool.name)).transpose()?;
    let function = Function {
        name: &tool.name,
        description: tool.description.as_deref(),
        parameters,
        strict: tool.strict,
    };
    Ok(Typed { kind: "function", function })
}

fn choice(choice: &ToolChoice) -> Choice<'_> {
    match choice {
        ToolChoice::None => Choice::Mode("none"),
        ToolChoice::Auto => Choice::Mode("auto"),
        ToolChoice::Required => Choice::Mode("required"),
        ToolChoice::Function(name) => Choice::Function(Typed { kind: "function", function: Named { name } }),
    }
}

fn format_of(format: &ResponseFormat) -> Result<Format<'_>, Failure> {
    Ok(match format {
        ResponseFormat::Text => Format::Text,
        ResponseFormat::JsonObject => Format::JsonObject,
        ResponseFormat::JsonSchema(format) => Format::JsonSchema {
            json_schema: Schema {
                name: &format.name,
                description: format.description.as_deref(),
                schema: schema(&format.schema, "response_format", &format.name)?,
                strict: format.strict,
            },
        },
    })
}
