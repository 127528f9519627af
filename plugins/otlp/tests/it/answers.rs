use hardpoint_sdk::exporter::{Batch, Verdict};
use hardpoint_sdk::failure::TransportFailureKind;
use hardpoint_sdk::log::Level;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Delivered, Double, End};

use super::{events, prepared, run};

fn every(done: &Delivered, count: usize, verdict: &Verdict) -> bool {
    let expected = format!("{verdict:?}");
    done.failure.is_none()
        && done.verdicts.len() == count
        && done.verdicts.values().all(|given| format!("{given:?}") == expected)
}

fn partial(rejected: Value, message: &str) -> Answer {
    let partial = json!({ "rejectedLogRecords": rejected, "errorMessage": message });
    Answer::json(200, &json!({ "partialSuccess": partial }))
}

#[test]
fn successes() {
    for answer in [
        Answer::json(200, &json!({})),
        Answer::json(200, &json!({ "partialSuccess": null })),
        Answer::json(200, &json!({ "partialSuccess": {} })),
        Answer::json(200, &json!({ "partialSuccess": "odd" })),
        Answer::json(200, &json!([1])),
        Answer::new(200),
        Answer::new(202).chunk("no JSON"),
        Answer::new(200).chunk(b"{\"partialSuccess\":{\"errorMessage\":\"\xff"),
        Answer::new(200).chunk("[".repeat(60_000)),
    ] {
        assert!(prepared(events(2), json!({}), answer.clone()).run().all_delivered(2), "{answer:?}");
    }
}

#[test]
fn a_partial_success_is_never_sent_again_and_never_silent() {
    let said = "the collector rejected 2 of the request's 5 records, not saying which: too old";
    for rejected in [json!("2"), json!(2)] {
        let double = Double::new();
        let done = prepared(events(5), json!({}), partial(rejected.clone(), "too old")).run();
        assert!(every(&done, 5, &Verdict::Drop(said.to_owned())), "{done:?}");
        let done = run(events(5), json!({ "partial_success": "delivered" }), partial(rejected, "too old"));
        assert!(done.all_delivered(5));
        assert_eq!(double.log(), vec![(Level::Warn, said.to_owned()); 2]);
    }
    // Where it rejected all, each event's fate is known, whatever the setting.
    for settings in [json!({}), json!({ "partial_success": "delivered" })] {
        for rejected in [json!("5"), json!(6)] {
            let done = run(events(5), settings.clone(), partial(rejected, ""));
            let reason = "the collector rejected it: it does not say why";
            assert!(every(&done, 5, &Verdict::Drop(reason.to_owned())), "{done:?}");
        }
    }
    let done = prepared(events(2), json!({}), partial(json!("1"), "f\u{fc}r \u{1F600}")).every_way();
    assert!(done.verdicts.len() == 2 && !done.is_split);
}

#[test]
fn a_warning_beside_a_whole_success_is_noted() {
    for rejected in [json!(0), json!("0"), Value::Null, json!(-3), json!("x"), json!({})] {
        let double = Double::new();
        assert!(run(events(2), json!({}), partial(rejected, "old\nversion")).all_delivered(2));
        let line = "the collector took all records and says: old version";
        assert_eq!(double.log(), [(Level::Warn, line.to_owned())]);
    }
}

#[test]
fn four_statuses_are_retryable_and_no_other() {
    for status in [429, 502, 503, 504] {
        let done = run(events(2), json!({}), Answer::new(status));
        assert!(every(&done, 2, &Verdict::RetryAfter(5_000)), "{status}: {done:?}");
    }
    for status in
        [300, 301, 307, 401, 402, 403, 404, 405, 408, 409, 410, 415, 425, 431, 500, 501, 505, 511, 599]
    {
        let done = run(events(2), json!({}), Answer::new(status));
        let reason = done.parked.expect("parked");
        assert!(reason.starts_with(&format!("the collector answered {status}")), "{reason}");
        assert!(done.verdicts.is_empty() && !done.is_split);
    }
    for status in [400, 413, 422] {
        assert!(run(events(2), json!({}), Answer::new(status)).is_split);
        let done =
            run(events(1), json!({}), Answer::json(status, &json!({ "code": 3, "message": "no body" })));
        let reason = format!("the collector answered {status} (no body)");
        assert!(every(&done, 1, &Verdict::Drop(reason)), "{done:?}");
    }
}

#[test]
fn throttling_is_honoured_in_both_forms() {
    for (asked, wait) in [
        ("7", 7_000),
        ("0", 0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30_000),
        ("Tue Nov 14 22:13:50 2023", 30_000),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0),
        ("soon", 5_000),
    ] {
        for status in [429, 503] {
            let done = run(events(2), json!({}), Answer::new(status).header("Retry-After", asked));
            assert!(every(&done, 2, &Verdict::RetryAfter(wait)), "{asked}: {done:?}");
        }
    }
    for (attempt, wait) in [(1, 5_000), (2, 10_000), (7, 300_000), (u32::MAX, 300_000)] {
        let done = run(Batch { attempt, ..events(1) }, json!({}), Answer::new(503));
        assert!(every(&done, 1, &Verdict::RetryAfter(wait)), "{attempt}: {done:?}");
    }
}

#[test]
fn transport_failures() {
    use TransportFailureKind::{Connect, Denied, Protocol, Reset, Timeout};
    for kind in [Connect, Timeout, Reset, Protocol] {
        let done = run(events(2), json!({}), Answer::failed(kind));
        assert!(every(&done, 2, &Verdict::RetryAfter(5_000)), "{kind:?}: {done:?}");
    }
    assert_eq!(run(events(2), json!({}), Answer::failed(Denied)).parked.as_deref(), Some("not granted"));
    let broken = |status| Answer::new(status).chunk("{\"partialSucc").end(End::Broken(Reset));
    assert!(run(events(2), json!({}), broken(200)).all_delivered(2));
    assert!(run(events(2), json!({}), broken(400)).is_split);
    assert!(run(events(2), json!({}), broken(401)).parked.is_some());
}

#[test]
fn reasons_are_on_one_line_and_end() {
    for (body, says) in [
        ("upstream\n  connect error".to_owned(), "(upstream connect error)"),
        (json!({ "message": "a\nb" }).to_string(), "(a b)"),
        (json!({ "error": "x" }).to_string(), "({\"error\":\"x\"})"),
        ("y".repeat(100_000), "yyy)"),
        ("y ".repeat(50_000), "y y )"),
    ] {
        let reason = run(events(1), json!({}), Answer::new(403).chunk(body)).parked.unwrap();
        assert!(reason.contains(says) && reason.len() < 600 && !reason.contains('\n'), "{reason}");
        assert!(reason.ends_with("are the credential, auth and auth_header right?"), "{reason}");
    }
}
