//! The adapter as a host drives it, natively, with answers cut at every byte.

use {{crate}}::Streaming;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::{CompletionRequest, FinishReason, Message, Role};
use hardpoint_sdk::testing::{Answer, Completed, completion, replay_model};
use serde_json::json;

fn asked(answer: Answer) -> Completed {
    let messages = vec![Message::new(Role::System, "Be brief."), Message::new(Role::User, "Why?")];
    let request = CompletionRequest { max_tokens: Some(9), ..CompletionRequest::new("small", messages) };
    let settings = json!({ "base_url": "https://models.example.com/v1/" });
    completion::<Streaming>(request, settings).answer(answer).every_way()
}

const STREAM: &str = "\
data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n\
data: {\"choices\":[{\"delta\":{\"content\":\"Becau\"}}]}\n\n\
: still here\n\n\
data: {\"choices\":[{\"delta\":{\"content\":\"se. ü\"},\"finish_reason\":\"length\"}]}\n\n\
data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}}\n\n\
data: [DONE]\n\n";

#[test]
fn streams_text() {
    let done = asked(Answer::sse(STREAM));
    assert_eq!(done.text, "Because. ü");
    assert_eq!(done.result, Ok(FinishReason::Length));
    assert_eq!(done.usage.map(|usage| (usage.input_tokens, usage.output_tokens)), Some((7, 3)));
    assert_eq!(done.sent[0].url, "https://models.example.com/v1/chat/completions");
    assert_eq!(done.sent[0].header("authorization"), Some("Bearer {secret:api_key}"));
    assert_eq!(
        done.sent[0].json(),
        json!({
            "model": "small", "stream": true, "max_tokens": 9,
            "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Why?" }],
        })
    );
}

#[test]
fn an_error_is_passed_on() {
    let done = asked(Answer::new(429).header("retry-after", "2").chunk("slow down"));
    assert_eq!(done.failure().kind, FailureKind::RateLimited);
    assert_eq!(done.failure().retry_after_ms, Some(2_000));
    assert_eq!(done.failure().message, "slow down");
}

#[test]
fn a_stream_that_stops_is_a_failure() {
    let cut = STREAM.split_once(": still").map_or("", |(before, _)| before);
    let done = asked(Answer::sse(cut));
    assert_eq!(done.text, "Becau");
    assert_eq!(done.failure().kind, FailureKind::Protocol);
}

#[test]
fn recordings_come_out_as_they_say() {
    for file in std::fs::read_dir("recordings").expect("a folder of recordings") {
        let file = file.expect("a recording").path();
        replay_model::<Streaming>(&std::fs::read_to_string(file).expect("a text"));
    }
}
