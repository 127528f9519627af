//! Every SQL statement of Hardpoint, on SQLite and PostgreSQL, and the blob store.
//!
//! One file an aggregate: plain functions that read through a [`Conn`] or write through a [`Tx`].
//!
//! ```no_run
//! # async fn example(store: &hardpoint_store::Store, hash: [u8; 32], key: hardpoint_store::keys::NewKey)
//! # -> Result<(), hardpoint_store::StoreError> {
//! use hardpoint_store::{Lane, keys};
//!
//! let found = keys::find_by_hash(&mut store.read().await?, &hash).await?;
//! store.write(Lane::Request, |tx| Box::pin(async move { keys::insert(tx, &key).await })).await?;
//! # Ok(()) }
//! ```
//!
//! What holds everywhere: times and ids are arguments, never made here or by the database; "not there"
//! is `None` or `false`, not an error; text with a NUL is refused; lists are ordered and bounded.

use std::cmp::Ordering;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use hardpoint_domain::time::Clock;
use tokio::sync::Notify;

pub mod approvals;
pub mod backlog;
pub mod bindings;
pub mod blobs;
pub mod call_records;
mod call_records_dialect;
pub mod chain;
mod chain_dialect;
pub mod checkpoints;
mod checkpoints_dialect;
mod columns;
pub mod credits;
pub mod database_clock;
// Public for the tests of every statement and migration.
#[cfg_attr(not(feature = "testing"), allow(dead_code, unreachable_pub))]
mod db;
pub mod dead_letters;
pub mod destinations;
mod destinations_dialect;
pub mod enablement;
mod error;
pub mod event_search;
mod event_search_dialect;
pub mod events;
mod events_dialect;
pub mod grants;
pub mod idempotency;
pub mod integrity;
pub mod keys;
pub mod knowledge;
pub mod kv;
pub mod leases;
mod leases_dialect;
pub mod logins;
pub mod mails;
mod mails_dialect;
pub mod members;
// Public for the tests of every statement and migration.
#[cfg_attr(not(feature = "testing"), allow(dead_code, unreachable_pub))]
mod migrate;
mod migrate_dialect;
pub mod organizations;
pub mod outbox;
mod outbox_dialect;
pub mod payments;
pub mod places;
pub mod plugin_files;
pub mod plugins;
mod postgres;
pub mod progress;
pub mod quotas;
pub mod rates;
pub mod recorder;
pub mod retention;
mod revision;
pub mod secrets;
pub mod settings;
mod sqlite;
mod sqlite_tx;
#[cfg(feature = "testing")]
pub mod testing;
mod told;
pub mod usage;
pub mod users;
pub mod webhooks;
pub mod workspaces;
mod writer;

pub use blobs::Blobs;
pub use columns::UnknownWord;
pub use db::{Conn, Tx};
pub use error::StoreError;
pub use migrate::Migration;
pub use recorder::{CallRecorder, Ended};
pub use revision::{begin_change, revision};
pub use told::Told;

/// SQLite's file in the data folder.
const FILE: &str = "hardpoint.db";

/// How much a write survives once it was answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// A power failure: the disk has it.
    #[default]
    Power,
    /// The death of the process (`kill -9`), not of the machine; without waiting for the disk.
    Process,
}

/// Which rows of an ordered list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// At most so many …
    pub limit: i64,
    /// … after the first so many.
    pub offset: i64,
}

/// Which of two queues a write waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// A client waits for it.
    Request,
    /// Nobody waits; it gives way. Keep each such write under five milliseconds.
    Bulk,
}

/// Where the data is and how safe.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The folder for the SQLite file; made if it is missing, for its owner alone.
    pub data: PathBuf,
    /// The folder for blobs, made if it is missing; `blobs` in `data` where left out.
    pub blobs: Option<PathBuf>,
    /// `postgres://…`; where left out, SQLite in `hardpoint.db` in the data folder.
    pub url: Option<String>,
    /// What a write survives.
    pub durability: Durability,
}

impl StoreConfig {
    fn blobs(&self) -> PathBuf {
        self.blobs.clone().unwrap_or_else(|| self.data.join("blobs"))
    }
}

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Embedded, for one host.
    Sqlite,
    /// A server that many hosts share.
    Postgres,
}

#[derive(Clone, Debug)]
enum Db {
    Sqlite {
        readers: Arc<sqlite::Readers>,
        /// None where it was opened only to read.
        writer: Option<writer::Writer>,
    },
    Postgres(postgres::Pool),
}

/// The database and the blobs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    db: Db,
    blobs: Blobs,
    appended: Arc<Notify>,
    told: Arc<Told>,
}

impl Store {
    /// Opens the store and brings it to the present version. The clock only says when it was migrated.
    pub async fn open(config: &StoreConfig, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        sqlite::make_private_folder(&config.data).await.map_err(|error| {
            StoreError::Unavailable(format!("the data folder {}: {error}", config.data.display()))
        })?;
        let blobs = Blobs::open(&config.blobs(), config.durability).await?;
        let appended = Arc::new(Notify::new());
        let db = match &config.url {
            Some(url) => {
                let pool = postgres::Pool::open(url, config.durability, Arc::clone(&appended)).await?;
                let mut tx = pool.begin(Lane::Request).await?;
                let migrated = migrate::run(&mut tx, clock.now()).await;
                postgres::end(tx, migrated.is_ok()).await.and(migrated)?;
                Db::Postgres(pool)
            }
            None => {
                let file = config.data.join(FILE);
                sqlite::make_private_file(&file).await.map_err(|error| {
                    StoreError::Unavailable(format!("the database file {}: {error}", file.display()))
                })?;
                let options = sqlite::WriteOptions::new(&file, config.durability);
                let writer =
                    writer::Writer::start(options.clone(), options.connect().await?, Arc::clone(&appended));
                let now = clock.now();
                writer.write(Lane::Request, move |tx| Box::pin(migrate::run(tx, now))).await?;
                Db::Sqlite { readers: sqlite::Readers::new(&file), writer: Some(writer) }
            }
        };
        Ok(Self { db, blobs, appended, told: Arc::default() })
    }

