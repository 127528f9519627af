use gemini::Gemini;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::model::{FinishReason, Usage};
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::{Answer, Completed, End, completion};

use super::{answer, events, question, settings, stream};

fn run(answer: Answer) -> Completed {
    completion::<Gemini>(question(true), settings()).answer(answer).every_way()
}

#[test]
fn as_the_documents_show_it() {
    let body = concat!(
        r#"data: {"candidates": [{"content": {"parts": [{"text": "**Considering**","thought": true}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 4,"totalTokenCount": 50,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 4}],"thoughtsTokenCount": 46},"modelVersion": "gemini-2.5-flash","responseId": "x1"}"#,
        "\r\n\r\n",
        r#"data: {"candidates": [{"content": {"parts": [{"text": "Grüße"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 4,"candidatesTokenCount": 1,"totalTokenCount": 51,"thoughtsTokenCount": 46},"modelVersion": "gemini-2.5-flash","responseId": "x1"}"#,
        "\r\n\r\n",
        r#"data: {"candidates": [{"content": {"parts": [{"text": "!","thoughtSignature": "c2ln"}],"role": "model"},"finishReason": "STOP","index": 0}],"usageMetadata": {"promptTokenCount": 4,"candidatesTokenCount": 2,"totalTokenCount": 55,"cachedContentTokenCount": 3,"toolUsePromptTokenCount": 1,"thoughtsTokenCount": 48},"modelVersion": "gemini-2.5-flash","responseId": "x1"}"#,
        "\r\n\r\n",
    );
    let done = run(Answer::sse(body));
    assert_eq!((done.text.as_str(), done.reasoning.as_str()), ("Grüße!", "**Considering**"));
    let used = Usage { input_tokens: 5, cached_input_tokens: 3, output_tokens: 50, reasoning_tokens: 48 };
    assert_eq!((done.usage, done.result), (Some(used), Ok(FinishReason::Stop)));
}

