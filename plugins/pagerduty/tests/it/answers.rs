use hardpoint_sdk::exporter::{Batch, Verdict};
use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::{Answer, Delivered, End};

use super::{events, invalid, processed, to_pagerduty};

fn run(count: usize, answers: &[Answer]) -> Delivered {
    let script = to_pagerduty(events(count), json!({}));
    answers.iter().fold(script, |script, answer| script.answer(answer.clone())).every_way()
}

fn all(done: &Delivered, count: usize, verdict: &Verdict) -> bool {
    done.failure.is_none()
        && done.verdicts.len() == count
        && done.verdicts.values().all(|given| given == verdict)
}

#[test]
fn accepted() {
    for answer in [processed(), Answer::new(202), Answer::new(200).chunk("no JSON")] {
        assert!(run(1, &[answer]).all_delivered(1));
    }
    let broken = Answer::new(202).chunk("{\"sta").end(End::Broken(TransportFailureKind::Reset));
    assert!(run(1, &[broken]).all_delivered(1));
}

#[test]
fn an_event_that_is_invalid_is_dropped_alone() {
    let answers = [processed(), invalid("'payload.summary' is missing or blank"), processed()];
    let done = run(3, &answers);
    let dropped = Verdict::Drop("PagerDuty answered 400 ('payload.summary' is missing or blank)".to_owned());
    assert_eq!(done.verdicts[&1], dropped);
    assert_eq!((&done.verdicts[&0], &done.verdicts[&2]), (&Verdict::Delivered, &Verdict::Delivered));
    for (answer, reason) in [
        (
            Answer::json(400, &json!({ "message": "Event object is invalid" })),
            "PagerDuty answered 400 (Event object is invalid)",
        ),
        (Answer::json(400, &json!({ "errors": "Bad" })), "PagerDuty answered 400 (Bad)"),
        (Answer::new(400).chunk("{\"status\"}"), "PagerDuty answered 400"),
        (Answer::new(413), "PagerDuty answered 413"),
        (Answer::new(422).chunk("<html>"), "PagerDuty answered 422"),
    ] {
        assert!(all(&run(1, &[answer]), 1, &Verdict::Drop(reason.to_owned())));
    }
}

#[test]
fn what_an_operator_must_mend_is_parked() {
    let key = ": is the routing key right, and of the service region of intake_url?";
    for (answer, reason) in [
        (
            invalid("Length of 'routing_key' is incorrect (should be 32 characters)"),
            format!(
                "PagerDuty answered 400 (Length of 'routing_key' is incorrect (should be 32 characters)){key}"
            ),
        ),
        (invalid("Invalid routing key"), format!("PagerDuty answered 400 (Invalid routing key){key}")),
        (Answer::new(401), format!("PagerDuty answered 401{key}")),
        (Answer::new(403), format!("PagerDuty answered 403{key}")),
        (Answer::new(404), "PagerDuty answered 404: is intake_url right?".to_owned()),
        (
            Answer::new(301).header("location", "https://x.example"),
            "PagerDuty answered 301: is intake_url right?".to_owned(),
        ),
        (Answer::new(402), "PagerDuty answered 402".to_owned()),
        (Answer::failed(TransportFailureKind::Denied), "not granted".to_owned()),
    ] {
        let done = run(1, &[answer]);
        assert_eq!(done.parked, Some(reason));
        assert!(done.verdicts.is_empty() && done.failure.is_none());
    }
}

#[test]
fn nothing_more_is_sent_once_it_is_parked() {
    // Four are under way when the first is refused; what they come to stands.
    let wrong = invalid("Invalid routing key");
    let done = run(10, &[wrong.clone(), processed(), Answer::new(503), wrong]);
    assert_eq!(done.sent.len(), 4);
    assert!(done.parked.is_some());
    let verdicts: Vec<_> = done.verdicts.into_iter().collect();
    assert_eq!(verdicts, [(1, Verdict::Delivered), (2, Verdict::RetryAfter(5_000))]);
}

#[test]
fn what_may_pass_is_offered_again_with_all_that_follows() {
    use TransportFailureKind::{Connect, Protocol, Reset, Timeout};
    for trouble in [408, 425, 429, 500, 502, 503, 504].map(Answer::new).into_iter().chain([
        Answer::failed(Connect),
        Answer::failed(Timeout),
        Answer::failed(Reset),
        Answer::failed(Protocol),
        Answer::new(500).chunk("half a").end(End::Broken(Reset)),
    ]) {
        let done = run(10, &[processed(), trouble.clone(), processed(), processed(), processed()]);
        assert_eq!(done.sent.len(), 5, "{trouble:?}");
        let later: Vec<u32> = done
            .verdicts
            .iter()
            .filter(|(_, verdict)| **verdict == Verdict::RetryAfter(5_000))
            .map(|(index, _)| *index)
            .collect();
        assert_eq!(later, [1, 5, 6, 7, 8, 9], "{done:?}");
        assert_eq!(done.verdicts.len(), 10);
    }
    let done = run(1, &[Answer::new(429).header("Retry-After", "7")]);
    assert!(all(&done, 1, &Verdict::RetryAfter(7_000)));
    for (attempt, wait) in [(2, 10_000), (7, 300_000), (u32::MAX, 300_000)] {
        let batch = Batch { attempt, ..events(1) };
        let done = to_pagerduty(batch, json!({})).answer(Answer::new(503)).run();
        assert!(all(&done, 1, &Verdict::RetryAfter(wait)), "{attempt}: {done:?}");
    }
}

#[test]
fn endless_reasons_are_cut() {
    let said = format!("{:?}", run(1, &[invalid(&"é".repeat(2_000))]).verdicts[&0]);
    assert!(said.chars().count() < 600, "{said}");
    let endless = Answer::new(400).chunk("x".repeat(1 << 20));
    let done = to_pagerduty(events(1), json!({})).answer(endless).run();
    assert!(all(&done, 1, &Verdict::Drop("PagerDuty answered 400".to_owned())), "{done:?}");
    let half = Answer::new(400).chunk([b"{\"errors\":[\"".as_slice(), &[0xe2, 0x82], b"\"]}"].concat());
    assert!(format!("{:?}", run(1, &[half]).verdicts[&0]).contains("400 ("));
}
