//! A retriever that does what it should: documents in, passages out, and nothing without a grant.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hardpoint_domain::failure::FailureKind;
use hardpoint_domain::grant::Permissions;
use hardpoint_domain::manifest::embed;
use hardpoint_domain::origin::Origin;
use hardpoint_runtime::{
    Binding, Document, DocumentContent, Filter, Ingested, KnowledgeError, MemoryDraft, MemoryKnowledge,
    PlayedAnswer, SearchRequest, Secret, SentRequest, Tape,
};
use serde_json::json;
use tokio::sync::{Notify, Semaphore};

use crate::support::{TestRuntime, context, fixture, spec};

pub fn allowed() -> Permissions {
    Permissions { index: true, embed: true, ..Permissions::default() }
}

pub fn question(query: &str) -> SearchRequest {
    SearchRequest { query: query.to_owned(), top: 5, filter: Filter::default(), hybrid: true }
}

/// Takes a text in and publishes it.
pub async fn take_in(binding: &Arc<Binding>, base: &Arc<MemoryKnowledge>, id: &str, text: &str) -> Ingested {
    let draft = MemoryDraft::new();
    let document = MemoryKnowledge::document(id, &format!("{id}.txt"), Some("text/plain"), text.to_owned());
    let taken = binding.ingest(context(), base.called(json!({})), document, draft.clone()).await.unwrap();
    base.publish(id, &draft);
    taken
}

#[tokio::test]
async fn what_was_taken_in_is_found() {
    let test = TestRuntime::start();
    let (binding, base) = (test.bind("reader", allowed()).await, MemoryKnowledge::new());
    let draft = MemoryDraft::new();
    let text = "About whales.\n\nThe whale is no fish: Äußerst groß.\x0cAbout ships.\n\nA ship has a hull.";
    let document = MemoryKnowledge::document("doc-1", "sea.txt", None, text);
    let taken = binding.ingest(context(), base.called(json!({})), document, draft.clone()).await.unwrap();
    assert_eq!(taken, Ingested { title: Some("sea".into()), pages: 2, chunks: 4 });
    let written = draft.written();
    assert_eq!(written.progress, Some((2, 2)));
    assert_eq!(written.chunks[1].text, "The whale is no fish: Äußerst groß.");
    assert_eq!((written.chunks[1].start, written.chunks[1].end), (15, 50));
    assert_eq!(written.chunks[3].metadata.as_ref().unwrap()["page"], 2);
    let search =
        async |query: &str| binding.search(context(), base.called(json!({})), question(query)).await.unwrap();
    assert_eq!(search("whale").await, [], "a draft is seen by nobody");
    base.publish("doc-1", &draft);
    let hits = search("Is the whale a fish?").await;
    assert_eq!((hits[0].chunk_id.as_str(), hits[0].document_id.as_str()), ("doc-1/1", "doc-1"));
    assert!(hits[0].cosine.is_some_and(|cosine| cosine > 0.3), "{hits:?}");
    assert!(hits.windows(2).all(|pair| pair[0].fused >= pair[1].fused));
    binding.remove(context(), base.called(json!({})), &["doc-1".to_owned()]).await.unwrap();
    base.forget("doc-1");
    assert_eq!(search("whale").await, []);
    assert_eq!(test.runtime.shared("reader").stats.snapshot().faults.len(), 0);
    assert_eq!(binding.generation().live(), 0);
}

#[tokio::test]
async fn a_search_sees_what_its_filter_lets_through() {
    let test = TestRuntime::start();
    let (binding, base) = (test.bind("reader", allowed()).await, MemoryKnowledge::new());
    for id in ["doc-1", "doc-2"] {
        take_in(&binding, &base, id, "a word\x0canother word").await;
    }
    let found = async |filter: Filter| {
        let request = SearchRequest { filter, ..question("word") };
        let hits = binding.search(context(), base.called(json!({})), request).await.unwrap();
        let mut ids: Vec<String> = hits.into_iter().map(|hit| hit.chunk_id).collect();
        ids.sort();
        ids
    };
    let only = |ids: &[&str]| Some(ids.iter().map(|id| (*id).to_owned()).collect());
    assert_eq!(found(Filter::default()).await.len(), 4);
    let of_one = Filter { document_ids: only(&["doc-2"]), ..Filter::default() };
    assert_eq!(found(of_one).await, ["doc-2/0", "doc-2/1"]);
    let of_a_page = Filter { metadata: json!({ "page": 2 }).as_object().cloned(), ..Filter::default() };
    assert_eq!(found(of_a_page).await, ["doc-1/1", "doc-2/1"]);
    assert_eq!(found(Filter { document_ids: only(&["doc-3"]), ..Filter::default() }).await, [""; 0]);
}

