//! Answers that no honest server gives.

use gemini::Gemini;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::FinishReason;
use hardpoint_sdk::testing::{Answer, Completed, completion};

use super::{question, settings, stream};

fn run(answer: Answer) -> Completed {
    completion::<Gemini>(question(true), settings()).answer(answer).every_way()
}

#[test]
fn garbage_is_a_broken_protocol() {
    for body in [
        "data: {\"candidates\":\n\n",
        "data: hello\n\n",
        "data: [1,2]\n\n",
        "data: {\"candidates\":\"x\"}\n\n",
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":5}]}}]}\n\n",
        "data: {\"candidates\":[{\"index\":-1}]}\n\n",
        "data: {\"candidates\":[{\"finishReason\":1}]}\n\n",
        "data: {\"usageMetadata\":{\"promptTokenCount\":\"many\"}}\n\n",
    ] {
        assert_eq!(run(Answer::sse(body)).failure().kind, FailureKind::Protocol, "{body}");
    }
    let deep = format!("data: {}\n\n", "[".repeat(100_000));
    let done = completion::<Gemini>(question(true), settings()).answer(Answer::sse(deep)).run();
    assert_eq!(done.failure().kind, FailureKind::Protocol);
}

#[test]
fn null_and_missing_members_do_no_harm() {
    let body = concat!(
        "data: {}\n\n",
        "data: {\"candidates\":null,\"usageMetadata\":{},\"error\":null,\"promptFeedback\":null}\n\n",
        "data: {\"candidates\":[{}],\"responseId\":null}\n\n",
        "data: {\"candidates\":[{\"content\":null,\"index\":null,\"finishReason\":null}]}\n\n",
        "data: {\"candidates\":[{\"content\":{\"parts\":null}}]}\n\n",
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":null,\"thought\":null,\"functionCall\":null}]}}]}\n\n",
        "data:\n\n",
        "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]},\"finishReason\":\"STOP\"}]}\n\n",
    );
    let done = run(Answer::sse(body));
    assert_eq!((done.text.as_str(), done.result), ("x", Ok(FinishReason::Stop)));
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let mut body = stream(&["§"], "STOP").into_bytes();
    let at = body.windows(2).position(|window| window == "§".as_bytes()).unwrap();
    body.splice(at..at + 2, [0xff]);
    assert_eq!(run(Answer::sse(body)).text, "\u{fffd}");
}

#[test]
fn an_event_of_two_megabytes_is_fine_and_one_without_end_is_not() {
    let long = "long ".repeat(400_000);
    let body = stream(&[&long], "STOP");
    let mut answer = Answer::new(200).header("content-type", "text/event-stream");
    for piece in body.as_bytes().chunks(1400) {
        answer = answer.chunk(piece);
    }
    let done = completion::<Gemini>(question(true), settings()).answer(answer).run();
    assert_eq!((done.text, done.result), (long, Ok(FinishReason::Stop)));

    let mut answer = Answer::sse("data: ");
    for _ in 0..10 {
        answer = answer.chunk(vec![b'x'; 1024 * 1024]);
    }
    let done = completion::<Gemini>(question(true), settings()).answer(answer).run();
    assert_eq!(done.failure().message, "an event of the stream is larger than 8388608 bytes");
}
