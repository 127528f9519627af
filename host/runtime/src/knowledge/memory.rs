//! A knowledge base in memory, for trying retrievers out: nothing outlives it, and nothing is fast.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use serde_json::Value;

use super::{
    Chunk, Document, DocumentContent, DocumentSink, Embedder, Filter, Knowledge, KnowledgeError,
    KnowledgeIndex, Page, Purpose, Ranked,
};

/// Dimensions of its vectors.
const DIMENSIONS: usize = 64;

/// Documents with an index and an embedder that know words and nothing of what they mean.
#[derive(Debug, Default)]
pub struct MemoryKnowledge(Mutex<BTreeMap<String, Vec<Chunk>>>);

/// What one ingestion wrote.
#[derive(Debug, Default)]
pub struct MemoryDraft(Mutex<Written>);

/// Title, pages, chunks and progress of a draft.
#[derive(Clone, Debug, Default)]
pub struct Written {
    /// The title given last.
    pub title: Option<String>,
    /// In order.
    pub pages: Vec<Page>,
    /// In order.
    pub chunks: Vec<Chunk>,
    /// Told last: `done` of `total`.
    pub progress: Option<(u32, u32)>,
}

impl MemoryKnowledge {
    /// An empty knowledge base.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What a retriever is called with, under these settings.
    pub fn called(self: &Arc<Self>, settings: Value) -> Knowledge {
        let embedder: Arc<dyn Embedder> = self.clone();
        Knowledge { settings, index: self.clone(), embedder: Some(embedder) }
    }

    /// A document of these bytes.
    pub fn document(id: &str, filename: &str, media_type: Option<&str>, bytes: impl Into<Bytes>) -> Document {
        let content = Content(bytes.into());
        Document {
            id: id.to_owned(),
            filename: filename.to_owned(),
            media_type: media_type.map(str::to_owned),
            size: content.0.len() as u64,
            content: Arc::new(content),
        }
    }

    /// Makes a draft visible, in the place of what the document was before.
    pub fn publish(&self, document_id: &str, draft: &MemoryDraft) {
        self.documents().insert(document_id.to_owned(), draft.written().chunks);
    }

    /// Forgets a document.
    pub fn forget(&self, document_id: &str) {
        self.documents().remove(document_id);
    }

    fn documents(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Chunk>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The best chunks that `filter` lets through.
    fn ranked(&self, filter: &Filter, top: u32, score: impl Fn(&Chunk) -> Option<f32>) -> Vec<Ranked> {
        let documents = self.documents();
        let mut found = Vec::new();
        for (document, chunks) in &*documents {
            let ids = filter.document_ids.as_ref();
            if ids.is_some_and(|ids| !ids.contains(document)) {
                continue;
            }
            for chunk in chunks.iter().filter(|chunk| has_metadata(chunk, filter)) {
                if let Some(score) = score(chunk) {
                    let chunk_id = format!("{document}/{}", chunk.ordinal);
                    found.push(Ranked { chunk_id, document_id: document.clone(), score });
                }
            }
        }
        found.sort_by(|one, other| other.score.total_cmp(&one.score));
        found.truncate(top as usize);
        found
    }

    fn chunk(&self, id: &str) -> Option<Chunk> {
        let (document, ordinal) = id.rsplit_once('/')?;
        let ordinal: usize = ordinal.parse().ok()?;
        self.documents().get(document)?.get(ordinal).cloned()
    }
}

impl MemoryDraft {
    /// An empty draft.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// What was written.
    pub fn written(&self) -> Written {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DocumentSink for MemoryDraft {
    fn title(&self, title: String) -> BoxFuture<'_, Result<(), KnowledgeError>> {
        self.lock().title = Some(title);
        Box::pin(ready(Ok(())))
    }

    fn page(&self, page: Page) -> BoxFuture<'_, Result<(), KnowledgeError>> {
        self.lock().pages.push(page);
        Box::pin(ready(Ok(())))
    }

    fn chunks(&self, chunks: Vec<Chunk>) -> BoxFuture<'_, Result<(), KnowledgeError>> {
        self.lock().chunks.extend(chunks);
        Box::pin(ready(Ok(())))
    }

    fn progress(&self, done: u32, total: u32) {
        self.lock().progress = Some((done, total));
    }
}

struct Content(Bytes);

