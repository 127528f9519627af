use hardpoint_sdk::exporter::{Batch, Verdict};
use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Delivered, End};

use super::{event, events, ok, prepared, run};

fn every(done: &Delivered, count: usize, verdict: &Verdict) -> bool {
    let expected = format!("{verdict:?}");
    done.failure.is_none()
        && done.verdicts.len() == count
        && done.verdicts.values().all(|given| format!("{given:?}") == expected)
}

fn one(status: u16, settings: Value) -> Delivered {
    run(events(1), settings, vec![Answer::new(status)])
}

#[test]
fn statuses_mean_what_they_usually_do() {
    for status in [200, 201, 202, 204, 299] {
        assert!(one(status, json!({})).all_delivered(1), "{status}");
    }
    for status in [408, 425, 429, 500, 502, 503, 504, 507, 599] {
        assert!(every(&one(status, json!({})), 1, &Verdict::RetryAfter(5_000)), "{status}");
    }
    for status in [300, 301, 302, 307, 401, 402, 403, 404, 405, 407, 409, 410, 411, 415, 431, 451, 501, 505] {
        let done = one(status, json!({}));
        let reason = done.parked.expect("parked");
        assert!(reason.starts_with(&format!("the endpoint answered {status}")), "{reason}");
        assert!(done.verdicts.is_empty());
    }
    for status in [400, 413, 422] {
        let reason = format!("the endpoint answered {status}");
        assert!(every(&one(status, json!({})), 1, &Verdict::Drop(reason)), "{status}");
    }
}

#[test]
fn settings_say_otherwise() {
    let settings = json!({
        "delivered": ["409"], "drop": ["4xx", "404"], "retry": ["429", "401-402"], "split": ["500"],
        "park": ["503", "203"],
    });
    assert!(one(409, settings.clone()).all_delivered(1));
    assert!(one(200, settings.clone()).all_delivered(1));
    for dropped in [400, 403, 404, 422, 499, 500] {
        let done = one(dropped, settings.clone());
        assert!(matches!(done.verdicts.get(&0), Some(Verdict::Drop(_))), "{dropped}: {done:?}");
    }
    for later in [429, 401, 402, 502] {
        assert!(
            matches!(one(later, settings.clone()).verdicts.get(&0), Some(Verdict::RetryAfter(_))),
            "{later}"
        );
    }
    for parked in [503, 203, 302] {
        assert!(one(parked, settings.clone()).parked.is_some(), "{parked}");
    }
}

#[test]
fn what_is_refused_is_halved_until_the_one_to_blame_is_alone() {
    // The endpoint refuses what holds event 5.
    let script = [(8, true), (4, false), (4, true), (2, true), (1, false), (1, true), (2, false)];
    let answers = script.map(|(_, has)| Answer::new(if has { 400 } else { 200 })).to_vec();
    let done = prepared(events(8), json!({}), answers).every_way();
    let sizes: Vec<usize> = done.sent.iter().map(|sent| sent.json().as_array().unwrap().len()).collect();
    assert_eq!(sizes, script.map(|(size, _)| size));
    assert!(!done.is_split);
    for (index, verdict) in &done.verdicts {
        assert_eq!(matches!(verdict, Verdict::Drop(_)), *index == 5, "{index}: {verdict:?}");
    }
    assert_eq!(done.verdicts.len(), 8);
}

#[test]
fn one_refused_request_leaves_the_others() {
    let answers = vec![Answer::new(200), Answer::new(404).chunk(" not\n here "), Answer::new(200)];
    let done = run(events(6), json!({ "max_events": 2, "drop": ["404"] }), answers);
    let dropped: Vec<_> =
        done.verdicts.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Drop(_))).collect();
    assert_eq!(dropped.iter().map(|(index, _)| **index).collect::<Vec<_>>(), [2, 3]);
    let said = format!("{:?}", dropped[0].1);
    assert!(said.contains("the endpoint answered 404 (not here): is url right?"), "{said}");
}

