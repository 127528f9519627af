//! What a model says, and vectors.

use serde_json::{Value, json};

use super::{event, signature, target};
use crate::double::openai::{Reply, vector};
use crate::double::script::Script;
use crate::double::vendor::{Seen, by_schema, paced, words};

/// The length of vectors where the request names none.
const DIMENSIONS: usize = 8;

pub(super) fn reply(reply: &Reply, seen: &Seen, number: usize) -> Script {
    match target(seen) {
        Some((_, "batchEmbedContents")) => vectors(&seen.body),
        Some((_, "streamGenerateContent")) => paced(Turn::new(reply, seen, number).events(), reply),
        _ => Turn::new(reply, seen, number).whole(),
    }
}

struct Turn {
    parts: Vec<Value>,
    finish_reason: String,
    usage: Value,
    number: usize,
}

impl Turn {
    fn new(reply: &Reply, seen: &Seen, number: usize) -> Self {
        let request = &seen.body;
        let contents: Vec<&Value> = request["contents"].as_array().into_iter().flatten().collect();
        let last = contents.last().map(|content| text_of(content)).unwrap_or_default();
        let is_answer = contents.last().is_some_and(|it| it["parts"][0]["functionResponse"].is_object());
        let mut parts = Vec::new();
        if let Some(thought) = &reply.reasoning {
            parts.push(json!({"text": thought, "thought": true}));
        }
        if reply.tool_calls.is_empty() || is_answer {
            let said = reply.text.clone().unwrap_or(last);
            parts.push(json!({"text": in_format(&request["generationConfig"], said)}));
        } else {
            for (at, call) in reply.tool_calls.iter().enumerate() {
                let args: Value = serde_json::from_str(&call.arguments).unwrap_or_default();
                let mut part = json!({"functionCall": {"name": call.name, "args": args}});
                // Of calls side by side the first is signed; of two, one is given an id.
                if at == 0 {
                    part["thoughtSignature"] = json!(signature(&call.name));
                } else {
                    part["functionCall"]["id"] = json!(format!("fc-{number}-{at}"));
                }
                parts.push(part);
            }
        }
        let read: usize = contents.iter().map(|content| words(&text_of(content))).sum();
        let thought = reply.reasoning.as_deref().map_or(0, words);
        let written =
            parts.iter().map(|part| words(part["text"].as_str().unwrap_or("x"))).sum::<usize>() - thought;
        let usage = json!({
            "promptTokenCount": read, "cachedContentTokenCount": read / 2, "candidatesTokenCount": written,
            "thoughtsTokenCount": thought, "totalTokenCount": read + written + thought,
        });
        Self { parts, finish_reason: reply.finish.unwrap_or("STOP").to_owned(), usage, number }
    }

    fn answer(&self, parts: &[Value], is_last: bool) -> Value {
        let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
        if is_last {
            candidate["finishReason"] = json!(self.finish_reason);
        }
        json!({
            "candidates": [candidate], "usageMetadata": self.usage, "modelVersion": "gemini-double",
            "responseId": format!("double{}", self.number),
        })
    }

    fn whole(&self) -> Script {
        let script = Script::new().header("content-type", "application/json; charset=UTF-8");
        script.bytes(self.answer(&self.parts, true).to_string())
    }

    /// A word at a time; calls come whole.
    fn events(&self) -> Vec<String> {
        let mut pieces = Vec::new();
        for part in &self.parts {
            match part["text"].as_str() {
                Some(text) => pieces.extend(text.split_inclusive(' ').map(|word| {
                    let mut piece = part.clone();
                    piece["text"] = json!(word);
                    piece
                })),
                None => pieces.push(part.clone()),
            }
        }
        let last = pieces.len().saturating_sub(1);
        let event =
            |(at, piece): (usize, &Value)| event(&self.answer(std::slice::from_ref(piece), at == last));
        pieces.iter().enumerate().map(event).collect()
    }
}

/// What is said, in the format that was asked for.
fn in_format(config: &Value, said: String) -> String {
    let schemas = [&config["responseJsonSchema"], &config["responseSchema"]];
    match schemas.into_iter().find(|schema| schema.is_object()) {
        Some(schema) => by_schema(schema, &said).to_string(),
        None if config["responseMimeType"] == "application/json" => json!({ "said": said }).to_string(),
        None => said,
    }
}

/// The text of a content, with what functions answered.
fn text_of(content: &Value) -> String {
    let texts = content["parts"].as_array().into_iter().flatten().map(|part| {
        let response = &part["functionResponse"]["response"];
        match &response["output"] {
            Value::String(text) => text.clone(),
            Value::Null if response.is_object() => response.to_string(),
            Value::Null => part["text"].as_str().unwrap_or_default().to_owned(),
            other => other.to_string(),
        }
    });
    texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

fn vectors(request: &Value) -> Script {
    let embeddings = request["requests"].as_array().into_iter().flatten().map(|request| {
        let text = request["content"]["parts"][0]["text"].as_str().unwrap_or_default();
        let wish = request["outputDimensionality"].as_u64().and_then(|wish| usize::try_from(wish).ok());
        json!({"values": vector(text, wish.unwrap_or(DIMENSIONS))})
    });
    let body =
        json!({"embeddings": embeddings.collect::<Vec<_>>(), "usageMetadata": {"promptTokenCount": 3}});
    Script::new().header("content-type", "application/json; charset=UTF-8").bytes(body.to_string())
}
