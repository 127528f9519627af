use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::{FinishReason, Usage};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Completed, completion};
use openai::OpenAi;

use super::{question, settings};

fn run(body: &Value) -> Completed {
    completion::<OpenAi>(question(false), settings()).answer(Answer::json(200, body)).every_way()
}

#[test]
fn text_reasoning_and_usage() {
    let done = run(&json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{ "index": 0, "finish_reason": "stop", "logprobs": null, "message": {
            "role": "assistant", "content": "Paris.", "refusal": null, "annotations": [],
            "reasoning_content": "France …",
        } }],
        "usage": { "prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11,
                   "prompt_tokens_details": { "cached_tokens": 4 }, "completion_tokens_details": null },
    }));
    assert_eq!((done.text.as_str(), done.reasoning.as_str()), ("Paris.", "France …"));
    let used = Usage { input_tokens: 9, cached_input_tokens: 4, output_tokens: 2, reasoning_tokens: 0 };
    assert_eq!((done.usage, done.result.clone()), (Some(used), Ok(FinishReason::Stop)));
    assert_eq!(done.sent[0].header("accept"), Some("application/json"));
    assert_eq!(done.sent[0].json().get("stream"), None);
}

#[test]
fn tool_calls_and_a_refusal() {
    let done = run(&json!({ "choices": [{ "finish_reason": "tool_calls", "message": {
        "content": null, "refusal": "no",
        "tool_calls": [
            { "id": "a", "type": "function", "function": { "name": "f", "arguments": "{\"x\":1}" } },
            { "id": "b", "type": "function", "function": { "name": "f", "arguments": "{}" } },
        ],
    } }] }));
    assert_eq!((done.refusal.as_str(), done.tool_calls.len()), ("no", 2));
    assert_eq!((done.tool_calls[0].arguments.as_str(), done.usage), ("{\"x\":1}", None));
    assert_eq!(done.result, Ok(FinishReason::ToolCalls));
}

#[test]
fn a_success_that_is_none() {
    let failure = |body: Value| run(&body).failure().clone();
    assert_eq!(failure(json!({ "error": { "message": "boom", "code": 503 } })).kind, FailureKind::Overloaded);
    let detail = failure(json!({ "message": "boom", "type": "invalid_request_error" }));
    assert_eq!((detail.kind, detail.message.as_str()), (FailureKind::InvalidRequest, "boom"));
    assert_eq!(failure(json!({ "choices": [] })).kind, FailureKind::Protocol);
    assert_eq!(failure(json!({})).kind, FailureKind::Protocol);
    assert_eq!(failure(json!([1])).kind, FailureKind::Protocol);
    let page = completion::<OpenAi>(question(false), settings())
        .answer(Answer::new(200).chunk("<html>"))
        .every_way();
    assert_eq!(page.failure().kind, FailureKind::Protocol);
    let nothing = completion::<OpenAi>(question(false), settings()).answer(Answer::new(204)).run();
    assert_eq!(nothing.failure().kind, FailureKind::Protocol);
}

#[test]
fn an_answer_without_end_is_refused() {
    let mut answer = Answer::new(200).header("content-type", "application/json");
    for _ in 0..17 {
        answer = answer.chunk(vec![b' '; 1024 * 1024]);
    }
    let done = completion::<OpenAi>(question(false), settings()).answer(answer).run();
    assert_eq!(done.failure().message, "the answer is larger than 16777216 bytes");
}
