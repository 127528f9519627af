use anthropic::Anthropic;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::{FinishReason, Usage};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Completed, End, completion};

use super::{block, end, events, question, settings, start, stream, text};

fn run(answer: Answer) -> Completed {
    completion::<Anthropic>(question(true), settings()).answer(answer).every_way()
}

#[test]
fn as_the_documents_show_it() {
    let body = concat!(
        "event: message_start\n",
        r#"data: {"type": "message_start", "message": {"id": "msg_1nZdL29xx5MUA1yADyHTEsnR8uuvGzszyY", "type": "message", "role": "assistant", "content": [], "model": "claude-test", "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 25, "output_tokens": 1}}}"#,
        "\n\nevent: content_block_start\n",
        r#"data: {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}"#,
        "\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\nevent: content_block_delta\n",
        r#"data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüße"}}"#,
        "\n\nevent: content_block_delta\n",
        r#"data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "!"}}"#,
        "\n\nevent: content_block_stop\ndata: {\"type\": \"content_block_stop\", \"index\": 0}\n\n",
        "event: message_delta\n",
        r#"data: {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence":null}, "usage": {"output_tokens": 15}}"#,
        "\n\nevent: message_stop\ndata: {\"type\": \"message_stop\"}\n\n",
    );
    let done = run(Answer::sse(body));
    assert_eq!((done.text.as_str(), done.result.clone()), ("Grüße!", Ok(FinishReason::Stop)));
    let used = Usage { input_tokens: 25, cached_input_tokens: 0, output_tokens: 15, reasoning_tokens: 0 };
    assert_eq!(done.usage, Some(used));
    assert_eq!(done.texts().concat(), "Grüße!");
}

#[test]
fn what_was_cached_is_input_too_and_counted_from_the_beginning() {
    let mut all = [vec![start()], text(0, &["x"])].concat();
    let done = run(Answer::sse(events(&all)));
    let used = Usage { input_tokens: 1125, cached_input_tokens: 1000, output_tokens: 1, reasoning_tokens: 0 };
    assert_eq!((done.usage, done.failure().kind), (Some(used), FailureKind::Upstream));
    all.push(json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": {
        "input_tokens": 30, "cache_read_input_tokens": null, "output_tokens": 99,
        "output_tokens_details": { "thinking_tokens": 40 }, "server_tool_use": { "web_search_requests": 1 },
    } }));
    all.push(json!({ "type": "message_stop" }));
    let done = run(Answer::sse(events(&all)));
    let used =
        Usage { input_tokens: 1130, cached_input_tokens: 1000, output_tokens: 99, reasoning_tokens: 40 };
    assert_eq!((done.usage, done.result), (Some(used), Ok(FinishReason::Stop)));
}

#[test]
fn why_it_ended() {
    for (reason, finish) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("pause_turn", FinishReason::Length),
        ("refusal", FinishReason::ContentFilter),
        ("tool_use", FinishReason::Stop),
        ("something_new", FinishReason::Stop),
    ] {
        let done = run(Answer::sse(stream(&[text(0, &["x"])], reason)));
        assert_eq!((done.result, done.refusal.as_str()), (Ok(finish), ""), "{reason}");
    }
    let details = json!({ "type": "refusal", "category": "cyber", "explanation": "I may not." });
    let delta = json!({ "stop_reason": "refusal", "stop_details": details });
    let all = vec![
        start(),
        json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": 0 } }),
        json!({ "type": "message_stop" }),
    ];
    let done = run(Answer::sse(events(&all)));
    assert_eq!((done.result, done.refusal.as_str()), (Ok(FinishReason::ContentFilter), "I may not."));
}

#[test]
fn an_end_without_message_stop_is_one_if_the_reason_was_told() {
    let mut all = [vec![start()], text(0, &["x"]), end("end_turn")].concat();
    all.pop();
    let done = run(Answer::sse(events(&all)));
    assert_eq!((done.text.as_str(), done.result.clone()), ("x", Ok(FinishReason::Stop)));
    all.pop();
    let done = run(Answer::sse(events(&all)));
    assert_eq!((done.text.as_str(), done.failure().kind), ("x", FailureKind::Upstream));
}

#[test]
fn nothing_counts_after_the_end() {
    let late = events(&text(1, &["too late"]));
    let done = run(Answer::sse(stream(&[text(0, &["x"])], "end_turn") + &late));
    assert_eq!((done.text.as_str(), done.result), ("x", Ok(FinishReason::Stop)));
}

#[test]
fn what_is_new_is_passed_over() {
    let search = json!({ "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {} });
    let found = json!({ "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{ "type": "web_search_result", "url": "https://example.com", "encrypted_content": "x" }] });
    let citation = json!({ "type": "citations_delta", "citation": { "type": "web_search_result_location" } });
    let blocks = [
        block(0, search, &[json!({ "type": "input_json_delta", "partial_json": "{\"query\":\"x\"}" })]),
        block(1, found, &[]),
        block(2, json!({ "type": "novelty" }), &[json!({ "type": "novel_delta", "novel": 1 })]),
        block(
            3,
            json!({ "type": "text", "text": "a" }),
            &[citation, json!({ "type": "text_delta", "text": "b" })],
        ),
        vec![
            json!({ "type": "novel_event", "message": null, "index": 7 }),
            json!({ "type": "ping" }),
            json!({}),
        ],
    ];
    let done = run(Answer::sse(stream(&blocks, "end_turn")));
    assert_eq!((done.text.as_str(), done.tool_calls.len(), done.result), ("ab", 0, Ok(FinishReason::Stop)));
}

#[test]
fn errors_within_a_stream() {
    for (error, kind) in [
        (json!({ "type": "overloaded_error", "message": "Overloaded" }), FailureKind::Overloaded),
        (json!({ "type": "rate_limit_error", "message": "Overloaded" }), FailureKind::RateLimited),
        (json!({ "type": "api_error", "message": "Overloaded" }), FailureKind::Upstream),
        (json!({ "type": "invalid_request_error", "message": "Overloaded" }), FailureKind::InvalidRequest),
        (json!({ "type": "novel_error", "message": "Overloaded" }), FailureKind::Upstream),
    ] {
        let begun = [vec![start()], text(0, &["as far as "])].concat();
        let event = json!({ "type": "error", "error": error, "request_id": "req_7" });
        let named = format!("event: error\ndata: {event}\n\n");
        for tail in [named, format!("data: {event}\n\n")] {
            let done = run(Answer::sse(events(&begun) + &tail));
            let failure = done.failure();
            assert_eq!((done.text.as_str(), failure.kind, failure.status), ("as far as ", kind, None));
            assert!(failure.message.starts_with("Overloaded"), "{}", failure.message);
        }
    }
    let done = run(Answer::sse("event: error\ndata: boom\n\n"));
    assert_eq!(done.failure().kind, FailureKind::Upstream);
}

#[test]
fn a_broken_connection_is_the_host_s_to_judge() {
    use hardpoint_sdk::failure::TransportFailureKind;
    let begun: Vec<Value> = [vec![start()], text(0, &["as far as "])].concat();
    let answer = Answer::sse(events(&begun)).end(End::Broken(TransportFailureKind::Reset));
    let done = run(answer);
    assert_eq!((done.text.as_str(), done.failure().kind), ("as far as ", FailureKind::Upstream));
}
