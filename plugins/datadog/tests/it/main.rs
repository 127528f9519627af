//! The exporter driven from recorded answers, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod answers;
mod logs;
mod requests;

use hardpoint_sdk::exporter::{Batch, Event};
use hardpoint_sdk::serde_json::{Value, json};

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
        "after": { "state": "approved" },
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
