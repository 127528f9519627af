use hardpoint_sdk::serde_json::{Value, json};

use super::{NOW, batch, event, ok, run};

const EVENT: &str = r#"{"id":"evt_0","time":1699999940123456,"kind":"key.created","actor":{"kind":"key","id":"key_7"},"outcome":"success","after":{"n":1.000000000000000000000001e400}}"#;

fn text(body: &str, settings: Value) -> String {
    let mut settings = settings;
    settings["shape"] = json!("event");
    let done = run(batch(vec![event(0, body)]), settings, ok(1));
    assert!(done.all_delivered(1), "{done:?}");
    done.sent[0].body.clone()
}

fn mapped(settings: Value) -> Value {
    hardpoint_sdk::serde_json::from_str(&text(&EVENT.replace(".000000000000000000000001e400", ""), settings))
        .unwrap()
}

#[test]
fn an_event_stays_as_it_is_byte_for_byte() {
    assert_eq!(text(EVENT, json!({})), EVENT);
    // Also where some members change, the others do not.
    let renamed = text(EVENT, json!({ "rename": { "kind": "type" } }));
    assert!(renamed.contains(r#""after":{"n":1.000000000000000000000001e400}"#), "{renamed}");
    assert!(renamed.contains(r#""type":"key.created""#), "{renamed}");
}

#[test]
fn members_are_left_out_renamed_copied_and_added() {
    let settings = json!({
        "omit": ["after", "outcome", "nothing"],
        "rename": { "kind": "type", "id": "uid", "gone": "x" },
        "copy": { "user": "actor.id", "again": "kind", "deep": "actor.id.none", "no": "nothing.at.all" },
        "constants": { "product": "hardpoint", "tags": ["a", { "b": null }], "user_kind": 7 },
    });
    assert_eq!(
        mapped(settings),
        json!({
            "uid": "evt_0", "time": 1_699_999_940_123_456_u64, "type": "key.created",
            "actor": { "kind": "key", "id": "key_7" }, "user": "key_7", "again": "key.created",
            "product": "hardpoint", "tags": ["a", { "b": null }], "user_kind": 7,
        })
    );
}

#[test]
fn names_may_be_exchanged_and_constants_win() {
    let settings = json!({
        "omit": ["actor", "after", "time"],
        "rename": { "id": "kind", "kind": "id" },
        "constants": { "outcome": "known" },
    });
    assert_eq!(mapped(settings), json!({ "kind": "evt_0", "id": "key.created", "outcome": "known" }));
}

#[test]
fn an_event_may_be_wrapped() {
    let settings = json!({
        "wrap": "event", "omit": ["actor", "after", "outcome", "id"], "time_format": "seconds",
        "copy": { "time": "time" }, "constants": { "sourcetype": "hardpoint" },
    });
    assert_eq!(
        mapped(settings),
        json!({
            "event": { "kind": "key.created", "time": 1_699_999_940.123_456 },
            "time": 1_699_999_940_123_456_u64, "sourcetype": "hardpoint",
        })
    );
}

#[test]
fn times_in_four_formats() {
    for (format, expected) in [
        ("microseconds", "\"time\":1699999940123456,"),
        ("milliseconds", "\"time\":1699999940123}"),
        ("seconds", "\"time\":1699999940.123456}"),
        ("rfc3339", "\"time\":\"2023-11-14T22:12:20.123456Z\"}"),
    ] {
        let text = text(EVENT, json!({ "time_format": format }));
        assert!(text.contains(expected), "{format}: {text}");
    }
    for odd in ["\"2023-11-14\"", "-1", "null", "1.5", "{}"] {
        let body = format!("{{\"time\":{odd}}}");
        assert_eq!(text(&body, json!({ "time_format": "rfc3339" })), body);
    }
    assert_eq!(text("{}", json!({ "time_format": "rfc3339" })), "{}");
}

#[test]
fn what_is_copied_is_the_event_s_own_time() {
    let settings = json!({ "time_format": "rfc3339", "rename": { "time": "@timestamp" } });
    assert_eq!(mapped(settings)["@timestamp"], "2023-11-14T22:12:20.123456Z");
}

#[test]
fn lines_stay_lines() {
    let spread = "{\n  \"a\": \"x\\n\",\r\n  \"b\": {\n }\n}\n";
    for settings in [json!({}), json!({ "omit": ["none"] })] {
        let mut settings = settings;
        settings["shape"] = json!("lines");
        let done = run(batch(vec![event(0, spread), event(1, spread)]), settings, ok(1));
        let lines: Vec<&str> = done.sent[0].body.lines().collect();
        assert_eq!(lines.len(), 2, "{lines:?}");
        for line in lines {
            let value: Value = hardpoint_sdk::serde_json::from_str(line).unwrap();
            assert_eq!(value, json!({ "a": "x\n", "b": {} }));
        }
    }
}

#[test]
fn hostile_bodies_stay_data() {
    for body in [
        "",
        "no JSON",
        "{",
        "[1, 2]",
        "null",
        "\"},{\"else\":\"x\"}]\u{0}\n\u{1F600}",
        "{\"a\": 1} {\"b\": 2}",
        &("[".repeat(100_000) + &"]".repeat(100_000)),
        &("{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000)),
        "{\"a\": \"\\ud800\", \"b\"",
    ] {
        for settings in [json!({}), json!({ "constants": { "c": 1 } })] {
            let sent = text(body, settings);
            let read: Result<Value, _> = hardpoint_sdk::serde_json::from_str(&sent);
            if let Ok(read) = read {
                assert!(read["message"] == *body && read["id"] == "evt_0" && read["time"] == NOW, "{read}");
            } else {
                // Depth is the reader's limit: it is an object and came through as it was.
                assert!(body.starts_with("{\"a\":{"), "{}", &sent[..100]);
            }
        }
    }
}
