use hardpoint_sdk::model::{EmbeddingRequest, Usage};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Embedded, embedding};
use hardpoint_sdk::{Failure, FailureKind};
use openai::OpenAi;

use super::settings;

fn request() -> EmbeddingRequest {
    EmbeddingRequest {
        upstream_model: "embed-test".into(),
        inputs: vec!["one".into(), "two".into()],
        dimensions: Some(2),
        user: Some("u".into()),
        extra: Some(r#"{"input_type":"query","input":"mine","encoding_format":"float"}"#.into()),
    }
}

fn run(body: &Value) -> Embedded {
    embedding::<OpenAi>(request(), settings()).answer(Answer::json(200, body)).every_way()
}

fn failure(body: &Value) -> Failure {
    run(body).result.unwrap_err()
}

#[test]
fn numbers_in_any_order() {
    let done = run(&json!({
        "object": "list", "model": "embed-test",
        "data": [
            { "object": "embedding", "index": 1, "embedding": [-1, 2.5e-1] },
            { "object": "embedding", "index": 0, "embedding": [0.5, 0] },
        ],
        "usage": { "prompt_tokens": 2, "total_tokens": 2 },
    }));
    assert_eq!(done.result.unwrap(), [[0.5, 0.0], [-1.0, 0.25]]);
    let used = Usage { input_tokens: 2, cached_input_tokens: 0, output_tokens: 0, reasoning_tokens: 0 };
    assert_eq!(done.usage, Some(used));
    let sent = &done.sent[0];
    assert_eq!(sent.url, "https://api.example.com/v1/embeddings");
    let expected = json!({
        "model": "embed-test", "input": ["one", "two"], "encoding_format": "base64", "dimensions": 2, "user": "u",
        "input_type": "query",
    });
    assert_eq!(sent.json(), expected);
}

#[test]
fn base64_and_no_index() {
    // 0.5, -2 and 1, 0 as little-endian f32.
    let done = run(&json!({ "data": [{ "embedding": "AAAAPwAAAMA=" }, { "embedding": "AACAPwAAAAA=" }] }));
    assert_eq!(done.result.unwrap(), [[0.5, -2.0], [1.0, 0.0]]);
    assert_eq!(done.usage, None);
}

#[test]
fn answers_that_do_not_fit() {
    for (body, message) in [
        (json!({ "data": [{ "embedding": [1] }] }), "2 texts were sent and 1 vectors came"),
        (json!({}), "2 texts were sent and 0 vectors came"),
        (
            json!({ "data": [{ "index": 0, "embedding": [1] }, { "index": 0, "embedding": [1] }] }),
            "there is no one place for vector 0",
        ),
        (
            json!({ "data": [{ "index": 0, "embedding": [1] }, { "index": 7, "embedding": [1] }] }),
            "there is no one place for vector 7",
        ),
    ] {
        let failure = failure(&body);
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Protocol, message));
    }
    for embedding in [json!("AAAA"), json!("§"), json!(["x"]), json!(5), json!(null)] {
        let body = json!({ "data": [{ "embedding": embedding }, { "embedding": [1] }] });
        assert_eq!(failure(&body).kind, FailureKind::Protocol, "{body}");
    }
}

#[test]
fn errors_are_told_as_for_completions() {
    let answer = Answer::json(429, &json!({ "error": { "message": "slow", "code": "rate_limit_exceeded" } }));
    let done =
        embedding::<OpenAi>(request(), settings()).answer(answer.header("retry-after", "1")).every_way();
    let failure = done.result.unwrap_err();
    assert_eq!((failure.kind, failure.retry_after_ms), (FailureKind::RateLimited, Some(1_000)));
    assert_eq!(self::failure(&json!({ "error": { "message": "boom" } })).kind, FailureKind::Upstream);
}
