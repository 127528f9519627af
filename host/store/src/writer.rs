//! The one writer of a SQLite database: group commit with two lanes.
//!
//! Writes wait in two queues. The writer takes all that wait in the request lane and then, as long as
//! no request waits and a few milliseconds are not over, from the bulk lane; runs each in a savepoint
//! of its own inside one transaction; commits; and only then answers them all. So thousands of
//! concurrent writes share one fsync, and one that fails takes nobody with it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::db::{Link, Tx};
use crate::sqlite::WriteOptions;
use crate::{Lane, StoreError};

/// Writes that may wait in one lane before callers wait to queue.
const QUEUE: usize = 4_096;
/// Writes in one transaction.
const GROUP: usize = 256;
/// How long a transaction goes on taking writes from the bulk lane.
const BULK_SHARE: Duration = Duration::from_millis(5);
/// How long one write may take before it is undone, so that one that waits for something else than
/// the database cannot hold up all others.
pub(crate) const WRITE_LIMIT: Duration = Duration::from_secs(5);
/// Commits after which the write-ahead log is moved to the database file in the background.
const COMMITS_PER_CHECKPOINT: u32 = 128;

/// What a write answers with, once it is known whether the commit succeeded.
type Answer = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A write that was run: whether it failed, and how to answer its caller.
pub(crate) struct Ran {
    error: Option<StoreError>,
    answer: Answer,
}

/// A write that waits. Without a transaction it is answered with that error and not run.
type Job = Box<dyn for<'t> FnOnce(Result<&'t mut Tx, StoreError>) -> BoxFuture<'t, Ran> + Send>;

/// Where writes are queued.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    request: mpsc::Sender<Job>,
    bulk: mpsc::Sender<Job>,
    closing: Arc<watch::Sender<bool>>,
}

impl Writer {
    /// Starts the writer's task and the checkpointer's on the present runtime.
    pub(crate) fn start(options: WriteOptions, conn: SqliteConnection) -> Self {
        let (request, request_queue) = mpsc::channel(QUEUE);
        let (bulk, bulk_queue) = mpsc::channel(QUEUE);
        let (closing, closed) = watch::channel(false);
        let checkpoint = Arc::new(Notify::new());
        let checkpointer = tokio::spawn(checkpoint_when_told(options.clone(), Arc::clone(&checkpoint)));
        let task = Task {
            options,
            conn: Some(conn),
            request: request_queue,
            bulk: bulk_queue,
            closed,
            checkpoint,
            checkpointer,
            commits: 0,
        };
        tokio::spawn(task.run());
        Self { request, bulk, closing: Arc::new(closing) }
    }

    /// Queues a write and waits for its commit. Once queued it runs, whether or not the caller waits on.
    pub(crate) async fn write<T, F>(&self, lane: Lane, op: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
    {
        let (sender, answer) = oneshot::channel();
        let queue = match lane {
            Lane::Request => &self.request,
            Lane::Bulk => &self.bulk,
        };
        queue.send(job(op, sender)).await.map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// Takes no more writes, runs those that wait, and returns when all is in the database file.
    pub(crate) async fn close(&self) {
        self.closing.send_replace(true);
        self.request.closed().await;
        self.closing.closed().await;
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store is closed".into())
}

fn job<T, F>(op: F, sender: oneshot::Sender<Result<T, StoreError>>) -> Job
where
    T: Send + 'static,
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
{
    fn typed<F>(run: F) -> Job
    where
        F: for<'t> FnOnce(Result<&'t mut Tx, StoreError>) -> BoxFuture<'t, Ran> + Send + 'static,
    {
        Box::new(run)
    }
    typed(move |tx| {
        Box::pin(async move {
            let outcome = match tx {
                Ok(tx) => attempt(op, tx).await,
                Err(error) => Err(error),
            };
            let error = outcome.as_ref().err().cloned();
            let answer: Answer = Box::new(move |committed| {
                // A caller that left is no reason to undo what it asked for.
                let _ = sender.send(committed.and(outcome));
            });
            Ran { error, answer }
        })
    })
}

/// Runs a write up to, but without, its commit. A panic, a write that hangs and a statement whose
/// failure the write overlooked are all failures of the write.
pub(crate) async fn attempt<T, F>(op: F, tx: &mut Tx) -> Result<T, StoreError>
where
    F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>>,
{
    let guarded = AssertUnwindSafe(async { op(&mut *tx).await }).catch_unwind();
    let outcome = match timeout(WRITE_LIMIT, guarded).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_panic)) => Err(StoreError::Undone("it panicked")),
        Err(_elapsed) => Err(StoreError::Undone("it took too long")),
    };
    match (outcome, tx.take_failure()) {
        (Ok(_), Some(overlooked)) => Err(overlooked),
        (outcome, _) => outcome,
    }
}

struct Task {
    options: WriteOptions,
    /// None after a failure that leaves the connection's state unknown; the next group opens another.
    conn: Option<SqliteConnection>,
    request: mpsc::Receiver<Job>,
    bulk: mpsc::Receiver<Job>,
    closed: watch::Receiver<bool>,
    checkpoint: Arc<Notify>,
    checkpointer: JoinHandle<()>,
    commits: u32,
}

impl Task {
    async fn run(mut self) {
        while let Some(first) = self.first().await {
            self.group(first).await;
        }
        self.checkpointer.abort();
        let _ = (&mut self.checkpointer).await;
        if let Some(conn) = self.conn.take()
            && let Err(error) = conn.close().await
        {
            tracing::warn!(%error, "closing the database");
        }
    }

