//! Both searches of the host's index, made one.

use std::collections::BTreeMap;

use hardpoint_sdk::Failure;
use hardpoint_sdk::embed;
use hardpoint_sdk::feedback;
use hardpoint_sdk::fusion::{Fused, List, fuse};
use hardpoint_sdk::index::{self, Ranked};
use hardpoint_sdk::retriever::{Hit, SearchRequest};

use crate::settings::Settings;

pub(crate) fn search(request: &SearchRequest, settings: &Settings) -> Result<Vec<Hit>, Failure> {
    if request.query.trim().is_empty() || request.top == 0 {
        return Ok(Vec::new());
    }
    let candidates = settings.candidates.max(request.top);
    let Some(question) = embed::question(&request.query)? else {
        let found = index::full_text(&request.query, &request.filter, request.top)?;
        return Ok(found.into_iter().map(Hit::from).collect());
    };
    let near = index::nearest(&question, &request.filter, candidates)?;
    if !request.hybrid {
        return Ok(near.into_iter().take(request.top as usize).map(by_cosine).collect());
    }
    let text = match index::full_text(&request.query, &request.filter, candidates) {
        // Nothing in it is a word: meaning decides alone.
        Err(index::Error::Invalid(_)) => Vec::new(),
        found => found?,
    };
    let fused = both(&text, &near, settings);
    let mut fused = again(fused, &text, &question, settings)?;
    fused.truncate(request.top as usize);
    with_cosines(fused, &near, &question)
}

fn both(text: &[Ranked], near: &[Ranked], settings: &Settings) -> Vec<Fused> {
    let lists = [
        List { hits: text, weight: settings.text_weight },
        List { hits: near, weight: 1.0 - settings.text_weight },
    ];
    fuse(&lists, settings.method())
}

/// Fused once more, by what the question means beside what it found first.
fn again(
    hits: Vec<Fused>,
    text: &[Ranked],
    question: &[f32],
    settings: &Settings,
) -> Result<Vec<Fused>, Failure> {
    let first: Vec<String> =
        hits.iter().take(settings.feedback as usize).map(|hit| hit.chunk_id.clone()).collect();
    if first.is_empty() {
        return Ok(hits);
    }
    let found: Vec<Vec<f32>> = index::vectors(&first)?.into_iter().flatten().collect();
    if found.is_empty() {
        return Ok(hits);
    }
    let ids: Vec<String> = hits.iter().map(|hit| hit.chunk_id.clone()).collect();
    let cosines = index::cosines(&feedback::moved(question, &found), &ids)?;
    Ok(both(text, &feedback::ranked(&hits, &cosines), settings))
}

fn by_cosine(ranked: Ranked) -> Hit {
    Hit { cosine: Some(ranked.score), ..Hit::from(ranked) }
}

/// Hits that only full text found are asked for their cosines: similarity is told on one scale for all.
fn with_cosines(fused: Vec<Fused>, near: &[Ranked], question: &[f32]) -> Result<Vec<Hit>, Failure> {
    let mut known: BTreeMap<&str, Option<f32>> =
        near.iter().map(|hit| (hit.chunk_id.as_str(), Some(hit.score))).collect();
    let unknown: Vec<String> = fused
        .iter()
        .filter(|hit| !known.contains_key(hit.chunk_id.as_str()))
        .map(|hit| hit.chunk_id.clone())
        .collect();
    if !unknown.is_empty() {
        let cosines = index::cosines(question, &unknown)?;
        known.extend(unknown.iter().map(String::as_str).zip(cosines));
    }
    let hit = |hit: &Fused| Hit {
        chunk_id: hit.chunk_id.clone(),
        document_id: hit.document_id.clone(),
        cosine: known.get(hit.chunk_id.as_str()).copied().flatten(),
        fused: hit.score,
        text: None,
        metadata: None,
    };
    Ok(fused.iter().map(hit).collect())
}
