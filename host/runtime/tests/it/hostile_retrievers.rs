//! Each way in which a retriever can misbehave ends that one call, by name and within its limits.

use std::sync::Arc;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::manifest::Manifest;
use hardpoint_runtime::{Binding, Filter, Ingested, MemoryDraft, MemoryKnowledge, SearchRequest};
use serde_json::json;

use crate::retrievers::{allowed, question, take_in};
use crate::support::{TestRuntime, context, fixture, repacked, spec};

async fn ingest(binding: &Arc<Binding>, draft: &Arc<MemoryDraft>, what: &str) -> Result<Ingested, Failure> {
    let (base, document) =
        (MemoryKnowledge::new(), MemoryKnowledge::document("doc-1", "a", None, what.to_owned()));
    binding.ingest(context(), base.called(json!({})), document, draft.clone()).await
}

fn assert_fault(what: &str, failure: &Failure, code: &str) {
    assert_eq!(
        (failure.kind, failure.code.as_deref()),
        (FailureKind::Plugin, Some(code)),
        "{what}: {failure}"
    );
}

/// The fixture with as much time as an ingestion has by default.
async fn patient(test: &TestRuntime) -> Arc<Binding> {
    let bytes = fixture("hostile-retriever");
    let manifest = hardpoint_runtime::inspect(&bytes).unwrap().manifest_text;
    let manifest = manifest.replace("cpu_ms = 300", "cpu_ms = 60000");
    let manifest = manifest.replace("memory_mib = 128", "memory_mib = 512");
    Manifest::from_toml(&manifest).unwrap();
    let generation = test.runtime.load(repacked("hostile-retriever", &manifest)).await.unwrap();
    let spec = spec(&generation, allowed());
    test.runtime.publish(vec![generation], vec![spec]);
    Arc::clone(test.runtime.snapshot().binding("hostile-retriever").unwrap())
}

/// All of one organisation, one after the other: none of them keeps the next document, or a question, waiting.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_an_ingestion_is_named_and_the_next_is_served() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile-retriever", allowed()).await;
    let table = [
        ("spin", "plugin_cpu"),
        ("endless progress", "plugin_cpu"),
        ("endless chunks, deaf", "plugin_cpu"),
        ("allocate", "plugin_memory"),
        ("recurse", "plugin_stack"),
        ("trap", "plugin_trap"),
        ("exit", "plugin_exit"),
        ("pages out of order", "plugin_protocol"),
        ("page zero", "plugin_protocol"),
        ("a chunk beyond its page", "plugin_protocol"),
        ("a chunk without its page", "plugin_protocol"),
        ("a chunk left out", "plugin_protocol"),
    ];
    for (what, code) in table {
        let failure = ingest(&binding, &MemoryDraft::new(), what).await.unwrap_err();
        assert_fault(what, &failure, code);
        ingest(&binding, &MemoryDraft::new(), "nothing").await.unwrap();
    }
    assert!(!binding.is_broken());
    // In a row, too: a breaker would take the organisation's questions along with its documents.
    for _ in 0..10 {
        ingest(&binding, &MemoryDraft::new(), "trap").await.unwrap_err();
    }
    assert!(!binding.is_broken());
    let base = MemoryKnowledge::new();
    binding.search(context(), base.called(json!({})), question("nothing")).await.unwrap();
    let stats = test.runtime.shared("hostile-retriever").stats.snapshot();
    assert_eq!(stats.faults.values().sum::<u64>(), table.len() as u64 + 10);
    assert_eq!(binding.generation().live(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_that_is_too_large_is_told_so() {
    let test = TestRuntime::start();
    let binding = patient(&test).await;
    let table = [
        ("endless chunks", "at most 250000 chunks"),
        ("endless pages", "at most 100000 pages"),
        ("a page of 32 MiB", "at most 16384 KiB"),
    ];
    for (what, words) in table {
        let failure = ingest(&binding, &MemoryDraft::new(), what).await.unwrap_err();
        let told = (failure.kind, failure.code.as_deref());
        assert_eq!(told, (FailureKind::InvalidRequest, Some("too_large")), "{what}: {failure}");
        assert!(failure.message.contains(words), "{what}: {failure}");
    }
    // More than can be handed over at once never arrives.
    let failure = ingest(&binding, &MemoryDraft::new(), "a page of 80 MiB").await.unwrap_err();
    assert_fault("80 MiB", &failure, "plugin_output");
}

#[tokio::test]
async fn nothing_is_read_past_the_end() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile-retriever", allowed()).await;
    let draft = MemoryDraft::new();
    ingest(&binding, &draft, "past the end").await.unwrap();
    assert_eq!(draft.written().pages[0].text, "Ok(0) Ok(0) Ok(1)");
    ingest(&binding, &MemoryDraft::new(), "a huge piece").await.unwrap();
    let log = test.runtime.shared("hostile-retriever").log.tail(1).remove(0);
    assert_eq!(log.message, "12 bytes");
}

#[tokio::test]
async fn no_text_that_is_kept_holds_a_nul() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile-retriever", allowed()).await;
    let draft = MemoryDraft::new();
    ingest(&binding, &draft, "nul").await.unwrap();
    let written = draft.written();
    assert_eq!(written.title.as_deref(), Some("a\u{fffd}b"));
    assert_eq!(
        (written.pages[0].text.as_str(), written.pages[0].title.as_deref()),
        ("a\u{fffd}b", Some("\u{fffd}"))
    );
    assert_eq!(written.chunks[0].text, "a\u{fffd}b");
}

