//! What every retriever must bear: documents of every sort, questions of every sort, a knowledge base that is full,
//! and an embedder that is not there. The index and the embedder are doubles in memory, behind the real sandbox.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_runtime::{
    Binding, Chunk, Document, DocumentSink, Filter, Hit, Ingested, Knowledge, KnowledgeError, MemoryDraft,
    MemoryKnowledge, Page, SearchRequest,
};

use super::{Check, Stubborn, endless, trial_of};
use crate::author::bench::Bench;

/// A text with words that no other has.
const TEXT: &str =
    "A lighthouse keeper counts the ships.\n\nEvery zwieback in the pantry was eaten by mice.\n";
/// What is asked of it.
const QUESTION: &str = "Who ate the zwieback in the pantry?";

/// Tries documents, searches and removals; the network answers each with an error, and with nothing.
pub(super) async fn tried(tape: &Stubborn, binding: &Arc<Binding>) -> Vec<Check> {
    let mut checks = Vec::new();
    let networks = [trial_of("nothing", 200, ""), trial_of("a server error", 500, "<h1>500</h1>")];
    // What sends nothing has no answer to bear.
    let sends = !binding.generation().manifest().http.is_empty();
    for network in networks.into_iter().take(if sends { 2 } else { 1 }) {
        let trial = Trial { tape, binding, network: &network };
        for (name, document) in documents() {
            checks.push(trial.document(name, document).await);
        }
        checks.push(trial.full().await);
        for (name, request) in questions() {
            checks.push(trial.question(name, request).await);
        }
        checks.push(trial.without_embedder().await);
        for ids in [Vec::new(), vec!["doc-unknown".to_owned()], vec![String::new(), "\u{0}".to_owned()]] {
            checks.push(trial.removal(&ids).await);
        }
    }
    checks.push(Trial { tape, binding, network: &trial_of("nothing", 200, "") }.found().await);
    checks
}

/// One way in which the network answers.
struct Trial<'a> {
    tape: &'a Stubborn,
    binding: &'a Arc<Binding>,
    network: &'a super::Trial,
}

