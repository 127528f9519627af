//! The retriever as a host calls it, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod failures;
mod ingest;
mod search;

use hardpoint_sdk::Failure;
use hardpoint_sdk::retriever::Retriever;
use hardpoint_sdk::serde_json::{Value, from_value, json};
use hardpoint_sdk::testing::{Answer, Double, MemoryDocument, MemorySink, Sent};
use qdrant::{Qdrant, Settings};

/// Behind a proxy, so that there is a path.
const URL: &str = "https://vectors.example.com:6333/qdrant/";

fn settings() -> Settings {
    settings_with(json!({}))
}

fn settings_with(more: Value) -> Settings {
    let mut settings = json!({ "url": URL, "collection": "docs", "knowledge_base": "handbook" });
    settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    from_value(settings).expect("settings")
}

/// An answer as Qdrant wraps it.
fn ok(result: Value) -> Answer {
    Answer::json(200, &json!({ "result": result, "status": "ok", "time": 0.001 }))
}

fn completed() -> Answer {
    ok(json!({ "operation_id": 7, "status": "completed" }))
}

fn refused(status: u16, error: &str) -> Answer {
    Answer::json(status, &json!({ "status": { "error": error }, "time": 0.0 }))
}

fn missing() -> Answer {
    refused(404, "Not found: Collection `docs` doesn't exist!")
}

/// What a collection tells of itself, with an index of these fields.
fn collection(vectors: Value, indexed: &[&str]) -> Answer {
    let schema: Value = indexed
        .iter()
        .map(|field| ((*field).to_owned(), json!({ "data_type": "keyword", "points": 0 })))
        .collect();
    ok(json!({
        "status": "green", "optimizer_status": "ok", "indexed_vectors_count": 0, "points_count": 0,
        "segments_count": 2, "payload_schema": schema,
        "config": { "params": { "vectors": vectors, "shard_number": 1, "on_disk_payload": true } },
    }))
}

/// One that lacks nothing.
fn ready() -> Answer {
    let vectors = json!({ "size": 2, "distance": "Cosine" });
    collection(vectors, &["knowledge_base", "document_id", "ordinal"])
}

/// A host with an embedder of two dimensions.
fn host(answers: impl IntoIterator<Item = Answer>) -> Double {
    let vector = |text: &String| vec![text.len() as f32, 1.0];
    let host = Double::new().embedder(move |texts, _| texts.iter().map(vector).collect());
    answers.into_iter().fold(host, Double::answer)
}

fn ingest(text: impl Into<Vec<u8>>) -> (MemorySink, Result<(), Failure>) {
    let document = MemoryDocument { filename: "notes.txt".into(), bytes: text.into(), media_type: None };
    let sink = MemorySink::default();
    let outcome = Qdrant::ingest(&document, &sink, settings());
    (sink, outcome)
}

/// Method and path of each request, without the address.
fn asked(sent: &[Sent]) -> Vec<String> {
    let base = "https://vectors.example.com:6333/qdrant/collections/";
    let path =
        |sent: &Sent| format!("{} {}", sent.method, sent.url.strip_prefix(base).expect("below the address"));
    sent.iter().map(path).collect()
}
