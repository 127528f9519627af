//! The exporter as a host drives it, natively.

use {{crate}}::JsonLines;
use hardpoint_sdk::exporter::{Batch, Event, Verdict};
use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::testing::{Answer, Delivered, delivery, replay_exporter};
use serde_json::json;

fn batch(events: usize) -> Batch {
    let event = |index| Event {
        id: format!("evt-{index}"),
        kind: "key.created".into(),
        time: 1,
        body: json!({ "id": index }).to_string(),
    };
    Batch { attempt: 2, now: 1, events: (0..events).map(event).collect() }
}

fn answered(events: usize, answer: Answer) -> Delivered {
    let settings = json!({ "url": "https://logs.example.com/in" });
    delivery::<JsonLines>(batch(events), settings).answer(answer).every_way()
}

#[test]
fn posts_lines_and_delivers() {
    let done = answered(2, Answer::new(204));
    assert!(done.all_delivered(2));
    assert_eq!(done.sent[0].url, "https://logs.example.com/in");
    assert_eq!(done.sent[0].body, "{\"id\":0}\n{\"id\":1}\n");
    assert_eq!(done.sent[0].header("authorization"), Some("Bearer {secret:token}"));
    assert!(done.sent[0].gzip);
}

#[test]
fn waits_as_long_as_it_is_asked_to() {
    let done = answered(1, Answer::new(429).header("retry-after", "7"));
    assert_eq!(done.verdicts[&0], Verdict::RetryAfter(7_000));
    assert_eq!(answered(1, Answer::new(503)).verdicts[&0], Verdict::RetryAfter(10_000), "its second attempt");
}

#[test]
fn splits_parks_and_drops() {
    assert!(answered(2, Answer::new(413)).is_split);
    assert!(matches!(answered(1, Answer::new(413)).verdicts[&0], Verdict::Drop(_)));
    assert!(matches!(answered(1, Answer::new(400)).verdicts[&0], Verdict::Drop(_)));
    assert!(answered(2, Answer::new(401)).parked.is_some_and(|why| why.contains("token")));
}

#[test]
fn a_broken_connection_is_tried_again_and_a_forbidden_one_is_not() {
    let broken = answered(1, Answer::failed(TransportFailureKind::Connect));
    assert_eq!(broken.verdicts[&0], Verdict::RetryAfter(10_000));
    assert!(answered(1, Answer::failed(TransportFailureKind::Denied)).parked.is_some());
}

#[test]
fn recordings_come_out_as_they_say() {
    for file in std::fs::read_dir("recordings").expect("a folder of recordings") {
        let file = file.expect("a recording").path();
        replay_exporter::<JsonLines>(&std::fs::read_to_string(file).expect("a text"));
    }
}
