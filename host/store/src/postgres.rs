//! PostgreSQL: a pool of connections for each lane; every write is a transaction of its own on one of them.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgPool};
use tokio::sync::{Notify, Semaphore};

use crate::db::{Conn, Link, Tx};
use crate::{Durability, Lane, StoreError, writer};

/// Connections of one host: for those whom a client waits for, and for the writes of the bulk lane, so that neither
/// queues behind the other. PostgreSQL admits a hundred unless told otherwise, for all hosts together.
const CONNECTIONS: u32 = 12;
const BULK_CONNECTIONS: u32 = 4;
/// How long a caller waits for a connection before the database counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(3);
/// After this long unused, a connection is tried before it is lent.
const TRY_AFTER_IDLE: Duration = Duration::from_secs(1);
/// Bounds on the server's side, for when a host hangs in the middle of a transaction: what it holds then, others wait for.
/// None that lives leaves one idle for as long as a write may take ([`writer::WRITE_LIMIT`]).
const STATEMENT_LIMIT: &str = "30s";
const IDLE_IN_TRANSACTION_LIMIT: &str = "10s";

/// How the bulk lane's statements are planned: each time. Queues are empty one moment and full the next, and a plan that
/// was kept from when nothing waited reads all that waits to find a few rows. And how long they wait for a row that another
/// host has: it is at the same work, and if it stands still, the few connections of this lane must not stand still with it.
const IN_BULK: [(&str, &str); 2] = [("plan_cache_mode", "force_custom_plan"), ("lock_timeout", "2s")];

/// The pools, and the room in the bulk lane.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    requests: PgPool,
    bulk: PgPool,
    /// Who writes in bulk waits here, however long that takes: that the pool is busy does not mean that the database
    /// is away.
    room: Arc<Semaphore>,
    appended: Arc<Notify>,
}

impl Pool {
    /// Who waits for events is told by `appended` when some were committed.
    pub(crate) async fn open(
        url: &str,
        durability: Durability,
        appended: Arc<Notify>,
    ) -> Result<Self, StoreError> {
        Self::connect(options(url, durability)?, appended).await
    }

    /// The same, whose every write the server refuses.
    pub(crate) async fn open_to_read(url: &str, durability: Durability) -> Result<Self, StoreError> {
        let read_only = [("default_transaction_read_only", "on")];
        Self::connect(options(url, durability)?.options(read_only), Arc::default()).await
    }

    async fn connect(options: PgConnectOptions, appended: Arc<Notify>) -> Result<Self, StoreError> {
        let requests = pool(CONNECTIONS).connect_with(options.clone()).await?;
        let bulk = pool(BULK_CONNECTIONS).connect_lazy_with(options.options(IN_BULK));
        let room = Arc::new(Semaphore::new(BULK_CONNECTIONS as usize));
        Ok(Self { requests, bulk, room, appended })
    }

    pub(crate) async fn read(&self) -> Result<Conn, StoreError> {
        Ok(Conn::new(Link::Postgres(self.requests.acquire().await?)))
    }

    pub(crate) async fn begin(&self, lane: Lane) -> Result<Tx, StoreError> {
        let pool = match lane {
            Lane::Request => &self.requests,
            Lane::Bulk => &self.bulk,
        };
        Ok(Tx::new(Link::PostgresTransaction(pool.begin().await?)))
    }

    /// Runs a write on a task of its own: like on SQLite it goes on when its caller leaves.
    pub(crate) async fn write<T, F>(&self, lane: Lane, op: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        let this = self.clone();
        let write = async move {
            let _room = match lane {
                Lane::Request => None,
                Lane::Bulk => Some(this.room.acquire().await),
            };
            let mut tx = this.begin(lane).await?;
            let outcome = writer::attempt(op, &mut tx).await;
            let has_appended = tx.has_appended();
            let outcome = end(tx, outcome.is_ok()).await.and(outcome);
            if has_appended && outcome.is_ok() {
                this.appended.notify_one();
            }
            outcome
        };
        tokio::spawn(write).await.unwrap_or(Err(StoreError::Undone("the host is shutting down")))
    }

    pub(crate) async fn close(&self) {
        self.requests.close().await;
        self.bulk.close().await;
    }
}

fn pool(connections: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .before_acquire(|conn, meta| {
            Box::pin(async move { Ok(meta.idle_for < TRY_AFTER_IDLE || conn.ping().await.is_ok()) })
        })
}

fn options(url: &str, durability: Durability) -> Result<PgConnectOptions, StoreError> {
    let synchronous_commit = match durability {
        Durability::Power => "on",
        Durability::Process => "off",
    };
    let options = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::InvalidValue(format!("the database URL: {error}")))?;
    Ok(options.application_name("hardpoint").options([
        ("synchronous_commit", synchronous_commit),
        ("statement_timeout", STATEMENT_LIMIT),
        ("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_LIMIT),
    ]))
}

/// Commits or rolls back. A roll-back that fails has its cause in the failure that is answered anyway.
pub(crate) async fn end(tx: Tx, keep: bool) -> Result<(), StoreError> {
    let Link::PostgresTransaction(transaction) = tx.into_link() else { return Ok(()) };
    if keep {
        return Ok(transaction.commit().await?);
    }
    let _ = transaction.rollback().await;
    Ok(())
}
