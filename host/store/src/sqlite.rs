//! SQLite: how the file is opened, and the pool of connections that only read.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Durability, StoreError};

/// How long a connection waits for another process (the command line, a backup) to let go of the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// More than there are statements, so that each is prepared once a connection.
const STATEMENT_CACHE: usize = 256;

/// Connections that read at once. Reads are short; more would only compete for the same cores.
pub(crate) const READERS: usize = 8;

/// Pages in the write-ahead log (16 MiB) at which a commit itself moves them to the database file.
/// The checkpointer does it long before on a connection of its own; this only bounds the log.
const WAL_PAGES_AT_MOST: &str = "4000";

/// Makes a folder that is missing for nobody but its owner: what lies in it are customers' data, and secrets.
pub(crate) async fn make_private_folder(folder: &Path) -> io::Result<()> {
    tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).await
}

/// Makes a file that is missing for nobody but its owner. SQLite gives the log and the index beside it the same rights.
pub(crate) async fn make_private_file(file: &Path) -> io::Result<()> {
    tokio::fs::OpenOptions::new().create(true).append(true).mode(0o600).open(file).await.map(drop)
}

fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .statement_cache_capacity(STATEMENT_CACHE)
        .thread_name(|id| format!("sqlite-{id}"))
}

/// Opens the connections of one database file that write: the writer's and the checkpointer's.
#[derive(Clone, Debug)]
pub(crate) struct WriteOptions(SqliteConnectOptions);

impl WriteOptions {
    pub(crate) fn new(file: &Path, durability: Durability) -> Self {
        let synchronous = match durability {
            Durability::Power => SqliteSynchronous::Full,
            Durability::Process => SqliteSynchronous::Normal,
        };
        Self(
            options(file)
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(synchronous)
                // What is deleted is overwritten: customers' documents are to be gone from the disk.
                .pragma("secure_delete", "ON")
                .pragma("wal_autocheckpoint", WAL_PAGES_AT_MOST),
        )
    }

    /// A connection that may write. The first to open a new file turns it to write-ahead logging,
    /// for which SQLite takes a lock without waiting: whoever comes second at that moment tries again.
    pub(crate) async fn connect(&self) -> Result<SqliteConnection, StoreError> {
        const ATTEMPTS: u32 = 50;
        for _ in 1..ATTEMPTS {
            match self.0.connect().await.map_err(StoreError::from) {
                Err(StoreError::Unavailable(message)) if message.contains("locked") => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                outcome => return outcome,
            }
        }
        Ok(self.0.connect().await?)
    }
}

/// Read-only connections, opened as they are needed and kept. (sqlx's own pool spends a task and a
/// round trip to the connection's thread on every return; a file needs no such care.)
#[derive(Debug)]
pub(crate) struct Readers {
    file: PathBuf,
    idle: Mutex<Vec<SqliteConnection>>,
    free: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(file: &Path) -> Arc<Self> {
        Arc::new(Self {
            file: file.to_owned(),
            idle: Mutex::new(Vec::with_capacity(READERS)),
            free: Arc::new(Semaphore::new(READERS)),
        })
    }

    /// A connection for one reader; goes back when it is dropped.
    pub(crate) async fn lease(self: &Arc<Self>) -> Result<Reader, StoreError> {
        let permit = Arc::clone(&self.free)
            .acquire_owned()
            .await
            .map_err(|_| StoreError::Unavailable("the store is closed".into()))?;
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => options(&self.file).read_only(true).connect().await?,
        };
        Ok(Reader { conn: Some(conn), home: Arc::clone(self), _permit: permit })
    }

    /// Refuses further leases and drops the idle connections.
    pub(crate) fn close(&self) {
        self.free.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A leased connection. A statement that was left half read is no trouble: the connection's thread
/// gives it up when nobody takes its rows.
#[derive(Debug)]
pub(crate) struct Reader {
    conn: Option<SqliteConnection>,
    home: Arc<Readers>,
    _permit: OwnedSemaphorePermit,
}

impl Reader {
    /// The connection; none after it was given up.
    pub(crate) fn connection(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        self.conn.as_mut().ok_or_else(|| StoreError::Unavailable("the connection was given up".into()))
    }

    /// Gives the connection up: after a failure the next reader gets a new one.
    pub(crate) fn give_up(&mut self) {
        self.conn = None;
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take()
            && !self.home.free.is_closed()
        {
            self.home.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
    }
}
