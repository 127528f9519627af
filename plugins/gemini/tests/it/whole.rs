use gemini::Gemini;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::FinishReason;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Completed, completion};

use super::{answer, question, settings, stream};

fn run(body: &Value) -> Completed {
    completion::<Gemini>(question(false), settings()).answer(Answer::json(200, body)).every_way()
}

#[test]
fn text_thoughts_and_calls() {
    let done = run(&answer(
        &[
            json!({ "text": "Hm.", "thought": true }),
            json!({ "text": "Paris." }),
            json!({ "functionCall": { "name": "weather", "args": { "city": "Paris" } } }),
        ],
        Some("STOP"),
    ));
    assert_eq!((done.text.as_str(), done.reasoning.as_str()), ("Paris.", "Hm."));
    assert_eq!(
        (done.tool_calls[0].arguments.as_str(), done.result.clone()),
        (r#"{"city":"Paris"}"#, Ok(FinishReason::ToolCalls))
    );
    let used = done.usage.unwrap();
    assert_eq!((used.input_tokens, used.output_tokens), (8, 5));
    assert_eq!(done.sent[0].header("accept"), Some("application/json"));
}

#[test]
fn a_success_that_is_none() {
    let failure = |body: Value| run(&body).failure().clone();
    let error = json!({ "error": { "code": 503, "message": "busy", "status": "UNAVAILABLE" } });
    assert_eq!(failure(error).kind, FailureKind::Overloaded);
    let blocked = json!({ "promptFeedback": { "blockReason": "SAFETY" } });
    assert_eq!(failure(blocked).kind, FailureKind::ContentFiltered);
    for body in [json!({}), json!([1]), json!({ "candidates": [] }), json!({ "candidates": "x" })] {
        assert_eq!(failure(body.clone()).kind, FailureKind::Protocol, "{body}");
    }
    let page = Answer::new(200).chunk("<html>");
    let done = completion::<Gemini>(question(false), settings()).answer(page).every_way();
    assert_eq!(done.failure().kind, FailureKind::Protocol);
    let done = completion::<Gemini>(question(false), settings()).answer(Answer::new(204)).run();
    assert_eq!(done.failure().kind, FailureKind::Protocol);
}

#[test]
fn an_answer_without_end_is_refused() {
    let mut answer = Answer::new(200).header("content-type", "application/json; charset=UTF-8");
    for _ in 0..17 {
        answer = answer.chunk(vec![b' '; 1024 * 1024]);
    }
    let done = completion::<Gemini>(question(false), settings()).answer(answer).run();
    assert_eq!(done.failure().message, "the answer is larger than 16777216 bytes");
}

#[test]
fn what_the_server_says_it_sends_counts_more_than_what_was_asked() {
    let whole = Answer::json(200, &answer(&[json!({ "text": "x" })], Some("STOP")));
    let done = completion::<Gemini>(question(true), settings()).answer(whole).every_way();
    assert_eq!(done.text, "x");
    let body = stream(&["x"], "STOP");
    let done = completion::<Gemini>(question(false), settings()).answer(Answer::sse(&body)).every_way();
    assert_eq!(done.text, "x");
}

#[test]
fn a_stream_that_the_caller_did_not_want() {
    let answer = Answer::sse(stream(&["x"], "STOP"));
    let done =
        completion::<Gemini>(question(false), json!({ "always_stream": true })).answer(answer).every_way();
    assert_eq!(done.text, "x");
    assert!(done.sent[0].url.ends_with(":streamGenerateContent?alt=sse"), "{}", done.sent[0].url);
}