    /// Waits for a write; none when the store is closed and nothing waits any more.
    async fn first(&mut self) -> Option<Job> {
        let Self { request, bulk, closed, .. } = self;
        loop {
            // Also when the last `Store` is dropped, and the other end of `closed` with it.
            let closing = async { drop(closed.wait_for(|closed| *closed).await) };
            tokio::select! {
                biased;
                Some(job) = request.recv() => return Some(job),
                Some(job) = bulk.recv() => return Some(job),
                () = closing, if !request.is_closed() => {
                    request.close();
                    bulk.close();
                }
                else => return None,
            }
        }
    }

    /// Runs `first` and what waits behind it in one transaction.
    async fn group(&mut self, first: Job) {
        let started = Instant::now();
        let mut requests = self.request.len().min(GROUP - 1);
        let alone = requests == 0 && self.bulk.is_empty();
        let mut tx = match self.begin(alone).await {
            Ok(tx) => tx,
            Err(error) => return self.refuse(first, error).await,
        };
        let mut answers: Vec<Answer> = Vec::with_capacity(requests + 1);
        let mut lost = None;
        let mut bulk_taken = false;
        let mut next = Some(first);
        while let Some(job) = next.take() {
            let ran = job(Ok(&mut tx)).await;
            match ran.error {
                None => answers.push(ran.answer),
                Some(error) => {
                    (ran.answer)(Ok(()));
                    if alone || control(&mut tx, "ROLLBACK TO write").await.is_err() {
                        // Either nothing is left to commit, or SQLite gave up the whole transaction
                        // (it may, when the disk is full), and with it the writes before this one.
                        lost = Some(error);
                        break;
                    }
                }
            }
            if alone || answers.len() >= GROUP {
                break;
            }
            if requests > 0 {
                requests -= 1;
                next = self.request.try_recv().ok();
            } else if !bulk_taken || (self.request.is_empty() && started.elapsed() < BULK_SHARE) {
                // At least one, so that a stream of requests cannot keep the bulk lane out for ever.
                next = self.bulk.try_recv().ok();
                bulk_taken = true;
            }
            if let Some(job) = next.take() {
                match control(&mut tx, "RELEASE write; SAVEPOINT write").await {
                    Ok(()) => next = Some(job),
                    Err(error) => {
                        (job(Err(error.clone())).await.answer)(Ok(()));
                        lost = Some(error);
                    }
                }
            }
        }
        let committed = match lost {
            Some(error) => Err(error),
            None => control(&mut tx, "COMMIT").await,
        };
        self.finish(tx, committed.is_ok()).await;
        for answer in answers {
            answer(committed.clone());
        }
    }

    /// Answers all that wait: each would only wait as long again for the same refusal.
    async fn refuse(&mut self, first: Job, error: StoreError) {
        let mut waiting = vec![first];
        for _ in 0..self.request.len() {
            waiting.extend(self.request.try_recv());
        }
        for _ in 0..self.bulk.len() {
            waiting.extend(self.bulk.try_recv());
        }
        for job in waiting {
            (job(Err(error.clone())).await.answer)(Ok(()));
        }
    }

    async fn begin(&mut self, alone: bool) -> Result<Tx, StoreError> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => self.options.connect().await?,
        };
        let mut tx = Tx::new(Link::SqliteWriter(conn));
        let statement = if alone { "BEGIN IMMEDIATE" } else { "BEGIN IMMEDIATE; SAVEPOINT write" };
        match control(&mut tx, statement).await {
            Ok(()) => Ok(tx),
            Err(error) => {
                self.finish(tx, false).await;
                Err(error)
            }
        }
    }

    /// Takes the connection back; rolled back first where the transaction did not commit.
    async fn finish(&mut self, mut tx: Tx, committed: bool) {
        if !committed {
            if control(&mut tx, "ROLLBACK").await.is_err() {
                return;
            }
        } else {
            self.commits += 1;
            if self.commits.is_multiple_of(COMMITS_PER_CHECKPOINT) {
                self.checkpoint.notify_one();
            }
        }
        if let Link::SqliteWriter(conn) = tx.into_link() {
            self.conn = Some(conn);
        }
    }
}

/// Runs a statement that steers the transaction. What failed before does not matter to it.
async fn control(tx: &mut Tx, statement: &'static str) -> Result<(), StoreError> {
    tx.take_failure();
    let outcome = match tx.handle()? {
        crate::db::Handle::Sqlite(conn) => sqlx::raw_sql(statement).execute(conn).await,
        crate::db::Handle::Postgres(_) => return Ok(()),
    };
    let outcome = tx.noted(outcome.map(drop));
    tx.take_failure();
    outcome
}

/// Moves the write-ahead log to the database file on a connection of its own, beside the writer, so
/// that no request waits for it.
async fn checkpoint_when_told(options: WriteOptions, told: Arc<Notify>) {
    let mut open = None;
    loop {
        told.notified().await;
        let outcome = async {
            let mut conn = match open.take() {
                Some(conn) => conn,
                None => options.connect().await?,
            };
            sqlx::raw_sql("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut conn).await?;
            Ok::<_, StoreError>(conn)
        };
        match outcome.await {
            Ok(conn) => open = Some(conn),
            Err(error) => tracing::warn!(%error, "moving the write-ahead log to the database file"),
        }
    }
}
