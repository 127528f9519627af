use std::collections::BTreeSet;

use hardpoint_sdk::retriever::Retriever;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Double, MemoryDocument, MemorySink};
use hardpoint_sdk::{FailureKind, log::Level};
use qdrant::Qdrant;

use super::{asked, collection, completed, host, ingest, missing, ok, ready, refused, settings};

/// Three passages or so.
fn story() -> String {
    "The keeper of the lighthouse counts the ships that pass by night. ".repeat(30)
}

#[test]
fn a_collection_that_is_missing_is_made() {
    let vectors = json!({ "size": 2, "distance": "Cosine" });
    let answers = [missing(), ok(json!(true)), collection(vectors.clone(), &[])];
    let host = host(answers.into_iter().chain((0..5).map(|_| completed())));
    let (sink, outcome) = ingest(story());
    outcome.expect("it is taken in");
    let sent = host.sent();
    assert_eq!(
        asked(&sent),
        [
            "GET docs",
            "PUT docs",
            "GET docs",
            "PUT docs/index?wait=true",
            "PUT docs/index?wait=true",
            "PUT docs/index?wait=true",
            "PUT docs/points?wait=true",
            "POST docs/points/delete?wait=true"
        ]
    );
    assert!(sent.iter().all(|sent| sent.header("api-key") == Some("{secret:api_key}")));
    assert_eq!(sent[1].json(), json!({ "vectors": vectors }));
    let tenant = json!({ "type": "keyword", "is_tenant": true });
    assert_eq!(sent[3].json(), json!({ "field_name": "knowledge_base", "field_schema": tenant }));
    assert_eq!(sent[5].json(), json!({ "field_name": "ordinal", "field_schema": "integer" }));
    assert_eq!(sink.pages().len(), 1);
    assert!(sink.all_chunks().len() > 1);
}

#[test]
fn a_passage_is_a_point() {
    let host = host([ready(), completed(), completed()]);
    let (sink, outcome) = ingest(format!("# Ships\n\n{}", story()));
    outcome.expect("it is taken in");
    let chunks = sink.all_chunks();
    let sent = host.sent();
    assert_eq!(asked(&sent), ["GET docs", "PUT docs/points?wait=true", "POST docs/points/delete?wait=true"]);
    let points = sent[1].json();
    assert_eq!(points["points"].as_array().map(Vec::len), Some(chunks.len()));
    for (chunk, point) in chunks.iter().zip(points["points"].as_array().unwrap()) {
        let embedded = chunk.embedded_text.as_deref().unwrap_or(&chunk.text);
        assert_eq!(point["vector"], json!([embedded.len() as f32, 1.0]));
        let payload = &point["payload"];
        let told = [&payload["knowledge_base"], &payload["document_id"], &payload["text"]];
        assert_eq!(told, [&json!("handbook"), &json!("doc-test"), &json!(chunk.text)]);
        let place = [&payload["ordinal"], &payload["first_page"], &payload["start"], &payload["end"]];
        assert_eq!(place, [&json!(chunk.ordinal), &json!(1), &json!(chunk.start), &json!(chunk.end)]);
    }
    // What an earlier reading had more.
    let expected = json!({ "filter": { "must": [
        { "key": "knowledge_base", "match": { "value": "handbook" } },
        { "key": "document_id", "match": { "value": "doc-test" } },
        { "key": "ordinal", "range": { "gte": chunks.len() } },
    ] } });
    assert_eq!(sent[2].json(), expected);
}

/// The ids of the points that a reading sends.
fn ids(knowledge_base: &str) -> Vec<String> {
    let host = host([ready(), completed(), completed()]);
    let document = MemoryDocument { filename: "a.txt".into(), bytes: story().into(), media_type: None };
    let settings = super::settings_with(json!({ "knowledge_base": knowledge_base }));
    Qdrant::ingest(&document, &MemorySink::default(), settings).expect("it is taken in");
    let points = host.sent()[1].json();
    let id = |point: &Value| point["id"].as_str().unwrap().to_owned();
    points["points"].as_array().unwrap().iter().map(id).collect()
}

#[test]
fn ids_are_the_same_each_time_and_of_one_knowledge_base() {
    let first = ids("handbook");
    assert_eq!(first, ids("handbook"));
    assert!(first.iter().all(|id| id.len() == 36 && id.as_bytes()[14] == b'5'), "{first:?}");
    let all: BTreeSet<String> = first.iter().cloned().chain(ids("other")).collect();
    assert_eq!(all.len(), 2 * first.len());
}

/// Somebody else made it between the two questions.
#[test]
fn two_may_make_the_collection_at_once() {
    let there = refused(409, "Wrong input: Collection `docs` already exists!");
    let host = host([missing(), there, ready(), completed(), completed()]);
    ingest("Ships.").1.expect("it is taken in");
    assert_eq!(host.sent().len(), 5);
}