#[test]
fn nothing_overtakes_what_has_to_wait() {
    let answers = vec![Answer::new(200), Answer::new(503).header("Retry-After", "7")];
    let done = run(events(6), json!({ "max_events": 2 }), answers);
    assert_eq!(done.sent.len(), 2);
    let said: Vec<String> = done.verdicts.values().map(|verdict| format!("{verdict:?}")).collect();
    assert_eq!(said[..2], ["Verdict::Delivered", "Verdict::Delivered"]);
    assert!(said[2..].iter().all(|verdict| verdict == "Verdict::RetryAfter(7000)"), "{said:?}");

    let done = run(events(6), json!({ "max_events": 2 }), vec![Answer::new(200), Answer::new(403)]);
    assert_eq!((done.sent.len(), done.verdicts.len()), (2, 2));
    assert!(
        done.parked.is_some_and(|reason| reason.contains("are the credential, auth and auth_header right?"))
    );
}

#[test]
fn retry_after_in_both_forms() {
    for (asked, wait) in [
        ("7", 7_000),
        ("0", 0),
        ("999999999", 86_400_000),
        // Half a minute after the host's clock, in each form of a date, and one that is past.
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30_000),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", 30_000),
        ("Tue Nov 14 22:13:50 2023", 30_000),
        ("Tue, 14 Nov 2023 22:13:19 GMT", 0),
        ("soon", 5_000),
        ("-5", 5_000),
        ("", 5_000),
    ] {
        for status in [429, 503] {
            let done = run(events(2), json!({}), vec![Answer::new(status).header("Retry-After", asked)]);
            assert!(every(&done, 2, &Verdict::RetryAfter(wait)), "{asked}: {done:?}");
        }
    }
}

#[test]
fn attempts_wait_longer_and_longer() {
    for (attempt, wait) in [(0, 5_000), (1, 5_000), (2, 10_000), (7, 300_000), (u32::MAX, 300_000)] {
        let batch = Batch { attempt, ..events(1) };
        let done = run(batch, json!({}), vec![Answer::new(500)]);
        assert!(every(&done, 1, &Verdict::RetryAfter(wait)), "{attempt}: {done:?}");
    }
}

#[test]
fn transport_failures() {
    use TransportFailureKind::{Connect, Denied, Protocol, Reset, Timeout};
    for kind in [Connect, Timeout, Reset, Protocol] {
        let done = run(events(2), json!({}), vec![Answer::failed(kind)]);
        assert!(every(&done, 2, &Verdict::RetryAfter(5_000)), "{kind:?}: {done:?}");
    }
    let denied = run(events(2), json!({}), vec![Answer::failed(Denied)]);
    assert_eq!(denied.parked.as_deref(), Some("not granted"));
    // The status has said it, though the body broke off.
    let broken = |status| vec![Answer::new(status).chunk("{\"err").end(End::Broken(Reset))];
    assert!(run(events(1), json!({}), broken(200)).all_delivered(1));
    assert!(run(events(1), json!({}), broken(403)).parked.is_some());
    // The second request fails on the way: the first one's events are there.
    let done = run(events(2), json!({ "max_events": 1 }), vec![ok(1).remove(0), Answer::failed(Reset)]);
    let said = format!("{:?}", done.verdicts);
    assert_eq!(said, "{0: Verdict::Delivered, 1: Verdict::RetryAfter(5000)}");
}

#[test]
fn endless_and_odd_answers_are_cut() {
    for body in [vec![b'x'; 1 << 20], "\u{e9}".repeat(100_000).into_bytes(), vec![0xff; 70_000]] {
        let done = run(events(1), json!({}), vec![Answer::new(400).chunk(body)]);
        let Some(Verdict::Drop(reason)) = done.verdicts.get(&0) else { panic!("{done:?}") };
        assert!(reason.chars().count() < 350, "{reason}");
    }
    // Cut in the middle of a character.
    let done = prepared(events(1), json!({}), vec![Answer::new(422).chunk("f\u{fc}r \u{1F600}")]).every_way();
    assert!(every(&done, 1, &Verdict::Drop("the endpoint answered 422 (f\u{fc}r \u{1F600})".to_owned())));
}

#[test]
fn dropped_events_are_no_part_of_requests() {
    let large = event(1, json!({ "x": "y".repeat(2_000) }));
    let mut batch = events(3);
    batch.events[1] = large;
    let done = run(batch, json!({ "max_bytes": 1_000 }), ok(1));
    assert_eq!(done.sent[0].json(), json!([{ "id": "evt_0" }, { "id": "evt_2" }]));
    assert!(matches!(done.verdicts[&1], Verdict::Drop(_)));
    assert_eq!(done.verdicts.len(), 3);
}