#[tokio::test]
async fn full_text_alone_serves_where_no_embedder_is_loaded() {
    let test = TestRuntime::start();
    let (binding, base) = (test.bind("reader", allowed()).await, MemoryKnowledge::new());
    take_in(&binding, &base, "doc-1", "a word").await;
    let mut knowledge = base.called(json!({}));
    knowledge.embedder = None;
    let hits = binding.search(context(), knowledge, question("word")).await.unwrap();
    assert_eq!((hits.len(), hits[0].cosine), (1, None));
}

/// Each capability by itself: the refusal names it, and what would allow it.
#[tokio::test]
async fn an_index_and_an_embedder_are_denied_without_a_grant() {
    let test = TestRuntime::start();
    for (permissions, query, denied) in [
        (Permissions { index: true, ..Permissions::default() }, "the embedder", "embed"),
        (Permissions { embed: true, ..Permissions::default() }, "the index", "index"),
        (Permissions { embed: true, ..Permissions::default() }, "the vectors", "index"),
        (Permissions::default(), "texts", "index"),
    ] {
        let (binding, base) = (test.bind("hostile-retriever", permissions).await, MemoryKnowledge::new());
        let refused = binding.search(context(), base.called(json!({})), question(query)).await.unwrap_err();
        let words = format!("Denied(\\\"binding hostile-retriever has no grant for {denied}; ");
        assert!(refused.message.contains(&words.replace('\\', "")), "{refused:?}");
        assert!(refused.message.contains("hardpoint plugin grant hostile-retriever"), "{refused:?}");
    }
    let (binding, base) = (test.bind("hostile-retriever", allowed()).await, MemoryKnowledge::new());
    let knowledge = base.called(json!({}));
    let told = binding.search(context(), knowledge.clone(), question("the embedder")).await.unwrap_err();
    assert!(told.message.starts_with("Ok(") && told.kind == FailureKind::InvalidRequest, "{told:?}");
    let told = binding.search(context(), knowledge, question("the index")).await.unwrap_err();
    assert_eq!(told.message, "Ok([])");
}

#[tokio::test]
async fn the_network_is_denied_without_a_grant() {
    let test = TestRuntime::start();
    let (binding, base) = (test.bind("hostile-retriever", allowed()).await, MemoryKnowledge::new());
    let knowledge = base.called(json!({ "engine": "https://example.com/" }));
    let told = binding.search(context(), knowledge, question("the network")).await.unwrap_err();
    assert!(told.message.contains("Denied") && told.message.contains("plugin grant"), "{told:?}");
    assert_eq!(test.runtime.egress().stats().refusals, 1);
}

/// An engine that gives the secret away that it was sent.
#[derive(Debug)]
struct Engine;

impl Tape for Engine {
    fn play(&self, request: &SentRequest) -> Option<PlayedAnswer> {
        assert_eq!(request.headers, [("authorization".to_owned(), "{secret:token}".to_owned())]);
        let body = Bytes::from_static(b"you sent the-very-secret");
        Some(PlayedAnswer { status: Some(200), headers: Vec::new(), chunks: vec![body], broken: None })
    }
}

#[tokio::test]
async fn an_engine_outside_is_asked_as_tools_ask() {
    let test = TestRuntime::with(|config| config.egress.tape = Some(Arc::new(Engine)));
    let generation = test.load("hostile-retriever").await;
    let settings = json!({ "engine": "https://engine.example.com/" });
    let mut spec = spec(&generation, generation.manifest().permissions(&settings).unwrap());
    let audience = Origin::parse("https://engine.example.com").unwrap();
    spec.secrets.insert("token".to_owned(), Secret::new("the-very-secret", audience));
    test.runtime.publish(vec![generation], vec![spec]);
    let binding = Arc::clone(test.runtime.snapshot().binding("hostile-retriever").unwrap());
    let knowledge = MemoryKnowledge::new().called(settings);
    let told = binding.search(context(), knowledge, question("the network")).await.unwrap_err();
    assert_eq!(told.message, "200 you sent [redacted]");
    let sent = test.runtime.shared("hostile-retriever").stats.snapshot().egress;
    assert_eq!(sent["https://engine.example.com"].requests, 1);
}

/// What its manifest does not ask for no grant can give: the embedder is refused when it is loaded, and the index,
/// whose types every retriever imports, when it is asked.
#[tokio::test]
async fn what_is_not_asked_for_is_not_given() {
    let test = TestRuntime::start();
    let manifest = |asks: &str| {
        format!("id = \"x\"\nversion = \"1.0.0\"\nkind = \"retriever\"\ndescription = \"x\"\n{asks}\n")
    };
    let bare = hardpoint_domain::manifest::strip(&fixture("reader"));
    let refused = test.runtime.load(embed(&bare, &manifest("index = true")).into()).await.unwrap_err();
    assert!(
        refused.to_string().contains("embed@") && refused.to_string().contains("does not ask"),
        "{refused}"
    );
    let generation = test.runtime.load(embed(&bare, &manifest("embed = true")).into()).await.unwrap();
    let mut spec = spec(&generation, allowed());
    spec.permissions.index = false;
    test.runtime.publish(vec![generation], vec![spec]);
    let binding = Arc::clone(test.runtime.snapshot().binding("x").unwrap());
    let base = MemoryKnowledge::new();
    let told = binding.search(context(), base.called(json!({})), question("word")).await.unwrap_err();
    assert!(told.message.contains("put `index = true` into its plugin.toml"), "{told:?}");
}

