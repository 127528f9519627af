use hardpoint_sdk::Failure;
use hardpoint_sdk::index::{Filter, Ranked};
use hardpoint_sdk::retriever::{Hit, Retriever, SearchRequest};
use hardpoint_sdk::serde_json::{Value, from_str, json};
use hardpoint_sdk::testing::{Answer, Double, Query};
use hardpoint_sdk::{FailureKind, log::Level};
use qdrant::Qdrant;

use super::{asked, host, missing, ok, settings, settings_with};

const ONE: &str = "11111111-1111-5111-8111-111111111111";
const TWO: &str = "22222222-2222-5222-8222-222222222222";

/// Everything, by vectors alone.
fn question() -> SearchRequest {
    let filter = Filter { document_ids: None, metadata: None };
    SearchRequest { query: "which ships?".into(), top: 5, filter, hybrid: false }
}

fn search(request: SearchRequest) -> Result<Vec<Hit>, Failure> {
    Qdrant::search(request, settings())
}

fn payload(document: &str, ordinal: u32, text: &str) -> Value {
    json!({
        "knowledge_base": "handbook", "document_id": document, "ordinal": ordinal, "text": text,
        "first_page": 2, "last_page": 3, "start": 4, "end": 5, "metadata": { "headings": ["Ships"] },
    })
}

fn scored(id: &str, score: f32, payload: Value) -> Value {
    json!({ "id": id, "version": 3, "score": score, "payload": payload })
}

fn points(points: impl IntoIterator<Item = Value>) -> Answer {
    ok(json!({ "points": points.into_iter().collect::<Vec<_>>() }))
}

#[test]
fn vectors_are_asked_of_qdrant() {
    let found =
        [scored(ONE, 0.75, payload("doc-1", 3, "A ship.")), scored(TWO, -0.25, payload("doc-2", 0, "No."))];
    let host = host([points(found)]);
    let hits = search(question()).expect("hits");
    assert_eq!(asked(&host.sent()), ["POST docs/points/query"]);
    let expected = json!({
        "query": [12.0, 1.0], "limit": 5, "with_payload": true, "params": { "exact": false },
        "filter": { "must": [{ "key": "knowledge_base", "match": { "value": "handbook" } }] },
    });
    assert_eq!(host.sent()[0].json(), expected);
    assert_eq!((hits[0].chunk_id.as_str(), hits[0].document_id.as_str()), (ONE, "doc-1"));
    assert_eq!((hits[0].cosine, hits[0].fused, hits[0].text.as_deref()), (Some(0.75), 0.75, Some("A ship.")));
    let metadata: Value = from_str(hits[0].metadata.as_deref().unwrap()).unwrap();
    let place =
        json!({ "ordinal": 3, "first_page": 2, "last_page": 3, "start": 4, "end": 5, "headings": ["Ships"] });
    assert_eq!(metadata, place);
    assert_eq!(hits[1].cosine, Some(-0.25));
}

#[test]
fn settings_say_how_exact() {
    let host = host([points([])]);
    let settings = settings_with(json!({ "exact": true, "knowledge_base": "b" }));
    assert_eq!(Qdrant::search(question(), settings), Ok(Vec::new()));
    let sent = host.sent()[0].json();
    assert_eq!(
        (&sent["params"]["exact"], &sent["filter"]["must"][0]["match"]["value"]),
        (&json!(true), &json!("b"))
    );
}

fn filtered(document_ids: Option<&[&str]>, metadata: Option<Value>) -> Result<Value, Failure> {
    let host = host([points([])]);
    let ids = document_ids.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect());
    let filter = Filter { document_ids: ids, metadata: metadata.map(|members| members.to_string()) };
    search(SearchRequest { filter, ..question() })?;
    let mut must = host.sent()[0].json()["filter"]["must"].take();
    // The first keeps to the knowledge base.
    must.as_array_mut().unwrap().remove(0);
    Ok(must)
}

#[test]
fn filters_become_conditions() {
    let documents = json!([{ "key": "document_id", "match": { "any": ["doc-1", "doc-2"] } }]);
    assert_eq!(filtered(Some(&["doc-1", "doc-2"]), None), Ok(documents));
    for (value, condition) in [
        (json!("x"), json!({ "key": "metadata.\"a.b\"", "match": { "value": "x" } })),
        (json!(true), json!({ "key": "metadata.\"a.b\"", "match": { "value": true } })),
        (json!(-7), json!({ "key": "metadata.\"a.b\"", "match": { "value": -7 } })),
        (json!(0.5), json!({ "key": "metadata.\"a.b\"", "range": { "gte": 0.5, "lte": 0.5 } })),
        (json!(null), json!({ "is_null": { "key": "metadata.\"a.b\"" } })),
    ] {
        assert_eq!(filtered(None, Some(json!({ "a.b": value }))), Ok(json!([condition])));
    }
    for impossible in [json!({ "a": [1] }), json!({ "a": {} }), json!({ "a\"b": 1 }), json!([])] {
        let failure = filtered(None, Some(impossible)).expect_err("it cannot be compared");
        assert_eq!(failure.kind, FailureKind::InvalidRequest);
    }
}

