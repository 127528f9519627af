//! What a retriever works on: documents that it reads, a sink that it writes to, and the host's index and
//! embedder. The server implements these; each is bound to its organisation and knowledge base before it is
//! handed over, so that nothing here names a tenant.

mod call;
mod draft;
mod found;
mod memory;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};

pub(crate) use call::{Ingestion, KnowledgeCall};
pub(crate) use found::check as check_hits;
pub use memory::{MemoryDraft, MemoryKnowledge, Written};

/// What a retriever is called for, and what it may reach there as far as its binding was granted it.
#[derive(Clone)]
pub struct Knowledge {
    /// A JSON object: the binding's settings with those of the knowledge base laid over them.
    pub settings: Value,
    /// The index over this knowledge base.
    pub index: Arc<dyn KnowledgeIndex>,
    /// The embedder that this knowledge base is pinned to; none where none is loaded.
    pub embedder: Option<Arc<dyn Embedder>>,
}

/// An uploaded document.
#[derive(Clone)]
pub struct Document {
    /// `doc-…`
    pub id: String,
    /// As the client named it.
    pub filename: String,
    /// As the client declared it.
    pub media_type: Option<String>,
    /// In bytes.
    pub size: u64,
    /// Its bytes.
    pub content: Arc<dyn DocumentContent>,
}

/// The bytes of a document.
pub trait DocumentContent: Send + Sync {
    /// At most `length` bytes from `offset`, which lies before the end; fewer at the end only.
    fn read(&self, offset: u64, length: u32) -> BoxFuture<'_, Result<Bytes, KnowledgeError>>;
}

/// Where an ingestion writes. Everything it is given was checked: pages ascend, chunks are dense and lie on
/// pages that were written before, and no text holds a NUL.
///
/// What is written is a draft, given as it comes so that no document has to fit into the host's memory. Nobody
/// may see any of it before [`Binding::ingest`](crate::Binding::ingest) has returned `Ok` and its caller has
/// published it; after an error, or where the call was dropped (within a method of this, too), the caller throws
/// it away. An ingestion always begins with the first page.
pub trait DocumentSink: Send + Sync {
    /// The document's own title, in the place of an earlier one.
    fn title(&self, title: String) -> BoxFuture<'_, Result<(), KnowledgeError>>;
    /// The next page.
    fn page(&self, page: Page) -> BoxFuture<'_, Result<(), KnowledgeError>>;
    /// The next chunks; never none.
    fn chunks(&self, chunks: Vec<Chunk>) -> BoxFuture<'_, Result<(), KnowledgeError>>;
    /// `done` of `total` units, `done` being the smaller. Called whenever the guest likes: it must cost next to
    /// nothing.
    fn progress(&self, done: u32, total: u32);
}

/// A page, or the whole of a document without pages.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// From 1, ascending; those without text may be left out.
    pub number: u32,
    /// Its heading, where it has one.
    pub title: Option<String>,
    /// Plain text.
    pub text: String,
}

/// A passage that can be found and cited.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// From 0, dense.
    pub ordinal: u32,
    /// What is shown and cited; never empty.
    pub text: String,
    /// What is embedded and searched in the place of `text`.
    pub embedded_text: Option<String>,
    /// The page on which it begins.
    pub first_page: u32,
    /// The page on which it ends.
    pub last_page: u32,
    /// Where it begins: characters from the beginning of the first page's text.
    pub start: u32,
    /// Where it ends: characters from the beginning of the last page's text.
    pub end: u32,
    /// What else is known (section, headings).
    pub metadata: Option<Map<String, Value>>,
}

/// What an ingestion wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ingested {
    /// The document's own title.
    pub title: Option<String>,
    /// Pages.
    pub pages: u32,
    /// Chunks.
    pub chunks: u32,
}

/// The host's index over one knowledge base. Lists come best first.
pub trait KnowledgeIndex: Send + Sync {
    /// Full text, by BM25: at most `top`.
    fn full_text(
        &self,
        query: String,
        filter: Filter,
        top: u32,
    ) -> BoxFuture<'_, Result<Vec<Ranked>, KnowledgeError>>;
    /// By cosine of the vectors, exact: at most `top`.
    fn nearest(
        &self,
        vector: Vec<f32>,
        filter: Filter,
        top: u32,
    ) -> BoxFuture<'_, Result<Vec<Ranked>, KnowledgeError>>;
    /// The cosine of each chunk with `vector`; none where a chunk has no vector yet.
    fn cosines(
        &self,
        vector: Vec<f32>,
        chunk_ids: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<f32>>, KnowledgeError>>;
    /// The vector of each chunk, of length 1; none where a chunk has no vector yet. An index may keep them to itself.
    fn vectors(
        &self,
        chunk_ids: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<f32>>>, KnowledgeError>> {
        Box::pin(std::future::ready(Ok(vec![None; chunk_ids.len()])))
    }
    /// The texts of chunks, in the order asked for. `Invalid` where one is none of this knowledge base.
    fn texts(&self, chunk_ids: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, KnowledgeError>>;
    /// Whether each of these documents is of this knowledge base, in the order asked for: what an engine outside
    /// the host found may be another's, or gone.
    fn holds(&self, document_ids: Vec<String>) -> BoxFuture<'_, Result<Vec<bool>, KnowledgeError>>;
}

/// Which documents a search may see.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Only these, where given.
    pub document_ids: Option<Vec<String>>,
    /// Members of the metadata that must be equal, where given.
    pub metadata: Option<Map<String, Value>>,
}

/// A chunk that the index found.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The chunk.
    pub chunk_id: String,
    /// The document it is of.
    pub document_id: String,
    /// BM25 for full text, the cosine for vectors.
    pub score: f32,
}

/// The embedder of a knowledge base.
pub trait Embedder: Send + Sync {
    /// A vector for each text, in order.
    fn vectors(
        &self,
        texts: Vec<String>,
        purpose: Purpose,
    ) -> BoxFuture<'_, Result<Vec<Vec<f32>>, KnowledgeError>>;
}

/// What texts are embedded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Questions.
    Query,
    /// What is to be found.
    Passage,
}

/// What to find.
#[derive(Clone, Debug, PartialEq)]
pub struct SearchRequest {
    /// The question, in the asker's words.
    pub query: String,
    /// At most so many hits.
    pub top: u32,
    /// Which documents may be seen.
    pub filter: Filter,
    /// Whether full text and vectors are both asked; vectors alone otherwise.
    pub hybrid: bool,
}

/// A passage that a retriever found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The chunk: one of the index's, or an outside engine's own name for it where `text` is given.
    pub chunk_id: String,
    /// The document it is of, which is one of this knowledge base.
    pub document_id: String,
    /// The cosine with the question, from -1 to 1, where it is known.
    pub cosine: Option<f32>,
    /// What hits are ordered by, descending; finite.
    pub fused: f32,
    /// Of an engine outside the host.
    pub text: Option<String>,
    /// Of an engine outside the host.
    pub metadata: Option<Map<String, Value>>,
}

/// Why a document, a sink, an index or an embedder did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KnowledgeError {
    /// It cannot be reached; later it may be.
    #[error("{0}")]
    Unavailable(String),
    /// More than there is room for.
    #[error("{0}")]
    TooLarge(String),
    /// What was asked for is nothing that can be done.
    #[error("{0}")]
    Invalid(String),
}
