//! The shipped retriever `qdrant` in the sandbox, against a double of Qdrant, over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::origin::Origin;
use hardpoint_runtime::{
    Binding, Chunk, DocumentSink, Filter, Hit, KnowledgeError, KnowledgeIndex, MemoryDraft, MemoryKnowledge,
    Page, Purpose, SearchRequest, Secret,
};
use hardpoint_tests::component;
use hardpoint_tests::double::qdrant::{KEY, Qdrant, error};
use hardpoint_tests::double::script::Script;
use serde_json::{Value, json};

use crate::support::{TestRuntime, context, spec};

/// A knowledge base of a host, with a binding of its own.
struct Place {
    binding: Arc<Binding>,
    base: Arc<MemoryKnowledge>,
    settings: Value,
}

/// A host, Qdrant, and a knowledge base of each of these names in one collection.
async fn places<const N: usize>(names: [&str; N], key: &str) -> (TestRuntime, Qdrant, [Place; N]) {
    let double = Qdrant::start().await.unwrap();
    let origin = double.origin();
    let test = TestRuntime::with(|config| {
        config.egress.allow_internal = vec!["127.0.0.1".to_owned()];
        config.egress.timeouts.first_byte = Duration::from_secs(2);
        config.egress.timeouts.gap = Duration::from_secs(2);
    });
    let generation = test.runtime.load(component::shipped("qdrant").into()).await.unwrap();
    let settings = names
        .map(|name| json!({ "url": origin, "knowledge_base": name, "chunk_tokens": 50, "chunk_overlap": 0 }));
    let bound = |(name, settings): (&str, &Value)| {
        let mut spec = spec(&generation, generation.manifest().permissions(settings).unwrap());
        spec.name = format!("qdrant-{name}");
        spec.settings = settings.clone();
        let secret = Secret::new(key, Origin::parse(&origin).unwrap());
        spec.secrets = BTreeMap::from([("api_key".to_owned(), secret)]);
        spec
    };
    let specs = names.into_iter().zip(&settings).map(bound).collect();
    test.runtime.publish(vec![generation.clone()], specs);
    let mut settings = settings.into_iter();
    let places = names.map(|name| Place {
        binding: Arc::clone(test.runtime.snapshot().binding(&format!("qdrant-{name}")).unwrap()),
        base: MemoryKnowledge::new(),
        settings: settings.next().unwrap(),
    });
    (test, double, places)
}

async fn place() -> (TestRuntime, Qdrant, Place) {
    let (test, double, [place]) = places(["handbook"], KEY).await;
    (test, double, place)
}

impl Place {
    /// Reads a text in; published where that went well.
    async fn ingest(&self, id: &str, text: &str) -> Result<(), Failure> {
        let draft = MemoryDraft::new();
        let document =
            MemoryKnowledge::document(id, &format!("{id}.md"), Some("text/markdown"), text.to_owned());
        let knowledge = self.base.called(self.settings.clone());
        self.binding.ingest(context(), knowledge, document, draft.clone()).await?;
        self.base.publish(id, &draft);
        Ok(())
    }

    async fn find(&self, request: SearchRequest) -> Result<Vec<Hit>, Failure> {
        self.binding.search(context(), self.base.called(self.settings.clone()), request).await
    }

    async fn found(&self, request: SearchRequest) -> Vec<Hit> {
        self.find(request).await.unwrap()
    }

    async fn remove(&self, ids: &[&str]) {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        self.binding.remove(context(), self.base.called(self.settings.clone()), &ids).await.unwrap();
    }

    /// The exact answer, from the same vectors.
    async fn exact(&self, query: &str, top: u32) -> Vec<(String, f32)> {
        let knowledge = self.base.called(json!({}));
        let vectors =
            knowledge.embedder.unwrap().vectors(vec![query.to_owned()], Purpose::Query).await.unwrap();
        let found = self.base.nearest(vectors[0].clone(), Filter::default(), top).await.unwrap();
        let ids: Vec<String> = found.iter().map(|ranked| ranked.chunk_id.clone()).collect();
        let texts = self.base.texts(ids).await.unwrap();
        texts.into_iter().zip(found.into_iter().map(|ranked| ranked.score)).collect()
    }
}

