use hardpoint_sdk::exporter::{Batch, Verdict};
use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::{Answer, Delivered, End};

use super::{all, created, events, to_elastic};

fn run(count: usize, answer: Answer) -> Delivered {
    to_elastic(events(count), json!({})).answer(answer).every_way()
}

fn error(status: u16, kind: &str, reason: &str) -> Answer {
    let error = json!({ "root_cause": [{ "type": kind, "reason": reason }], "type": kind, "reason": reason });
    Answer::json(status, &json!({ "error": error, "status": status }))
}

#[test]
fn what_is_refused_is_halved_until_it_is_one() {
    for (answer, said) in [
        (
            error(400, "illegal_argument_exception", "Malformed action/metadata line [1]"),
            "400 (illegal_argument_exception: Malformed action/metadata line [1])",
        ),
        (Answer::json(400, &json!({ "error": "said plainly", "status": 400 })), "400 (said plainly)"),
        (Answer::new(413), "413"),
        (Answer::new(413).chunk("<html>Request Entity Too Large</html>"), "413"),
        (Answer::new(422).chunk("{\"error\":"), "422"),
    ] {
        let done = run(2, answer.clone());
        assert!(done.is_split && done.verdicts.is_empty(), "{done:?}");
        let done = run(1, answer);
        assert!(all(&done, 1, &Verdict::Drop(format!("Elasticsearch answered {said}"))), "{done:?}");
    }
}

#[test]
fn what_an_operator_must_mend_is_parked() {
    let credentials = ": are the credentials right, and of this deployment?";
    for (answer, reason) in [
        (
            error(401, "security_exception", "unable to authenticate with provided credentials"),
            format!(
                "Elasticsearch answered 401 (security_exception: unable to authenticate with provided \
                 credentials){credentials}"
            ),
        ),
        (Answer::new(403), format!("Elasticsearch answered 403{credentials}")),
        (Answer::new(404), "Elasticsearch answered 404: is intake_url right?".to_owned()),
        (Answer::new(405), "Elasticsearch answered 405: is intake_url right?".to_owned()),
        (
            Answer::new(302).header("location", "https://x.example"),
            "Elasticsearch answered 302: is intake_url right?".to_owned(),
        ),
        (
            Answer::json(406, &json!({ "error": "Content-Type header [x] is not supported", "status": 406 })),
            "Elasticsearch answered 406 (Content-Type header [x] is not supported)".to_owned(),
        ),
        (Answer::failed(TransportFailureKind::Denied), "not granted".to_owned()),
    ] {
        let done = run(2, answer);
        assert_eq!(done.parked, Some(reason));
        assert!(done.verdicts.is_empty() && done.failure.is_none());
    }
}

#[test]
fn what_may_pass_is_offered_again() {
    use TransportFailureKind::{Connect, Protocol, Reset, Timeout};
    for answer in [408, 425, 429, 500, 502, 503, 504].map(Answer::new).into_iter().chain([
        error(429, "es_rejected_execution_exception", "rejected execution of coordinating operation"),
        error(503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no master];"),
        Answer::failed(Connect),
        Answer::failed(Timeout),
        Answer::failed(Reset),
        Answer::failed(Protocol),
        created(2).end(End::Broken(Reset)).chunk("x"),
        Answer::new(200).end(End::Broken(Timeout)),
    ]) {
        let done = run(2, answer.clone());
        assert!(all(&done, 2, &Verdict::RetryAfter(5_000)), "{answer:?}: {done:?}");
    }
    let done = run(2, Answer::new(429).header("Retry-After", "7"));
    assert!(all(&done, 2, &Verdict::RetryAfter(7_000)));
    for (attempt, wait) in [(2, 10_000), (7, 300_000), (u32::MAX, 300_000)] {
        let batch = Batch { attempt, ..events(1) };
        let done = to_elastic(batch, json!({})).answer(Answer::new(503)).run();
        assert!(all(&done, 1, &Verdict::RetryAfter(wait)), "{attempt}: {done:?}");
    }
}

#[test]
fn a_status_counts_though_its_body_breaks() {
    let broken = |status| Answer::new(status).chunk("{\"err").end(End::Broken(TransportFailureKind::Reset));
    assert!(run(2, broken(400)).is_split);
    assert!(run(2, broken(401)).parked.is_some());
    // All of it was there before the connection broke.
    assert!(run(2, created(2).end(End::Broken(TransportFailureKind::Reset))).all_delivered(2));
}
