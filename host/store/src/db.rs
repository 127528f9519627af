//! One statement, two databases: a connection to either, and the two macros that run a statement on it.

use std::ops::{Deref, DerefMut};

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, Postgres, SqliteConnection, Transaction};

use crate::StoreError;
use crate::sqlite::Reader;
use crate::sqlite_tx::SqliteTx;

/// The text of a statement for each database. Nearly all are one and the same text; those that are
/// not stand in files named `*_dialect.rs`.
#[derive(Clone, Copy, Debug)]
pub struct Statement {
    /// `module::NAME`, for messages of tests.
    pub name: &'static str,
    /// What SQLite is told.
    pub sqlite: &'static str,
    /// What PostgreSQL is told.
    pub postgres: &'static str,
}

/// Declares the statements of a file as constants, and `ALL`, the list of them, so that the test
/// which prepares every statement on both databases cannot miss one.
macro_rules! statements {
    ($($(#[$meta:meta])* $name:ident: $text:expr;)*) => {
        $($(#[$meta])* const $name: $crate::db::Statement = {
            const TEXT: &str = $text;
            $crate::db::Statement {
                name: concat!(module_path!(), "::", stringify!($name)),
                sqlite: TEXT,
                postgres: TEXT,
            }
        };)*
        /// Every statement of this file.
        #[cfg_attr(not(feature = "testing"), allow(dead_code))]
        pub(crate) const ALL: &[$crate::db::Statement] = &[$($name),*];
    };
}

/// Runs a statement on a [`Conn`] and gives its rows: `fetch!(conn, fetch_all, Row, STATEMENT, arguments…)`.
macro_rules! fetch {
    ($conn:expr, $how:ident, $row:ty, $statement:expr $(, $argument:expr)* $(,)?) => {{
        let conn: &mut $crate::db::Conn = $conn;
        let outcome = match conn.handle().await? {
            $crate::db::Handle::Sqlite(on) => sqlx::query_as::<sqlx::Sqlite, $row>($statement.sqlite)
                $(.bind($crate::columns::clean($argument)?))*.$how(on).await,
            $crate::db::Handle::Postgres(on) => sqlx::query_as::<sqlx::Postgres, $row>($statement.postgres)
                $(.bind($crate::columns::clean($argument)?))*.$how(on).await,
        };
        conn.noted(outcome)
    }};
}

/// Runs a statement on a [`Tx`] and gives the number of rows it changed.
macro_rules! execute {
    ($tx:expr, $statement:expr $(, $argument:expr)* $(,)?) => {{
        let tx: &mut $crate::db::Tx = $tx;
        let outcome = match tx.handle().await? {
            $crate::db::Handle::Sqlite(on) => sqlx::query::<sqlx::Sqlite>($statement.sqlite)
                $(.bind($crate::columns::clean($argument)?))*.execute(on).await.map(|done| done.rows_affected()),
            $crate::db::Handle::Postgres(on) => sqlx::query::<sqlx::Postgres>($statement.postgres)
                $(.bind($crate::columns::clean($argument)?))*.execute(on).await.map(|done| done.rows_affected()),
        };
        tx.noted(outcome)
    }};
}

pub(crate) use {execute, fetch, statements};

/// A connection to read through: `store.read().await?`. Inside a write, the [`Tx`] is one too.
#[derive(Debug)]
pub struct Conn {
    link: Link,
    failed: Option<StoreError>,
    has_appended: bool,
}

/// What a connection is underneath.
#[derive(Debug)]
pub(crate) enum Link {
    SqliteReader(Reader),
    SqliteWriter(SqliteTx),
    Postgres(PoolConnection<Postgres>),
    PostgresTransaction(Transaction<'static, Postgres>),
}

/// A connection, ready to run a statement.
pub(crate) enum Handle<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl Conn {
    pub(crate) fn new(link: Link) -> Self {
        Self { link, failed: None, has_appended: false }
    }

    /// The connection, unless a statement failed on it before. PostgreSQL refuses everything after a
    /// failed statement in a transaction; so that nobody comes to depend on SQLite going on, neither does.
    pub(crate) async fn handle(&mut self) -> Result<Handle<'_>, StoreError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        Ok(match &mut self.link {
            Link::SqliteReader(reader) => Handle::Sqlite(reader.connection()?),
            Link::SqliteWriter(transaction) => Handle::Sqlite(transaction.begun().await?),
            Link::Postgres(pooled) => Handle::Postgres(pooled),
            Link::PostgresTransaction(transaction) => Handle::Postgres(transaction),
        })
    }

    /// Remembers a failure.
    pub(crate) fn noted<T>(&mut self, outcome: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        outcome.map_err(|error| {
            let error = StoreError::from(error);
            self.failed = Some(error.clone());
            if let Link::SqliteReader(reader) = &mut self.link {
                reader.give_up();
            }
            error
        })
    }

    /// The failure of a statement since the last time, forgotten with this.
    pub(crate) fn take_failure(&mut self) -> Option<StoreError> {
        self.failed.take()
    }

    /// Notes that an event was appended.
    pub(crate) fn note_appended(&mut self) {
        self.has_appended = true;
    }

    /// Whether any event was appended: if this is committed, somebody is to be told.
    pub(crate) fn has_appended(&self) -> bool {
        self.has_appended
    }

    pub(crate) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    pub(crate) fn into_link(self) -> Link {
        self.link
    }
}

/// A transaction that is being written. It ends when the closure given to [`crate::Store::write`]
/// does: kept if that answered `Ok` and no statement failed, undone otherwise.
#[derive(Debug)]
pub struct Tx {
    conn: Conn,
    /// The endpoints that deliveries were queued for.
    told: Vec<String>,
}

impl Tx {
    pub(crate) fn new(link: Link) -> Self {
        Self { conn: Conn::new(link), told: Vec::new() }
    }

    pub(crate) fn into_link(self) -> Link {
        self.conn.into_link()
    }

    /// Notes that a delivery was queued for an endpoint.
    pub(crate) fn note_delivery(&mut self, endpoint_id: &str) {
        self.told.push(endpoint_id.to_owned());
    }

    /// The endpoints noted since the last time, forgotten with this.
    pub(crate) fn take_told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }
}

impl Deref for Tx {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.conn
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.conn
    }
}
