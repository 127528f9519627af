//! The exporter driven from recorded answers, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod actions;
mod alerts;
mod answers;
mod limits;

use hardpoint_sdk::exporter::{Batch, Event};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Delivery, delivery};
use pagerduty::PagerDuty;

/// Microseconds: 14 November 2023, 22:13:20 UTC.
const NOW: u64 = 1_700_000_000_000_000;

fn body(number: usize) -> Value {
    json!({
        "id": format!("evt_{number}"),
        "kind": "plugin.approved",
        "actor": { "kind": "key", "id": "key_7", "name": "ops" },
        "target": { "kind": "plugin", "id": "openai" },
        "outcome": "success",
    })
}

fn event(number: usize, body: impl ToString) -> Event {
    Event {
        id: format!("evt_{number}"),
        kind: "plugin.approved".to_owned(),
        time: NOW + 123_456,
        body: body.to_string(),
    }
}

fn batch(events: Vec<Event>) -> Batch {
    Batch { attempt: 1, now: NOW, events }
}

fn events(count: usize) -> Batch {
    batch((0..count).map(|number| event(number, body(number))).collect())
}

fn to_pagerduty(batch: Batch, settings: Value) -> Delivery<PagerDuty> {
    delivery::<PagerDuty>(batch, settings)
}

/// As PagerDuty writes it.
fn processed() -> Answer {
    let body = json!({ "status": "success", "message": "Event processed", "dedup_key": "samplekeyhere" });
    Answer::json(202, &body)
}

fn invalid(error: &str) -> Answer {
    let body = json!({ "status": "invalid event", "message": "Event object is invalid", "errors": [error] });
    Answer::json(400, &body)
}
