use hardpoint_sdk::index::{Filter, Ranked};
use hardpoint_sdk::retriever::{Hit, Retriever, SearchRequest};
use hardpoint_sdk::serde_json::{Value, from_value, json};
use hardpoint_sdk::testing::{Double, Query};
use hybrid::{Hybrid, Settings};

fn ranked(ids: &[(&str, f32)]) -> Vec<Ranked> {
    let hit = |(rank, (id, score)): (u32, &(&str, f32))| Ranked {
        chunk_id: (*id).into(),
        document_id: format!("doc-{id}"),
        rank,
        score: *score,
    };
    (1..).zip(ids).map(hit).collect()
}

/// Words find a and b, meaning finds b and c.
fn host() -> Double {
    let texts = ["a", "b", "c"].map(|id| (id.to_string(), id.to_string()));
    Double::new().index(texts, |query, filter, top| {
        assert_eq!(filter.metadata.as_deref(), Some("{\"year\":2024}"), "the filter is handed on");
        assert!(top >= 2);
        match query {
            Query::Text(text) => {
                assert_eq!(text, "which fish?");
                ranked(&[("a", 9.0), ("b", 4.0)])
            }
            Query::Vector(_) => ranked(&[("b", 0.8), ("c", 0.6)]),
        }
    })
}

/// The question looks to the right; so does b, and a a little.
fn vectors(texts: &[String]) -> Vec<Vec<f32>> {
    let vector = |text: &String| match text.as_str() {
        "a" => vec![0.28, 0.96],
        _ => vec![1.0, 0.0],
    };
    texts.iter().map(vector).collect()
}

fn found(top: u32, hybrid: bool, settings: Value) -> Vec<Hit> {
    let filter = Filter { document_ids: None, metadata: Some("{\"year\":2024}".into()) };
    let request = SearchRequest { query: "which fish?".into(), top, filter, hybrid };
    let settings: Settings = from_value(settings).expect("settings");
    Hybrid::search(request, settings).expect("a search")
}

fn told(hits: &[Hit]) -> Vec<(&str, Option<f32>)> {
    hits.iter()
        .map(|hit| (hit.chunk_id.as_str(), hit.cosine.map(|cosine| (cosine * 100.0).round() / 100.0)))
        .collect()
}

#[test]
fn both_are_fused_and_each_hit_has_its_cosine() {
    let _host = host().embedder(|texts, _| vectors(texts));
    let hits = found(10, true, json!({}));
    // What only words found is asked for its cosine.
    assert_eq!(told(&hits), [("b", Some(0.8)), ("a", Some(0.28)), ("c", Some(0.6))]);
    assert_eq!(hits[1].document_id, "doc-a");
    assert!(hits.is_sorted_by(|a, b| a.fused >= b.fused));
    assert_eq!(told(&found(2, true, json!({}))).len(), 2);
}

fn order(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.chunk_id.as_str()).collect()
}

/// Words find one, and what is like the first of them is not what the question was nearest to.
#[test]
fn what_is_found_first_moves_the_question() {
    let _host = Double::new()
        .index(["a", "b", "c", "d"].map(|id| (id.to_string(), id.to_string())), |query, _, _| match query {
            Query::Text(_) => ranked(&[("a", 9.0)]),
            Query::Vector(_) => ranked(&[("b", 0.8), ("a", 0.7), ("c", 0.6), ("d", 0.5)]),
        })
        .embedder(|texts, _| {
            let vector = |text: &String| match text.as_str() {
                "a" => vec![0.7, 0.7],
                "b" => vec![0.8, -0.6],
                "c" => vec![0.6, -0.8],
                "d" => vec![0.5, 0.87],
                _ => vec![1.0, 0.0],
            };
            texts.iter().map(vector).collect()
        });
    let once = found(10, true, json!({ "feedback": 0 }));
    assert_eq!(order(&once), ["a", "b", "c", "d"]);
    let again = found(10, true, json!({ "feedback": 1 }));
    assert_eq!(order(&again), ["a", "d", "b", "c"], "d is like a");
    assert_eq!(
        told(&again)[1],
        ("d", Some(0.5)),
        "what is told is the cosine with the question as it was asked"
    );
}

#[test]
fn settings_say_what_each_counts() {
    let _host = host().embedder(|texts, _| vectors(texts));
    assert_eq!(told(&found(10, true, json!({ "text_weight": 1.0 })))[0].0, "a");
    let by_score = found(10, true, json!({ "fusion": "relative_score", "text_weight": 0.6 }));
    assert_eq!(told(&by_score)[0], ("a", Some(0.28)));
    assert_eq!(found(10, true, json!({ "fusion": "distribution" })).len(), 3);
}

#[test]
fn vectors_alone_where_that_is_asked_for() {
    let _host = host().embedder(|texts, _| vectors(texts));
    assert_eq!(told(&found(10, false, json!({}))), [("b", Some(0.8)), ("c", Some(0.6))]);
}

#[test]
fn without_an_embedder_words_decide_alone() {
    let _host = host();
    for hybrid in [true, false] {
        let hits = found(2, hybrid, json!({}));
        assert_eq!(told(&hits), [("a", None), ("b", None)]);
        assert_eq!(hits[0].fused, 9.0);
    }
}

#[test]
fn a_blank_question_finds_nothing() {
    let _host = Double::new();
    let filter = Filter { document_ids: None, metadata: None };
    let request = SearchRequest { query: "  ".into(), top: 3, filter, hybrid: true };
    assert!(Hybrid::search(request, Settings::default()).expect("a search").is_empty());
}
