use datadog::Datadog;
use hardpoint_sdk::exporter::Event;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, delivery};

use super::{NOW, batch, body, event};

const HOUR: u64 = 3_600_000_000;

fn log_of(event: Event, settings: Value) -> Value {
    let done = delivery::<Datadog>(batch(vec![event]), settings).answer(Answer::new(202)).run();
    assert!(done.all_delivered(1), "{done:?}");
    let mut logs = done.sent[0].json();
    assert_eq!(logs.as_array().unwrap().len(), 1);
    logs[0].take()
}

#[test]
fn a_whole_log() {
    let settings = json!({
        "intake_url": "https://http-intake.logs.datadoghq.com/api/v2/logs",
        "service": "sekuire.audit",
        "source": "sekuire",
        "hostname": "api-node-1",
        "tags": ["env:prod", "team:secops"],
    });
    assert_eq!(
        log_of(event(1, body(1)), settings),
        json!({
            "ddsource": "sekuire",
            "ddtags": "env:prod,team:secops",
            "hostname": "api-node-1",
            "service": "sekuire.audit",
            "status": "info",
            "timestamp": 1_699_999_940_000_u64,
            "message": "plugin.approved: plugin openai by key ops, success",
            "evt": { "id": "evt_1", "name": "plugin.approved", "outcome": "success" },
            "usr": { "id": "key_7", "name": "ops" },
            "network": { "client": { "ip": "203.0.113.9" } },
            "id": "evt_1",
            "time": 1_699_999_940_000_000_u64,
            "organization_id": "org_1",
            "kind": "plugin.approved",
            "actor": { "kind": "key", "id": "key_7", "name": "ops" },
            "target": { "kind": "plugin", "id": "openai" },
            "outcome": "success",
            "request_id": "req_9",
            "source_ip": "203.0.113.9",
            "after": { "state": "approved" },
        })
    );
}

#[test]
fn what_is_not_there_is_left_out() {
    assert_eq!(
        log_of(event(1, "{}"), json!({})),
        json!({
            "ddsource": "hardpoint",
            "service": "hardpoint",
            "status": "info",
            "timestamp": 1_699_999_940_000_u64,
            "message": "plugin.approved",
            "evt": { "id": "evt_1", "name": "plugin.approved" },
        })
    );
}

#[test]
fn the_status_follows_the_outcome() {
    for (outcome, status) in [
        (json!("success"), "info"),
        (json!("failure"), "error"),
        (json!("refused"), "warning"),
        (json!("another"), "info"),
        (json!(5), "info"),
    ] {
        assert_eq!(log_of(event(1, json!({ "outcome": outcome })), json!({}))["status"], status, "{outcome}");
    }
}

#[test]
fn times_that_datadog_would_not_take_are_left_to_it() {
    for (time, taken) in [
        (NOW, true),
        (NOW - 17 * HOUR, true),
        (NOW - 18 * HOUR, false),
        (NOW - 1_000 * HOUR, false),
        (NOW + HOUR, true),
        (NOW + 2 * HOUR, false),
        (0, false),
        (u64::MAX, false),
    ] {
        let log = log_of(Event { time, ..event(1, json!({ "time": time })) }, json!({}));
        assert_eq!(log.get("timestamp"), taken.then(|| json!(time / 1_000)).as_ref(), "{time}");
        assert_eq!(log["time"], time);
    }
}

#[test]
fn reserved_names_are_not_overwritten() {
    let body = json!({
        "message": "mine", "status": "emergency", "service": 1, "host": "h", "timestamp": 5, "event": { "a": 1 },
        "evt": [], "ddtags": "x:y", "own": true,
    });
    let log = log_of(event(1, &body), json!({}));
    assert_eq!((&log["message"], &log["status"]), (&json!("plugin.approved"), &json!("info")));
    assert_eq!((&log["service"], &log["own"]), (&json!("hardpoint"), &json!(true)));
    assert_eq!((log.get("host"), log.get("ddtags")), (None, None));
    let mut under = body;
    under.as_object_mut().unwrap().remove("own");
    assert_eq!(log["event"], under);
}

#[test]
fn hostile_bodies_stay_data() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for body in [
        "".to_owned(),
        "no JSON".to_owned(),
        "{".to_owned(),
        "[1, 2]".to_owned(),
        "null".to_owned(),
        "\"},{\"ddsource\":\"else\"}]\u{0}\n\u{1F600}".to_owned(),
        "{\"a\": 1} {\"b\": 2}".to_owned(),
        "{\"a\": \"\\ud800\", \"b\"".to_owned(),
        deep.clone(),
    ] {
        let log = log_of(event(1, &body), json!({}));
        assert_eq!((&log["message"], &log["ddsource"]), (&json!(body), &json!("hardpoint")));
        assert_eq!(log["evt"]["id"], "evt_1");
    }
    // Members of the wrong shape tell nothing, and stay what they are.
    let odd = json!({ "actor": "me", "target": [1], "outcome": {}, "source_ip": 4 });
    let log = log_of(event(1, &odd), json!({}));
    assert_eq!(log["message"], "plugin.approved");
    assert_eq!((&log["actor"], &log["target"], &log["source_ip"]), (&json!("me"), &json!([1]), &json!(4)));
    // Escapes, numbers and repeated members come through as they are.
    let done = delivery::<Datadog>(
        batch(vec![event(
            1,
            r#"{"n":1.000000000000000000000000001e400,"t":"\u00e9\n","actor":{"id":"\u0041"}}"#,
        )]),
        json!({}),
    )
    .answer(Answer::new(202))
    .run();
    let sent = &done.sent[0].body;
    assert!(
        sent.contains(r#""n":1.000000000000000000000000001e400"#) && sent.contains(r#""t":"\u00e9\n""#),
        "{sent}"
    );
    assert!(sent.contains(r#""usr":{"id":"A"}"#), "{sent}");
}
