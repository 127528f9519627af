//! The index over one knowledge base, as a retriever asks it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{BoxFuture, FutureExt};
use hardpoint_domain::knowledge::score;
use hardpoint_index::change::{self, Found};
use hardpoint_runtime::{Filter, KnowledgeError, KnowledgeIndex, Ranked};
use hardpoint_store::Store;
use hardpoint_store::knowledge::{documents, passages};
use uuid::Uuid;

use super::super::library::{Held, Opened, blocking, uuid_of};
use super::{away, of_index, of_library};

/// For one call of a retriever.
pub struct BoundIndex {
    store: Store,
    knowledge_base_id: String,
    /// None of a knowledge base that was removed: nothing is found there.
    opened: Option<Arc<Opened>>,
    /// The vectors that are searched; none where there is no embedder, or none was made yet.
    vectors: Option<Held>,
    /// What full text gave its hits in this call, as a share of what the question could reach.
    lexical: Mutex<HashMap<String, f64>>,
}

impl BoundIndex {
    /// Over what is open of a knowledge base, and the vectors of this generation.
    pub fn new(
        store: &Store,
        knowledge_base_id: &str,
        opened: Option<Arc<Opened>>,
        generation: Option<i64>,
    ) -> Self {
        let vectors = opened.as_ref().zip(generation).and_then(|(opened, number)| opened.held(number));
        Self {
            store: store.clone(),
            knowledge_base_id: knowledge_base_id.to_owned(),
            opened,
            vectors,
            lexical: Mutex::default(),
        }
    }

    /// The `similarity_score` of a chunk by its words alone; none where full text did not find it in this call.
    pub fn lexical(&self, chunk_id: &str) -> Option<f64> {
        self.lexical.lock().unwrap_or_else(PoisonError::into_inner).get(chunk_id).copied()
    }

    fn note(&self, found: &[Ranked], attainable: f32) {
        let mut lexical = self.lexical.lock().unwrap_or_else(PoisonError::into_inner);
        for hit in found {
            let score = score::lexical(f64::from(hit.score), f64::from(attainable));
            let known = lexical.entry(hit.chunk_id.clone()).or_default();
            *known = known.max(score);
        }
    }
}

impl KnowledgeIndex for BoundIndex {
    fn full_text(
        &self,
        query: String,
        filter: Filter,
        top: u32,
    ) -> BoxFuture<'_, Result<Vec<Ranked>, KnowledgeError>> {
        async move {
            let Some(opened) = self.opened.clone() else { return Ok(Vec::new()) };
            let filter = seen(filter);
            let searched = blocking(move || {
                Ok((opened.search(&query, &filter, top as usize)?, opened.attainable(&query)?))
            });
            let (found, attainable) = searched.await.map_err(of_library)?;
            let found = ranked(found);
            self.note(&found, attainable);
            Ok(found)
        }
        .boxed()
    }

    fn nearest(
        &self,
        vector: Vec<f32>,
        filter: Filter,
        top: u32,
    ) -> BoxFuture<'_, Result<Vec<Ranked>, KnowledgeError>> {
        async move {
            let Some((opened, vectors)) = self.opened.clone().zip(self.vectors.clone()) else {
                return Ok(Vec::new());
            };
            let filter = seen(filter);
            let searched = blocking(move || opened.nearest(&vectors, &vector, &filter, top as usize));
            Ok(ranked(searched.await.map_err(of_library)?))
        }
        .boxed()
    }

    fn cosines(
        &self,
        vector: Vec<f32>,
        chunk_ids: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<f32>>, KnowledgeError>> {
        async move {
            let Some(vectors) = self.vectors.clone() else {
                return Ok(vec![None; chunk_ids.len()]);
            };
            let chunks = chunk_ids.iter().map(|id| uuid_of(id)).collect::<Result<Vec<Uuid>, _>>();
            let chunks = chunks.map_err(of_index)?;
            blocking(move || vectors.cosines(&vector, &chunks)).await.map_err(of_library)
        }
        .boxed()
    }

    fn vectors(
        &self,
        chunk_ids: Vec<String>,
    ) -> BoxFuture<'_, Result<Vec<Option<Vec<f32>>>, KnowledgeError>> {
        async move {
            let Some(vectors) = &self.vectors else {
                return Ok(vec![None; chunk_ids.len()]);
            };
            let chunks = chunk_ids.iter().map(|id| uuid_of(id)).collect::<Result<Vec<Uuid>, _>>();
            Ok(vectors.vectors_of(&chunks.map_err(of_index)?))
        }
        .boxed()
    }

    fn texts(&self, chunk_ids: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, KnowledgeError>> {
        async move {
            let mut conn = self.store.read().await.map_err(away)?;
            let found =
                passages::by_ids(&mut conn, &self.knowledge_base_id, &chunk_ids).await.map_err(away)?;
            let texts: HashMap<&str, &str> = found
                .iter()
                .map(|passage| (passage.chunk.id.as_str(), passage.chunk.text.as_str()))
                .collect();
            let text = |id: &String| {
                let none = || KnowledgeError::Invalid(format!("chunk `{id}` is not of this knowledge base"));
                texts.get(id.as_str()).map(|text| (*text).to_owned()).ok_or_else(none)
            };
            chunk_ids.iter().map(text).collect()
        }
        .boxed()
    }

    fn holds(&self, document_ids: Vec<String>) -> BoxFuture<'_, Result<Vec<bool>, KnowledgeError>> {
        async move {
            let mut conn = self.store.read().await.map_err(away)?;
            let mut held = Vec::with_capacity(document_ids.len());
            for id in &document_ids {
                held.push(documents::holds(&mut conn, &self.knowledge_base_id, id).await.map_err(away)?);
            }
            Ok(held)
        }
        .boxed()
    }
}

/// What is no id of a document lets nothing through.
fn seen(filter: Filter) -> change::Filter {
    let ids = |ids: Vec<String>| ids.iter().filter_map(|id| uuid_of(id).ok()).collect::<HashSet<Uuid>>();
    change::Filter { documents: filter.document_ids.map(ids), metadata: filter.metadata.unwrap_or_default() }
}

fn ranked(found: Vec<Found>) -> Vec<Ranked> {
    let ranked = |found: Found| Ranked {
        chunk_id: found.chunk.to_string(),
        document_id: format!("doc-{}", found.document.simple()),
        score: found.score,
    };
    found.into_iter().map(ranked).collect()
}