    /// Opens what is there only to read it: makes nothing, and leaves the database at its version, since hosts
    /// of that version may be at work on it. None where nothing was ever kept.
    ///
    /// # Errors
    /// [`StoreError::Older`] and [`StoreError::Newer`] where it is not at the version that this program reads.
    pub async fn open_to_read(config: &StoreConfig) -> Result<Option<Self>, StoreError> {
        let Some(store) = Self::there(config).await? else { return Ok(None) };
        let found = migrate::version(&mut store.read().await?).await?;
        match found.cmp(&migrate::KNOWN) {
            Ordering::Equal => Ok(Some(store)),
            Ordering::Less if found == 0 => Ok(None),
            Ordering::Less => Err(StoreError::Older { found, known: migrate::KNOWN }),
            Ordering::Greater => Err(StoreError::Newer { found, known: migrate::KNOWN }),
        }
    }

    /// The migrations that [`Store::open`] would apply, oldest first; all where nothing was ever kept. Only looks.
    ///
    /// # Errors
    /// [`StoreError::Newer`] where the database belongs to a newer program: nothing leads back.
    pub async fn pending(config: &StoreConfig) -> Result<Vec<&'static Migration>, StoreError> {
        let found = match Self::there(config).await? {
            Some(store) => {
                let found = migrate::version(&mut store.read().await?).await?;
                store.close().await;
                found
            }
            None => 0,
        };
        if found > migrate::KNOWN {
            return Err(StoreError::Newer { found, known: migrate::KNOWN });
        }
        Ok(migrate::MIGRATIONS.iter().filter(|migration| migration.version > found).collect())
    }

    /// What is there, at whichever version; none where there is no file of SQLite's.
    async fn there(config: &StoreConfig) -> Result<Option<Self>, StoreError> {
        let db = match &config.url {
            Some(url) => Db::Postgres(postgres::Pool::open_to_read(url, config.durability).await?),
            None => {
                let file = config.data.join(FILE);
                if !file.exists() {
                    return Ok(None);
                }
                Db::Sqlite { readers: sqlite::Readers::new(&file), writer: None }
            }
        };
        let blobs = Blobs::there(&config.blobs())?;
        Ok(Some(Self { db, blobs, appended: Arc::default(), told: Arc::default() }))
    }

    /// Which database it is.
    pub fn engine(&self) -> Engine {
        match self.db {
            Db::Sqlite { .. } => Engine::Sqlite,
            Db::Postgres(_) => Engine::Postgres,
        }
    }

    /// The blobs.
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// A connection to read through; given back when dropped. Sees all that was answered before.
    pub async fn read(&self) -> Result<Conn, StoreError> {
        match &self.db {
            Db::Sqlite { readers, .. } => Ok(Conn::new(db::Link::SqliteReader(readers.lease().await?))),
            Db::Postgres(pool) => pool.read().await,
        }
    }

    /// Runs `op` in a transaction and answers when it is committed as durably as configured.
    ///
    /// The transaction is undone where `op` answers an error, panics, takes longer than five seconds, or
    /// overlooks the failure of a statement. `op` awaits nothing but statements. Once it is queued it runs
    /// and is kept even if the caller stops waiting.
    ///
    /// `op` runs at most once. On PostgreSQL (read committed) it may so meet [`StoreError::Conflict`],
    /// with nothing done; who can repeat the whole of it does.
    pub async fn write<T, F>(&self, lane: Lane, op: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        let op = told::noting(op);
        let written = match &self.db {
            Db::Sqlite { writer: Some(writer), .. } => writer.write(lane, op).await,
            Db::Sqlite { writer: None, .. } => Err(StoreError::Undone("the store was opened only to read")),
            Db::Postgres(pool) => pool.write(lane, op).await,
        };
        let (value, told) = written?;
        self.told.add(told);
        Ok(value)
    }

    /// For which endpoints this process queued something.
    pub fn told(&self) -> &Told {
        &self.told
    }

    /// Waits until an event was appended and committed through this store or a clone of it. One caller at a time; what
    /// was appended while nobody waited ends the next wait at once.
    pub async fn appended(&self) {
        self.appended.notified().await;
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), StoreError> {
        revision(&mut self.read().await?).await.map(drop)
    }

    /// Empties the write-ahead log of SQLite, so that what was deleted before, and overwritten in the database file, is in
    /// no file any more; and what was written before survives a power cut, whatever the durability. False where somebody
    /// who reads or writes was in the way: to be tried again. PostgreSQL has no such promise: what its vacuum freed is
    /// overwritten by what comes next, and its own log is the operator's.
    pub async fn scrub(&self) -> Result<bool, StoreError> {
        match &self.db {
            Db::Sqlite { writer: Some(writer), .. } => writer.empty_log().await,
            Db::Sqlite { writer: None, .. } | Db::Postgres(_) => Ok(true),
        }
    }

    /// Takes no more writes, finishes those that wait, and closes the database.
    pub async fn close(&self) {
        match &self.db {
            Db::Sqlite { readers, writer } => {
                readers.close();
                if let Some(writer) = writer {
                    writer.close().await;
                }
            }
            Db::Postgres(pool) => pool.close().await,
        }
    }
}
