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
use crate::sqlite_tx::SqliteTx;
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
    options: Arc<WriteOptions>,
}

impl Writer {
    /// Starts the writer's task and the checkpointer's on the present runtime.
    /// Who waits for events is told by `appended` when some were committed.
    pub(crate) fn start(options: WriteOptions, conn: SqliteConnection, appended: Arc<Notify>) -> Self {
        let (request, request_queue) = mpsc::channel(QUEUE);
        let (bulk, bulk_queue) = mpsc::channel(QUEUE);
        let (closing, closed) = watch::channel(false);
        let checkpoint = Arc::new(Notify::new());
        let checkpointer = tokio::spawn(checkpoint_when_told(options.clone(), Arc::clone(&checkpoint)));
        let task = Task {
            options: options.clone(),
            conn: Some(conn),
            request: request_queue,
            bulk: bulk_queue,
            closed,
            checkpoint,
            checkpointer,
            appended,
            commits: 0,
        };
        tokio::spawn(task.run());
        Self { request, bulk, closing: Arc::new(closing), options: Arc::new(options) }
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

    /// Moves the whole of the write-ahead log to the database file and empties it. False where somebody who reads or
    /// writes was in the way.
    pub(crate) async fn empty_log(&self) -> Result<bool, StoreError> {
        let mut conn = self.options.connect().await?;
        // Writers wait while this waits for readers: not for long.
        sqlx::raw_sql("PRAGMA busy_timeout = 100").execute(&mut conn).await?;
        let checkpoint = sqlx::query_as::<_, Checkpointed>("PRAGMA wal_checkpoint(TRUNCATE)");
        let (is_in_the_way, _, _) = checkpoint.fetch_one(&mut conn).await?;
        conn.close().await?;
        Ok(is_in_the_way == 0)
    }

    /// Takes no more writes, runs those that wait, and returns when all is in the database file.
    pub(crate) async fn close(&self) {
        self.closing.send_replace(true);
        self.request.closed().await;
        self.closing.closed().await;
    }
}

/// The row that a checkpoint answers: whether somebody was in the way, frames in the log, frames moved.
type Checkpointed = (i64, i64, i64);

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
    appended: Arc<Notify>,
    commits: u32,
}

impl Task {
    async fn run(mut self) {
        while let Some((lane, first)) = self.first().await {
            self.group(lane, first).await;
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
    async fn first(&mut self) -> Option<(Lane, Job)> {
        let Self { request, bulk, closed, .. } = self;
        loop {
            // Also when the last `Store` is dropped, and the other end of `closed` with it.
            let closing = async { drop(closed.wait_for(|closed| *closed).await) };
            tokio::select! {
                biased;
                Some(job) = request.recv() => return Some((Lane::Request, job)),
                Some(job) = bulk.recv() => return Some((Lane::Bulk, job)),
                () = closing, if !request.is_closed() => {
                    request.close();
                    bulk.close();
                }
                else => return None,
            }
        }
    }

    /// Runs `first` and what waits behind it in one transaction.
    async fn group(&mut self, lane: Lane, first: Job) {
        let mut group = Group {
            started: Instant::now(),
            // Who comes later is in the next group, so that these need not wait for them.
            requests: self.request.len().min(GROUP - 1),
            bulk: lane == Lane::Bulk,
            answers: Vec::new(),
        };
        let conn = match self.conn.take() {
            Some(conn) => Ok(conn),
            None => self.options.connect().await,
        };
        let mut tx = match conn {
            Ok(conn) => Tx::new(Link::SqliteWriter(SqliteTx::new(conn))),
            Err(error) => return self.refuse(first, error).await,
        };
        let outcome = if group.requests == 0 && self.bulk.is_empty() {
            group.alone(&mut tx, first).await
        } else {
            match control(&mut tx, async |tx| tx.begin_group().await).await {
                Ok(()) => self.run_all(&mut group, &mut tx, first).await,
                Err(error) => {
                    self.refuse(first, error.clone()).await;
                    Err(error)
                }
            }
        };
        let outcome = match outcome {
            Ok(()) => control(&mut tx, async |tx| tx.commit().await).await,
            Err(error) => Err(error),
        };
        let has_appended = tx.has_appended();
        if let Link::SqliteWriter(tx) = tx.into_link() {
            self.conn = tx.end().await;
        }
        if outcome.is_ok() {
            self.commits += 1;
            if has_appended {
                self.appended.notify_one();
            }
            if self.commits.is_multiple_of(COMMITS_PER_CHECKPOINT) {
                self.checkpoint.notify_one();
            }
        }
        for answer in group.answers {
            answer(outcome.clone());
        }
    }

    /// Runs the writes of a group, each in its savepoint. Fails where the transaction is lost as a whole.
    async fn run_all(&mut self, group: &mut Group, tx: &mut Tx, first: Job) -> Result<(), StoreError> {
        let mut job = first;
        loop {
            let ran = job(Ok(tx)).await;
            if let Some(error) = ran.error {
                (ran.answer)(Ok(()));
                if control(tx, async |tx| tx.undo_in_group().await).await.is_err() {
                    return Err(error);
                }
            } else {
                group.answers.push(ran.answer);
            }
            let Some(next) = self.next_of(group) else { return Ok(()) };
            if let Err(error) = control(tx, async |tx| tx.next_of_group().await).await {
                (next(Err(error.clone())).await.answer)(Ok(()));
                return Err(error);
            }
            job = next;
        }
    }

    /// The next write of a group, if it has room and time for one.
    fn next_of(&mut self, group: &mut Group) -> Option<Job> {
        if group.requests > 0 {
            group.requests -= 1;
            return self.request.try_recv().ok();
        }
        // One in any case, so that a stream of requests cannot keep the bulk lane out for ever.
        let time_left = self.request.is_empty() && group.started.elapsed() < BULK_SHARE;
        if group.answers.len() >= GROUP || (group.bulk && !time_left) {
            return None;
        }
        group.bulk = true;
        self.bulk.try_recv().ok()
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
}

/// Writes that share a transaction.
struct Group {
    started: Instant,
    /// Writes of the request lane that are still to be taken.
    requests: usize,
    /// Whether one of the bulk lane was taken.
    bulk: bool,
    /// Of those that succeeded, and wait for the commit.
    answers: Vec<Answer>,
}

impl Group {
    /// Runs the only write of a transaction; no savepoint is needed to undo it.
    async fn alone(&mut self, tx: &mut Tx, job: Job) -> Result<(), StoreError> {
        let ran = job(Ok(tx)).await;
        match ran.error {
            None => self.answers.push(ran.answer),
            Some(error) => {
                (ran.answer)(Ok(()));
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Steers the transaction. What failed before in one of its writes does not matter to that.
async fn control(
    tx: &mut Tx,
    steer: impl AsyncFnOnce(&mut SqliteTx) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    tx.take_failure();
    match tx.link() {
        Link::SqliteWriter(tx) => steer(tx).await,
        _ => Ok(()),
    }
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