/// By vectors alone.
fn question(query: &str) -> SearchRequest {
    SearchRequest { query: query.to_owned(), top: 5, filter: Filter::default(), hybrid: false }
}

fn texts(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.text.as_deref().unwrap_or_default()).collect()
}

fn documents(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.document_id.as_str()).collect()
}

/// Several passages, each with words of its own.
const SEA: &str = "# The sea\n\n## Whales\n\nThe whale is a mammal and breathes air through a blowhole. \
    Whales sing to each other across hundreds of miles of open water, and nobody knows what about.\n\n\
    ## Ships\n\nA ship has a hull, a keel and a rudder. Its captain writes a log of every day, of weather and wind \
    and of whatever else befell those on board.\n\n## Lights\n\nThe keeper of the lighthouse counts lamps at dusk. \
    When fog comes in he sounds a horn twice a minute until the morning, whether somebody hears it or not.\n";

#[tokio::test]
async fn what_was_taken_in_is_found_as_an_exact_search_finds_it() {
    let (_test, double, place) = place().await;
    assert_eq!(place.found(question("whales")).await, [], "there is no collection yet");
    place.ingest("doc-1", SEA).await.unwrap();
    let points = double.points("hardpoint");
    assert!(points.len() >= 3, "{points:#?}");
    let indexes = double.indexes("hardpoint");
    let indexed: Vec<(&str, &str)> =
        indexes.iter().map(|(field, kind)| (field.as_str(), kind.as_str())).collect();
    assert_eq!(indexed, [("document_id", "keyword"), ("knowledge_base", "keyword"), ("ordinal", "integer")]);
    for query in ["Why do whales sing?", "the log of a captain", "fog and a horn"] {
        let hits = place.found(question(query)).await;
        let exact = place.exact(query, 5).await;
        assert_eq!(texts(&hits), exact.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), "{query}");
        for (hit, (_, cosine)) in hits.iter().zip(&exact) {
            assert!((hit.cosine.unwrap() - cosine).abs() < 1e-5, "{hit:?}: {cosine}");
        }
        let metadata = hits[0].metadata.as_ref().unwrap();
        assert_eq!((&metadata["first_page"], &metadata["last_page"]), (&json!(1), &json!(1)));
        assert!(points.contains_key(&hits[0].chunk_id));
    }
    assert_eq!(texts(&place.found(SearchRequest { top: 1, ..question("whales sing") }).await).len(), 1);
}

#[tokio::test]
async fn what_is_read_again_is_there_once() {
    let (_test, double, place) = place().await;
    place.ingest("doc-1", SEA).await.unwrap();
    let first = double.points("hardpoint");
    double.requests();
    place.ingest("doc-1", SEA).await.unwrap();
    assert_eq!(double.points("hardpoint"), first);
    let again = ["GET ", "PUT /points?wait=true", "POST /points/delete?wait=true"];
    let again = again.map(|asked| asked.replacen(' ', " /collections/hardpoint", 1));
    assert_eq!(double.requests(), again);
    // Shorter: what it had more is gone.
    place.ingest("doc-1", "The whale is a mammal.").await.unwrap();
    let points = double.points("hardpoint");
    assert_eq!(points.len(), 1);
    assert!(points.keys().all(|id| first.contains_key(id)));
    assert_eq!(texts(&place.found(question("whale")).await), ["The whale is a mammal."]);
}

#[tokio::test]
async fn knowledge_bases_share_a_collection_and_nothing_else() {
    let (_test, double, [one, other]) = places(["one", "other"], KEY).await;
    double.be_strict();
    one.ingest("doc-1", "The whale is a mammal.").await.unwrap();
    other.ingest("doc-1", "A whale is a fish.").await.unwrap();
    assert_eq!(double.points("hardpoint").len(), 2);
    assert_eq!(texts(&one.found(question("whale")).await), ["The whale is a mammal."]);
    assert_eq!(texts(&other.found(question("whale")).await), ["A whale is a fish."]);
    one.remove(&["doc-1"]).await;
    assert_eq!(one.found(question("whale")).await, []);
    assert_eq!(texts(&other.found(question("whale")).await), ["A whale is a fish."]);
}

