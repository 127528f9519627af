//! What Qdrant finds by meaning, and the host's full text by words.

use std::collections::BTreeMap;

use hardpoint_sdk::fusion::{Fused, List, Method, fuse};
use hardpoint_sdk::index::{self, Ranked};
use hardpoint_sdk::retriever::{Hit, SearchRequest};
use hardpoint_sdk::{Failure, embed};

use crate::engine::Engine;
use crate::filter;
use crate::point::Found;
use crate::settings::Settings;

pub(crate) fn search(request: &SearchRequest, settings: &Settings) -> Result<Vec<Hit>, Failure> {
    let SearchRequest { query, top, filter, hybrid } = request;
    let sees_nothing = filter.document_ids.as_ref().is_some_and(Vec::is_empty);
    if query.trim().is_empty() || *top == 0 || sees_nothing {
        return Ok(Vec::new());
    }
    let Some(question) = embed::question(query)? else {
        let found = index::full_text(query, filter, *top)?;
        return Ok(found.into_iter().map(Hit::from).collect());
    };
    let visible = filter::visible(&settings.knowledge_base, filter)?;
    let candidates = if *hybrid { settings.candidates.max(*top) } else { *top };
    let near = Engine::new(settings).nearest(&question, &visible, candidates)?;
    if !hybrid {
        return Ok(near.into_iter().map(Hit::from).collect());
    }
    let text = match index::full_text(query, filter, candidates) {
        // Nothing in it is a word: meaning decides alone.
        Err(index::Error::Invalid(_)) => Vec::new(),
        found => found?,
    };
    let near = known(near, &text)?;
    fused(near, &text, &question, request.top, settings)
}

/// Qdrant's hits, those that full text found too by the host's names for them. A passage has another name at each, and
/// the same document and text.
fn known(near: Vec<Found>, text: &[Ranked]) -> Result<Vec<Hit>, Failure> {
    if text.is_empty() {
        return Ok(near.into_iter().map(Hit::from).collect());
    }
    let ids: Vec<String> = text.iter().map(|hit| hit.chunk_id.clone()).collect();
    let texts = index::texts(&ids)?;
    let mut names: BTreeMap<(String, String), String> = BTreeMap::new();
    for (hit, text) in text.iter().zip(texts) {
        names.entry((hit.document_id.clone(), text)).or_insert_with(|| hit.chunk_id.clone());
    }
    let named = |found: Found| {
        // Once: the same text may stand in a document again.
        let name = names.remove(&(found.payload.document_id.clone(), found.payload.text.clone()));
        let hit = Hit::from(found);
        match name {
            Some(chunk_id) => Hit { chunk_id, text: None, metadata: None, ..hit },
            None => hit,
        }
    };
    Ok(near.into_iter().map(named).collect())
}

/// One order of both; what only full text found is asked for its cosine, since similarity is told on one scale for
/// all.
fn fused(
    near: Vec<Hit>,
    text: &[Ranked],
    question: &[f32],
    top: u32,
    settings: &Settings,
) -> Result<Vec<Hit>, Failure> {
    let ranked: Vec<Ranked> = near.iter().zip(1..).map(ranked).collect();
    let lists = [
        List { hits: text, weight: settings.text_weight },
        List { hits: &ranked, weight: 1.0 - settings.text_weight },
    ];
    let mut order = fuse(&lists, Method::default());
    order.truncate(top as usize);
    let mut near: BTreeMap<String, Hit> = near.into_iter().map(|hit| (hit.chunk_id.clone(), hit)).collect();
    let by_words: Vec<String> = order
        .iter()
        .filter(|hit| !near.contains_key(&hit.chunk_id))
        .map(|hit| hit.chunk_id.clone())
        .collect();
    let cosines = if by_words.is_empty() { Vec::new() } else { index::cosines(question, &by_words)? };
    let cosines: BTreeMap<String, Option<f32>> = by_words.into_iter().zip(cosines).collect();
    let hit = |fused: Fused| match near.remove(&fused.chunk_id) {
        Some(hit) => Hit { fused: fused.score, ..hit },
        None => Hit {
            cosine: cosines.get(&fused.chunk_id).copied().flatten(),
            chunk_id: fused.chunk_id,
            document_id: fused.document_id,
            fused: fused.score,
            text: None,
            metadata: None,
        },
    };
    Ok(order.into_iter().map(hit).collect())
}

fn ranked((hit, rank): (&Hit, u32)) -> Ranked {
    let (chunk_id, document_id) = (hit.chunk_id.clone(), hit.document_id.clone());
    Ranked { chunk_id, document_id, rank, score: hit.fused }
}
