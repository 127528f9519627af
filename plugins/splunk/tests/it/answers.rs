use hardpoint_sdk::exporter::{Batch, Verdict};
use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::{Answer, Delivered, Double, End};

use super::{events, ids, reply, success, to_splunk};

/// Every documented code, its status and its text.
const CODES: [(u16, u16, &str); 29] = [
    (0, 200, "Success"),
    (1, 403, "Token disabled"),
    (2, 401, "Token is required"),
    (3, 401, "Invalid authorization"),
    (4, 403, "Invalid token"),
    (5, 400, "No data"),
    (6, 400, "Invalid data format"),
    (7, 400, "Incorrect index"),
    (8, 500, "Internal server error"),
    (9, 503, "Server is busy"),
    (10, 400, "Data channel is missing"),
    (11, 400, "Invalid data channel"),
    (12, 400, "Event field is required"),
    (13, 400, "Event field cannot be blank"),
    (14, 400, "ACK is disabled"),
    (15, 400, "Error in handling indexed fields"),
    (16, 400, "Query string authorization is not enabled"),
    (17, 200, "HEC is healthy"),
    (18, 503, "HEC is unhealthy, queues are full"),
    (19, 503, "HEC is unhealthy, ack service unavailable"),
    (20, 503, "HEC is unhealthy, queues are full, ack service unavailable"),
    (21, 400, "Invalid token"),
    (22, 400, "Token disabled"),
    (23, 503, "Server is shutting down"),
    (24, 200, "HEC queue is approaching its capacity limit"),
    (25, 200, "HEC ACK is approaching its capacity limit"),
    (26, 429, "HEC queue is at capacity and cannot process any more requests"),
    (27, 429, "HEC ACK channel is at capacity and cannot process any more requests"),
    (28, 400, "Data channel is missing. If you have multiple indexers, …"),
];

fn run(count: usize, answer: Answer) -> Delivered {
    to_splunk(events(count), json!({})).answer(answer).every_way()
}

fn all(done: &Delivered, count: usize, verdict: &Verdict) -> bool {
    done.failure.is_none()
        && done.parked.is_none()
        && done.verdicts.len() == count
        && done.verdicts.values().all(|given| given == verdict)
}

#[test]
fn every_documented_code() {
    for (code, status, text) in CODES {
        let done = run(2, reply(status, code, text));
        match code {
            0 | 17 | 24 | 25 => assert!(done.all_delivered(2), "{code}: {done:?}"),
            5 | 6 | 12 | 13 | 15 => assert!(done.is_split && done.verdicts.is_empty(), "{code}: {done:?}"),
            8 | 9 | 18..=20 | 23 | 26 | 27 => {
                assert!(all(&done, 2, &Verdict::RetryAfter(5_000)), "{code}: {done:?}");
            }
            _ => {
                let reason = done.parked.as_deref().unwrap_or_else(|| panic!("{code}: {done:?}"));
                assert!(
                    reason.starts_with(&format!("Splunk answered {status}, code {code} ({text})")),
                    "{reason}"
                );
                assert!(done.verdicts.is_empty());
                let advice = match code {
                    7 => "index",
                    10 | 11 | 28 => "`acknowledgement`",
                    14 => "",
                    _ => "token",
                };
                assert!(reason.contains(advice), "{reason}");
            }
        }
    }
}

#[test]
fn a_single_event_that_is_refused_is_dropped() {
    for (code, status, text) in CODES.into_iter().filter(|(code, ..)| matches!(code, 5 | 6 | 12 | 13 | 15)) {
        let done = run(1, reply(status, code, text));
        let reason = format!("Splunk answered {status}, code {code} ({text})");
        assert!(all(&done, 1, &Verdict::Drop(reason)), "{done:?}");
    }
    assert!(all(&run(1, Answer::new(413)), 1, &Verdict::Drop("Splunk answered 413".to_owned())));
}

fn invalid(number: u64) -> Answer {
    let body =
        json!({ "text": "Error in handling indexed fields", "code": 15, "invalid-event-number": number });
    Answer::json(400, &body)
}

#[test]
fn an_event_refused_by_its_number_is_left_out() {
    let done =
        to_splunk(events(4), json!({})).answer(invalid(1)).answer(invalid(2)).answer(success()).every_way();
    assert_eq!(ids(&done.sent[1]), ["evt_0", "evt_2", "evt_3"]);
    assert_eq!(ids(&done.sent[2]), ["evt_0", "evt_2"]);
    let dropped = Verdict::Drop("Splunk answered 400, code 15 (Error in handling indexed fields)".to_owned());
    assert_eq!((&done.verdicts[&1], &done.verdicts[&3]), (&dropped, &dropped));
    assert_eq!((&done.verdicts[&0], &done.verdicts[&2]), (&Verdict::Delivered, &Verdict::Delivered));
    // A number that stands for none of them says nothing.
    assert!(run(2, invalid(2)).is_split);
    assert!(run(2, invalid(u64::MAX)).is_split);
    // The last one of all.
    let done = run(1, invalid(0));
    assert!(all(&done, 1, &dropped) && done.sent.len() == 1);
    // At most so often.
    let many = (0..20).fold(to_splunk(events(30), json!({})), |script, _| script.answer(invalid(0)));
    let done = many.answer(invalid(0)).run();
    assert!(done.is_split && done.verdicts.len() == 20, "{done:?}");
}

