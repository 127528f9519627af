//! Finding passages in knowledge bases.

use std::collections::HashMap;
use std::sync::Arc;

use hardpoint_domain::failure::Failure;
use hardpoint_runtime::{Filter, Hit, SearchRequest};
use hardpoint_store::knowledge::bases::{self, KnowledgeBase};
use hardpoint_store::knowledge::{documents, passages};
use serde_json::{Map, Value};

use super::bound::Payer;
use super::embedder;
use super::library::{LibraryError, Opened};
use super::remote::Asker;
use super::retriever::{self, Retriever};
use crate::error::ApiError;
use crate::service::completions::context;
use crate::state::App;

/// What is looked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The question, in the asker's words.
    pub query: String,
    /// At most so many sources.
    pub top: u32,
    /// The least `similarity_score`; each knowledge base's own where left out.
    pub threshold: Option<f64>,
    /// Whether words and meaning are both asked; meaning alone otherwise, once every passage has a vector.
    pub hybrid: bool,
    /// Only of these documents, where given.
    pub documents: Option<Vec<String>>,
    /// Members of the passages' metadata that must be equal, where given.
    pub metadata: Option<Map<String, Value>>,
}

/// What a score is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScoreKind {
    /// The cosine with the question, on the scale of its embedding model.
    Semantic,
    /// The words that it shares with the question, on the same scale: there is no vector.
    Lexical,
}

/// A passage that was found, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// A UUID; of an engine outside the host whatever that calls it.
    pub chunk_id: String,
    /// `doc-…`
    pub document_id: String,
    /// `kb-…`
    pub knowledge_base_id: String,
    /// As the client named the document.
    pub filename: String,
    /// The document's own title.
    pub title: Option<String>,
    /// What it says.
    pub text: String,
    /// From 0 to 1; from 0.7 on it is relevant.
    pub similarity_score: f64,
    /// What that is made of.
    pub score_kind: ScoreKind,
    /// Where it begins and ends; none of an engine outside the host.
    pub place: Option<Place>,
    /// What else is known of it.
    pub metadata: Map<String, Value>,
}

/// Where a passage stands in its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The page on which it begins.
    pub first_page: u32,
    /// The page on which it ends.
    pub last_page: u32,
    /// Characters from the beginning of the first page's text.
    pub start: u32,
    /// Characters from the beginning of the last page's text.
    pub end: u32,
}

/// The sources of an answer, best first: of each knowledge base in its retriever's order, those of several by score.
///
/// # Errors
/// 503 where a retriever does not serve, or its search data cannot be used; whatever else it failed with, or the model that
/// a knowledge base is pinned to: 402 where there is no money for the question's vector.
pub async fn search(asker: &Asker, bases: &[KnowledgeBase], ask: &Ask) -> Result<Vec<Source>, ApiError> {
    let mut found = Vec::new();
    for base in bases {
        found.extend(search_in(asker, base, ask).await?);
    }
    if bases.len() > 1 {
        found.sort_by(|a, b| b.similarity_score.total_cmp(&a.similarity_score));
    }
    found.truncate(ask.top as usize);
    Ok(found)
}

