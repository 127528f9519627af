use hardpoint_sdk::FailureKind::{
    self, Authentication, Overloaded, Protocol, RateLimited, Unsupported, Upstream,
};
use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::index::Filter;
use hardpoint_sdk::retriever::{Retriever, SearchRequest};
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::{Answer, End};
use hardpoint_sdk::{Failure, testing::Double};
use qdrant::Qdrant;

use super::{completed, host, ingest, ok, ready, refused, settings};

/// What a search, an ingestion and a removal make of an answer: the same.
fn failure(answer: &Answer) -> Failure {
    let filter = Filter { document_ids: None, metadata: None };
    let request = SearchRequest { query: "ships".into(), top: 3, filter, hybrid: false };
    let one = host([answer.clone()]);
    let failure = Qdrant::search(request, settings()).expect_err("a search");
    drop(one);
    let one = host([ready(), answer.clone()]);
    let told = |failure: &Failure| (failure.kind, failure.status, failure.retry_after_ms);
    assert_eq!(told(&ingest("Ships.").1.expect_err("an ingestion")), told(&failure));
    drop(one);
    let one = host([answer.clone()]);
    let removal = Qdrant::remove(vec!["doc-1".into()], settings()).expect_err("a removal");
    assert_eq!(told(&removal), told(&failure));
    assert_eq!(one.sent().len(), 1, "nothing is tried again: that is for the host");
    failure
}

fn kind(answer: &Answer) -> (FailureKind, Option<u16>, String) {
    let failure = failure(answer);
    (failure.kind, failure.status, failure.message)
}

#[test]
fn each_status_has_its_meaning() {
    let right = "is the secret `api_key` right, and may it write?";
    for (status, error, expected, says) in [
        (
            400,
            "Wrong input: Vector dimension error: expected dim: 4, got 2",
            Unsupported,
            "expected dim: 4, got 2)",
        ),
        (401, "Must provide an API key", Authentication, right),
        (403, "Forbidden: Write access to collection docs is required", Authentication, right),
        (408, "Timeout: Operation timed out", Overloaded, "timed out)"),
        (409, "Wrong input: something is there", Unsupported, "is there)"),
        (413, "Payload error: too large", Unsupported, "too large)"),
        (422, "Validation error", Unsupported, "(Validation error)"),
        (500, "Service internal error: No space left on device", Upstream, "No space left on device)"),
        (503, "Shard temporarily unavailable: recovery", Overloaded, "recovery)"),
    ] {
        let (kind, answered, message) = kind(&refused(status, error));
        assert_eq!((kind, answered), (expected, Some(status)), "{message}");
        assert!(message.starts_with(&format!("Qdrant answered {status} ({error})")), "{message}");
        assert!(message.ends_with(says), "{message}");
    }
}

#[test]
fn who_asks_too_much_is_told_how_long_to_wait() {
    let limited =
        refused(429, "Rate limiting exceeded: Write rate limit exceeded").header("retry-after", "3");
    let failure = failure(&limited);
    assert_eq!((failure.kind, failure.retry_after_ms), (RateLimited, Some(3_000)));
}

/// A proxy, or something else altogether.
#[test]
fn what_is_not_qdrant_is_no_missing_collection() {
    let page = |status| Answer::new(status).header("content-type", "text/html").chunk("<h1>Not here</h1>");
    assert_eq!(kind(&page(404)), (Unsupported, Some(404), "Qdrant answered 404: is `url` right?".to_owned()));
    assert_eq!(kind(&page(302)).0, Protocol);
    assert_eq!(kind(&page(502)), (Upstream, Some(502), "Qdrant answered 502".to_owned()));
    let plain = Answer::new(401).chunk("Must provide an API key or an Authorization bearer token");
    assert!(kind(&plain).2.contains("(Must provide an API key or an Authorization bearer token)"));
    let long = Answer::new(500).chunk("x".repeat(10_000));
    assert!(kind(&long).2.len() < 600);
}

#[test]
fn an_answer_that_is_none_is_no_success() {
    for body in
        ["", "{", "<h1>hello</h1>", "[]", "{}", "{\"status\":\"ok\"}", "{\"result\":null}", "{\"result\":7}"]
    {
        let failure = failure(&Answer::new(200).chunk(body));
        assert_eq!((failure.kind, failure.status), (Protocol, None), "{body}: {failure:?}");
    }
    for (broken, expected) in [
        (TransportFailureKind::Connect, Upstream),
        (TransportFailureKind::Timeout, Upstream),
        (TransportFailureKind::Reset, Upstream),
        (TransportFailureKind::Protocol, Protocol),
        (TransportFailureKind::Denied, Unsupported),
    ] {
        assert_eq!(failure(&Answer::failed(broken)).kind, expected);
    }
    let half = ok(json!({ "points": [] })).end(End::Broken(TransportFailureKind::Reset));
    assert_eq!(failure(&half).kind, Upstream);
}

/// `wait` has its own end: what is only queued would not be found by the next search.
#[test]
fn what_is_only_acknowledged_is_not_done() {
    for answers in [vec![ready(), acknowledged()], vec![ready(), completed(), acknowledged()]] {
        let _host = host(answers);
        let failure = ingest("Ships.").1.expect_err("it is not there yet");
        assert_eq!((failure.kind, failure.status), (Overloaded, None));
        assert!(failure.message.contains("`acknowledged`"), "{failure:?}");
    }
}

fn acknowledged() -> Answer {
    ok(json!({ "operation_id": 8, "status": "acknowledged" }))
}

#[test]
fn a_vector_with_no_number_is_not_sent() {
    let host = Double::new().embedder(|texts, _| vec![vec![f32::NAN, 1.0]; texts.len()]);
    assert_eq!(ingest("Ships.").1.expect_err("it is no vector").kind, Protocol);
    assert!(host.sent().is_empty());
}