impl Trial<'_> {
    fn check(&self, what: &str, problem: Option<String>) -> Check {
        let problem = problem.or_else(|| endless(self.tape.requests()));
        Check { name: format!("{what}, the network answering {}", self.network.name), problem }
    }

    fn knowledge(&self, base: &Arc<MemoryKnowledge>) -> Knowledge {
        self.tape.answers(self.network.answer.clone());
        base.called(self.binding.settings().clone())
    }

    async fn ingest(&self, document: Document, sink: Arc<dyn DocumentSink>) -> Result<Ingested, Failure> {
        let knowledge = self.knowledge(&MemoryKnowledge::new());
        self.binding.ingest(Bench::context(), knowledge, document, sink).await
    }

    async fn search(&self, knowledge: Knowledge, request: SearchRequest) -> Result<Vec<Hit>, Failure> {
        self.binding.search(Bench::context(), knowledge, request).await
    }

    /// It is read or refused with a reason, and the same comes of it another time.
    async fn document(&self, name: &str, document: Document) -> Check {
        let (first, second) = (MemoryDraft::new(), MemoryDraft::new());
        let outcome = self.ingest(document.clone(), first.clone()).await;
        let again = self.ingest(document, second.clone()).await;
        let problem = fault(&outcome).or_else(|| unreasoned(&outcome)).or_else(|| {
            let (one, other) = (first.written(), second.written());
            let differs = outcome.is_ok() != again.is_ok()
                || outcome.is_ok() && (one.pages != other.pages || one.chunks != other.chunks);
            differs.then(|| "something else comes of it the second time".to_owned())
        });
        self.check(&format!("a document: {name}"), problem)
    }

    /// What has no room is refused; that is the host's to say, and the retriever may not stumble over it.
    async fn full(&self) -> Check {
        let outcome = self.ingest(text("doc-1"), Arc::new(Full)).await;
        let problem = fault(&outcome);
        self.check("a knowledge base that is full", problem)
    }

    async fn question(&self, name: &str, request: SearchRequest) -> Check {
        let base = MemoryKnowledge::new();
        self.fill(&base).await;
        let outcome = self.search(self.knowledge(&base), request).await;
        self.check(&format!("a question: {name}"), fault(&outcome))
    }

    /// What has the host's full text goes by that alone.
    async fn without_embedder(&self) -> Check {
        let base = MemoryKnowledge::new();
        self.fill(&base).await;
        let knowledge = Knowledge { embedder: None, ..self.knowledge(&base) };
        let outcome = self.search(knowledge, asked(QUESTION)).await;
        let problem = fault(&outcome).or_else(|| {
            let failure = outcome.err().filter(|_| self.is_its_own() && self.tape.requests() == 0)?;
            Some(format!("it fails where full text would do: {failure}"))
        });
        self.check("a question without an embedder", problem)
    }

    async fn removal(&self, ids: &[String]) -> Check {
        let outcome =
            self.binding.remove(Bench::context(), self.knowledge(&MemoryKnowledge::new()), ids).await;
        let problem = fault(&outcome).or_else(|| {
            let failure = outcome.err().filter(|_| self.tape.requests() == 0)?;
            Some(format!("unknown documents are no error: {failure}"))
        });
        self.check(&format!("a removal of {} unknown documents", ids.len()), problem)
    }

    /// What it hands to the host's index it finds there.
    async fn found(&self) -> Check {
        let base = MemoryKnowledge::new();
        let chunks = self.fill(&base).await;
        let outcome = self.search(self.knowledge(&base), asked(QUESTION)).await;
        let problem = fault(&outcome).or_else(|| {
            let is_lost = self.is_its_own() && chunks > 0 && outcome.as_ref().is_ok_and(Vec::is_empty);
            is_lost.then(|| "a question in a passage's own words finds nothing".to_owned())
        });
        self.check("a passage that was read", problem)
    }

    /// Whether its passages are in the host's index.
    fn is_its_own(&self) -> bool {
        self.binding.generation().manifest().index
    }

    /// Puts the text into a knowledge base, as far as the retriever reads it; how many chunks it made of it.
    async fn fill(&self, base: &MemoryKnowledge) -> usize {
        let draft = MemoryDraft::new();
        if self.ingest(text("doc-1"), draft.clone()).await.is_ok() {
            base.publish("doc-1", &draft);
        }
        draft.written().chunks.len()
    }
}

/// Whether the sandbox had to stop it.
fn fault<T>(outcome: &Result<T, Failure>) -> Option<String> {
    let failure = outcome.as_ref().err().filter(|failure| failure.kind == FailureKind::Plugin)?;
    let code = failure.code.as_deref().unwrap_or("plugin");
    Some(format!("{code}: {failure}"))
}

/// Whether people are not told why.
fn unreasoned<T>(outcome: &Result<T, Failure>) -> Option<String> {
    let failure = outcome.as_ref().err().filter(|failure| failure.message.trim().is_empty())?;
    Some(format!("it fails ({}) and does not say why", failure.kind.as_str()))
}

fn asked(query: &str) -> SearchRequest {
    SearchRequest { query: query.to_owned(), top: 10, filter: Filter::default(), hybrid: true }
}

fn text(id: &str) -> Document {
    MemoryKnowledge::document(id, "notes.txt", Some("text/plain"), TEXT)
}