#[test]
fn why_it_ended() {
    for (reason, finish) in [
        ("STOP", FinishReason::Stop),
        ("FINISH_REASON_UNSPECIFIED", FinishReason::Stop),
        ("OTHER", FinishReason::Stop),
        ("SOMETHING_NEW", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("TOO_MANY_TOOL_CALLS", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("RECITATION", FinishReason::ContentFilter),
        ("LANGUAGE", FinishReason::ContentFilter),
        ("BLOCKLIST", FinishReason::ContentFilter),
        ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ("SPII", FinishReason::ContentFilter),
        ("MODEL_ARMOR", FinishReason::ContentFilter),
        ("IMAGE_SAFETY", FinishReason::ContentFilter),
        ("IMAGE_PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ("IMAGE_RECITATION", FinishReason::ContentFilter),
    ] {
        assert_eq!(run(Answer::sse(stream(&["x"], reason))).result, Ok(finish), "{reason}");
    }
}

#[test]
fn ends_without_an_answer() {
    for (reason, kind) in [
        ("OTHER", FailureKind::Upstream),
        ("NO_IMAGE", FailureKind::Upstream),
        ("MALFORMED_FUNCTION_CALL", FailureKind::Upstream),
        ("MALFORMED_RESPONSE", FailureKind::Upstream),
        ("UNEXPECTED_TOOL_CALL", FailureKind::Upstream),
        ("MISSING_THOUGHT_SIGNATURE", FailureKind::Unsupported),
    ] {
        let end =
            json!({ "candidates": [{ "finishReason": reason, "finishMessage": "So it was.", "index": 0 }] });
        let done = run(Answer::sse(events(&[end])));
        let failure = done.failure();
        assert_eq!((failure.kind, failure.code.as_deref()), (kind, Some(reason)));
        assert_eq!(failure.message, format!("the model ended with {reason}: So it was."));
    }
    // Filtered from the beginning is an answer too, as it is with OpenAI.
    let end = json!({ "candidates": [{ "finishReason": "SAFETY", "index": 0 }] });
    assert_eq!(run(Answer::sse(events(&[end]))).result, Ok(FinishReason::ContentFilter));
}

#[test]
fn a_prompt_that_is_blocked() {
    for (feedback, message) in [
        (json!({ "blockReason": "PROHIBITED_CONTENT" }), "the prompt was blocked: PROHIBITED_CONTENT"),
        (
            json!({ "blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "Not here." }),
            "the prompt was blocked: Not here.",
        ),
    ] {
        let event = json!({
            "promptFeedback": feedback, "usageMetadata": { "promptTokenCount": 9, "totalTokenCount": 9 },
        });
        let done = run(Answer::sse(events(&[event])));
        let failure = done.failure();
        let seen = (failure.kind, failure.code.as_deref(), failure.message.as_str());
        assert_eq!(seen, (FailureKind::ContentFiltered, Some("PROHIBITED_CONTENT"), message));
        assert_eq!(done.usage.unwrap().input_tokens, 9);
    }
    let harmless = json!({ "promptFeedback": { "safetyRatings": [] } });
    let done = run(Answer::sse(events(&[harmless, answer(&[json!({ "text": "x" })], Some("STOP"))])));
    assert_eq!(done.text, "x");
}

#[test]
fn the_end_is_the_end_of_the_body() {
    let open = events(&[answer(&[json!({ "text": "as far as " })], None)]);
    let done = run(Answer::sse(&open));
    assert_eq!((done.text.as_str(), done.failure().kind), ("as far as ", FailureKind::Upstream));
    // What comes after the reason still counts.
    let late =
        stream(&["as far"], "STOP") + &events(&[json!({ "usageMetadata": { "promptTokenCount": 77 } })]);
    let done = run(Answer::sse(late));
    assert_eq!((done.usage.unwrap().input_tokens, done.result), (77, Ok(FinishReason::Stop)));
    let broken = End::Broken(TransportFailureKind::Reset);
    let done = run(Answer::sse(stream(&["x"], "STOP")).end(broken.clone()));
    assert_eq!((done.text.as_str(), done.result), ("x", Ok(FinishReason::Stop)));
    assert_eq!(run(Answer::sse(&open).end(broken)).failure().kind, FailureKind::Upstream);
    assert_eq!(run(Answer::sse("")).failure().kind, FailureKind::Upstream);
}

#[test]
fn errors_within_a_stream() {
    let begun = events(&[answer(&[json!({ "text": "as far as " })], None)]);
    for (status, code, kind) in [
        ("UNAVAILABLE", 503, FailureKind::Overloaded),
        ("RESOURCE_EXHAUSTED", 429, FailureKind::RateLimited),
        ("INTERNAL", 500, FailureKind::Upstream),
        ("INVALID_ARGUMENT", 400, FailureKind::InvalidRequest),
    ] {
        let error = json!({ "error": { "code": code, "message": "boom", "status": status } });
        let done = run(Answer::sse(begun.clone() + &events(&[error])));
        let failure = done.failure();
        assert_eq!((done.text.as_str(), failure.kind, failure.status), ("as far as ", kind, Some(code)));
        assert_eq!(failure.message, "boom");
    }
    let done = run(Answer::sse(events(&[json!({ "error": {} })])));
    assert_eq!(done.failure().kind, FailureKind::Upstream);
}

#[test]
fn what_has_no_word_here_is_passed_over() {
    let parts = [
        json!({ "executableCode": { "language": "PYTHON", "code": "1" } }),
        json!({ "codeExecutionResult": { "outcome": "OUTCOME_OK", "output": "1" } }),
        json!({ "inlineData": { "mimeType": "image/png", "data": "iVBORw0KGgo=" } }),
        json!({ "text": "", "thoughtSignature": "c2ln" }),
        json!({ "novelty": 1 }),
        json!({ "text": "x" }),
    ];
    let mut event = answer(&parts, Some("STOP"));
    event["candidates"][0]["groundingMetadata"] = json!({ "webSearchQueries": ["x"] });
    event["candidates"].as_array_mut().unwrap().push(
        json!({ "index": 1, "content": { "parts": [{ "text": "not ours" }] }, "finishReason": "OTHER" }),
    );
    let done = run(Answer::sse(events(&[event])));
    assert_eq!((done.text.as_str(), done.result), ("x", Ok(FinishReason::Stop)));
}
