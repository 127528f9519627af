//! The adapter driven from recorded exchanges, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod conversations;
mod embeddings;
mod errors;
mod generation;
mod hostile;
mod requests;
mod schemas;
mod signatures;
mod streams;
mod tools;
mod whole;

use gemini::Gemini;
use hardpoint_sdk::model::{CompletionRequest, Message, Role, ToolCall, ToolDefinition};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Sent, completion};

/// One question, with deltas or without.
fn question(streamed: bool) -> CompletionRequest {
    let messages = vec![Message::new(Role::User, "What is the capital of France?")];
    CompletionRequest { streamed, ..CompletionRequest::new("gemini-2.5-flash", messages) }
}

fn settings() -> Value {
    json!({})
}

/// What is sent for a request.
fn sent_with(request: CompletionRequest, settings: Value) -> Sent {
    let answer = answer(&[json!({ "text": "ok" })], Some("STOP"));
    let done = completion::<Gemini>(CompletionRequest { streamed: false, ..request }, settings);
    done.answer(Answer::json(200, &answer)).run().sent.remove(0)
}

fn body(request: CompletionRequest) -> Value {
    sent_with(request, settings()).json()
}

fn said(role: Role, text: &str) -> Message {
    Message::new(role, text)
}

fn calls(calls: &[(&str, &str, &str)]) -> Message {
    let call = |(id, name, arguments): &(&str, &str, &str)| ToolCall {
        id: (*id).into(),
        name: (*name).into(),
        arguments: (*arguments).into(),
    };
    Message { content: vec![], tool_calls: calls.iter().map(call).collect(), ..said(Role::Assistant, "") }
}

fn result(id: &str, text: &str) -> Message {
    Message { tool_call_id: Some(id.into()), ..said(Role::Tool, text) }
}

fn tool(name: &str) -> ToolDefinition {
    let parameters =
        r#"{"type":"object","properties":{"city":{"type":["string","null"]}},"additionalProperties":false}"#;
    ToolDefinition {
        name: name.into(),
        description: Some("Tells the weather.".into()),
        parameters: Some(parameters.into()),
        strict: None,
    }
}

/// A whole answer, or one event of a stream.
fn answer(parts: &[Value], finish_reason: Option<&str>) -> Value {
    let mut candidate = json!({ "content": { "parts": parts, "role": "model" }, "index": 0 });
    if let Some(reason) = finish_reason {
        candidate["finishReason"] = json!(reason);
    }
    json!({
        "candidates": [candidate],
        "usageMetadata": { "promptTokenCount": 8, "candidatesTokenCount": 5, "totalTokenCount": 13,
                           "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": 8 }] },
        "modelVersion": "gemini-2.5-flash", "responseId": "Il0taoSYJ5Cez7IP",
    })
}

fn events(events: &[Value]) -> String {
    events.iter().map(|event| format!("data: {event}\r\n\r\n")).collect()
}

/// A stream of these texts, which ends as it should.
fn stream(texts: &[&str], finish_reason: &str) -> String {
    let last = texts.len() - 1;
    let event = |(at, text): (usize, &&str)| {
        answer(&[json!({ "text": text })], (at == last).then_some(finish_reason))
    };
    events(&texts.iter().enumerate().map(event).collect::<Vec<_>>())
}
