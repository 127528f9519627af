//! What a retriever is given: each bound to one organisation's knowledge base or document before it is handed over.

mod content;
mod embedder;
mod index;
mod remote;
mod sink;

use hardpoint_index::IndexError;
use hardpoint_runtime::KnowledgeError;
use hardpoint_store::StoreError;

use super::library::LibraryError;

pub use content::BlobContent;
pub use embedder::LocalEmbedder;
pub use index::BoundIndex;
pub use remote::{Payer, RemoteEmbedder};
pub use sink::Draft;

fn away(error: StoreError) -> KnowledgeError {
    KnowledgeError::Unavailable(error.to_string())
}

fn of_library(error: LibraryError) -> KnowledgeError {
    match error {
        LibraryError::Index(error) => of_index(error),
        other => KnowledgeError::Unavailable(other.to_string()),
    }
}

fn of_index(error: IndexError) -> KnowledgeError {
    match error {
        IndexError::Invalid(reason) => KnowledgeError::Invalid(reason),
        other => KnowledgeError::Unavailable(other.to_string()),
    }
}
