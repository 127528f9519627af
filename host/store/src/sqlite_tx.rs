//! A transaction of SQLite's one writer. Every statement costs a trip to the connection's own thread
//! and back, far more than most statements themselves, so the trips are few: `BEGIN` waits for the
//! first statement, and what is known to be the whole of a transaction is sent as one text.

use std::sync::Arc;

use sqlx::SqliteConnection;

use crate::StoreError;

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent yet.
    Unbegun,
    /// Begun, or possibly begun.
    Open,
    /// Committed or rolled back.
    Over,
}

/// A transaction and the connection it has to itself.
#[derive(Debug)]
pub(crate) struct SqliteTx {
    conn: SqliteConnection,
    stage: Stage,
}

impl SqliteTx {
    /// A transaction that begins with its first statement.
    pub(crate) fn new(conn: SqliteConnection) -> Self {
        Self { conn, stage: Stage::Unbegun }
    }

    /// Begins at once, for a group of writes; the first of them in a savepoint.
    pub(crate) async fn begin_group(&mut self) -> Result<(), StoreError> {
        self.run("BEGIN IMMEDIATE; SAVEPOINT write").await?;
        self.stage = Stage::Open;
        Ok(())
    }

    /// Keeps what a write of a group did, and makes the next one's savepoint.
    pub(crate) async fn next_of_group(&mut self) -> Result<(), StoreError> {
        self.run("RELEASE write; SAVEPOINT write").await
    }

    /// Undoes what a write of a group did. Where that fails SQLite gave up the whole transaction (it may,
    /// when the disk is full), and with it the writes before this one.
    pub(crate) async fn undo_in_group(&mut self) -> Result<(), StoreError> {
        self.run("ROLLBACK TO write").await
    }

    /// The connection, begun.
    pub(crate) async fn begun(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        match self.stage {
            Stage::Unbegun => {
                self.run("BEGIN IMMEDIATE").await?;
                self.stage = Stage::Open;
            }
            Stage::Open => {}
            Stage::Over => {
                let why = sqlx::Error::Protocol("a statement after the end of its transaction".into());
                return Err(StoreError::Database(Arc::new(why)));
            }
        }
        Ok(&mut self.conn)
    }

    /// The connection for one text that begins, does everything and commits; none where the transaction
    /// has begun already. If the text succeeds, [`Self::was_whole`] must be told.
    pub(crate) fn unbegun(&mut self) -> Option<&mut SqliteConnection> {
        if self.stage != Stage::Unbegun {
            return None;
        }
        self.stage = Stage::Open;
        Some(&mut self.conn)
    }

    /// The text given to [`Self::unbegun`] was the whole of the transaction, and succeeded.
    pub(crate) fn was_whole(&mut self) {
        self.stage = Stage::Over;
    }

    /// Commits, if there is anything to.
    pub(crate) async fn commit(&mut self) -> Result<(), StoreError> {
        if self.stage == Stage::Open {
            self.run("COMMIT").await?;
        }
        self.stage = Stage::Over;
        Ok(())
    }

    /// Gives the connection back for the next transaction; rolls back first where this one is still open.
    /// None where that fails, so that the state of the connection is not known.
    pub(crate) async fn end(mut self) -> Option<SqliteConnection> {
        if self.stage == Stage::Open {
            self.run("ROLLBACK").await.ok()?;
        }
        Some(self.conn)
    }

    async fn run(&mut self, text: &'static str) -> Result<(), StoreError> {
        sqlx::raw_sql(text).execute(&mut self.conn).await?;
        Ok(())
    }
}