#[test]
fn answers_of_what_stands_in_between() {
    for (answer, reason) in [
        (Answer::new(401).chunk("<html>"), "Splunk answered 401: is the HEC token right and enabled?"),
        (Answer::new(403), "Splunk answered 403: is the HEC token right and enabled?"),
        (Answer::new(404).chunk("nothing here"), "Splunk answered 404: is intake_url right?"),
        (
            Answer::new(302).header("location", "https://x.example"),
            "Splunk answered 302: is intake_url right?",
        ),
        (Answer::new(402), "Splunk answered 402"),
        (Answer::failed(TransportFailureKind::Denied), "not granted"),
    ] {
        let done = run(2, answer);
        assert_eq!(done.parked.as_deref(), Some(reason));
        assert!(done.verdicts.is_empty() && done.failure.is_none());
    }
    assert!(run(2, Answer::new(413).chunk("Request entity too large")).is_split);
    assert!(run(2, Answer::new(200).chunk("OK")).all_delivered(2));
}

#[test]
fn what_may_pass_is_offered_again() {
    use TransportFailureKind::{Connect, Protocol, Reset, Timeout};
    for answer in [408, 425, 429, 500, 502, 503, 504].map(Answer::new).into_iter().chain([
        Answer::failed(Connect),
        Answer::failed(Timeout),
        Answer::failed(Reset),
        Answer::failed(Protocol),
        reply(503, 9, "Server is busy").end(End::Broken(Reset)),
    ]) {
        let done = run(2, answer.clone());
        assert!(all(&done, 2, &Verdict::RetryAfter(5_000)), "{answer:?}: {done:?}");
    }
    let done = run(2, reply(429, 26, "HEC queue is at capacity").header("Retry-After", "7"));
    assert!(all(&done, 2, &Verdict::RetryAfter(7_000)), "{done:?}");
    for (attempt, wait) in [(2, 10_000), (7, 300_000), (u32::MAX, 300_000)] {
        let batch = Batch { attempt, ..events(1) };
        let done = to_splunk(batch, json!({})).answer(Answer::new(503)).run();
        assert!(all(&done, 1, &Verdict::RetryAfter(wait)), "{attempt}: {done:?}");
    }
}

#[test]
fn the_code_decides_where_there_is_one() {
    // Whatever stands in between may answer with a status of its own.
    assert!(all(&run(2, reply(400, 27, "HEC ACK channel is at capacity")), 2, &Verdict::RetryAfter(5_000)));
    assert!(run(2, reply(500, 4, "Invalid token")).parked.is_some());
    assert!(run(2, reply(500, 6, "Invalid data format")).is_split);
    // But a success must be one in both.
    assert!(all(&run(2, reply(503, 0, "Success")), 2, &Verdict::RetryAfter(5_000)));
}

#[test]
fn a_limit_that_is_near_is_noted() {
    let double = Double::new();
    to_splunk(events(1), json!({}))
        .answer(reply(200, 24, "HEC queue is approaching its capacity limit"))
        .run();
    let (_, line) = double.log().remove(0);
    assert_eq!(line, "Splunk answered 200, code 24 (HEC queue is approaching its capacity limit)");
}

#[test]
fn hostile_answers() {
    // An answer of the wrong shape is none: the status decides.
    for body in [
        "{\"code\":",
        "{\"code\":\"0\"}",
        "{\"code\":99999999}",
        "{\"code\":-1}",
        "{\"ackId\":\"7\"}",
        "{\"code\":0,\"ackId\":1e99}",
        "[]",
        "null",
        "",
        "{\"text\":\"\\ud800\"}",
    ] {
        assert!(run(2, Answer::new(200).chunk(body)).all_delivered(2), "{body}");
        assert!(run(2, Answer::new(400).chunk(body)).is_split, "{body}");
    }
    let half = run(
        1,
        Answer::new(400).chunk([b"{\"text\":\"".as_slice(), &[0xe2, 0x82], b"\",\"code\":6}"].concat()),
    );
    assert!(format!("{:?}", half.verdicts[&0]).contains("code 6"), "{half:?}");
    let long = run(1, reply(400, 6, &"é".repeat(2_000)));
    assert!(format!("{:?}", long.verdicts[&0]).chars().count() < 600);
    let endless = Answer::new(400).chunk("x".repeat(1 << 20));
    let done = to_splunk(events(1), json!({})).answer(endless).run();
    assert!(all(&done, 1, &Verdict::Drop("Splunk answered 400".to_owned())), "{done:?}");
}
