use hardpoint_sdk::exporter::Event;
use hardpoint_sdk::serde_json::{Value, json};

use super::{attributes, body, event, record_of};

#[test]
fn a_whole_record() {
    let mut record = record_of(event(1, body(1)), json!({}));
    let own = attributes(&record["attributes"].take());
    assert_eq!(
        record,
        json!({
            "timeUnixNano": "1699999940000000000",
            "observedTimeUnixNano": "1700000000000000000",
            "severityNumber": 9,
            "severityText": "INFO",
            "body": { "stringValue": "plugin.approved: plugin openai by key ops, success" },
            "attributes": null,
            "eventName": "plugin.approved",
        })
    );
    let text = |text: &str| json!({ "stringValue": text });
    let expected = [
        ("client.address", text("203.0.113.9")),
        ("hardpoint.actor.id", text("key_7")),
        ("hardpoint.actor.kind", text("key")),
        ("hardpoint.actor.name", text("ops")),
        ("hardpoint.after.count", json!({ "intValue": "2" })),
        (
            "hardpoint.after.grant",
            json!({ "kvlistValue": { "values": [
                { "key": "http", "value": { "arrayValue": { "values": [text("POST https://a.example/")] } } },
                { "key": "kv", "value": { "boolValue": false } },
            ] } }),
        ),
        ("hardpoint.after.state", text("approved")),
        ("hardpoint.organization_id", text("org_1")),
        ("hardpoint.outcome", text("success")),
        ("hardpoint.request_id", text("req_9")),
        ("hardpoint.target.id", text("openai")),
        ("hardpoint.target.kind", text("plugin")),
        ("log.record.uid", text("evt_1")),
        ("user.id", text("key_7")),
        ("user.name", text("ops")),
    ];
    let own: Vec<_> = own.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
    assert_eq!(own, expected);
}

#[test]
fn bodies() {
    let original = json!({ "id": "evt_1", "n": 1, "source_ip": "203.0.113.9" });
    let record = record_of(event(1, &original), json!({ "body": "text" }));
    assert_eq!(record["body"], json!({ "stringValue": original.to_string() }));
    let keys: Vec<String> = attributes(&record["attributes"]).into_keys().collect();
    assert_eq!(keys, ["client.address", "log.record.uid"]);
    let record = record_of(event(1, &original), json!({ "body": "event" }));
    let pairs = attributes(&record["body"]["kvlistValue"]["values"]);
    assert_eq!((&pairs["n"], pairs.len()), (&json!({ "intValue": "1" }), 3));
    let record = record_of(event(1, &original), json!({ "attribute_prefix": "" }));
    assert!(attributes(&record["attributes"]).contains_key("n"));
}

#[test]
fn severities() {
    let of = |event: Value, settings: Value| {
        let record = record_of(super::event(1, event), settings);
        (record["severityText"].as_str().unwrap().to_owned(), record["severityNumber"].as_i64().unwrap())
    };
    for (event, text, number) in [
        (json!({}), "INFO", 9),
        (json!({ "outcome": "failure" }), "ERROR", 17),
        (json!({ "outcome": "refused" }), "WARN", 13),
        (json!({ "outcome": 5 }), "INFO", 9),
        (json!({ "severity": "critical", "outcome": "success" }), "critical", 18),
        (json!({ "level": "Warning" }), "Warning", 13),
        (json!({ "level": "trace" }), "trace", 1),
        (json!({ "severity": "EMERGENCY" }), "EMERGENCY", 21),
        (json!({ "severity": "odd", "level": "debug" }), "debug", 5),
        (json!({ "severity": "odd", "outcome": "refused" }), "WARN", 13),
    ] {
        assert_eq!(of(event.clone(), json!({})), (text.to_owned(), number), "{event}");
    }
    let settings = json!({ "severities": { "plugin": "NOTICE", "plugin.revoked": "ALERT" } });
    assert_eq!(of(json!({ "level": "debug" }), settings), ("NOTICE".to_owned(), 10));
    let settings = json!({ "severities": { "plugin": "NOTICE", "plugin.approved": "ALERT" } });
    assert_eq!(of(json!({}), settings), ("ALERT".to_owned(), 19));
}

