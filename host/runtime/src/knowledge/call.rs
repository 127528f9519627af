//! What one call of a retriever is for, and what it has asked so far.

use std::collections::HashMap;
use std::sync::Arc;

use super::draft::{CHUNKS, Draft};
use super::{Document, DocumentSink, Embedder, Knowledge, KnowledgeError, KnowledgeIndex, Ranked};

/// Questions that one call may ask the index: their work is not the guest's own CPU time.
const INDEX_CALLS: u32 = 100;
/// Texts that a search or a removal may have embedded.
const EMBEDDED_TEXTS: u32 = 100;

/// One call of a retriever; host functions read it.
pub(crate) struct KnowledgeCall {
    pub(crate) index: Arc<dyn KnowledgeIndex>,
    pub(crate) embedder: Option<Arc<dyn Embedder>>,
    /// Of an ingestion.
    pub(crate) ingestion: Option<Ingestion>,
    /// Chunks that the index has answered, with their documents.
    pub(crate) answered: HashMap<String, String>,
    /// The first thing that could not be reached.
    pub(crate) away: Option<String>,
    index_calls: u32,
    embedded_texts: u32,
}

/// A document on its way in.
pub(crate) struct Ingestion {
    pub(crate) document: Document,
    pub(crate) sink: Arc<dyn DocumentSink>,
    pub(crate) draft: Draft,
    /// The first write that was refused, or read that failed: what is read or kept without it is another document.
    pub(crate) refused: Option<KnowledgeError>,
}

impl KnowledgeCall {
    /// For a search or a removal.
    pub(crate) fn new(knowledge: Knowledge) -> Self {
        Self {
            index: knowledge.index,
            embedder: knowledge.embedder,
            ingestion: None,
            answered: HashMap::new(),
            away: None,
            index_calls: INDEX_CALLS,
            embedded_texts: EMBEDDED_TEXTS,
        }
    }

    pub(crate) fn ingestion(knowledge: Knowledge, document: Document, sink: Arc<dyn DocumentSink>) -> Self {
        let ingestion = Ingestion { document, sink, draft: Draft::default(), refused: None };
        // Every chunk once.
        Self { ingestion: Some(ingestion), embedded_texts: CHUNKS, ..Self::new(knowledge) }
    }

    /// Counts a question to the index; says how many there may be where there are no more.
    pub(crate) fn ask_index(&mut self) -> Result<(), u32> {
        self.index_calls = self.index_calls.checked_sub(1).ok_or(INDEX_CALLS)?;
        Ok(())
    }

    /// Counts texts to embed; says how many are left where these are more.
    pub(crate) fn ask_embedder(&mut self, texts: usize) -> Result<(), u32> {
        let left = u32::try_from(texts).ok().and_then(|texts| self.embedded_texts.checked_sub(texts));
        self.embedded_texts = left.ok_or(self.embedded_texts)?;
        Ok(())
    }

    /// Remembers what the index answered.
    pub(crate) fn answer(&mut self, found: &[Ranked]) {
        for ranked in found {
            self.answered.insert(ranked.chunk_id.clone(), ranked.document_id.clone());
        }
    }

    /// Remembers what could not be reached: a guest may make something else of it.
    pub(crate) fn note<T>(&mut self, outcome: Result<T, KnowledgeError>) -> Result<T, KnowledgeError> {
        if let Err(KnowledgeError::Unavailable(reason)) = &outcome {
            self.away.get_or_insert_with(|| reason.clone());
        }
        outcome
    }

    /// Remembers what a document cannot do without.
    pub(crate) fn refuse<T>(&mut self, outcome: Result<T, KnowledgeError>) -> Result<T, KnowledgeError> {
        if let (Err(error), Some(ingestion)) = (&outcome, &mut self.ingestion) {
            ingestion.refused.get_or_insert_with(|| error.clone());
        }
        self.note(outcome)
    }
}
