use anthropic::Anthropic;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::{FinishReason, Usage};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Completed, completion};

use super::{message, question, settings, stream, text};

fn run(body: &Value) -> Completed {
    completion::<Anthropic>(question(false), settings()).answer(Answer::json(200, body)).every_way()
}

#[test]
fn text_thinking_calls_and_usage() {
    let mut body = message(
        &[
            json!({ "type": "thinking", "thinking": "France …", "signature": "c2ln" }),
            json!({ "type": "text", "text": "Paris.", "citations": null }),
            json!({ "type": "tool_use", "id": "toolu_1", "name": "weather", "input": { "city": "Paris" } }),
            json!({ "type": "tool_use", "id": "toolu_2", "name": "now", "input": {} }),
        ],
        "tool_use",
    );
    body["usage"] = json!({
        "input_tokens": 9, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 20,
        "output_tokens_details": { "thinking_tokens": 11 }, "service_tier": "standard",
    });
    let done = run(&body);
    assert_eq!((done.text.as_str(), done.reasoning.as_str()), ("Paris.", "France …"));
    let used = Usage { input_tokens: 16, cached_input_tokens: 4, output_tokens: 20, reasoning_tokens: 11 };
    assert_eq!((done.usage, done.result.clone()), (Some(used), Ok(FinishReason::ToolCalls)));
    let calls: Vec<_> =
        done.tool_calls.iter().map(|call| (call.id.as_str(), call.arguments.as_str())).collect();
    assert_eq!(calls, [("toolu_1~t10.c2ln", r#"{"city":"Paris"}"#), ("toolu_2", "{}")]);
    assert_eq!(done.sent[0].header("accept"), Some("application/json"));
}

#[test]
fn an_answer_of_nothing_is_one() {
    let done = run(&message(&[], "end_turn"));
    assert_eq!((done.text.as_str(), done.result), ("", Ok(FinishReason::Stop)));
}

#[test]
fn a_success_that_is_none() {
    let failure = |body: Value| run(&body).failure().clone();
    let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } });
    assert_eq!(failure(error).kind, FailureKind::Overloaded);
    for body in [
        json!({}),
        json!([1]),
        json!({ "content": null }),
        json!({ "content": "x" }),
        json!({ "content": [5] }),
    ] {
        assert_eq!(failure(body.clone()).kind, FailureKind::Protocol, "{body}");
    }
    let page = Answer::new(200).chunk("<html>");
    let done = completion::<Anthropic>(question(false), settings()).answer(page).every_way();
    assert_eq!(done.failure().kind, FailureKind::Protocol);
    let done = completion::<Anthropic>(question(false), settings()).answer(Answer::new(204)).run();
    assert_eq!(done.failure().kind, FailureKind::Protocol);
}

#[test]
fn an_answer_without_end_is_refused() {
    let mut answer = Answer::new(200).header("content-type", "application/json");
    for _ in 0..17 {
        answer = answer.chunk(vec![b' '; 1024 * 1024]);
    }
    let done = completion::<Anthropic>(question(false), settings()).answer(answer).run();
    assert_eq!(done.failure().message, "the answer is larger than 16777216 bytes");
}

#[test]
fn what_the_server_says_it_sends_counts_more_than_what_was_asked() {
    let whole = Answer::json(200, &message(&[json!({ "type": "text", "text": "x" })], "end_turn"));
    let done = completion::<Anthropic>(question(true), settings()).answer(whole).every_way();
    assert_eq!(done.text, "x");
    let body = stream(&[text(0, &["x"])], "end_turn");
    let done = completion::<Anthropic>(question(false), settings()).answer(Answer::sse(&body)).every_way();
    assert_eq!(done.text, "x");
    let done =
        completion::<Anthropic>(question(true), settings()).answer(Answer::new(200).chunk(&body)).every_way();
    assert_eq!(done.text, "x", "no content type, and a stream was asked for");
}

#[test]
fn a_stream_that_the_caller_did_not_want() {
    let answer = Answer::sse(stream(&[text(0, &["x"])], "end_turn"));
    let done =
        completion::<Anthropic>(question(false), json!({ "always_stream": true })).answer(answer).every_way();
    assert_eq!((done.text.as_str(), done.sent[0].json()["stream"].as_bool()), ("x", Some(true)));
    assert_eq!(done.sent[0].header("accept"), Some("text/event-stream"));
}
