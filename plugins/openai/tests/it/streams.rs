use hardpoint_sdk::FailureKind;
use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::model::{FinishReason, Usage};
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::{Answer, Completed, End, completion};
use openai::OpenAi;

use super::{delta, question, settings, stream, usage};

fn run(answer: Answer) -> Completed {
    completion::<OpenAi>(question(true), settings()).answer(answer).every_way()
}

#[test]
fn a_stream_is_the_same_however_the_network_cuts_it() {
    let body = stream(&[
        delta(json!({ "role": "assistant", "content": "", "refusal": null }), None),
        delta(json!({ "content": "Par" }), None),
        delta(json!({ "content": "is \u{1f1eb}\u{1f1f7} \"quoted\" \\ \u{e9}" }), None),
        delta(json!({}), Some("stop")),
        usage(),
    ]);
    let done = run(Answer::sse(&body));
    assert_eq!(done.text, "Paris \u{1f1eb}\u{1f1f7} \"quoted\" \\ \u{e9}");
    assert_eq!(done.result, Ok(FinishReason::Stop));
    let used = Usage { input_tokens: 12, cached_input_tokens: 8, output_tokens: 34, reasoning_tokens: 20 };
    assert_eq!(done.usage, Some(used));
    let crlf = body.replace('\n', "\r\n");
    assert_eq!(run(Answer::sse(format!("\u{feff}: hello\r\n\r\n{crlf}"))), done);
}

#[test]
fn every_chunk_is_a_delta_of_its_own() {
    let body = stream(&[
        delta(json!({ "content": "a" }), None),
        delta(json!({ "content": "b" }), None),
        delta(json!({}), Some("length")),
    ]);
    let done = completion::<OpenAi>(question(true), settings()).answer(Answer::sse(body)).run();
    assert_eq!(done.texts(), ["a", "b"]);
    assert_eq!(done.result, Ok(FinishReason::Length));
}

#[test]
fn reasoning_comes_under_three_names() {
    for reasoning in [
        json!({ "reasoning_content": "hm" }),
        json!({ "reasoning": "hm" }),
        json!({ "reasoning": "hm", "reasoning_content": "hm" }),
        json!({ "content": [{ "type": "thinking", "thinking": [{ "type": "text", "text": "hm" }] }] }),
    ] {
        let answer = delta(json!({ "content": [{ "type": "text", "text": "4" }] }), Some("stop"));
        let done = run(Answer::sse(stream(&[delta(reasoning, None), answer])));
        assert_eq!((done.reasoning.as_str(), done.text.as_str()), ("hm", "4"));
    }
}

#[test]
fn a_refusal_is_told_apart_from_text() {
    let chunks =
        [delta(json!({ "refusal": "I cannot " }), None), delta(json!({ "refusal": "help." }), Some("stop"))];
    let done = run(Answer::sse(stream(&chunks)));
    assert_eq!((done.refusal.as_str(), done.text.as_str()), ("I cannot help.", ""));
}

