//! What a model says.

use serde_json::{Value, json};

use super::{event, signature};
use crate::double::openai::Reply;
use crate::double::script::Script;
use crate::double::vendor::{Seen, by_schema, paced, words};

pub(super) fn reply(reply: &Reply, seen: &Seen, number: usize) -> Script {
    let turn = Turn::new(reply, &seen.body, number);
    if seen.body["stream"] == true { paced(turn.events(), reply) } else { turn.whole() }
}

struct Turn {
    message: Value,
    content: Vec<Value>,
    stop_reason: String,
    read: usize,
    written: usize,
}

impl Turn {
    fn new(reply: &Reply, request: &Value, number: usize) -> Self {
        let turns: Vec<&Value> = request["messages"].as_array().into_iter().flatten().collect();
        let last = turns.last().map(|turn| text_of(&turn["content"])).unwrap_or_default();
        let has_result = turns.last().is_some_and(|turn| turn["content"][0]["type"] == "tool_result");
        let mut content = Vec::new();
        if let Some(thinking) = &reply.reasoning {
            content.push(json!({"type": "thinking", "thinking": thinking, "signature": signature(thinking)}));
        }
        let forced = request["tools"].as_array().into_iter().flatten().find(|tool| {
            request["tool_choice"]["type"] == "tool" && tool["name"] == request["tool_choice"]["name"]
        });
        let said = reply.text.clone().unwrap_or_else(|| last.clone());
        let call = |at: usize, name: &str, input: Value| json!({"type": "tool_use", "id": format!("toolu_{number}_{at}"), "name": name, "input": input});
        let calls = !reply.tool_calls.is_empty() && !has_result;
        if calls {
            for (at, tool) in reply.tool_calls.iter().enumerate() {
                let input = serde_json::from_str(&tool.arguments).unwrap_or_default();
                content.push(call(at, &tool.name, input));
            }
        } else if let Some(tool) = forced {
            let name = tool["name"].as_str().unwrap_or_default();
            let mut input = by_schema(&tool["input_schema"], &said);
            if tool["input_schema"]["properties"].is_null() {
                input = json!({ "said": said });
            }
            content.push(call(0, name, input));
        } else {
            let schema = &request["output_config"]["format"]["schema"];
            let text = if schema.is_object() { by_schema(schema, &said).to_string() } else { said };
            content.push(json!({"type": "text", "text": text}));
        }
        let stop_reason = if calls || forced.is_some() { "tool_use" } else { "end_turn" };
        Self {
            message: json!({
                "id": format!("msg_double{number}"), "type": "message", "role": "assistant",
                "model": request["model"], "stop_reason": null, "stop_sequence": null, "content": [],
            }),
            stop_reason: reply.finish.unwrap_or(stop_reason).to_owned(),
            read: turns.iter().map(|turn| words(&text_of(&turn["content"]))).sum(),
            written: words(&Value::from(content.clone()).to_string()),
            content,
        }
    }

    fn whole(mut self) -> Script {
        self.message["content"] = json!(self.content);
        self.message["stop_reason"] = json!(self.stop_reason);
        self.message["usage"] = self.usage(self.written);
        let script = Script::new().header("content-type", "application/json");
        script.header("request-id", "req_double").bytes(self.message.to_string())
    }

    fn events(mut self) -> Vec<String> {
        self.message["usage"] = self.usage(1);
        let mut events =
            vec![json!({"type": "message_start", "message": self.message}), json!({"type": "ping"})];
        for (index, block) in self.content.iter().enumerate() {
            let (begun, deltas) = in_pieces(block);
            events.push(json!({"type": "content_block_start", "index": index, "content_block": begun}));
            for delta in deltas {
                events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
            }
            events.push(json!({"type": "content_block_stop", "index": index}));
        }
        events.push(json!({
            "type": "message_delta", "delta": {"stop_reason": self.stop_reason, "stop_sequence": null},
            "usage": {"output_tokens": self.written},
        }));
        events.push(json!({"type": "message_stop"}));
        events.iter().map(event).collect()
    }

    /// All but five of what is read comes from the cache.
    fn usage(&self, written: usize) -> Value {
        let fresh = self.read.min(5);
        json!({
            "input_tokens": fresh, "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": self.read - fresh, "output_tokens": written,
        })
    }
}

/// A block as it begins, and how it goes on: a word at a time, or a call's input in two halves.
fn in_pieces(block: &Value) -> (Value, Vec<Value>) {
    let mut begun = block.clone();
    let words = |text: &Value, kind: &str, name: &str| -> Vec<Value> {
        let text = text.as_str().unwrap_or_default();
        text.split_inclusive(' ').map(|word| json!({"type": kind, name: word})).collect()
    };
    let deltas = match block["type"].as_str() {
        Some("text") => {
            begun["text"] = json!("");
            words(&block["text"], "text_delta", "text")
        }
        Some("thinking") => {
            (begun["thinking"], begun["signature"]) = (json!(""), json!(""));
            let mut deltas = words(&block["thinking"], "thinking_delta", "thinking");
            deltas.push(json!({"type": "signature_delta", "signature": block["signature"]}));
            deltas
        }
        _ => {
            begun["input"] = json!({});
            let json = block["input"].to_string();
            let middle = json.char_indices().nth(json.chars().count() / 2).map_or(0, |(at, _)| at);
            let halves = ["", &json[..middle], &json[middle..]];
            halves.iter().map(|half| json!({"type": "input_json_delta", "partial_json": half})).collect()
        }
    };
    (begun, deltas)
}

/// The text of a turn, with that of what tools answered.
fn text_of(content: &Value) -> String {
    let texts = content.as_array().into_iter().flatten().map(|block| match block["type"].as_str() {
        Some("tool_result") => text_of(&block["content"]),
        _ => block["text"].as_str().unwrap_or_default().to_owned(),
    });
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}
