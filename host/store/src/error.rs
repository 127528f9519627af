//! What can go wrong between the host and its database.

use std::sync::Arc;

use sqlx::error::ErrorKind;

/// Why the store did not do what was asked. Nothing of a failed write is kept, except where said.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Text with the character NUL, which PostgreSQL cannot keep.
    #[error("text may not contain the character NUL")]
    InvalidText,
    /// A value that the store does not accept: a blob's key that is no digest, an empty name.
    #[error("{0}")]
    InvalidValue(String),
    /// A row with the same key is there already.
    #[error("it exists already{}", .constraint.as_deref().map(|name| format!(" ({name})")).unwrap_or_default())]
    Duplicate {
        /// The constraint, as far as the database names it.
        constraint: Option<String>,
    },
    /// It refers to a row that is not there.
    #[error("it refers to something that does not exist")]
    Dangling,
    /// Another transaction was in the way (a deadlock, a serialisation failure). Doing it again may succeed.
    #[error("another transaction was in the way")]
    Conflict,
    /// Over a quota of the key-value store.
    #[error("{0}")]
    Quota(String),
    /// The disk, or the room that the database may take, is full. Reading goes on.
    #[error("the database has no room left")]
    Full,
    /// The database cannot be reached or is shut. Where this comes from a commit that was under way
    /// on PostgreSQL, what became of the write is not known.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// The folder for bytes cannot be read or written; the database may be well.
    #[error("the folder for bytes cannot be used: {0}")]
    Blobs(String),
    /// The database was made by a newer version of Hardpoint.
    #[error("the database is at version {found}, this program knows {known}; use a newer program")]
    Newer {
        /// The newest migration in the database.
        found: i64,
        /// The newest migration of this program.
        known: i64,
    },
    /// The database is of an older version of Hardpoint, and was opened only to read.
    #[error(
        "the database is at version {found}, this program reads {known}: a host that starts brings it there, \
         and so does a command that changes something"
    )]
    Older {
        /// The newest migration in the database.
        found: i64,
        /// The newest migration of this program.
        known: i64,
    },
    /// A write panicked or took too long, and was undone.
    #[error("the write was undone: {0}")]
    Undone(&'static str),
    /// What is stored cannot be understood.
    #[error("the stored data is damaged: {0}")]
    Corrupt(String),
    /// Everything else: a mistake in this crate, most likely.
    #[error("database error: {0}")]
    Database(Arc<sqlx::Error>),
}

impl StoreError {
    /// Whether the same write may succeed a little later without anyone changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Conflict | Self::Unavailable(_) | Self::Blobs(_))
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error::*;
        match &error {
            Database(inner) => match inner.kind() {
                ErrorKind::UniqueViolation => {
                    Self::Duplicate { constraint: inner.constraint().map(str::to_owned) }
                }
                ErrorKind::ForeignKeyViolation => Self::Dangling,
                _ => {
                    let code = inner.code().unwrap_or_default().into_owned();
                    let message = inner.message().to_owned();
                    let known = if inner.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some() {
                        of_sqlite(&code, message)
                    } else {
                        of_postgres(&code, message)
                    };
                    known.unwrap_or_else(|| Self::Database(Arc::new(error)))
                }
            },
            Io(_) | Tls(_) | PoolTimedOut | PoolClosed | WorkerCrashed | BeginFailed => {
                Self::Unavailable(error.to_string())
            }
            ColumnDecode { .. } | Decode(_) => Self::Corrupt(error.to_string()),
            _ => Self::Database(Arc::new(error)),
        }
    }
}

/// The meaning of a SQLite result code; the low byte is the primary code.
fn of_sqlite(code: &str, message: String) -> Option<StoreError> {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const READONLY: i32 = 8;
    const IOERR: i32 = 10;
    const CORRUPT: i32 = 11;
    const FULL: i32 = 13;
    const CANTOPEN: i32 = 14;
    const NOTADB: i32 = 26;
    match code.parse::<i32>().ok()? & 0xff {
        FULL => Some(StoreError::Full),
        BUSY | LOCKED | READONLY | IOERR | CANTOPEN => Some(StoreError::Unavailable(message)),
        CORRUPT | NOTADB => Some(StoreError::Corrupt(message)),
        _ => None,
    }
}

/// The meaning of a PostgreSQL SQLSTATE.
fn of_postgres(code: &str, message: String) -> Option<StoreError> {
    match code {
        // serialization_failure, deadlock_detected, lock_not_available
        "40001" | "40P01" | "55P03" => Some(StoreError::Conflict),
        "53100" => Some(StoreError::Full),
        // untranslatable_character and character_not_in_repertoire: NUL, where it slipped through
        "22P05" | "22021" => Some(StoreError::InvalidText),
        // connection trouble, no resources, shut down or starting, read only
        code if code.starts_with("08") || code.starts_with("53") || code.starts_with("57P") => {
            Some(StoreError::Unavailable(message))
        }
        // cut off for idling inside a transaction, read_only_sql_transaction, query_canceled by a time limit
        "25P03" | "25006" | "57014" => Some(StoreError::Unavailable(message)),
        "XX001" | "XX002" => Some(StoreError::Corrupt(message)),
        _ => None,
    }
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(inner) = cause {
            if let Some(io) = inner.downcast_ref::<std::io::Error>()
                && io.kind() == std::io::ErrorKind::StorageFull
            {
                return Self::Full;
            }
            cause = inner.source();
        }
        Self::Blobs(error.to_string())
    }
}