#[test]
fn a_collection_for_other_vectors_takes_none() {
    for vectors in [
        json!({ "size": 3, "distance": "Cosine" }),
        json!({ "size": 2, "distance": "Dot" }),
        json!({ "image": { "size": 2, "distance": "Cosine" } }),
    ] {
        let host = host([collection(vectors, &[])]);
        let failure = ingest("Ships.").1.expect_err("they do not fit");
        assert_eq!(failure.kind, FailureKind::Unsupported);
        let words = "`docs` does not take vectors of 2 dimensions, compared by their cosine, but {";
        assert!(failure.message.contains(words), "{}", failure.message);
        assert_eq!(host.sent().len(), 1);
    }
}

#[test]
fn what_is_too_large_goes_in_halves() {
    let too_large = || refused(413, "Payload error: JSON payload is larger than allowed");
    let answers = [ready(), too_large(), completed(), completed(), completed()];
    let host = host(answers);
    let (sink, outcome) = ingest(story());
    outcome.expect("it is taken in");
    let sent = host.sent();
    let count = |index: usize| sent[index].json()["points"].as_array().map(Vec::len).unwrap();
    assert_eq!((count(1), count(2) + count(3)), (sink.all_chunks().len(), sink.all_chunks().len()));
    assert!(count(2) > 0 && count(3) > 0);
    drop(host);

    // One alone cannot be halved.
    let host = super::host([ready(), too_large()]);
    let failure = ingest("Ships.").1.expect_err("nobody takes it");
    assert_eq!((failure.kind, failure.status), (FailureKind::Unsupported, Some(413)));
    assert_eq!(host.sent().len(), 2);
}

#[test]
fn a_long_document_takes_several_requests() {
    let vectors = json!({ "size": 4_096, "distance": "Cosine" });
    let answers = [collection(vectors, &["knowledge_base", "document_id", "ordinal"])];
    let vector = vec![-0.012_345_678_f32; 4_096];
    let host = Double::new().embedder(move |texts, _| vec![vector.clone(); texts.len()]);
    let host = answers.into_iter().chain((0..4).map(|_| completed())).fold(host, Double::answer);
    let (sink, outcome) = ingest(story().repeat(200));
    outcome.expect("it is taken in");
    let sent = host.sent();
    let upserts = &sent[1..sent.len() - 1];
    assert!(upserts.len() > 1, "{:?}", asked(&sent));
    assert!(upserts.iter().all(|sent| sent.bytes.len() < (16 << 20) + 100));
    let points = upserts.iter().flat_map(|sent| sent.json()["points"].as_array().cloned().unwrap());
    let ordinals: Vec<u64> = points.map(|point| point["payload"]["ordinal"].as_u64().unwrap()).collect();
    assert_eq!(ordinals, (0..sink.all_chunks().len() as u64).collect::<Vec<_>>());
}

#[test]
fn without_an_embedder_the_host_has_the_passages_alone() {
    let host = Double::new().answer(missing());
    let (sink, outcome) = ingest("Ships.");
    outcome.expect("it is taken in");
    assert_eq!(sink.all_chunks().len(), 1);
    // Points of a time when there was one would be found no more than half.
    assert_eq!(asked(&host.sent()), ["POST docs/points/delete?wait=true"]);
    assert_eq!(host.sent()[0].json()["filter"]["must"][2]["range"], json!({ "gte": 0 }));
    assert!(host.log().iter().any(|(level, line)| *level == Level::Warn && line.contains("no passages")));
}

#[test]
fn what_cannot_be_read_reaches_no_collection() {
    let host = host([]);
    let failure = ingest("").1.expect_err("it is empty");
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::InvalidRequest, "the file is empty"));
    assert!(host.sent().is_empty());
}

#[test]
fn documents_are_removed_together() {
    let host = host([completed(), missing()]);
    let gone = || vec!["doc-1".to_owned(), "doc-2".to_owned()];
    Qdrant::remove(gone(), settings()).expect("they are gone");
    let expected = json!({ "filter": { "must": [
        { "key": "knowledge_base", "match": { "value": "handbook" } },
        { "key": "document_id", "match": { "any": ["doc-1", "doc-2"] } },
    ] } });
    assert_eq!(host.sent()[0].json(), expected);
    assert_eq!(asked(&host.sent()), ["POST docs/points/delete?wait=true"]);
    Qdrant::remove(gone(), settings()).expect("there is no collection to remove them from");
    Qdrant::remove(Vec::new(), settings()).expect("nothing to do");
    assert_eq!(host.sent().len(), 2);
}
