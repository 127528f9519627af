//! The adapter driven from recorded exchanges, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod embeddings;
mod errors;
mod requests;
mod streams;
mod tools;
mod whole;

use hardpoint_sdk::model::{CompletionRequest, Message, Role};
use hardpoint_sdk::serde_json::{Value, json};

/// One question, with deltas or without.
fn question(streamed: bool) -> CompletionRequest {
    let messages = vec![Message::new(Role::User, "What is the capital of France?")];
    CompletionRequest { streamed, ..CompletionRequest::new("gpt-test", messages) }
}

fn settings() -> Value {
    json!({ "base_url": "https://api.example.com/v1" })
}

/// Events of a stream from the JSON of its chunks, with the end.
fn stream(chunks: &[Value]) -> String {
    let events: Vec<String> = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    events.concat() + "data: [DONE]\n\n"
}

/// A chunk with one choice.
fn delta(delta: Value, finish_reason: Option<&str>) -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "gpt-test-2024",
        "system_fingerprint": null,
        "choices": [{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason }],
        "usage": null,
    })
}

fn usage() -> Value {
    json!({ "choices": [], "usage": {
        "prompt_tokens": 12, "completion_tokens": 34, "total_tokens": 46,
        "prompt_tokens_details": { "cached_tokens": 8, "audio_tokens": 0 },
        "completion_tokens_details": { "reasoning_tokens": 20, "accepted_prediction_tokens": 0 },
    } })
}
