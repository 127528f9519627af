//! The JSON of a request.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::CompletionRequest;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::content::Block;
use crate::conversation::{Conversation, Turn};
use crate::extra::Extra;
use crate::format::Format;
use crate::settings::Settings;
use crate::thinking::{self, ThinkingJson};
use crate::tools::{self, Choice, Tool};

#[derive(Serialize)]
struct BodyJson<'a> {
    model: &'a str,
    max_tokens: u32,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    system: &'a [Block<'a>],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<ThinkingJson<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    output_config: BTreeMap<String, &'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stop_sequences: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl<'a>>,
    #[serde(flatten)]
    extra: BTreeMap<String, &'a RawValue>,
    /// Last, so that a turn can be appended to what was sent.
    messages: &'a [Turn<'a>],
}

#[derive(Serialize)]
struct Metadata<'a> {
    user_id: &'a str,
}

#[derive(Serialize)]
#[serde(untagged)]
enum CacheControl<'a> {
    Callers(&'a RawValue),
    Ours {
        #[serde(rename = "type")]
        kind: &'static str,
        ttl: &'a str,
    },
}

/// What is sent, and what must be known of it to read the answer.
pub(crate) struct Body {
    pub(crate) json: Vec<u8>,
    /// The tool whose arguments are the answer.
    pub(crate) answer_tool: Option<String>,
    /// Whether something runs at Anthropic's side, which may interrupt the turn.
    pub(crate) may_pause: bool,
}

/// # Errors
/// If there is nothing to answer, a schema or the extra members are no JSON, an image is none that the API
/// takes, or several choices are asked for.
pub(crate) fn body(
    request: &CompletionRequest,
    settings: &Settings,
    is_streamed: bool,
) -> Result<Body, Failure> {
    let mut extra = Extra::read(request.extra.as_deref())?;
    if settings.has_no_sampling() {
        extra.others.remove("top_k");
    }
    let conversation = Conversation::new(&request.messages)?;
    let format = Format::of(request, settings)?;
    let tools = tools::tools(request, settings, &format, &conversation)?;
    let tool_choice = tools::choice(request, settings, &format, !tools.is_empty());
    let max_tokens = request.max_tokens.unwrap_or(settings.max_tokens);
    let forced = tool_choice.as_ref().is_some_and(Choice::is_forced);
    let thinking = thinking::thinking(settings, extra.thinking, &conversation, forced, max_tokens);
    let (temperature, top_p) = thinking::sampling(request, settings, thinking.as_ref());

    let effort = extra.effort().filter(|_| settings.caller_effort).or_else(|| settings.effort.clone());
    let effort = effort.map(|effort| to_raw_value(&effort)).transpose()?;
    let output_format = format.output_format().map(|format| to_raw_value(&format)).transpose()?;
    let mut output_config = extra.output_config;
    if let Some(effort) = effort.as_deref() {
        output_config.entry("effort".to_string()).or_insert(effort);
    }
    if let Some(format) = output_format.as_deref() {
        output_config.insert("format".to_string(), format);
    }

    let user_id = request.user.as_deref().or(extra.user_id.as_deref());
    let cache_control = match (extra.cache_control, settings.prompt_cache.as_str()) {
        (Some(callers), _) => Some(CacheControl::Callers(callers)),
        (None, "off") => None,
        (None, ttl) => Some(CacheControl::Ours { kind: "ephemeral", ttl }),
    };
    let may_pause = !settings.server_tools.is_empty() || extra.others.contains_key("mcp_servers");
    let json = serde_json::to_vec(&BodyJson {
        model: &request.upstream_model,
        max_tokens,
        stream: is_streamed,
        system: &conversation.system,
        tools,
        tool_choice,
        thinking,
        output_config,
        temperature,
        top_p,
        // The API refuses those of nothing but white space.
        stop_sequences: request.stop.iter().map(String::as_str).filter(|it| !it.trim().is_empty()).collect(),
        metadata: user_id.map(|user_id| Metadata { user_id }),
        cache_control,
        extra: extra.others,
        messages: &conversation.turns,
    });
    let json =
        json.map_err(|error| Failure::invalid_request(format!("the request cannot be written: {error}")))?;
    Ok(Body { json, answer_tool: format.tool().map(str::to_string), may_pause })
}