#[test]
fn traces() {
    let (id, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let of = |event: Value| {
        let record = record_of(super::event(1, event), json!({}));
        let names = attributes(&record["attributes"]).into_keys().collect::<Vec<_>>().join(" ");
        (
            record["traceId"].clone(),
            record["spanId"].clone(),
            record["flags"].clone(),
            names.contains("trace"),
        )
    };
    let whole = (json!(id), json!(span), json!(1), false);
    assert_eq!(of(json!({ "traceparent": format!("00-{id}-{span}-01") })), whole);
    assert_eq!(of(json!({ "traceparent": format!("00-{}-{span}-01", id.to_uppercase()) })), whole);
    assert_eq!(of(json!({ "traceparent": format!("cc-{id}-{span}-01-more") })), whole);
    assert_eq!(of(json!({ "trace_id": id, "span_id": span, "trace_flags": "01" })), whole);
    assert_eq!(of(json!({ "trace_id": id })), (json!(id), Value::Null, Value::Null, false));
    // What names no trace stays among the attributes.
    let zeroes = "0".repeat(32);
    for odd in [
        json!({ "traceparent": format!("00-{zeroes}-{span}-01") }),
        json!({ "traceparent": format!("00-{id}-0000000000000000-01") }),
        json!({ "traceparent": format!("ff-{id}-{span}-01") }),
        json!({ "traceparent": format!("00-{id}-{span}-01-more") }),
        json!({ "traceparent": format!("00-{id}-{span}") }),
        json!({ "traceparent": "00-\u{fc}\u{fc}-x-01" }),
        json!({ "trace_id": "abc" }),
        json!({ "trace_id": 7 }),
        json!({ "trace_id": "g".repeat(32) }),
    ] {
        assert_eq!(of(odd.clone()), (Value::Null, Value::Null, Value::Null, true), "{odd}");
    }
}

#[test]
fn numbers_keep_their_digits() {
    let text =
        r#"{"a":9223372036854775807,"b":18446744073709551615,"c":-5,"d":1.5,"e":1e300,"f":true,"g":null}"#;
    let own = attributes(&record_of(event(1, text), json!({}))["attributes"]);
    assert_eq!(own["hardpoint.a"], json!({ "intValue": "9223372036854775807" }));
    assert_eq!(own["hardpoint.b"], json!({ "stringValue": "18446744073709551615" }));
    assert_eq!(own["hardpoint.c"], json!({ "intValue": "-5" }));
    assert_eq!(own["hardpoint.d"], json!({ "doubleValue": 1.5 }));
    assert_eq!(own["hardpoint.e"], json!({ "doubleValue": 1e300 }));
    assert_eq!(own["hardpoint.f"], json!({ "boolValue": true }));
    assert!(!own.contains_key("hardpoint.g"));
}

#[test]
fn keys_are_unique() {
    let odd = json!({ "a": { "b": 1 }, "a.b": 2, "actor": { "id": "x" } });
    let record = record_of(event(1, &odd), json!({ "attribute_prefix": "" }));
    assert_eq!(attributes(&record["attributes"])["a.b"], json!({ "intValue": "1" }));
    let odd = json!({ "user.id": "mine", "actor": { "id": "theirs" }, "log.record.uid": 5 });
    attributes(&record_of(event(1, &odd), json!({ "attribute_prefix": "" }))["attributes"]);
}

#[test]
fn hostile_bodies_stay_data() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for body in
        ["", "no JSON", "{", "[1, 2]", "null", "\"}]}\u{0}\n\u{1F600}", "{\"n\":1e999}", deep.as_str()]
    {
        let record = record_of(event(1, body), json!({ "body": "event" }));
        assert_eq!(record["body"], json!({ "stringValue": body }));
        assert_eq!(attributes(&record["attributes"]).into_keys().collect::<Vec<_>>(), ["log.record.uid"]);
    }
    // As deep as the reader goes.
    let nested = "{\"a\":".repeat(126) + "1" + &"}".repeat(126);
    for (shape, levels) in [("message", 17), ("event", 16)] {
        let record = record_of(event(1, &nested), json!({ "body": shape })).to_string();
        let text = "{\\\"a\\\":".repeat(126 - levels - 1);
        assert!(record.contains(&text), "{record}");
        assert_eq!(record.matches("kvlistValue").count(), 16);
    }
    // Members of the wrong shape tell nothing, and stay what they are.
    let odd = json!({ "actor": "me", "target": [1], "source_ip": 4, "id": 7, "kind": {}, "time": "now" });
    let record = record_of(event(1, &odd), json!({}));
    let own = attributes(&record["attributes"]);
    assert_eq!(record["body"], json!({ "stringValue": "plugin.approved" }));
    assert_eq!(own["hardpoint.actor"], json!({ "stringValue": "me" }));
    assert_eq!(own["hardpoint.source_ip"], json!({ "intValue": "4" }));
    assert_eq!((own.contains_key("hardpoint.time"), own.contains_key("hardpoint.id")), (true, true));
    // Times at the ends of what there is.
    for time in [0, u64::MAX] {
        let record = record_of(Event { time, ..event(1, "{}") }, json!({}));
        assert_eq!(record["timeUnixNano"], time.saturating_mul(1_000).to_string());
    }
}

#[test]
fn what_is_large_is_not_taken_apart() {
    let many = format!("{{\"a\":[{}1]}}", "1,".repeat(500_000));
    assert!(many.len() > 1_000_000);
    let record = record_of(event(1, &many), json!({}));
    assert_eq!(record["body"]["stringValue"].as_str().unwrap().len(), many.len());
}
