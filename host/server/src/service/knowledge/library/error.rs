//! What can go wrong with search data.

use hardpoint_index::IndexError;
use hardpoint_store::StoreError;

/// Why search data did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LibraryError {
    /// There is no such knowledge base (any more).
    #[error("the knowledge base is not there")]
    Gone,
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The index's.
    #[error(transparent)]
    Index(#[from] IndexError),
}

/// What was read for the index could not be read.
pub(super) fn unread(error: StoreError) -> IndexError {
    match error {
        StoreError::Full => IndexError::Full,
        other => IndexError::Unavailable(other.to_string()),
    }
}
