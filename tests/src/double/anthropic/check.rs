//! What is refused.

use serde_json::{Map, Value};

use super::{KEY, MAX_BODY, error, signature};
use crate::double::script::Script;
use crate::double::vendor::Seen;

const MEMBERS: [&str; 19] = [
    "model",
    "max_tokens",
    "messages",
    "system",
    "stream",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "temperature",
    "top_p",
    "top_k",
    "stop_sequences",
    "metadata",
    "service_tier",
    "cache_control",
    "container",
    "inference_geo",
    "mcp_servers",
];

type Checked = Result<(), String>;

pub(super) fn refuse(seen: &Seen) -> Option<Script> {
    let invalid = |message: &str| Some(error(400, "invalid_request_error", message));
    if seen.path != "/v1/messages" || seen.method != "POST" {
        return Some(error(404, "not_found_error", "Not Found"));
    }
    if seen.header("x-api-key") != Some(KEY) {
        return Some(error(401, "authentication_error", "invalid x-api-key"));
    }
    if seen.bytes.len() > MAX_BODY {
        return Some(error(413, "request_too_large", "Request exceeds the maximum size"));
    }
    if seen.header("anthropic-version") != Some("2023-06-01") {
        return invalid("anthropic-version: header is required");
    }
    if seen.header("content-type") != Some("application/json") || !seen.body.is_object() {
        return invalid("The request body is not valid JSON");
    }
    request(&seen.body).err().and_then(|message| invalid(&message))
}

fn request(body: &Value) -> Checked {
    let members = body.as_object().map(Map::keys).into_iter().flatten();
    for member in members {
        ensure(MEMBERS.contains(&member.as_str()), || format!("{member}: Extra inputs are not permitted"))?;
    }
    ensure(body["model"].is_string(), || "model: Field required".to_owned())?;
    let max_tokens = body["max_tokens"].as_u64().ok_or("max_tokens: Field required")?;
    for name in ["temperature", "top_p"] {
        let fits = body[name].is_null() || body[name].as_f64().is_some_and(|it| (0.0..=1.0).contains(&it));
        ensure(fits, || format!("{name}: range: 0..1"))?;
    }
    ensure(body["temperature"].is_null() || body["top_p"].is_null(), || {
        "`temperature` and `top_p` cannot both be specified for this model".to_owned()
    })?;
    ensure(body["tool_choice"].is_null() || body["tools"].is_array(), || {
        "tool_choice: may only be specified while providing tools".to_owned()
    })?;
    thinking(body, max_tokens)?;
    for system in body["system"].as_array().into_iter().flatten() {
        block(system, "system")?;
    }
    turns(body)
}

fn thinking(body: &Value, max_tokens: u64) -> Checked {
    if body["thinking"]["type"] != "enabled" {
        return Ok(());
    }
    let budget = body["thinking"]["budget_tokens"].as_u64().unwrap_or_default();
    ensure(budget >= 1024, || "thinking.enabled.budget_tokens: should be greater than 1024".to_owned())?;
    ensure(budget < max_tokens, || "`max_tokens` must be greater than `thinking.budget_tokens`".to_owned())?;
    ensure(body["temperature"].is_null(), || {
        "`temperature` may only be set to 1 when thinking is enabled".to_owned()
    })?;
    let forced = matches!(body["tool_choice"]["type"].as_str(), Some("any" | "tool"));
    ensure(!forced, || "Thinking may not be enabled when tool_choice forces tool use.".to_owned())
}

fn turns(body: &Value) -> Checked {
    let turns = body["messages"].as_array().filter(|turns| !turns.is_empty());
    let turns = turns.ok_or("messages: at least one message is required")?;
    let mut open: Vec<&str> = Vec::new();
    for (at, turn) in turns.iter().enumerate() {
        let role = if at % 2 == 0 { "user" } else { "assistant" };
        ensure(turn["role"] == role, || format!("messages.{at}.role: roles must alternate"))?;
        let blocks = turn["content"].as_array().filter(|blocks| !blocks.is_empty());
        let blocks = blocks.ok_or_else(|| format!("messages.{at}.content: must be non-empty"))?;
        for it in blocks {
            block(it, &format!("messages.{at}"))?;
        }
        let ids = |kind, name: &'static str| -> Vec<&str> {
            let those = blocks.iter().filter(move |it| it["type"] == kind);
            those.filter_map(|it| it[name].as_str()).collect()
        };
        let mut answered = ids("tool_result", "tool_use_id");
        let results = blocks.iter().take_while(|it| it["type"] == "tool_result").count();
        answered.sort_unstable();
        open.sort_unstable();
        ensure(answered == open && results == open.len(), || {
            format!("messages.{at}: `tool_use` ids were found without `tool_result` blocks immediately after")
        })?;
        open = ids("tool_use", "id");
    }
    let speaks_of_tools = turns.iter().flat_map(|turn| turn["content"].as_array()).flatten();
    let needs_tools = speaks_of_tools.into_iter().any(|it| it["type"] == "tool_use");
    ensure(!needs_tools || body["tools"].is_array(), || {
        "Requests which have `tool_use` or `tool_result` blocks in `messages` must define tools".to_owned()
    })?;
    let last = &turns[turns.len() - 1];
    let is_within_loop = last["role"] == "user" && last["content"][0]["type"] == "tool_result";
    let begins_with_thought = || turns[1]["content"][0]["type"] == "thinking";
    // The tests' loops begin at the first answer.
    ensure(body["thinking"]["type"] != "enabled" || !is_within_loop || begins_with_thought(), || {
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`"
            .to_owned()
    })
}

fn block(block: &Value, at: &str) -> Checked {
    let text = |name: &str| block[name].as_str().unwrap_or_default();
    match text("type") {
        "text" => {
            ensure(!text("text").trim().is_empty(), || format!("{at}: text content blocks must be non-empty"))
        }
        "image" => {
            let source = &block["source"];
            let media = source["media_type"].as_str().unwrap_or_default();
            let is_image = matches!(media, "image/jpeg" | "image/png" | "image/gif" | "image/webp");
            let is_base64 = source["type"] == "base64" && is_image && source["data"].is_string();
            let is_url = source["type"] == "url" && source["url"].is_string();
            ensure(is_base64 || is_url, || format!("{at}: invalid image source"))
        }
        "tool_use" => {
            ensure(is_id(text("id")), || format!("{at}.tool_use.id: String should match pattern"))?;
            ensure(block["input"].is_object(), || format!("{at}.tool_use.input: should be an object"))
        }
        "tool_result" => {
            ensure(is_id(text("tool_use_id")), || format!("{at}.tool_use_id: String should match pattern"))
        }
        "thinking" => ensure(text("signature") == signature(text("thinking")), || {
            format!("{at}: Invalid `signature` in `thinking` block")
        }),
        _ => Err(format!("{at}: Input tag does not match any of the expected tags")),
    }
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-')
}

fn ensure(holds: bool, message: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(message()) }
}
