//! The adapter driven from recorded exchanges, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod conversations;
mod errors;
mod formats;
mod hostile;
mod pauses;
mod requests;
mod streams;
mod thinking;
mod tools;
mod whole;

use anthropic::Anthropic;
use hardpoint_sdk::model::{CompletionRequest, Message, Role, ToolCall, ToolDefinition};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Sent, completion};

/// One question, with deltas or without.
fn question(streamed: bool) -> CompletionRequest {
    let messages = vec![Message::new(Role::User, "What is the capital of France?")];
    CompletionRequest { streamed, ..CompletionRequest::new("claude-test", messages) }
}

fn settings() -> Value {
    json!({})
}

/// What is sent for a request.
fn sent_with(request: CompletionRequest, settings: Value) -> Sent {
    let answer = message(&[json!({ "type": "text", "text": "ok" })], "end_turn");
    let done = completion::<Anthropic>(CompletionRequest { streamed: false, ..request }, settings);
    done.answer(Answer::json(200, &answer)).run().sent.remove(0)
}

fn body(request: CompletionRequest) -> Value {
    sent_with(request, settings()).json()
}

fn said(role: Role, text: &str) -> Message {
    Message::new(role, text)
}

fn calls(reasoning: Option<&str>, calls: &[(&str, &str, &str)]) -> Message {
    let call = |(id, name, arguments): &(&str, &str, &str)| ToolCall {
        id: (*id).into(),
        name: (*name).into(),
        arguments: (*arguments).into(),
    };
    Message {
        content: vec![],
        reasoning: reasoning.map(Into::into),
        tool_calls: calls.iter().map(call).collect(),
        ..Message::new(Role::Assistant, "")
    }
}

fn result(id: &str, text: &str) -> Message {
    Message { tool_call_id: Some(id.into()), ..Message::new(Role::Tool, text) }
}

fn tool(name: &str) -> ToolDefinition {
    let parameters = r#"{"type":"object","properties":{"city":{"type":"string"}}}"#;
    ToolDefinition {
        name: name.into(),
        description: Some("Tells the weather.".into()),
        parameters: Some(parameters.into()),
        strict: None,
    }
}

/// A whole answer.
fn message(content: &[Value], stop_reason: &str) -> Value {
    json!({
        "id": "msg_013Zva2CMHLNnjNjJKqJ2EF", "type": "message", "role": "assistant", "model": "claude-test",
        "content": content, "stop_reason": stop_reason, "stop_sequence": null,
        "usage": { "input_tokens": 10, "output_tokens": 5 },
    })
}

/// Events of a stream, named by their types.
fn events(events: &[Value]) -> String {
    let event =
        |data: &Value| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default());
    events.iter().map(event).collect()
}

fn start() -> Value {
    json!({ "type": "message_start", "message": {
        "id": "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", "type": "message", "role": "assistant", "content": [],
        "model": "claude-test", "stop_reason": null, "stop_sequence": null,
        "usage": { "input_tokens": 25, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 1000,
                   "output_tokens": 1 },
    } })
}

/// A block from its beginning, its deltas, and its end.
fn block(index: u32, begin: Value, deltas: &[Value]) -> Vec<Value> {
    let mut events = vec![json!({ "type": "content_block_start", "index": index, "content_block": begin })];
    events.extend(
        deltas.iter().map(|delta| json!({ "type": "content_block_delta", "index": index, "delta": delta })),
    );
    events.push(json!({ "type": "content_block_stop", "index": index }));
    events
}

fn text(index: u32, pieces: &[&str]) -> Vec<Value> {
    let deltas: Vec<_> = pieces.iter().map(|text| json!({ "type": "text_delta", "text": text })).collect();
    block(index, json!({ "type": "text", "text": "" }), &deltas)
}

fn thinking(index: u32, pieces: &[&str], signature: &str) -> Vec<Value> {
    let mut deltas: Vec<_> =
        pieces.iter().map(|text| json!({ "type": "thinking_delta", "thinking": text })).collect();
    deltas.push(json!({ "type": "signature_delta", "signature": signature }));
    block(index, json!({ "type": "thinking", "thinking": "", "signature": "" }), &deltas)
}

fn tool_use(index: u32, id: &str, name: &str, pieces: &[&str]) -> Vec<Value> {
    let deltas: Vec<_> =
        pieces.iter().map(|json| json!({ "type": "input_json_delta", "partial_json": json })).collect();
    block(index, json!({ "type": "tool_use", "id": id, "name": name, "input": {} }), &deltas)
}

fn end(stop_reason: &str) -> Vec<Value> {
    vec![
        json!({ "type": "message_delta", "delta": { "stop_reason": stop_reason, "stop_sequence": null },
                "usage": { "output_tokens": 15 } }),
        json!({ "type": "message_stop" }),
    ]
}

/// A stream that begins and ends as it should.
fn stream(blocks: &[Vec<Value>], stop_reason: &str) -> String {
    let all = [&[vec![start()]], blocks, &[end(stop_reason)]].concat().concat();
    events(&all)
}
