use datadog::Datadog;
use hardpoint_sdk::exporter::{Batch, Verdict};
use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::{Answer, Delivered, End, delivery};

use super::events;

fn run(count: usize, answer: Answer) -> Delivered {
    delivery::<Datadog>(events(count), json!({})).answer(answer).every_way()
}

fn all(done: &Delivered, count: usize, verdict: &Verdict) -> bool {
    let expected = format!("{verdict:?}");
    let is_it = |given: &Verdict| format!("{given:?}") == expected;
    done.failure.is_none() && done.verdicts.len() == count && done.verdicts.values().all(is_it)
}

#[test]
fn accepted() {
    for answer in [Answer::json(202, &json!({})), Answer::new(202), Answer::new(200).chunk("no JSON")] {
        assert!(run(3, answer).all_delivered(3));
    }
}

#[test]
fn what_is_refused_is_halved_until_it_is_one() {
    let detail = json!({ "errors": [{ "status": "400", "title": "Bad Request", "detail": "Invalid JSON" }] });
    for (answer, reason) in [
        (Answer::json(400, &detail), "Datadog answered 400 (Invalid JSON)"),
        (Answer::json(400, &json!({ "errors": ["Bad", "Worse"] })), "Datadog answered 400 (Bad; Worse)"),
        (Answer::new(413), "Datadog answered 413"),
        (Answer::new(422).chunk("<html>"), "Datadog answered 422"),
    ] {
        let done = run(2, answer.clone());
        assert!(done.is_split && done.verdicts.is_empty(), "{done:?}");
        let done = run(1, answer);
        assert!(all(&done, 1, &Verdict::Drop(reason.to_owned())), "{done:?}");
    }
}

#[test]
fn what_an_operator_must_mend_is_parked() {
    for (answer, reason) in [
        (
            Answer::json(403, &json!({ "errors": ["Forbidden"] })),
            "Datadog answered 403 (Forbidden): is the API key right, and of the site of intake_url?",
        ),
        (Answer::new(401), "Datadog answered 401: is the API key right, and of the site of intake_url?"),
        (Answer::new(404), "Datadog answered 404: is intake_url right?"),
        (
            Answer::new(301).header("location", "https://x.example"),
            "Datadog answered 301: is intake_url right?",
        ),
        (Answer::new(402), "Datadog answered 402"),
        (Answer::failed(TransportFailureKind::Denied), "not granted"),
    ] {
        let done = run(2, answer);
        assert_eq!(done.parked.as_deref(), Some(reason));
        assert!(done.verdicts.is_empty() && done.failure.is_none());
    }
}

#[test]
fn what_may_pass_is_offered_again() {
    use TransportFailureKind::{Connect, Protocol, Reset, Timeout};
    for answer in [408, 425, 429, 500, 502, 503, 504].map(Answer::new).into_iter().chain([
        Answer::failed(Connect),
        Answer::failed(Timeout),
        Answer::failed(Reset),
        Answer::failed(Protocol),
        Answer::new(503).header("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"),
        Answer::new(500).chunk("half a").end(End::Broken(Reset)),
    ]) {
        let done = run(2, answer.clone());
        assert!(all(&done, 2, &Verdict::RetryAfter(5_000)), "{answer:?}: {done:?}");
    }
    for (asked, wait) in [("7", 7_000), ("0", 0), ("1.5", 1_500), ("999999999", 86_400_000)] {
        let done = run(2, Answer::new(429).header("Retry-After", asked));
        assert!(all(&done, 2, &Verdict::RetryAfter(wait)), "{asked}: {done:?}");
    }
}

#[test]
fn attempts_wait_longer_and_longer() {
    for (attempt, wait) in
        [(0, 5_000), (1, 5_000), (2, 10_000), (4, 40_000), (7, 300_000), (u32::MAX, 300_000)]
    {
        let batch = Batch { attempt, ..events(1) };
        let done = delivery::<Datadog>(batch, json!({})).answer(Answer::new(503)).run();
        assert!(all(&done, 1, &Verdict::RetryAfter(wait)), "{attempt}: {done:?}");
    }
}

#[test]
fn a_status_counts_though_its_body_breaks() {
    let broken =
        |status: u16| Answer::new(status).chunk("{\"err").end(End::Broken(TransportFailureKind::Reset));
    assert!(run(2, broken(202)).all_delivered(2));
    assert!(run(2, broken(400)).is_split);
    assert!(run(2, broken(403)).parked.is_some());
}

#[test]
fn endless_reasons_are_cut() {
    let done = run(1, Answer::json(400, &json!({ "errors": ["é".repeat(2_000)] })));
    let said = format!("{:?}", done.verdicts[&0]);
    assert!(said.chars().count() < 600, "{said}");
    let done =
        delivery::<Datadog>(events(1), json!({})).answer(Answer::new(400).chunk("x".repeat(1 << 20))).run();
    assert!(all(&done, 1, &Verdict::Drop("Datadog answered 400".to_owned())), "{done:?}");
}