#[tokio::test]
async fn a_search_sees_what_its_filter_lets_through() {
    let (_test, double, place) = place().await;
    double.be_strict();
    for id in ["doc-1", "doc-2", "doc-3"] {
        place.ingest(id, "The whale is a mammal.").await.unwrap();
    }
    let only = |ids: &[&str]| {
        let ids = Some(ids.iter().map(|id| (*id).to_owned()).collect());
        SearchRequest { filter: Filter { document_ids: ids, ..Filter::default() }, ..question("whale") }
    };
    assert_eq!(documents(&place.found(only(&["doc-2"])).await), ["doc-2"]);
    assert_eq!(place.found(only(&["doc-2", "doc-3"])).await.len(), 2);
    assert_eq!(place.found(only(&["doc-4"])).await, []);
    assert_eq!(place.found(only(&[])).await, []);
    // By metadata there is no index: Qdrant says so, and so does the retriever.
    let metadata = json!({ "headings": "Whales" }).as_object().cloned();
    let by_metadata = SearchRequest { filter: Filter { document_ids: None, metadata }, ..question("whale") };
    let refused = place.find(by_metadata).await.unwrap_err();
    assert_eq!(refused.kind, FailureKind::Unsupported);
    assert!(refused.message.contains("Index required but not found"), "{refused}");
}

#[tokio::test]
async fn metadata_is_compared() {
    let (_test, _double, place) = place().await;
    place.ingest("doc-1", SEA).await.unwrap();
    let under = |heading: &str| {
        let metadata = json!({ "headings": heading }).as_object().cloned();
        SearchRequest { filter: Filter { document_ids: None, metadata }, ..question("the ship") }
    };
    let hits = place.found(under("The sea")).await;
    assert!(!hits.is_empty() && hits.len() < place.found(question("the ship")).await.len(), "{hits:?}");
    assert_eq!(place.found(under("Trains")).await, []);
}

#[tokio::test]
async fn words_and_meaning_are_fused() {
    let (_test, _double, place) = place().await;
    place.ingest("doc-1", SEA).await.unwrap();
    let hybrid = |query| SearchRequest { hybrid: true, top: 10, ..question(query) };
    let hits = place.found(hybrid("blowhole")).await;
    // Found by both, and so under the host's name, with the cosine.
    assert!(hits[0].chunk_id.starts_with("doc-1/") && hits[0].text.is_none(), "{hits:?}");
    let cosines: Vec<f32> = hits.iter().map(|hit| hit.cosine.unwrap()).collect();
    let mut exact: Vec<f32> =
        place.exact("blowhole", 10).await.into_iter().map(|(_, cosine)| cosine).collect();
    let mut sorted = cosines.clone();
    sorted.sort_by(f32::total_cmp);
    exact.sort_by(f32::total_cmp);
    assert_eq!(sorted.len(), exact.len(), "each passage once");
    assert!(sorted.iter().zip(&exact).all(|(one, other)| (one - other).abs() < 1e-5), "{sorted:?} {exact:?}");
    // Others the words do not find.
    assert!(hits.iter().any(|hit| hit.text.is_some()), "{hits:?}");
}

#[tokio::test]
async fn what_is_gone_from_the_host_is_no_hit() {
    let (test, double, place) = place().await;
    place.ingest("doc-1", "The whale is a mammal.").await.unwrap();
    place.ingest("doc-2", "The whale is no fish.").await.unwrap();
    place.base.forget("doc-1");
    assert_eq!(documents(&place.found(question("whale")).await), ["doc-2"]);
    let log = test.runtime.shared("qdrant").log.tail(usize::MAX);
    assert!(log.iter().any(|line| line.message.contains("document doc-1 is left out")), "{log:?}");
    place.remove(&["doc-1", "doc-unknown"]).await;
    assert_eq!(double.points("hardpoint").len(), 1);
    place.remove(&["doc-2"]).await;
    assert_eq!(place.found(question("whale")).await, []);
}