async fn search_in(asker: &Asker, base: &KnowledgeBase, ask: &Ask) -> Result<Vec<Source>, ApiError> {
    let app = asker.note.app();
    let Some((base, opened)) = opened(app, base).await? else { return Ok(Vec::new()) };
    let base = &base;
    let generation = base.current.as_ref().map(|current| current.number);
    // What was just indexed has words, and its vectors follow.
    let is_covered = generation.is_some_and(|generation| opened.is_covered(generation));
    // A question costs nothing as long as there is no vector that it could be compared with.
    let is_comparable = generation.is_some_and(|generation| opened.has_vectors(generation));
    let payer = is_comparable.then(|| Payer::Asker(asker.clone()));
    let Retriever { binding, knowledge, index, remote } =
        retriever::over(app, base, Some(opened), payer).map_err(failed)?;
    let request = SearchRequest {
        query: ask.query.clone(),
        top: ask.top,
        filter: Filter { document_ids: ask.documents.clone(), metadata: ask.metadata.clone() },
        hybrid: ask.hybrid || !is_covered,
    };
    let hits = binding.search(context(&asker.caller), knowledge, request).await;
    if let Some(error) = remote.and_then(|remote| remote.refused()) {
        return Err(error);
    }
    let hits = hits.map_err(failed)?;
    let threshold = ask.threshold.unwrap_or(base.settings.similarity_threshold);
    let pinned = base.current.as_ref().map(|current| &current.embedder);
    let calibration = pinned.map(|pinned| embedder::calibration(app, pinned));
    let scored = hits.into_iter().filter_map(|hit| {
        let (score, kind) = match hit.cosine.zip(calibration) {
            Some((cosine, calibration)) => (calibration.similarity(f64::from(cosine)), ScoreKind::Semantic),
            None => (index.lexical(&hit.chunk_id).unwrap_or_default(), ScoreKind::Lexical),
        };
        (score >= threshold).then_some((hit, score, kind))
    });
    cited(app, base, scored.collect()).await
}

/// What can be searched, and the knowledge base as it is by then. None where it was removed meanwhile.
async fn opened(app: &App, base: &KnowledgeBase) -> Result<Option<(KnowledgeBase, Arc<Opened>)>, ApiError> {
    let mut known = base.clone();
    loop {
        let opened = match app.knowledge.library.shelf(&base.id).await {
            Ok(opened) => opened,
            Err(LibraryError::Gone) => return Ok(None),
            Err(LibraryError::Store(error)) => return Err(error.into()),
            Err(LibraryError::Index(error)) => {
                let message = "The search data of this host cannot be used at the moment. Retry later.";
                return Err(ApiError::unavailable(5, message).caused_by(error));
            }
        };
        let now = bases::get(&mut app.store.read().await?, &base.organization_id, &base.id).await?;
        let Some(now) = now else { return Ok(None) };
        // Of vectors that were exchanged after this host was brought up to date some may not be here.
        if now.current == known.current {
            return Ok(Some((now, opened)));
        }
        known = now;
    }
}

/// Adds what a citation shows. What was removed since it was found is left out.
async fn cited(
    app: &App,
    base: &KnowledgeBase,
    scored: Vec<(Hit, f64, ScoreKind)>,
) -> Result<Vec<Source>, ApiError> {
    let mut conn = app.store.read().await?;
    let own: Vec<String> =
        scored.iter().filter(|(hit, ..)| hit.text.is_none()).map(|(hit, ..)| hit.chunk_id.clone()).collect();
    let passages = passages::by_ids(&mut conn, &base.id, &own).await?;
    let mut passages: HashMap<String, _> =
        passages.into_iter().map(|passage| (passage.chunk.id.clone(), passage)).collect();
    let mut sources = Vec::with_capacity(scored.len());
    for (hit, similarity_score, score_kind) in scored {
        let source = |document_id, filename, title, text, place, metadata| Source {
            chunk_id: hit.chunk_id.clone(),
            document_id,
            knowledge_base_id: base.id.clone(),
            filename,
            title,
            text,
            similarity_score,
            score_kind,
            place,
            metadata,
        };
        if let Some(text) = hit.text {
            let document = documents::get(&mut conn, &base.organization_id, &hit.document_id).await?;
            let Some(document) = document else { continue };
            let metadata = hit.metadata.unwrap_or_default();
            sources.push(source(document.id, document.filename, document.title, text, None, metadata));
        } else if let Some(passage) = passages.remove(&hit.chunk_id) {
            let chunk = passage.chunk;
            let place = Place {
                first_page: chunk.first_page,
                last_page: chunk.last_page,
                start: chunk.begins_at,
                end: chunk.ends_at,
            };
            let metadata = chunk.metadata.as_deref().and_then(|json| serde_json::from_str(json).ok());
            let (document, title) = (passage.document_id, passage.document_title);
            let metadata = metadata.unwrap_or_default();
            sources.push(source(document, passage.filename, title, chunk.text, Some(place), metadata));
        }
    }
    Ok(sources)
}

fn failed(failure: Failure) -> ApiError {
    failure.into()
}
