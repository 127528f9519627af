//! What can go wrong with derived data.

use std::io;

use tantivy::TantivyError;
use tantivy::directory::error::{OpenDirectoryError, OpenReadError, OpenWriteError};

/// Why an index, a model or a set of vectors did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IndexError {
    /// What is on disk is not what was written, or is of another version. It has to be made anew from the store.
    #[error("the search data is damaged and has to be made anew: {0}")]
    Damaged(String),
    /// A vector of another dimension, or with what is no number.
    #[error("{0}")]
    Invalid(String),
    /// The disk is full. What was there before can still be searched.
    #[error("there is no room on the disk for search data")]
    Full,
    /// Files cannot be opened or written, or another process holds them; they may be well.
    #[error("the search data cannot be used: {0}")]
    Unavailable(String),
    /// The caller wanted no more.
    #[error("it was cancelled")]
    Cancelled,
}

impl From<io::Error> for IndexError {
    fn from(error: io::Error) -> Self {
        of_io(&error, error.to_string())
    }
}

/// By what the system says; `shown` is what people read.
fn of_io(error: &io::Error, shown: String) -> IndexError {
    use io::ErrorKind::{InvalidData, InvalidInput, NotFound, StorageFull, UnexpectedEof};
    match error.kind() {
        StorageFull => IndexError::Full,
        NotFound | InvalidData | InvalidInput | UnexpectedEof => IndexError::Damaged(shown),
        _ => IndexError::Unavailable(shown),
    }
}

impl From<TantivyError> for IndexError {
    fn from(error: TantivyError) -> Self {
        let shown = error.to_string();
        match error {
            TantivyError::IoError(io) => of_io(&io, shown),
            TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. })
            | TantivyError::OpenWriteError(OpenWriteError::IoError { io_error, .. })
            | TantivyError::OpenDirectoryError(OpenDirectoryError::IoError { io_error, .. }) => {
                of_io(&io_error, shown)
            }
            TantivyError::OpenReadError(_)
            | TantivyError::DataCorruption(_)
            | TantivyError::IncompatibleIndex(_)
            | TantivyError::SchemaError(_)
            | TantivyError::FieldNotFound(_)
            | TantivyError::DeserializeError(_) => Self::Damaged(shown),
            _ => Self::Unavailable(shown),
        }
    }
}

impl From<OpenReadError> for IndexError {
    fn from(error: OpenReadError) -> Self {
        TantivyError::from(error).into()
    }
}