/// What the retriever says of a document is the reason that people are shown; it is no fault.
#[tokio::test]
async fn a_document_that_cannot_be_read_says_why() {
    let test = TestRuntime::start();
    let binding = test.bind("hostile-retriever", allowed()).await;
    let failure = ingest(&binding, &MemoryDraft::new(), "unreadable").await.unwrap_err();
    assert_eq!(
        (failure.kind, failure.message.as_str()),
        (FailureKind::InvalidRequest, "there is no text in it")
    );
    let stats = test.runtime.shared("hostile-retriever").stats.snapshot();
    assert_eq!((stats.faults.len(), stats.failures.len()), (0, 0));
    let failure = ingest(&binding, &MemoryDraft::new(), "fail").await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Upstream);
    assert_eq!(test.runtime.shared("hostile-retriever").stats.snapshot().failures.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_of_a_search_is_named_and_the_next_is_served() {
    let test = TestRuntime::start();
    let (binding, base) = (test.bind("hostile-retriever", allowed()).await, MemoryKnowledge::new());
    let reader = test.load("reader").await;
    let reader = test.runtime.bind_aside(reader.clone(), spec(&reader, allowed())).unwrap();
    for id in ["doc-1", "doc-2"] {
        take_in(&reader, &base, id, "a word").await;
    }
    let search = async |what: &str| {
        let filter = Filter { document_ids: Some(vec!["doc-1".to_owned()]), metadata: None };
        // Where it looks at more than it may, and where it may look at all.
        let filter = if what == "everything" { filter } else { Filter::default() };
        let request = SearchRequest { filter, ..question(what) };
        binding.search(context(), base.called(json!({})), request).await
    };
    for (what, code) in [
        ("spin", "plugin_cpu"),
        ("allocate", "plugin_memory"),
        ("recurse", "plugin_stack"),
        ("trap", "plugin_trap"),
        ("exit", "plugin_exit"),
        ("an unknown chunk", "plugin_protocol"),
        ("a chunk of another", "plugin_protocol"),
        ("no number", "plugin_protocol"),
        ("a cosine of 7", "plugin_protocol"),
        ("worst first", "plugin_protocol"),
        ("the same twice", "plugin_protocol"),
        ("too many", "plugin_protocol"),
        ("endless hits", "plugin_output"),
        ("everything", "plugin_protocol"),
    ] {
        assert_fault(what, &search(what).await.unwrap_err(), code);
        assert_eq!(search("nothing").await.unwrap(), [], "after {what}");
    }
    for (what, words) in [
        ("endless questions", "more than 100 questions"),
        ("endless embedding", "too many texts in one call: 0 are left"),
        ("no vector", "a value that is no number"),
        ("all hits", "4294967295 hits; at most 1000 at once"),
        ("texts", "there is no chunk"),
    ] {
        let told = search(what).await.unwrap_err();
        assert!(told.message.contains(words) && told.kind == FailureKind::InvalidRequest, "{what}: {told:?}");
    }
    assert_eq!(binding.generation().live(), 0);
}

/// What an engine outside the host found may be of a knowledge base that shares it: it is left out, and the log says
/// so. It may as well be of a document that was deleted a moment ago, which is nobody's fault.
#[tokio::test]
async fn a_hit_of_somebody_elses_document_is_left_out() {
    let test = TestRuntime::start();
    let (binding, base) = (test.bind("hostile-retriever", allowed()).await, MemoryKnowledge::new());
    base.publish("doc-1", &MemoryDraft::new());
    let hits = binding.search(context(), base.called(json!({})), question("somebody else's")).await.unwrap();
    let found: Vec<&str> = hits.iter().map(|hit| hit.document_id.as_str()).collect();
    assert_eq!(found, ["doc-1"]);
    let log = test.runtime.shared("hostile-retriever").log.tail(1).remove(0);
    assert!(log.message.contains("doc-of-others"), "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_that_keeps_failing_is_paused_and_documents_are_not() {
    let test = TestRuntime::start();
    let (binding, base) = (test.bind("hostile-retriever", allowed()).await, MemoryKnowledge::new());
    for _ in 0..5 {
        binding.search(context(), base.called(json!({})), question("trap")).await.unwrap_err();
    }
    let paused = binding.search(context(), base.called(json!({})), question("nothing")).await.unwrap_err();
    assert_eq!(paused.kind, FailureKind::Paused);
    ingest(&binding, &MemoryDraft::new(), "nothing").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removal_that_harms_is_stopped() {
    let test = TestRuntime::start();
    let (binding, base) = (test.bind("hostile-retriever", allowed()).await, MemoryKnowledge::new());
    for (what, code) in [("spin", "plugin_cpu"), ("trap", "plugin_trap"), ("allocate", "plugin_memory")] {
        let failure =
            binding.remove(context(), base.called(json!({})), &[what.to_owned()]).await.unwrap_err();
        assert_fault(what, &failure, code);
        binding.remove(context(), base.called(json!({})), &["doc-1".to_owned()]).await.unwrap();
    }
}

#[tokio::test]
async fn a_sleeping_retriever_is_stopped_by_the_wall_clock() {
    let test = TestRuntime::start();
    let (binding, base) = (test.bind("hostile-retriever", allowed()).await, MemoryKnowledge::new());
    // Not before: where the guest has to be compiled first, the compiler's time would be over at once.
    tokio::time::pause();
    let failure = ingest(&binding, &MemoryDraft::new(), "sleep").await.unwrap_err();
    assert_fault("ingest", &failure, "plugin_wall");
    let failure = binding.search(context(), base.called(json!({})), question("sleep")).await.unwrap_err();
    assert_fault("search", &failure, "plugin_wall");
}

/// Searches have less than ingestions of the same retriever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_has_limits_of_its_own() {
    let test = TestRuntime::start();
    let (binding, base) = (patient(&test).await, MemoryKnowledge::new());
    let limits = binding.limits().searching();
    assert_eq!((binding.limits().memory >> 20, limits.memory >> 20), (512, 256));
    for (what, words) in [("spin", "more than 1000 ms"), ("allocate", "its 256 MiB")] {
        let failure = binding.search(context(), base.called(json!({})), question(what)).await.unwrap_err();
        assert!(failure.message.contains(words), "{failure}");
    }
    let failure = ingest(&binding, &MemoryDraft::new(), "allocate").await.unwrap_err();
    assert!(failure.message.contains("its 512 MiB"), "{failure}");
}
