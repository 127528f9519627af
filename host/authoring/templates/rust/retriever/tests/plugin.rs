//! The retriever as a host calls it, natively.

use {{crate}}::{PlainText, Settings};
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::index::{Filter, Ranked};
use hardpoint_sdk::retriever::{Retriever, SearchRequest};
use hardpoint_sdk::testing::{Double, MemoryDocument, MemorySink, Query};
use serde_json::json;

fn settings(passage_characters: usize) -> Settings {
    serde_json::from_value(json!({ "passage_characters": passage_characters })).expect("settings")
}

fn ingested(text: &str, passage_characters: usize) -> MemorySink {
    let document = MemoryDocument { filename: "notes.txt".into(), bytes: text.into(), ..Default::default() };
    let sink = MemorySink::default();
    PlainText::ingest(&document, &sink, settings(passage_characters)).expect("it can be read");
    sink
}

#[test]
fn passages_end_at_blank_lines_and_know_where_they_are() {
    let text = "Ünder one.\n\nTwo.\n\n\n\nThree is longer than the others are.\n";
    let sink = ingested(text, 20);
    assert_eq!(sink.document_title().as_deref(), Some("notes.txt"));
    let texts: Vec<String> = sink.all_chunks().into_iter().map(|chunk| chunk.text).collect();
    assert_eq!(texts, ["Ünder one.\n\nTwo.", "Three is longer than", " the others are."]);
    for chunk in sink.all_chunks() {
        let (start, end) = (chunk.start as usize, chunk.end as usize);
        let cited: String = sink.pages()[0].text.chars().skip(start).take(end - start).collect();
        assert_eq!(cited, chunk.text);
    }
}

#[test]
fn says_why_it_cannot_read() {
    let document = MemoryDocument { bytes: vec![0xff, 0xfe], ..Default::default() };
    let failure = PlainText::ingest(&document, &MemorySink::default(), settings(100)).expect_err("no text");
    assert_eq!(failure.kind, FailureKind::InvalidRequest);
}

#[test]
fn finds_by_words() {
    let ranked = |_: Query<'_>, _: &Filter, _: u32| {
        vec![Ranked { chunk_id: "c1".into(), document_id: "d1".into(), rank: 1, score: 2.5 }]
    };
    let _host = Double::new().index([], ranked);
    let request = SearchRequest {
        query: "two".into(),
        top: 3,
        filter: Filter { document_ids: None, metadata: None },
        hybrid: true,
    };
    let hits = PlainText::search(request, settings(100)).expect("a search");
    assert_eq!((hits[0].chunk_id.as_str(), hits[0].fused), ("c1", 2.5));
}
