//! The exporter driven from recorded answers, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod answers;
mod documents;
mod items;
mod requests;

use elastic::Elastic;
use hardpoint_sdk::exporter::{Batch, Event, Verdict};
use hardpoint_sdk::serde_json::{Value, from_str, json};
use hardpoint_sdk::testing::{Answer, Delivered, Delivery, Sent, delivery};

/// Microseconds: 14 November 2023, 22:13:20 UTC.
const NOW: u64 = 1_700_000_000_000_000;
const URL: &str = "https://es.example.com:9243";

fn body(number: usize) -> Value {
    json!({
        "id": format!("evt_{number}"),
        "time": NOW - 60_000_000,
        "organization_id": "org_1",
        "workspace_id": "ws_1",
        "kind": "plugin.approved",
        "actor": { "kind": "key", "id": "key_7", "name": "ops" },
        "target": { "kind": "plugin", "id": "openai" },
        "outcome": "success",
        "request_id": "req_9",
        "source_ip": "203.0.113.9",
        "after": { "state": "approved" },
    })
}

fn event(number: usize, body: impl ToString) -> Event {
    Event {
        id: format!("evt_{number}"),
        kind: "plugin.approved".to_owned(),
        time: NOW - 60_000_000 + 123_456,
        body: body.to_string(),
    }
}

fn batch(events: Vec<Event>) -> Batch {
    Batch { attempt: 1, now: NOW, events }
}

fn events(count: usize) -> Batch {
    batch((0..count).map(|number| event(number, body(number))).collect())
}

fn to_elastic(batch: Batch, mut settings: Value) -> Delivery<Elastic> {
    if settings.get("intake_url").is_none() {
        settings["intake_url"] = json!(URL);
    }
    delivery::<Elastic>(batch, settings)
}

/// As Elasticsearch writes it with this `filter_path`.
fn items(items: &[Value]) -> Answer {
    let is_error = |item: &Value| item["status"].as_u64().is_none_or(|status| status > 299);
    let lines: Vec<Value> = items.iter().map(|item| json!({ "create": item })).collect();
    Answer::json(200, &json!({ "errors": items.iter().any(is_error), "items": lines }))
}

fn created(count: usize) -> Answer {
    items(&vec![json!({ "status": 201 }); count])
}

fn failed(status: u16, kind: &str, reason: &str) -> Value {
    json!({ "status": status, "error": { "type": kind, "reason": reason } })
}

/// Actions and documents.
fn lines(sent: &Sent) -> Vec<Value> {
    assert!(sent.body.ends_with('\n'), "the last line must end");
    sent.body.lines().map(|line| from_str(line).unwrap()).collect()
}

fn all(done: &Delivered, count: usize, verdict: &Verdict) -> bool {
    done.failure.is_none()
        && done.parked.is_none()
        && done.verdicts.len() == count
        && done.verdicts.values().all(|given| given == verdict)
}
