use hardpoint_sdk::embed::{self, Purpose};
use hardpoint_sdk::index::{self, Filter, Ranked};
use hardpoint_sdk::retriever::{Chunk, Document, Hit, Page, Retriever, SearchRequest, Sink};
use hardpoint_sdk::testing::{Double, MemoryDocument, MemorySink, Query};
use hardpoint_sdk::{Failure, FailureKind, NoSettings};

/// Pages by form feeds; full text, ordered again by cosine.
enum Pages {}

impl Retriever for Pages {
    type Settings = NoSettings;

    fn ingest(document: &dyn Document, into: &dyn Sink, _: NoSettings) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < document.size() {
            bytes.extend(document.read(bytes.len() as u64, 4)?);
        }
        let text = String::from_utf8(bytes).map_err(|_| Failure::invalid_request("not UTF-8"))?;
        into.title(&document.filename())?;
        for (index, page) in (0..).zip(text.split('\u{c}')) {
            into.page(&Page { number: index + 1, title: None, text: page.into() })?;
            into.chunks(&[Chunk::of_page(index, index + 1, page)])?;
        }
        Ok(())
    }

    fn search(request: SearchRequest, _: NoSettings) -> Result<Vec<Hit>, Failure> {
        let found = index::full_text(&request.query, &request.filter, request.top)?;
        let ids: Vec<String> = found.iter().map(|ranked| ranked.chunk_id.clone()).collect();
        let mut hits: Vec<Hit> = found.into_iter().map(Hit::from).collect();
        if let Ok(question) = embed::vectors(&[request.query], Purpose::Query) {
            for (hit, cosine) in hits.iter_mut().zip(index::cosines(&question[0], &ids)?) {
                hit.cosine = cosine;
                hit.fused = cosine.unwrap_or(-1.0);
            }
            hits.sort_by(|one, other| other.fused.total_cmp(&one.fused));
        }
        Ok(hits)
    }
}

fn search() -> Vec<(String, f32)> {
    let filter = Filter { document_ids: None, metadata: None };
    let request = SearchRequest { query: "tea".into(), top: 5, filter, hybrid: true };
    let hits = Pages::search(request, NoSettings {}).unwrap();
    hits.into_iter().map(|hit| (hit.chunk_id, hit.fused)).collect()
}

fn double() -> Double {
    let texts = [("c1".to_owned(), "coffee".to_owned()), ("c2".to_owned(), "tea".to_owned())];
    Double::new().index(texts, |query, _, top| {
        assert_eq!((query, top), (Query::Text("tea"), 5));
        let ranked = |id: &str, rank| Ranked {
            chunk_id: id.into(),
            document_id: "d".into(),
            rank,
            score: 1.0 / rank as f32,
        };
        vec![ranked("c1", 1), ranked("c2", 2)]
    })
}

#[test]
fn a_document_becomes_pages_and_chunks() {
    let document =
        MemoryDocument { filename: "a.txt".into(), media_type: None, bytes: "one\u{c}tw\u{f6}".into() };
    let sink = MemorySink::default();
    Pages::ingest(&document, &sink, NoSettings {}).unwrap();
    assert_eq!(sink.document_title().as_deref(), Some("a.txt"));
    assert_eq!(sink.pages().len(), 2);
    let chunk = &sink.all_chunks()[1];
    assert_eq!((chunk.text.as_str(), chunk.first_page, chunk.end), ("tw\u{f6}", 2, 3));

    let bad = MemoryDocument { bytes: vec![0xff; 9], ..document };
    let failure = Pages::ingest(&bad, &sink, NoSettings {}).unwrap_err();
    assert_eq!(failure.kind, FailureKind::InvalidRequest);
    let orphan = sink.chunks(&[Chunk::of_page(0, 9, "x")]);
    assert_eq!(Failure::from(orphan.unwrap_err()).kind, FailureKind::InvalidRequest);
}

#[test]
fn an_embedder_orders_again_and_its_absence_does_no_harm() {
    let host = double();
    assert_eq!(search(), [("c1".to_owned(), 1.0), ("c2".to_owned(), 0.5)]);
    drop(host);
    let vector = |text: &String| if text == "tea" { vec![1.0, 0.0] } else { vec![0.0, 1.0] };
    let _host = double().embedder(move |texts, _| texts.iter().map(vector).collect());
    assert_eq!(search(), [("c2".to_owned(), 1.0), ("c1".to_owned(), 0.0)]);
}

#[test]
fn forgetting_needs_no_code() {
    Pages::remove(vec!["doc-1".into()], NoSettings {}).unwrap();
}
