//! `/v1/chat/completions` as its documents say.

use serde_json::{Value, json};

use super::answer::{ErrorBody, Reply};
use crate::double::script::Script;

/// Unix seconds; answers do not depend on when they are given.
const CREATED: u64 = 1_741_569_952;

pub(super) fn answer(reply: &Reply, request: &Value, number: usize) -> Script {
    let Some(messages) = request["messages"].as_array().filter(|messages| !messages.is_empty()) else {
        let error = ErrorBody::new(400, "invalid_request_error", "Missing required parameter: 'messages'.");
        return error.param("messages").code("missing_required_parameter").script();
    };
    let turn = Turn::new(reply, request, messages, number);
    if request["stream"] == true { turn.streamed(reply, request) } else { turn.whole() }
}

/// One event of a stream.
pub fn chunk(data: &Value) -> String {
    format!("data: {data}\n\n")
}

struct Turn<'a> {
    id: String,
    model: &'a str,
    text: Option<String>,
    reasoning: Option<&'a str>,
    calls: Vec<Value>,
    finish: &'static str,
    usage: Value,
}

impl<'a> Turn<'a> {
    fn new(reply: &'a Reply, request: &'a Value, messages: &[Value], number: usize) -> Self {
        let last = messages.last().unwrap_or(&Value::Null);
        let may_call =
            last["role"] != "tool" && request["tool_choice"] != "none" && request["tools"].is_array();
        let calls: Vec<Value> = if may_call {
            let calls = reply.tool_calls.iter().enumerate();
            let call = |(at, call): (usize, &super::ToolCall)| {
                let function = json!({"name": call.name, "arguments": call.arguments});
                json!({"id": format!("call_{number}_{at}"), "type": "function", "function": function})
            };
            calls.map(call).collect()
        } else {
            Vec::new()
        };
        let text = calls.is_empty().then(|| match &reply.text {
            Some(text) => text.clone(),
            None => in_format(&request["response_format"], &text_of(last)),
        });
        let written = text.as_deref().map_or(calls.len() * 8, words);
        let read: usize = messages.iter().map(|message| words(&text_of(message))).sum();
        let reasoned = reply.reasoning.as_deref().map_or(0, words);
        Self {
            id: format!("chatcmpl-double{number}"),
            model: request["model"].as_str().unwrap_or_default(),
            finish: reply.finish.unwrap_or(if calls.is_empty() { "stop" } else { "tool_calls" }),
            reasoning: reply.reasoning.as_deref(),
            usage: json!({
                "prompt_tokens": read,
                "completion_tokens": written + reasoned,
                "total_tokens": read + written + reasoned,
                "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
                "completion_tokens_details": {
                    "reasoning_tokens": reasoned, "audio_tokens": 0,
                    "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
                },
            }),
            text,
            calls,
        }
    }

    fn whole(&self) -> Script {
        let mut message = json!({
            "role": "assistant", "content": self.text, "refusal": null, "annotations": [],
        });
        if !self.calls.is_empty() {
            message["tool_calls"] = json!(self.calls);
        }
        if let Some(reasoning) = self.reasoning {
            message["reasoning_content"] = json!(reasoning);
        }
        let body = json!({
            "id": self.id, "object": "chat.completion", "created": CREATED, "model": self.model,
            "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": self.finish}],
            "usage": self.usage, "service_tier": "default", "system_fingerprint": "fp_double",
        });
        Script::new().header("content-type", "application/json").bytes(body.to_string())
    }

    fn streamed(&self, reply: &Reply, request: &Value) -> Script {
        let tells_usage = request["stream_options"]["include_usage"] == true;
        let mut events: Vec<String> =
            self.deltas().into_iter().map(|delta| self.chunk(&delta, None, tells_usage)).collect();
        events.push(self.chunk(&json!({}), Some(self.finish), tells_usage));
        if tells_usage {
            let mut last = self.envelope();
            last["choices"] = json!([]);
            last["usage"] = self.usage.clone();
            events.push(chunk(&last));
        }
        events.push("data: [DONE]\n\n".to_owned());
        match (&reply.pace, reply.cut) {
            (Some(gate), _) => {
                events.into_iter().fold(Script::events(), |script, event| script.bytes(event).wait(gate))
            }
            (None, Some(every)) => Script::events().cut(events.concat(), every),
            (None, None) => events.into_iter().fold(Script::events(), Script::bytes),
        }
    }

    /// The role first, then a word at a time, or a call's arguments in two halves.
    fn deltas(&self) -> Vec<Value> {
        let content = if self.calls.is_empty() { json!("") } else { Value::Null };
        let mut deltas = vec![json!({"role": "assistant", "content": content, "refusal": null})];
        for word in self.reasoning.unwrap_or_default().split_inclusive(' ') {
            deltas.push(json!({"reasoning_content": word}));
        }
        for word in self.text.as_deref().unwrap_or_default().split_inclusive(' ') {
            deltas.push(json!({"content": word}));
        }
        for (index, call) in self.calls.iter().enumerate() {
            let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
            let middle = arguments.char_indices().nth(arguments.chars().count() / 2).map_or(0, |(at, _)| at);
            let mut begun = call.clone();
            begun["index"] = json!(index);
            begun["function"]["arguments"] = json!("");
            deltas.push(json!({"tool_calls": [begun]}));
            for half in [&arguments[..middle], &arguments[middle..]] {
                deltas.push(json!({"tool_calls": [{"index": index, "function": {"arguments": half}}]}));
            }
        }
        deltas
    }

    fn chunk(&self, delta: &Value, finish: Option<&str>, tells_usage: bool) -> String {
        let mut data = self.envelope();
        data["choices"] = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}]);
        if tells_usage {
            data["usage"] = Value::Null;
        }
        chunk(&data)
    }

    fn envelope(&self) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": CREATED, "model": self.model,
            "service_tier": "default", "system_fingerprint": "fp_double",
        })
    }
}

/// What is said, in the format that was asked for.
fn in_format(format: &Value, said: &str) -> String {
    match format["type"].as_str() {
        Some("json_object") => json!({"said": said}).to_string(),
        Some("json_schema") => {
            let properties = format["json_schema"]["schema"]["properties"].as_object();
            let members = properties.into_iter().flatten().map(|(name, schema)| {
                let value = match schema["type"].as_str() {
                    Some("integer" | "number") => json!(words(said)),
                    Some("boolean") => json!(true),
                    Some("array") => json!([said]),
                    _ => json!(said),
                };
                (name.clone(), value)
            });
            Value::Object(members.collect()).to_string()
        }
        _ => said.to_owned(),
    }
}

/// The text of a message, whose content is a text or a list of parts.
fn text_of(message: &Value) -> String {
    match &message["content"] {
        Value::String(text) => text.clone(),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

/// What this provider counts as tokens.
fn words(text: &str) -> usize {
    text.split_whitespace().count()
}
