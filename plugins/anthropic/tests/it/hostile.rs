//! Answers that no honest server gives.

use anthropic::Anthropic;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::FinishReason;
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::{Answer, Completed, completion};

use super::{events, question, settings, start, stream, text};

fn run(answer: Answer) -> Completed {
    completion::<Anthropic>(question(true), settings()).answer(answer).every_way()
}

#[test]
fn garbage_is_a_broken_protocol() {
    for body in [
        "data: {\"type\":\n\n".to_owned(),
        "data: hello\n\n".to_owned(),
        "data: [1,2]\n\n".to_owned(),
        "data: {\"type\":5}\n\n".to_owned(),
        events(&[start(), json!({ "type": "content_block_start", "index": 0, "content_block": "text" })]),
        events(&[start(), json!({ "type": "content_block_start", "index": -1, "content_block": {} })]),
        events(&[
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "x" } }),
        ]),
        events(&[json!({ "type": "message_delta", "delta": { "stop_reason": ["end_turn"] } })]),
        events(&[json!({ "type": "message_delta", "delta": {}, "usage": { "output_tokens": -1 } })]),
        events(&[json!({ "type": "message_start", "message": { "usage": { "input_tokens": "many" } } })]),
    ] {
        assert_eq!(run(Answer::sse(&body)).failure().kind, FailureKind::Protocol, "{body}");
    }
    let deep = format!("data: {}\n\n", "[".repeat(100_000));
    let done = completion::<Anthropic>(question(true), settings()).answer(Answer::sse(deep)).run();
    assert_eq!(done.failure().kind, FailureKind::Protocol);
}

#[test]
fn null_and_missing_members_do_no_harm() {
    let body = concat!(
        "data: {\"type\":\"message_start\",\"message\":null,\"index\":0}\n\n",
        "data: {\"type\":\"message_start\"}\n\n",
        "data: {\"type\":\"content_block_start\"}\n\n",
        "data: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":null}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\"}}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0}\n\n",
        "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n",
        "data: {\"type\":\"content_block_stop\",\"index\":9}\n\n",
        "data: {\"type\":\"message_delta\",\"delta\":null,\"usage\":null}\n\n",
        "data:\n\n",
        "data: {\"type\":\"message_stop\"}\n\n",
    );
    let done = run(Answer::sse(body));
    assert_eq!((done.text.as_str(), done.result), ("x", Ok(FinishReason::Stop)));
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let mut body = stream(&[text(0, &["§"])], "end_turn").into_bytes();
    let at = body.windows(2).position(|window| window == "§".as_bytes()).unwrap();
    body.splice(at..at + 2, [0xff]);
    assert_eq!(run(Answer::sse(body)).text, "\u{fffd}");
}

#[test]
fn an_event_of_two_megabytes_is_fine_and_one_without_end_is_not() {
    let long = "long ".repeat(400_000);
    let body = stream(&[text(0, &[&long])], "end_turn");
    let mut answer = Answer::new(200).header("content-type", "text/event-stream; charset=utf-8");
    for piece in body.as_bytes().chunks(1400) {
        answer = answer.chunk(piece);
    }
    let done = completion::<Anthropic>(question(true), settings()).answer(answer).run();
    assert_eq!((done.text, done.result), (long, Ok(FinishReason::Stop)));

    let mut answer = Answer::sse("data: ");
    for _ in 0..10 {
        answer = answer.chunk(vec![b'x'; 1024 * 1024]);
    }
    let done = completion::<Anthropic>(question(true), settings()).answer(answer).run();
    assert_eq!(done.failure().message, "an event of the stream is larger than 8388608 bytes");
}
