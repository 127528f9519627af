//! The exporter driven from recorded answers, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod answers;
mod protobuf;
mod records;
mod requests;

use hardpoint_sdk::exporter::{Batch, Event};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Delivered, Delivery, delivery};
use otlp::Otlp;

/// Microseconds: 14 November 2023, 22:13:20 UTC.
const NOW: u64 = 1_700_000_000_000_000;

/// An event of the host, a minute old.
fn body(number: usize) -> Value {
    json!({
        "id": format!("evt_{number}"),
        "time": NOW - 60_000_000,
        "organization_id": "org_1",
        "kind": "plugin.approved",
        "actor": { "kind": "key", "id": "key_7", "name": "ops" },
        "target": { "kind": "plugin", "id": "openai" },
        "outcome": "success",
        "request_id": "req_9",
        "source_ip": "203.0.113.9",
        "after": { "state": "approved", "count": 2, "grant": { "http": ["POST https://a.example/"], "kv": false } },
    })
}

fn event(number: usize, body: impl ToString) -> Event {
    Event {
        id: format!("evt_{number}"),
        kind: "plugin.approved".to_owned(),
        time: NOW - 60_000_000,
        body: body.to_string(),
    }
}

fn batch(events: Vec<Event>) -> Batch {
    Batch { attempt: 1, now: NOW, events }
}

fn events(count: usize) -> Batch {
    batch((0..count).map(|number| event(number, body(number))).collect())
}

fn prepared(batch: Batch, mut settings: Value, answer: Answer) -> Delivery<Otlp> {
    if settings["endpoint"].is_null() {
        settings["endpoint"] = json!("https://otlp.example.com");
    }
    delivery::<Otlp>(batch, settings).answer(answer)
}

fn run(batch: Batch, settings: Value, answer: Answer) -> Delivered {
    prepared(batch, settings, answer).run()
}

/// What the protocol answers to a success.
fn taken() -> Answer {
    Answer::json(200, &json!({ "partialSuccess": {} }))
}

/// The record of one event.
fn record_of(event: Event, settings: Value) -> Value {
    let done = run(batch(vec![event]), settings, taken());
    assert!(done.all_delivered(1), "{done:?}");
    let mut request = done.sent[0].json();
    request["resourceLogs"][0]["scopeLogs"][0]["logRecords"][0].take()
}

/// Attributes by key; a key that is there twice is an error.
fn attributes(list: &Value) -> std::collections::BTreeMap<String, Value> {
    let mut all = std::collections::BTreeMap::new();
    for pair in list.as_array().unwrap() {
        let key = pair["key"].as_str().unwrap().to_owned();
        assert!(all.insert(key.clone(), pair["value"].clone()).is_none(), "{key} is there twice");
    }
    all
}