/// Documents of every sort, most of them not what they say.
fn documents() -> Vec<(&'static str, Document)> {
    let utf16: Vec<u8> = TEXT.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let deep = "[".repeat(200_000);
    let laughs = "<!DOCTYPE a [<!ENTITY b \"ha\"><!ENTITY c \"&b;&b;&b;\">]><a>&c;</a>";
    let rows: String = (0..20_000).map(|row| format!("{row},\"unclosed,,\r\n")).collect();
    let named: [(_, &str, Option<&str>, Bytes); 18] = [
        ("plain text", "notes.txt", Some("text/plain"), TEXT.into()),
        ("nothing", "nothing.txt", Some("text/plain"), Bytes::new()),
        ("nothing, and no type", "", None, Bytes::new()),
        ("white space", "white.txt", None, " \n\t\r\n\u{a0}".repeat(1_000).into()),
        ("UTF-16", "notes.txt", Some("text/plain"), [b"\xff\xfe".to_vec(), utf16].concat().into()),
        (
            "no UTF-8",
            "notes.txt",
            Some("text/plain; charset=utf-8"),
            b"a\xff\xfe\xc3(\x80\n\n".repeat(500).into(),
        ),
        ("NULs", "notes.txt", Some("text/plain"), "a\u{0}b\n\n".repeat(500).into()),
        (
            "text of every sort",
            "\u{202e}txt.\u{1f9ea}",
            None,
            "שלום \u{202e}文書検索 \u{1f9ea}\u{feff} e\u{301}\n\n".repeat(500).into(),
        ),
        ("one long line", "line.txt", None, "word ".repeat(400_000).into()),
        ("one long word", "word.txt", None, "x".repeat(2_000_000).into()),
        ("many short lines", "lines.md", Some("text/markdown"), "# a\n\n".repeat(50_000).into()),
        (
            "a PDF cut short",
            "a.pdf",
            Some("application/pdf"),
            "%PDF-1.7\n1 0 obj\n<< /Type /Pages /Kids [1 0 R] >>".into(),
        ),
        (
            "a ZIP cut short",
            "a.docx",
            Some("application/zip"),
            b"PK\x03\x04\x14\0\0\0\x08\0\xff\xff\xff\xff".repeat(9).into(),
        ),
        ("text that is called a PDF", "notes.pdf", Some("application/pdf"), TEXT.into()),
        ("deep JSON", "deep.json", Some("application/json"), deep.into()),
        ("entities", "laughs.html", Some("text/html"), laughs.into()),
        ("broken rows", "rows.csv", Some("text/csv"), rows.into()),
        ("noise", "noise.bin", Some("application/octet-stream"), noise(1 << 18).into()),
    ];
    let document = |(name, filename, media_type, bytes)| {
        (name, MemoryKnowledge::document("doc-tried", filename, media_type, bytes))
    };
    named.into_iter().map(document).collect()
}

/// Bytes without any order, the same ones each time.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn questions() -> Vec<(&'static str, SearchRequest)> {
    let none = Filter { document_ids: Some(vec!["doc-unknown".to_owned()]), metadata: None };
    let metadata =
        Filter { metadata: Some(serde_json::Map::from_iter([("a".into(), 1.into())])), ..none.clone() };
    vec![
        ("plain", asked(QUESTION)),
        ("nothing", asked("")),
        ("white space and marks", asked(" \t?!\"'()[]{}~^*:\\/+-&|")),
        ("text of every sort", asked("\u{0}\u{feff}\u{1f9ea}\u{202e}\n文書 </script>")),
        ("long", asked(&"zwieback ".repeat(1_500))),
        ("words of a query language", asked("title:(a AND NOT b) OR \"c d\"~3 [1 TO *]")),
        ("for one hit", SearchRequest { top: 1, ..asked(QUESTION) }),
        ("for many hits", SearchRequest { top: 200, ..asked(QUESTION) }),
        ("for no hit", SearchRequest { top: 0, ..asked(QUESTION) }),
        ("by vectors alone", SearchRequest { hybrid: false, ..asked(QUESTION) }),
        ("in no document", SearchRequest { filter: none, ..asked(QUESTION) }),
        ("by metadata", SearchRequest { filter: metadata, ..asked(QUESTION) }),
    ]
}

/// A sink that takes nothing.
struct Full;

impl Full {
    fn refusal() -> BoxFuture<'static, Result<(), KnowledgeError>> {
        Box::pin(ready(Err(KnowledgeError::TooLarge("the knowledge base is full".to_owned()))))
    }
}

impl DocumentSink for Full {
    fn title(&self, _: String) -> BoxFuture<'_, Result<(), KnowledgeError>> {
        Self::refusal()
    }

    fn page(&self, _: Page) -> BoxFuture<'_, Result<(), KnowledgeError>> {
        Self::refusal()
    }

    fn chunks(&self, _: Vec<Chunk>) -> BoxFuture<'_, Result<(), KnowledgeError>> {
        Self::refusal()
    }

    fn progress(&self, _: u32, _: u32) {}
}
