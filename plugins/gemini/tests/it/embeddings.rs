use gemini::Gemini;
use hardpoint_sdk::model::{EmbeddingRequest, Usage};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Embedded, embedding};
use hardpoint_sdk::{Failure, FailureKind};

use super::settings;

fn request(inputs: usize) -> EmbeddingRequest {
    EmbeddingRequest {
        upstream_model: "gemini-embedding-001".into(),
        inputs: (0..inputs).map(|number| format!("text {number}")).collect(),
        dimensions: Some(2),
        user: Some("u".into()),
        extra: Some(r#"{"task_type":"RETRIEVAL_QUERY","title":"T","novel":1}"#.into()),
    }
}

fn vectors(range: std::ops::Range<usize>) -> Value {
    let embeddings: Vec<_> = range.map(|number| json!({ "values": [number, 0.5] })).collect();
    json!({ "embeddings": embeddings })
}

fn run(body: &Value) -> Embedded {
    embedding::<Gemini>(request(2), settings()).answer(Answer::json(200, body)).every_way()
}

fn failure(body: &Value) -> Failure {
    run(body).result.unwrap_err()
}

#[test]
fn one_request() {
    let mut body = vectors(0..2);
    body["usageMetadata"] = json!({ "promptTokenCount": 4 });
    let done = run(&body);
    assert_eq!(done.result.unwrap(), [[0.0, 0.5], [1.0, 0.5]]);
    let used = Usage { input_tokens: 4, cached_input_tokens: 0, output_tokens: 0, reasoning_tokens: 0 };
    assert_eq!(done.usage, Some(used));
    let sent = &done.sent[0];
    let url =
        "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents";
    assert_eq!((sent.url.as_str(), sent.header("x-goog-api-key")), (url, Some("{secret:api_key}")));
    let text = |text: &str| {
        json!({
            "model": "models/gemini-embedding-001", "content": { "parts": [{ "text": text }] },
            "outputDimensionality": 2, "taskType": "RETRIEVAL_QUERY", "title": "T",
        })
    };
    assert_eq!(sent.json(), json!({ "requests": [text("text 0"), text("text 1")] }));
}

#[test]
fn the_least_request() {
    let request = EmbeddingRequest { dimensions: None, extra: None, ..request(1) };
    let answer = || Answer::json(200, &vectors(0..1));
    let done = embedding::<Gemini>(request.clone(), settings()).answer(answer()).run();
    let expected =
        json!({ "model": "models/gemini-embedding-001", "content": { "parts": [{ "text": "text 0" }] } });
    assert_eq!((done.sent[0].json(), done.usage), (json!({ "requests": [expected] }), None));
    let done = embedding::<Gemini>(request, json!({ "task_type": "CLUSTERING" })).answer(answer()).run();
    assert_eq!(done.sent[0].json()["requests"][0]["taskType"], "CLUSTERING");
}

#[test]
fn more_texts_than_one_request_takes() {
    let counted = |range| {
        let mut body = vectors(range);
        body["usageMetadata"] = json!({ "promptTokenCount": 10 });
        Answer::json(200, &body)
    };
    let done = embedding::<Gemini>(request(201), settings())
        .answer(counted(0..100))
        .answer(counted(100..200))
        .answer(counted(200..201))
        .run();
    let lengths: Vec<_> =
        done.sent.iter().map(|sent| sent.json()["requests"].as_array().unwrap().len()).collect();
    assert_eq!((lengths, done.usage.unwrap().input_tokens), (vec![100, 100, 1], 30));
    assert_eq!(done.sent[2].json()["requests"][0]["content"]["parts"][0]["text"], "text 200");
    let vectors = done.result.unwrap();
    assert!(vectors.iter().enumerate().all(|(at, vector)| vector[0] == at as f32));

    let exactly = embedding::<Gemini>(request(100), settings()).answer(counted(0..100)).run();
    assert_eq!(exactly.sent.len(), 1);
}

#[test]
fn a_later_request_that_fails_fails_all() {
    let error = json!({ "error": { "code": 429, "message": "slow", "status": "RESOURCE_EXHAUSTED" } });
    let done = embedding::<Gemini>(request(101), settings())
        .answer(Answer::json(200, &vectors(0..100)))
        .answer(Answer::json(429, &error).header("retry-after", "2"))
        .run();
    let failure = done.result.unwrap_err();
    assert_eq!((failure.kind, failure.retry_after_ms), (FailureKind::RateLimited, Some(2_000)));
}

#[test]
fn answers_that_do_not_fit() {
    for (body, message) in [
        (vectors(0..1), "2 texts were sent and 1 vectors came"),
        (vectors(0..3), "2 texts were sent and 3 vectors came"),
        (json!({}), "2 texts were sent and 0 vectors came"),
        (json!({ "embeddings": null }), "2 texts were sent and 0 vectors came"),
    ] {
        let failure = failure(&body);
        assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Protocol, message));
    }
    for values in [json!("x"), json!(["x"]), json!(null), json!([null]), json!({})] {
        let body = json!({ "embeddings": [{ "values": values }, { "values": [1] }] });
        assert_eq!(failure(&body).kind, FailureKind::Protocol, "{body}");
    }
    let error = json!({ "error": { "code": 400, "message": "bad", "status": "INVALID_ARGUMENT" } });
    assert_eq!(failure(&error).kind, FailureKind::InvalidRequest);
}

#[test]
fn requests_that_cannot_be_served() {
    let wrong = EmbeddingRequest { upstream_model: "../x".into(), ..request(1) };
    let done = embedding::<Gemini>(wrong, settings()).run();
    assert_eq!(done.result.unwrap_err().kind, FailureKind::Unsupported);
    let wrong = EmbeddingRequest { extra: Some("[".into()), ..request(1) };
    let done = embedding::<Gemini>(wrong, settings()).run();
    assert_eq!(done.result.unwrap_err().kind, FailureKind::InvalidRequest);
}
