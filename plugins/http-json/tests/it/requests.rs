use hardpoint_sdk::FailureKind;
use hardpoint_sdk::serde_json::{Value, from_str, json};
use hardpoint_sdk::testing::Answer;

use super::{batch, event, events, ok, prepared, run};

#[test]
fn by_default_one_array_with_a_bearer_token() {
    let done = prepared(events(3), json!({}), vec![Answer::json(202, &json!({ "ok": true }))]).every_way();
    assert!(done.all_delivered(3), "{done:?}");
    let sent = &done.sent[0];
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", "https://siem.example.com/in"));
    let headers = [("authorization", "Bearer {secret:credential}"), ("content-type", "application/json")];
    assert_eq!(sent.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(sent.json(), json!([{ "id": "evt_0" }, { "id": "evt_1" }, { "id": "evt_2" }]));
    assert!(!sent.gzip);
}

#[test]
fn shapes() {
    let body = |settings: Value| {
        let done = run(events(2), settings, ok(1));
        assert!(done.all_delivered(2), "{done:?}");
        done.sent[0].clone()
    };
    let lines = body(json!({ "shape": "lines", "gzip": true }));
    assert_eq!(lines.body, "{\"id\":\"evt_0\"}\n{\"id\":\"evt_1\"}\n");
    assert_eq!((lines.header("content-type"), lines.gzip), (Some("application/x-ndjson"), true));
    let object = json!({ "shape": "object" });
    assert_eq!(body(object).json(), json!({ "events": [{ "id": "evt_0" }, { "id": "evt_1" }] }));
    let object = json!({
        "shape": "object", "member": "a\"b", "envelope": { "v": 1, "from": { "x": [1] }, "a\"b": "gone" },
    });
    assert_eq!(
        body(object).json(),
        json!({ "a\"b": [{ "id": "evt_0" }, { "id": "evt_1" }], "v": 1, "from": { "x": [1] } })
    );
    let done = run(events(3), json!({ "shape": "event", "max_events": 500 }), ok(3));
    assert!(done.all_delivered(3));
    let bodies: Vec<Value> = done.sent.iter().map(|sent| sent.json()).collect();
    assert_eq!(bodies, [json!({ "id": "evt_0" }), json!({ "id": "evt_1" }), json!({ "id": "evt_2" })]);
}

#[test]
fn methods_queries_and_headers() {
    let settings = json!({
        "method": "PUT",
        "query": { "index": "a b&c", "z": "\u{fc}" },
        "headers": { "X-Source": "hardpoint", "Content-Type": "application/vnd.x+json" },
    });
    let sent = run(events(1), settings, ok(1)).sent.remove(0);
    assert_eq!(sent.method, "PUT");
    assert_eq!(sent.url, "https://siem.example.com/in?index=a%20b%26c&z=%C3%BC");
    assert_eq!(sent.header("x-source"), Some("hardpoint"));
    let types: Vec<_> = sent.headers.iter().filter(|(name, _)| name == "content-type").collect();
    assert_eq!(types, [&("content-type".to_owned(), "application/vnd.x+json".to_owned())]);
}

#[test]
fn the_credential_stands_where_it_is_wanted() {
    let sent = |settings: Value| run(events(1), settings, ok(1)).sent.remove(0);
    let basic = sent(json!({ "auth": "basic" }));
    assert_eq!(basic.header("authorization"), Some("Basic {secret:credential|base64}"));
    let raw = sent(json!({ "auth": "raw", "auth_header": "X-Api-Key" }));
    assert_eq!((raw.header("x-api-key"), raw.header("authorization")), (Some("{secret:credential}"), None));
    let prefixed = sent(json!({ "auth": "raw", "auth_prefix": "Token " }));
    assert_eq!(prefixed.header("authorization"), Some("Token {secret:credential}"));
    assert_eq!(sent(json!({ "auth": "none" })).headers.len(), 1);

    let here = json!({ "auth": "none", "body_credential": "routing_key" });
    assert_eq!(sent(here).json(), json!([{ "routing_key": "{secret:credential|json}", "id": "evt_0" }]));
    let object = json!({
        "shape": "object", "body_credential": "key", "envelope": { "v": 1, "key": "not this one" },
    });
    let sent = run(events(2), object, ok(1)).sent.remove(0);
    assert_eq!(sent.body.matches("secret:credential").count(), 1);
    assert_eq!(
        sent.json(),
        json!({ "key": "{secret:credential|json}", "v": 1, "events": [{ "id": "evt_0" }, { "id": "evt_1" }] })
    );
}

#[test]
fn a_member_of_the_event_never_takes_the_place_of_the_credential() {
    let event = event(0, r#"{"key":"the event's own","a":1}"#);
    for (shape, expected) in [
        ("lines", "{\"key\":\"{secret:credential|json}\",\"a\":1}\n"),
        ("event", "{\"key\":\"{secret:credential|json}\",\"a\":1}"),
    ] {
        let settings = json!({ "shape": shape, "body_credential": "key" });
        assert_eq!(run(batch(vec![event.clone()]), settings, ok(1)).sent[0].body, expected);
    }
    let empty = batch(vec![super::event(0, "{}")]);
    let settings = json!({ "shape": "event", "body_credential": "key" });
    assert_eq!(run(empty, settings, ok(1)).sent[0].body, "{\"key\":\"{secret:credential|json}\"}");
}

#[test]
fn requests_keep_both_limits_at_their_borders() {
    for (max_events, requests) in [(1, 7), (3, 3), (6, 2), (7, 1), (1_000, 1)] {
        let done = run(events(7), json!({ "max_events": max_events }), ok(requests));
        assert!(done.all_delivered(7), "{max_events}: {done:?}");
        let ids: Vec<Value> =
            done.sent.iter().flat_map(|sent| sent.json().as_array().unwrap().clone()).collect();
        assert_eq!(ids.len(), 7);
        assert!(ids.iter().enumerate().all(|(at, event)| event["id"] == format!("evt_{at}")));
    }
    // In an array, an entry of `size` bytes takes one more.
    let sized = |size: usize| event(0, format!("{{\"x\":\"{}\"}}", "y".repeat(size - 8)));
    let two = || batch(vec![sized(1_000), sized(1_000)]);
    assert_eq!(run(two(), json!({ "max_bytes": 2_004 }), ok(1)).sent[0].body.len(), 2_003);
    assert_eq!(run(two(), json!({ "max_bytes": 2_003 }), ok(2)).sent.len(), 2);
    let alone = run(two(), json!({ "max_bytes": 1_003 }), ok(2));
    assert!(alone.all_delivered(2));
    let none = run(two(), json!({ "max_bytes": 1_002 }), vec![]);
    let said = format!("{:?}", none.verdicts[&1]);
    assert!(said.contains("it takes 1001 bytes of a body; max_bytes leaves 1000 for events"), "{said}");
    for shape in ["lines", "object", "event", "array"] {
        let settings = json!({ "shape": shape, "max_bytes": 5_000, "body_credential": "key" });
        let many = batch((0..60).map(|_| sized(700)).collect());
        let count = if shape == "event" { 60 } else { 9 };
        let done = run(many, settings, ok(count));
        assert!(done.all_delivered(60), "{shape}");
        let secret = "{secret:credential|json}".len();
        for sent in done.sent {
            let secrets = sent.body.matches("{secret").count();
            assert!(sent.body.len() - secrets * secret <= 5_000, "{shape}: {}", sent.body.len());
        }
    }
}

#[test]
fn one_delivery_makes_100_requests_at_most() {
    let one_each = json!({ "shape": "event" });
    assert!(run(events(100), one_each.clone(), ok(100)).all_delivered(100));
    for count in [101, 102, 250] {
        let done = run(events(count), one_each.clone(), ok(99));
        assert!(done.is_split && done.failure.is_none());
        assert_eq!(done.verdicts.len(), 99);
    }
    // Halves are requests too.
    let answers = vec![Answer::new(413); 99];
    let done = run(events(1_000), json!({ "max_events": 1_000 }), answers);
    assert!(done.is_split && done.sent.len() == 99, "{}", done.sent.len());
    assert!(1_000 - done.verdicts.len() >= 2);
}

#[test]
fn no_events_need_no_request() {
    assert!(run(events(0), json!({}), vec![]).all_delivered(0));
}

#[test]
fn settings_that_would_go_past_the_host_are_refused() {
    for settings in [
        json!({ "headers": { "Authorization": "Bearer abc" } }),
        json!({ "headers": { "cookie": "a=b" } }),
        json!({ "headers": { "Host": "else" } }),
        json!({ "headers": { "Content-Encoding": "gzip" } }),
        json!({ "headers": { "X-Key": "1" }, "auth_header": "x-key" }),
        json!({ "auth_header": "host" }),
        json!({ "auth_header": "Content-Type" }),
        json!({ "retry": ["5"] }),
        json!({ "drop": ["500-400"] }),
        json!({ "split": ["1xx"] }),
        json!({ "shape": "csv" }),
    ] {
        let failure = run(events(1), settings.clone(), vec![]).failure.expect("refused");
        assert_eq!(failure.kind, FailureKind::Unsupported, "{settings}: {failure:?}");
    }
    let settings = json!({ "headers": { "x-key": "1" }, "auth_header": "x-key", "auth": "none" });
    assert!(run(events(1), settings, ok(1)).all_delivered(1));
}

/// What the manifest fills in and what the code takes where nothing is there are the same.
#[test]
fn defaults_are_the_manifest_s() {
    let manifest = include_str!("../../plugin.toml");
    for (name, default) in [
        ("method", "\"POST\""),
        ("auth", "\"bearer\""),
        ("auth_header", "\"authorization\""),
        ("shape", "\"array\""),
        ("member", "\"events\""),
        ("max_events", "500"),
        ("max_bytes", "1000000"),
        ("time_format", "\"microseconds\""),
        ("gzip", "false"),
    ] {
        let section = manifest.split(&format!("[settings.properties.{name}]\n")).nth(1).unwrap();
        let section = section.split("\n\n").next().unwrap();
        assert!(section.contains(&format!("default = {default}\n")), "{name}: {section}");
        let value: Value = from_str(default).unwrap();
        let (plain, said) = (run(events(2), json!({}), ok(1)), run(events(2), json!({ name: value }), ok(1)));
        assert_eq!(plain, said, "{name}");
    }
}