#[test]
fn finish_reasons_of_other_servers_have_a_meaning() {
    for (word, reason) in [
        ("stop", FinishReason::Stop),
        ("eos", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("max_tokens", FinishReason::Length),
        ("content_filter", FinishReason::ContentFilter),
    ] {
        let done = run(Answer::sse(stream(&[delta(json!({ "content": "x" }), Some(word))])));
        assert_eq!(done.result, Ok(reason), "{word}");
    }
    let done = run(Answer::sse(stream(&[delta(json!({ "content": "x" }), Some("error"))])));
    assert_eq!((done.text.as_str(), done.failure().kind), ("x", FailureKind::Upstream));
}

#[test]
fn a_stream_may_end_without_done_or_without_a_reason_but_not_without_both() {
    let reason = format!("data: {}\n\n", delta(json!({ "content": "x" }), Some("stop")));
    assert_eq!(run(Answer::sse(reason)).result, Ok(FinishReason::Stop));
    let only_done = format!("data: {}\n\ndata:[DONE]\n\n", delta(json!({ "content": "x" }), None));
    assert_eq!(run(Answer::sse(only_done)).result, Ok(FinishReason::Stop));
    let neither = format!("data: {}\n\n", delta(json!({ "content": "x" }), None));
    let done = run(Answer::sse(neither));
    assert_eq!((done.text.as_str(), done.failure().kind), ("x", FailureKind::Upstream));
    assert_eq!(run(Answer::sse("")).failure().kind, FailureKind::Upstream);
}

#[test]
fn a_connection_that_breaks_fails_after_what_was_said() {
    for kind in [TransportFailureKind::Reset, TransportFailureKind::Timeout] {
        let half = format!("data: {}\n\ndata: {{\"choi", delta(json!({ "content": "x" }), None));
        let done = run(Answer::sse(half).end(End::Broken(kind)));
        assert_eq!((done.text.as_str(), done.failure().kind), ("x", FailureKind::Upstream));
    }
    let done = run(Answer::failed(TransportFailureKind::Connect));
    assert_eq!(done.failure().message, "could not connect");
}

#[test]
fn an_error_inside_a_stream_is_a_failure_after_what_was_said() {
    let said = format!("data: {}\n\n", delta(json!({ "content": "Hel" }), None));
    for (error, kind, status) in [
        (
            r#"data: {"error":{"message":"boom","type":"server_error","param":null,"code":null}}"#,
            FailureKind::Upstream,
            None,
        ),
        (r#"data: {"error":{"message":"boom","code":429}}"#, FailureKind::RateLimited, Some(429)),
        (
            r#"data: {"error":{"message":"boom","code":"rate_limit_exceeded"}}"#,
            FailureKind::RateLimited,
            None,
        ),
        (
            r#"data: {"error":{"message":"boom","type":"BadRequestError","code":400}}"#,
            FailureKind::InvalidRequest,
            Some(400),
        ),
        (r#"data: {"object":"error","message":"boom","error":"boom"}"#, FailureKind::Upstream, None),
        (
            "event: error\ndata: {\"message\":\"boom\",\"type\":\"overloaded_error\"}",
            FailureKind::Overloaded,
            None,
        ),
        (
            "event: error\ndata: {\"error\":{\"message\":\"boom\"},\"message\":\"boom\"}",
            FailureKind::Upstream,
            None,
        ),
        (r#"data: {"error":"boom"}"#, FailureKind::Upstream, None),
    ] {
        let done = run(Answer::sse(format!("{said}{error}\n\ndata: [DONE]\n\n")));
        assert_eq!(done.text, "Hel", "{error}");
        let failure = done.failure();
        assert_eq!(
            (failure.message.as_str(), failure.kind, failure.status),
            ("boom", kind, status),
            "{error}"
        );
    }
    let done = run(Answer::sse(format!("{said}event: error\ndata: boom\n\n")));
    assert_eq!(done.failure().kind, FailureKind::Upstream);
    let done = run(Answer::sse("data: {\"error\":{}}\n\n"));
    assert_eq!(done.failure().kind, FailureKind::Upstream);
}

#[test]
fn null_and_missing_members_do_no_harm() {
    let body = concat!(
        "data: {}\n\n",
        "data: {\"choices\":null,\"usage\":{}}\n\n",
        "data: {\"choices\":[],\"error\":null}\n\n",
        "data: {\"choices\":[{}]}\n\n",
        "data: {\"choices\":[{\"index\":null,\"delta\":null}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":null,\"tool_calls\":null,\"function_call\":null}}]}\n\n",
        "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"not ours\"}}]}\n\n",
        "data:\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"finish_reason\":\"\"}]}\n\n",
        "data: {\"choices\":[{\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":null}}\n\n",
        "data: [DONE]\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"too late\"}}]}\n\n",
    );
    let done = run(Answer::sse(body));
    assert_eq!((done.text.as_str(), done.result.clone()), ("x", Ok(FinishReason::Stop)));
    assert_eq!(done.usage.unwrap().input_tokens, 0);
}

#[test]
fn usage_is_found_where_others_put_it() {
    let groq =
        json!({ "choices": [], "x_groq": { "usage": { "prompt_tokens": 3, "completion_tokens": 4 } } });
    let deepseek = json!({ "choices": [], "usage": {
        "prompt_tokens": 3, "completion_tokens": 4, "prompt_cache_hit_tokens": 2, "prompt_cache_miss_tokens": 1,
    } });
    for (chunk, cached) in [(groq, 0), (deepseek, 2)] {
        let done = run(Answer::sse(stream(&[delta(json!({ "content": "x" }), Some("stop")), chunk])));
        let used = done.usage.unwrap();
        assert_eq!((used.input_tokens, used.cached_input_tokens, used.output_tokens), (3, cached, 4));
    }
}

#[test]
fn garbage_is_a_broken_protocol() {
    for body in [
        "data: {\"choices\":\n\n",
        "data: hello\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":5}}]}\n\n",
        "data: {\"choices\":[{\"delta\":\"x\"}]}\n\n",
        "data: [1,2]\n\n",
    ] {
        assert_eq!(run(Answer::sse(body)).failure().kind, FailureKind::Protocol, "{body}");
    }
    let deep = format!("data: {}\n\n", "[".repeat(100_000));
    let done = completion::<OpenAi>(question(true), settings()).answer(Answer::sse(deep)).run();
    assert_eq!(done.failure().kind, FailureKind::Protocol);
    let done = run(Answer::sse(
        b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\"},\"finish_reason\":\"stop\"}]}\n\n",
    ));
    assert_eq!(done.text, "\u{fffd}");
}

#[test]
fn an_event_of_two_megabytes_is_fine_and_one_without_end_is_not() {
    let text = "long ".repeat(400_000);
    let body = stream(&[delta(json!({ "content": text }), Some("stop"))]);
    let mut answer = Answer::new(200).header("content-type", "text/event-stream; charset=utf-8");
    for piece in body.as_bytes().chunks(1400) {
        answer = answer.chunk(piece);
    }
    let done = completion::<OpenAi>(question(true), settings()).answer(answer).run();
    assert_eq!((done.text, done.result), (text, Ok(FinishReason::Stop)));

    let mut answer = Answer::sse("data: ");
    for _ in 0..10 {
        answer = answer.chunk(vec![b'x'; 1024 * 1024]);
    }
    let done = completion::<OpenAi>(question(true), settings()).answer(answer).run();
    assert_eq!(done.failure().message, "an event of the stream is larger than 8388608 bytes");
}

#[test]
fn what_the_server_says_it_sends_counts_more_than_what_was_asked() {
    let whole = json!({ "choices": [{ "message": { "content": "x" }, "finish_reason": "stop" }] });
    assert_eq!(run(Answer::json(200, &whole)).text, "x");
    let body = stream(&[delta(json!({ "content": "x" }), Some("stop"))]);
    let unasked = completion::<OpenAi>(question(false), settings()).answer(Answer::sse(&body)).every_way();
    assert_eq!(unasked.text, "x");
    assert_eq!(run(Answer::new(200).chunk(&body)).text, "x", "no content type, and a stream was asked for");
}
