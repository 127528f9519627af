//! Knowledge bases, their documents, and what is found in these.
//!
//! A document is read into an edition that nobody sees, in batches, and [`publish`] makes the whole of it visible by one
//! row; its vectors follow. What is published, embedded or removed gets a number in the same transaction
//! ([`changes`]), and hosts' indexes follow these. What nobody sees any more is wiped out in batches ([`removals`]).
//!
//! Whoever holds rows takes them in this order, so that nobody waits for each other in a circle: the knowledge base, the
//! document, the job, the head of the changes.

pub mod bases;
mod bases_dialect;
pub mod changes;
pub mod conversations;
pub mod documents;
mod documents_dialect;
pub mod generations;
pub mod ingestions;
mod ingestions_dialect;
pub mod passages;
mod passages_dialect;
pub mod publish;
pub mod questions;
mod questions_dialect;
pub mod removals;
mod removals_dialect;
pub mod vectors;

/// Every statement of knowledge bases.
#[cfg(feature = "testing")]
pub(crate) fn statements() -> Vec<crate::db::Statement> {
    [
        bases::ALL,
        bases_dialect::ALL,
        changes::ALL,
        conversations::ALL,
        documents::ALL,
        documents_dialect::ALL,
        generations::ALL,
        ingestions::ALL,
        ingestions_dialect::ALL,
        passages::ALL,
        passages_dialect::ALL,
        publish::ALL,
        questions::ALL,
        questions_dialect::ALL,
        removals::ALL,
        removals_dialect::ALL,
        vectors::ALL,
    ]
    .concat()
}
