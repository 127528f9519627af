//! Recordings through the native harness.

use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{replay_exporter, replay_model};

use crate::exporters::Patient;
use crate::models::Scripted;

fn scripted() -> Value {
    json!({
        "about": "two texts and a call",
        "settings": {"url": "https://example.com/x"},
        "completion": {"upstream_model": "m", "messages": [{"role": "user", "content": "?"}]},
        "exchanges": [{
            "request": {
                "method": "POST", "url": "https://example.com/x", "gzip": true,
                "headers": {"authorization": "Bearer {secret:key}", "x-basic": "{secret:pair|base64}"},
                "body": {"key": "{secret:key|json}"},
            },
            "answer": {"status": 200, "chunks": ["rra", "bu", "cd."]},
        }],
        "expect": {
            "text": "abd", "reasoning": "rr", "finish": "stop",
            "tool_calls": [{"id": "id", "name": "name", "arguments": "{}"}],
            "usage": {"input_tokens": 1, "output_tokens": 2},
        },
    })
}

#[test]
fn a_recording_of_a_model_is_replayed() {
    replay_model::<Scripted>(&scripted().to_string());
    let mut failing = scripted();
    failing["exchanges"][0]["answer"] = json!({"status": 200, "chunks": ["a", "!"]});
    failing["expect"] = json!({"text": "a", "failure": {"kind": "upstream", "code": "bang"}});
    replay_model::<Scripted>(&failing.to_string());
    failing["exchanges"][0]["answer"] = json!({"status": 200, "chunks": ["a"], "broken": "reset"});
    failing["expect"] = json!({"text": "a", "failure": {"kind": "reset"}});
    replay_model::<Scripted>(&failing.to_string());
}

#[test]
fn each_difference_is_told() {
    let mut other = scripted();
    other["exchanges"][0]["request"]["headers"]["authorization"] = json!("Bearer {secret:other}");
    other["expect"]["finish"] = json!("length");
    let told = std::panic::catch_unwind(|| replay_model::<Scripted>(&other.to_string())).unwrap_err();
    let told = told.downcast_ref::<String>().unwrap();
    for words in ["request 1: the header `authorization`", "`finish` is \"stop\", not \"length\""] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn a_recording_of_an_exporter_is_replayed() {
    let events = json!([
        {"id": "evt_1", "kind": "a.b", "time": 1, "body": {}}, {"id": "evt_2", "kind": "a.b", "time": 1, "body": {}},
    ]);
    let request = json!({"method": "POST", "url": "https://example.com/"});
    let recording = json!({
        "about": "taken at the second attempt",
        "delivery": {"events": events, "state": {"base64": "BA=="}},
        "exchanges": [
            {"request": request, "answer": {"status": 202}}, {"request": request, "answer": {"status": 200}},
        ],
        "expect": {"verdicts": ["delivered", "delivered"], "saved": "\u{5}"},
    });
    replay_exporter::<Patient>(&recording.to_string());
}