/// A store that is away.
struct Away;

impl DocumentContent for Away {
    fn read(&self, _: u64, _: u32) -> BoxFuture<'_, Result<Bytes, KnowledgeError>> {
        Box::pin(async { Err(KnowledgeError::Unavailable("the disk is away".into())) })
    }
}

/// The document is not to blame, whatever the retriever makes of it: it may be tried again.
#[tokio::test]
async fn a_store_that_is_away_fails_no_document() {
    let test = TestRuntime::start();
    for fixture in ["reader", "hostile-retriever"] {
        let (binding, base) = (test.bind(fixture, allowed()).await, MemoryKnowledge::new());
        let document = MemoryKnowledge::document("doc-1", "a.txt", None, "word");
        let document = Document { content: Arc::new(Away), ..document };
        let draft = MemoryDraft::new();
        let failed = binding.ingest(context(), base.called(json!({})), document, draft).await.unwrap_err();
        assert_eq!((failed.kind, failed.code.as_deref()), (FailureKind::Busy, Some("knowledge_unavailable")));
        assert!(failed.message.contains("the disk is away"), "{failed:?}");
    }
}

/// Each has places of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_does_not_wait_for_documents() {
    let test = TestRuntime::start();
    let generation = test.load("reader").await;
    let mut spec = spec(&generation, allowed());
    (spec.limits.concurrency, spec.limits.concurrency_per_org) = (1, 1);
    test.runtime.publish(vec![generation], vec![spec]);
    let binding = Arc::clone(test.runtime.snapshot().binding("reader").unwrap());
    let base = MemoryKnowledge::new();
    let (opened, begun) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let document = slow(&opened, &begun);
    let ingestion = {
        let (binding, knowledge) = (binding.clone(), base.called(json!({})));
        tokio::spawn(async move { binding.ingest(context(), knowledge, document, MemoryDraft::new()).await })
    };
    begun.notified().await;
    binding.search(context(), base.called(json!({})), question("word")).await.unwrap();
    let second = MemoryKnowledge::document("doc-2", "a.txt", None, "word");
    let full = binding.ingest(context(), base.called(json!({})), second, MemoryDraft::new()).await;
    assert_eq!(full.unwrap_err().kind, FailureKind::Busy);
    opened.add_permits(1_000);
    assert_eq!(ingestion.await.unwrap().unwrap().chunks, 1);
}

/// What reads a document goes on when its version is replaced, as long as a stream would; a search as long as a call.
#[tokio::test]
async fn a_replaced_version_reads_on_for_a_while() {
    let test = TestRuntime::with(|config| config.drain_streams = Duration::from_secs(60));
    let (binding, base) = (test.bind("reader", allowed()).await, MemoryKnowledge::new());
    // Not before: where the guest has to be compiled first, the compiler's time would be over at once.
    tokio::time::pause();
    let (opened, begun) = (Arc::new(Semaphore::new(0)), Arc::new(Notify::new()));
    let document = slow(&opened, &begun);
    let ingestion = binding.ingest(context(), base.called(json!({})), document, MemoryDraft::new());
    let replaced = async {
        begun.notified().await;
        test.runtime.publish(Vec::new(), Vec::new());
        let begun = tokio::time::Instant::now();
        tokio::time::sleep(Duration::from_secs(59)).await;
        begun
    };
    let mut ingestion = std::pin::pin!(ingestion);
    let replaced_at = tokio::select! {
        begun = replaced => begun,
        ended = &mut ingestion => panic!("{ended:?}"),
    };
    let failure = ingestion.await.unwrap_err();
    assert_eq!(failure.code.as_deref(), Some("plugin_retired"), "{failure}");
    assert!(replaced_at.elapsed() < Duration::from_secs(62));
}

/// A document whose bytes come when somebody lets them.
struct Slow {
    opened: Arc<Semaphore>,
    begun: Arc<Notify>,
}

fn slow(opened: &Arc<Semaphore>, begun: &Arc<Notify>) -> Document {
    let content = Arc::new(Slow { opened: Arc::clone(opened), begun: Arc::clone(begun) });
    Document { content, ..MemoryKnowledge::document("doc-1", "a.txt", None, "word") }
}

impl DocumentContent for Slow {
    fn read(&self, offset: u64, _: u32) -> BoxFuture<'_, Result<Bytes, KnowledgeError>> {
        Box::pin(async move {
            self.begun.notify_one();
            let _open = self.opened.acquire().await.unwrap();
            let offset = usize::try_from(offset).unwrap();
            Ok(Bytes::from_static(b"word").slice(offset..))
        })
    }
}
