//! What somebody typed, as a query. There is no syntax: quotes, colons, AND and minus signs are no words, and a
//! question of nothing else finds nothing.

use std::collections::HashMap;

use frostem::{Algorithm, Stemmer};
use tantivy::Term;
use tantivy::query::{
    Bm25StatisticsProvider, Bm25Weight, BooleanQuery, BoostQuery, ConstScoreQuery, Occur, Query, TermQuery,
    TermSetQuery,
};
use tantivy::schema::IndexRecordOption;

use super::analysis;
use super::schema::Fields;
use super::stop_words::is_stop_word;
use crate::change::Filter;

/// Different terms that a question is looked for by; a pasted page costs no more than that.
const MOST_TERMS: usize = 64;

/// Any of the question's words, in passages that the filter lets through. None where there is no word, or where
/// no document is left.
pub(super) fn query(fields: &Fields, question: &str, filter: &Filter) -> Option<Box<dyn Query>> {
    if filter.documents.as_ref().is_some_and(|documents| documents.is_empty()) {
        return None;
    }
    let mut words: Vec<(Occur, Box<dyn Query>)> = Vec::new();
    for (term, times) in terms(question) {
        let term = Term::from_field_text(fields.text, &term);
        let term = Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs));
        // A word that is said twice counts twice.
        words.push((
            Occur::Should,
            if times > 1 { Box::new(BoostQuery::new(term, times as f32)) } else { term },
        ));
    }
    if words.is_empty() {
        return None;
    }
    let mut parts = conditions(fields, filter);
    if parts.is_empty() {
        return Some(Box::new(BooleanQuery::new(words)));
    }
    parts.push((Occur::Must, Box::new(BooleanQuery::new(words))));
    Some(Box::new(BooleanQuery::new(parts)))
}

/// Every passage that the filter lets through.
pub(super) fn permitted(fields: &Fields, filter: &Filter) -> Box<dyn Query> {
    Box::new(BooleanQuery::new(conditions(fields, filter)))
}

/// They decide, and count for nothing.
fn conditions(fields: &Fields, filter: &Filter) -> Vec<(Occur, Box<dyn Query>)> {
    let mut conditions: Vec<Box<dyn Query>> = Vec::new();
    if let Some(documents) = &filter.documents {
        let terms = documents.iter().map(|document| fields.document_term(*document));
        conditions.push(Box::new(TermSetQuery::new(terms)));
    }
    for (name, value) in &filter.metadata {
        let term = fields.metadata_term(name, value);
        conditions.push(Box::new(TermQuery::new(term, IndexRecordOption::Basic)));
    }
    let uncounted = |query| Box::new(ConstScoreQuery::new(query, 0.0)) as Box<dyn Query>;
    conditions.into_iter().map(|query| (Occur::Must, uncounted(query))).collect()
}

/// The most that any passage could score with a question: that of one that has little else than its words, each very
/// often. A word that no passage has counts as one that a single passage has: in a small collection it would outweigh all
/// that is there.
pub(super) fn attainable(
    fields: &Fields,
    question: &str,
    statistics: &dyn Bm25StatisticsProvider,
) -> tantivy::Result<f32> {
    let passages = statistics.total_num_docs()?;
    let mut most = 0.0;
    if passages == 0 {
        return Ok(most);
    }
    for (term, times) in terms(question) {
        let with_it = statistics.doc_freq(&Term::from_field_text(fields.text, &term))?.max(1);
        // How long passages are on the average does not matter in the limit.
        let weight = Bm25Weight::for_one_term_without_explain(with_it, passages, 1.0);
        most += times as f32 * weight.score(0, u32::MAX);
    }
    Ok(most)
}

/// The terms of a question and how often each is in it, in order of first appearance.
fn terms(question: &str) -> Vec<(String, u32)> {
    let words = analysis::words(question);
    let has_others = words.iter().any(|word| !is_stop_word(word));
    let stemmer = Stemmer::new(Algorithm::English);
    let mut terms: Vec<(String, u32)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for word in words {
        if has_others && is_stop_word(&word) {
            continue;
        }
        let term = analysis::stemmed(&stemmer, word);
        if let Some(place) = places.get(&term) {
            terms[*place].1 += 1;
        } else if terms.len() < MOST_TERMS {
            places.insert(term.clone(), terms.len());
            terms.push((term, 1));
        }
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_looked_for() {
        let found = |question: &str| terms(question).into_iter().map(|(term, _)| term).collect::<Vec<_>>();
        assert_eq!(found("What is the lift of a wing?"), ["lift", "wing"]);
        assert_eq!(found("to be or not to be"), ["to", "be", "or", "not"]);
        assert_eq!(found("\"text:wing\" AND -(lift^2 OR"), ["text", "wing", "lift", "2"]);
        assert_eq!(terms("wing, wings and Wing"), [("wing".to_owned(), 3)]);
        let page: String = (0..10_000).map(|number| format!("w{number} ")).collect();
        assert_eq!(terms(&page).len(), MOST_TERMS);
    }
}