impl DocumentContent for Content {
    fn read(&self, offset: u64, length: u32) -> BoxFuture<'_, Result<Bytes, KnowledgeError>> {
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let end = begin.saturating_add(length as usize).min(self.0.len());
        Box::pin(ready(Ok(self.0.slice(begin..end))))
    }
}

impl KnowledgeIndex for MemoryKnowledge {
    fn full_text(
        &self,
        query: String,
        filter: Filter,
        top: u32,
    ) -> BoxFuture<'_, Result<Vec<Ranked>, KnowledgeError>> {
        let wanted: BTreeSet<String> = words(&query).collect();
        let found = self.ranked(&filter, top, |chunk| {
            let own: Vec<String> = words(searched(chunk)).collect();
            let frequency = |word: &String| own.iter().filter(|other| *other == word).count() as f32;
            // Saturates, as BM25 does.
            let score: f32 = wanted.iter().map(frequency).map(|times| times / (times + 1.2)).sum();
            (score > 0.0).then_some(score)
        });
        Box::pin(ready(Ok(found)))
    }

    fn nearest(
        &self,
        vector: Vec<f32>,
        filter: Filter,
        top: u32,
    ) -> BoxFuture<'_, Result<Vec<Ranked>, KnowledgeError>> {
        let found = checked(&vector)
            .map(|()| self.ranked(&filter, top, |chunk| Some(cosine(&vector, &embedded(searched(chunk))))));
        Box::pin(ready(found))
    }

    fn cosines(
        &self,
        vector: Vec<f32>,
        chunk_ids: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<f32>>, KnowledgeError>> {
        let of = |id: &String| self.chunk(id).map(|chunk| cosine(&vector, &embedded(searched(&chunk))));
        Box::pin(ready(checked(&vector).map(|()| chunk_ids.iter().map(of).collect())))
    }

    fn vectors(
        &self,
        chunk_ids: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<f32>>>, KnowledgeError>> {
        let of = |id: &String| self.chunk(id).and_then(|chunk| of_length_1(embedded(searched(&chunk))));
        Box::pin(ready(Ok(chunk_ids.iter().map(of).collect())))
    }

    fn texts(&self, chunk_ids: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, KnowledgeError>> {
        let text = |id: &String| {
            let unknown = || KnowledgeError::Invalid(format!("there is no chunk `{id}`"));
            self.chunk(id).map(|chunk| chunk.text).ok_or_else(unknown)
        };
        Box::pin(ready(chunk_ids.iter().map(text).collect()))
    }

    fn holds(&self, document_ids: Vec<String>) -> BoxFuture<'_, Result<Vec<bool>, KnowledgeError>> {
        let documents = self.documents();
        let held = document_ids.iter().map(|id| documents.contains_key(id)).collect();
        Box::pin(ready(Ok(held)))
    }
}

impl Embedder for MemoryKnowledge {
    fn vectors(
        &self,
        texts: Vec<String>,
        _: Purpose,
    ) -> BoxFuture<'_, Result<Vec<Vec<f32>>, KnowledgeError>> {
        Box::pin(ready(Ok(texts.iter().map(|text| embedded(text)).collect())))
    }
}

fn has_metadata(chunk: &Chunk, filter: &Filter) -> bool {
    let Some(wanted) = &filter.metadata else { return true };
    let own = |name: &String| chunk.metadata.as_ref().and_then(|metadata| metadata.get(name));
    wanted.iter().all(|(name, value)| own(name) == Some(value))
}

fn searched(chunk: &Chunk) -> &str {
    chunk.embedded_text.as_deref().unwrap_or(&chunk.text)
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// A text by its words: each adds to one dimension.
fn embedded(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; DIMENSIONS];
    for word in words(text) {
        let mut hasher = DefaultHasher::new();
        word.hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % DIMENSIONS as u64).unwrap_or_default();
        if let Some(value) = vector.get_mut(place) {
            *value += 1.0;
        }
    }
    vector
}

fn checked(vector: &[f32]) -> Result<(), KnowledgeError> {
    if vector.len() == DIMENSIONS {
        return Ok(());
    }
    Err(KnowledgeError::Invalid(format!("a vector of {} dimensions, not {DIMENSIONS}", vector.len())))
}

/// None where a text has no word.
fn of_length_1(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.iter_mut().for_each(|value| *value /= length);
    (length > 0.0).then_some(vector)
}

fn cosine(one: &[f32], other: &[f32]) -> f32 {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let length = product(one, one).sqrt() * product(other, other).sqrt();
    if length > 0.0 { product(one, other) / length } else { 0.0 }
}
