//! The exporter driven from recorded answers, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod answers;
mod mapping;
mod requests;

use hardpoint_sdk::exporter::{Batch, Event};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Delivered, Delivery, delivery};
use http_json::HttpJson;

/// Microseconds: 14 November 2023, 22:13:20 UTC.
const NOW: u64 = 1_700_000_000_000_000;

fn event(number: usize, body: impl ToString) -> Event {
    Event { id: format!("evt_{number}"), kind: "key.created".to_owned(), time: NOW, body: body.to_string() }
}

fn batch(events: Vec<Event>) -> Batch {
    Batch { attempt: 1, now: NOW, events }
}

/// So many small events.
fn events(count: usize) -> Batch {
    batch((0..count).map(|number| event(number, json!({ "id": format!("evt_{number}") }))).collect())
}

/// Settings with the address that tests use.
fn with(mut settings: Value) -> Value {
    settings["url"] = json!("https://siem.example.com/in");
    settings
}

fn prepared(batch: Batch, settings: Value, answers: Vec<Answer>) -> Delivery<HttpJson> {
    answers.into_iter().fold(delivery::<HttpJson>(batch, with(settings)), Delivery::answer)
}

fn run(batch: Batch, settings: Value, answers: Vec<Answer>) -> Delivered {
    prepared(batch, settings, answers).run()
}

fn ok(count: usize) -> Vec<Answer> {
    vec![Answer::new(200); count]
}