#[test]
fn what_can_find_nothing_asks_nobody() {
    let host = host([]);
    let none = Filter { document_ids: Some(Vec::new()), metadata: None };
    for request in [
        SearchRequest { query: " \n".into(), ..question() },
        SearchRequest { top: 0, ..question() },
        SearchRequest { filter: none, ..question() },
    ] {
        assert_eq!(search(request), Ok(Vec::new()));
    }
    assert!(host.sent().is_empty());
}

#[test]
fn before_the_first_document_there_is_nothing_to_find() {
    let host = host([missing()]);
    assert_eq!(search(question()), Ok(Vec::new()));
    assert!(host.log().iter().any(|(level, line)| *level == Level::Warn && line.contains("`docs`")));
}

#[test]
fn what_is_not_of_its_making_is_left_out() {
    let strange = json!({ "id": 9, "version": 0, "score": 0.9, "payload": { "knowledge_base": "handbook" } });
    let bare = json!({ "id": 10, "version": 0, "score": 0.8 });
    let host = host([points([strange, bare, scored(ONE, 0.5, payload("doc-1", 0, "A ship."))])]);
    let hits = search(question()).expect("hits");
    assert_eq!(hits.iter().map(|hit| hit.chunk_id.as_str()).collect::<Vec<_>>(), [ONE]);
    assert_eq!(host.log().len(), 2);
}

#[test]
fn a_score_that_is_no_cosine_is_told() {
    let _host = host([points([scored(ONE, 14.5, payload("doc-1", 0, "A ship."))])]);
    let failure = search(question()).expect_err("it is a dot product");
    assert_eq!(failure.kind, FailureKind::Protocol);
    assert!(failure.message.contains("14.5 is no cosine: is that the distance of `docs`?"), "{failure:?}");
}

/// Words find `c1`, whose text is that of the second point, and `c2`, which Qdrant does not find.
fn with_words(answer: Answer) -> Double {
    let texts = [("c1", "A hull."), ("c2", "A mast.")].map(|(id, text)| (id.to_owned(), text.to_owned()));
    host([answer]).index(texts, |query, filter, top| {
        assert_eq!((query, top, &filter.metadata), (Query::Text("which ships?"), 100, &None));
        let hit = |(rank, id): (u32, &str)| Ranked {
            chunk_id: id.into(),
            document_id: "doc-1".into(),
            rank,
            score: 9.0 / rank as f32,
        };
        (1..).zip(["c1", "c2"]).map(hit).collect()
    })
}

fn told(hits: &[Hit]) -> Vec<(&str, Option<f32>, bool)> {
    let rounded = |cosine: f32| (cosine * 100.0).round() / 100.0;
    hits.iter().map(|hit| (hit.chunk_id.as_str(), hit.cosine.map(rounded), hit.text.is_some())).collect()
}

#[test]
fn words_and_meaning_are_fused() {
    let near = [
        scored(ONE, 0.75, payload("doc-1", 0, "A ship.")),
        scored(TWO, 0.5, payload("doc-1", 1, "A hull.")),
        scored("another", 0.25, payload("doc-2", 1, "A hull.")),
    ];
    let host = with_words(points(near));
    let hits = search(SearchRequest { hybrid: true, ..question() }).expect("hits");
    assert_eq!(host.sent()[0].json()["limit"], 100);
    // Both found `c1`; what only words found is asked for its cosine, (7, 1) with (12, 1).
    let expected = [
        ("c1", Some(0.5), false),
        (ONE, Some(0.75), true),
        ("c2", Some(1.0), false),
        ("another", Some(0.25), true),
    ];
    assert_eq!(told(&hits), expected);
    assert!(hits.is_sorted_by(|a, b| a.fused >= b.fused));
}

#[test]
fn the_same_text_twice_is_two_hits() {
    let near =
        [scored(ONE, 0.75, payload("doc-1", 0, "A hull.")), scored(TWO, 0.5, payload("doc-1", 1, "A hull."))];
    let _host = with_words(points(near));
    let hits = search(SearchRequest { hybrid: true, top: 2, ..question() }).expect("hits");
    assert_eq!(told(&hits), [("c1", Some(0.75), false), (TWO, Some(0.5), true)]);
}

#[test]
fn settings_say_what_words_count() {
    let near = [scored(ONE, 0.75, payload("doc-1", 0, "A ship."))];
    for (weight, first) in [(0.0, ONE), (1.0, "c1")] {
        let _host = with_words(points(near.clone()));
        let settings = settings_with(json!({ "text_weight": weight }));
        let hits = Qdrant::search(SearchRequest { hybrid: true, ..question() }, settings).expect("hits");
        assert_eq!(hits[0].chunk_id, first);
    }
}

#[test]
fn without_an_embedder_words_decide_alone() {
    let texts = [("c1".to_owned(), "A ship.".to_owned())];
    let host = Double::new().index(texts, |_, _, _| {
        vec![Ranked { chunk_id: "c1".into(), document_id: "doc-1".into(), rank: 1, score: 4.0 }]
    });
    for hybrid in [true, false] {
        let hits = search(SearchRequest { hybrid, ..question() }).expect("hits");
        assert_eq!(told(&hits), [("c1", None, false)]);
    }
    assert!(host.sent().is_empty());
}
