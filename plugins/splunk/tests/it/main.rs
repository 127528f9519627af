//! The exporter driven from recorded answers, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod acknowledgements;
mod answers;
mod channel;
mod requests;

use hardpoint_sdk::exporter::{Batch, Event};
use hardpoint_sdk::serde_json::{Value, from_str, json};
use hardpoint_sdk::testing::{Answer, Delivery, Sent, delivery};
use splunk::Splunk;

/// Microseconds: 14 November 2023, 22:13:20 UTC.
const NOW: u64 = 1_700_000_000_000_000;
const URL: &str = "https://splunk.example.com:8088/services/collector";

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
    batch(
        (0..count)
            .map(|number| event(number, json!({ "id": format!("evt_{number}"), "n": number })))
            .collect(),
    )
}

/// A delivery of a batch with these settings and the address.
fn to_splunk(batch: Batch, mut settings: Value) -> Delivery<Splunk> {
    if settings.get("intake_url").is_none() {
        settings["intake_url"] = json!(URL);
    }
    delivery::<Splunk>(batch, settings)
}

/// As Splunk writes its answers.
fn reply(status: u16, code: u16, text: &str) -> Answer {
    Answer::json(status, &json!({ "text": text, "code": code }))
}

fn success() -> Answer {
    reply(200, 0, "Success")
}

/// Accepted, with an acknowledgement to come.
fn accepted(ack: u64) -> Answer {
    Answer::json(200, &json!({ "text": "Success", "code": 0, "ackId": ack }))
}

fn acks(statuses: &[(u64, bool)]) -> Answer {
    let statuses: hardpoint_sdk::serde_json::Map<String, Value> =
        statuses.iter().map(|(ack, is_indexed)| (ack.to_string(), json!(is_indexed))).collect();
    Answer::json(200, &json!({ "acks": statuses }))
}

/// The objects of a body, which stand one after the other.
fn objects(sent: &Sent) -> Vec<Value> {
    let stream = hardpoint_sdk::serde_json::Deserializer::from_str(&sent.body).into_iter();
    stream.map(|object| object.unwrap()).collect()
}

fn ids(sent: &Sent) -> Vec<String> {
    objects(sent).iter().map(|object| object["fields"]["event_id"].as_str().unwrap().to_owned()).collect()
}

/// What was saved, as JSON.
fn state(saved: Option<&Vec<u8>>) -> Value {
    from_str(core::str::from_utf8(saved.unwrap()).unwrap()).unwrap()
}