/// What a proxy before Qdrant takes may be less.
#[tokio::test]
async fn what_is_too_large_goes_in_pieces() {
    let (_test, double, place) = place().await;
    double.take_at_most(4_000);
    let long: String =
        (0..160).map(|number| format!("Sentence {number} tells of whale {number}, and ends. ")).collect();
    place.ingest("doc-1", &long).await.unwrap();
    let upserts = double
        .requests()
        .iter()
        .filter(|asked| asked.starts_with("PUT") && asked.contains("/points"))
        .count();
    let ordinals: Vec<u64> =
        double.points("hardpoint").values().map(|payload| payload["ordinal"].as_u64().unwrap()).collect();
    assert!(upserts > 3 && ordinals.len() > 3, "{upserts} {ordinals:?}");
    let mut sorted = ordinals.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..ordinals.len() as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_qdrant_answers_decides_what_becomes_of_it() {
    let (_test, double, place) = place().await;
    place.ingest("doc-1", "The whale is a mammal.").await.unwrap();
    let limited = error(429, "Rate limiting exceeded: Read rate limit exceeded").header("retry-after", "7");
    let half = Script::new().header("content-length", "100").bytes("{\"result\":").broken();
    for (script, kind, wait) in [
        (limited, FailureKind::RateLimited, Some(Duration::from_secs(7))),
        (error(403, "Forbidden: Global manage access is required"), FailureKind::Authentication, None),
        (error(409, "Wrong input: already there"), FailureKind::Unsupported, None),
        (error(500, &format!("Service internal error: {KEY}")), FailureKind::Upstream, None),
        (error(503, "Shard temporarily unavailable"), FailureKind::Overloaded, None),
        (Script::new().bytes("<html>"), FailureKind::Protocol, None),
        (half, FailureKind::Upstream, None),
        (Script::new().silence(), FailureKind::Upstream, None),
    ] {
        double.next([script.clone()]);
        let failed = place.find(question("whale")).await.unwrap_err();
        assert_eq!((failed.kind, failed.retry_after), (kind, wait), "{failed}");
        assert!(!failed.message.contains(KEY), "{failed}");
        double.next([script]);
        let failed = place.ingest("doc-2", "The whale is no fish.").await.unwrap_err();
        assert_eq!((failed.kind, failed.retry_after), (kind, wait), "{failed}");
        assert_eq!(texts(&place.found(question("whale")).await), ["The whale is a mammal."]);
    }
    place.ingest("doc-2", "The whale is no fish.").await.unwrap();
    assert_eq!(place.found(question("whale")).await.len(), 2);
}

#[tokio::test]
async fn a_wrong_key_is_refused_and_told_to_nobody() {
    let (test, double, [place]) = places(["handbook"], "another-key-of-the-operator").await;
    let failed = place.ingest("doc-1", "The whale is a mammal.").await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::Authentication);
    assert!(failed.message.contains("is the secret `api_key` right"), "{failed}");
    assert!(double.points("hardpoint").is_empty());
    let log = test.runtime.shared("qdrant").log.tail(usize::MAX);
    assert!(!format!("{failed:?} {log:?}").contains("another-key"));
}

/// A draft that the host refuses is in no collection.
#[tokio::test]
async fn what_the_host_does_not_take_qdrant_does_not_get() {
    let (_test, double, place) = place().await;
    let document = MemoryKnowledge::document("doc-1", "a.txt", None, "The whale is a mammal.");
    let knowledge = place.base.called(place.settings.clone());
    let failed = place.binding.ingest(context(), knowledge, document, Arc::new(Full)).await.unwrap_err();
    assert_eq!(failed.kind, FailureKind::InvalidRequest);
    assert!(double.requests().is_empty());
}

/// A sink that takes pages and no chunks.
struct Full;

impl DocumentSink for Full {
    fn title(&self, _: String) -> Outcome<'_> {
        Box::pin(async { Ok(()) })
    }

    fn page(&self, _: Page) -> Outcome<'_> {
        Box::pin(async { Ok(()) })
    }

    fn chunks(&self, _: Vec<Chunk>) -> Outcome<'_> {
        Box::pin(async { Err(KnowledgeError::TooLarge("the knowledge base is full".into())) })
    }

    fn progress(&self, _: u32, _: u32) {}
}

type Outcome<'a> = BoxFuture<'a, Result<(), KnowledgeError>>;
