//! Call records of many requests in one transaction, with what those requests spent: who comes while a batch is being
//! committed is in the next one.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::money::Credits;
use hardpoint_domain::pool::Spent;
use hardpoint_domain::time::{Clock, Timestamp};
use tokio::sync::{mpsc, oneshot};

use crate::call_records::{CallRecord, check, insert_whole, is_written};
use crate::call_records_dialect::LARGEST;
use crate::{Lane, Store, StoreError, Tx, leases, progress};

/// A batch of so many says that the next will be as large, if it is given the time: as PostgreSQL's
/// `commit_siblings` has it.
const CROWD: usize = 4;
/// How long a batch waits for its crowd, once; PostgreSQL's `commit_delay`. A commit takes as much work
/// for one record as for many.
const GATHER: Duration = Duration::from_millis(1);
/// Attempts at a batch with money in it, while the database cannot be reached: half a minute of them at least, longer
/// where each attempt waits for a connection.
const ATTEMPTS: u32 = 60;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(500);

/// A request that has ended: its record, and what it spent.
#[derive(Clone, Debug)]
pub struct Ended {
    /// What is written down.
    pub record: CallRecord,
    /// What it spent of which leases; empty where it was not charged.
    pub spent: Vec<Spent>,
    /// Whether its progress was noted.
    pub noted: bool,
}

impl From<CallRecord> for Ended {
    /// A request that costs nothing.
    fn from(record: CallRecord) -> Self {
        Self { record, spent: Vec::new(), noted: false }
    }
}

/// A request, or a mark that asks to be told when all before it is written.
struct Waiting {
    ended: Option<Ended>,
    committed: oneshot::Sender<Result<(), StoreError>>,
}

/// Writes call records. Cheap to clone; all clones share their batches.
#[derive(Clone, Debug)]
pub struct CallRecorder(mpsc::UnboundedSender<Waiting>);

impl CallRecorder {
    /// Starts the recorder's task on the present runtime; it ends with the last clone.
    pub fn start(store: &Store, clock: Arc<dyn Clock>) -> Self {
        // Bounded by the requests under way: each waits for its record, or has left and takes no more.
        let (sender, queue) = mpsc::unbounded_channel();
        tokio::spawn(run(store.clone(), clock, queue));
        Self(sender)
    }

    /// Takes a request that has ended. It is written whether or not anybody waits; the future tells when it is
    /// committed, as durably as configured. A record that could not be written is logged.
    pub fn record<E: Into<Ended>>(
        &self,
        ended: E,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + use<E> {
        let ended = ended.into();
        let checked = check(&ended.record).inspect_err(|error| lost(&ended.record, error));
        let queued = checked.and_then(|()| self.queue(Some(ended)));
        async move { queued?.await.map_err(|_| closed())? }
    }

    /// Waits until all records taken so far are written, or could not be.
    pub async fn flush(&self) {
        if let Ok(written) = self.queue(None) {
            let _ = written.await;
        }
    }

    fn queue(&self, ended: Option<Ended>) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        let (committed, written) = oneshot::channel();
        self.0.send(Waiting { ended, committed }).map_err(|_| closed())?;
        Ok(written)
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the call recorder has ended".into())
}

fn lost(record: &CallRecord, error: &StoreError) {
    tracing::error!(request_id = record.request_id, charge = %record.charge, %error, "call record not written");
}

async fn run(store: Store, clock: Arc<dyn Clock>, mut queue: mpsc::UnboundedReceiver<Waiting>) {
    let mut waiting = Vec::with_capacity(LARGEST);
    let mut crowd = 0;
    while queue.recv_many(&mut waiting, LARGEST).await > 0 {
        if crowd >= CROWD && waiting.len() < crowd {
            tokio::time::sleep(GATHER).await;
            let room = LARGEST - waiting.len();
            waiting.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(room));
        }
        crowd = waiting.len();
        write(&store, &clock, &mut waiting).await;
    }
}

async fn write(store: &Store, clock: &Arc<dyn Clock>, waiting: &mut Vec<Waiting>) {
    let (ended, callers): (Vec<_>, Vec<_>) =
        waiting.drain(..).map(|waiting| (waiting.ended, waiting.committed)).unzip();
    let ended: Vec<Ended> = ended.into_iter().flatten().collect();
    let is_charged = ended.iter().any(|ended| !ended.spent.is_empty() || ended.noted);
    let written = if is_charged {
        write_charged(store, clock, ended.into()).await
    } else {
        write_free(store, ended.into_iter().map(|ended| ended.record).collect()).await
    };
    for caller in callers {
        let _ = caller.send(written.clone());
    }
}

async fn write_free(store: &Store, records: Arc<[CallRecord]>) -> Result<(), StoreError> {
    let batch = Arc::clone(&records);
    let written =
        store.write(Lane::Request, |tx| Box::pin(async move { insert_whole(tx, &batch).await })).await;
    written.inspect_err(|error| records.iter().for_each(|record| lost(record, error)))
}

/// Writes a batch with money in it. What was spent is not lost because the database is away for a while; and as a
/// commit may have come through whose answer did not, each attempt looks first whether it did.
async fn write_charged(store: &Store, clock: &Arc<dyn Clock>, batch: Arc<[Ended]>) -> Result<(), StoreError> {
    let mut attempt = 1;
    loop {
        let (whole, now) = (Arc::clone(&batch), clock.now());
        let write = store.write(Lane::Request, move |tx| {
            Box::pin(async move { write_down(tx, &whole, attempt > 1, now).await })
        });
        match write.await {
            Err(error) if is_worth_repeating(&error) && attempt < ATTEMPTS => {
                tracing::warn!(%error, attempt, "what was spent could not be written; it is tried again");
                tokio::time::sleep(PAUSE).await;
                attempt += 1;
            }
            outcome => {
                return outcome
                    .inspect_err(|error| batch.iter().for_each(|ended| lost(&ended.record, error)));
            }
        }
    }
}

/// Also where the database was too slow, or its disk full: what was spent is not to be forgotten for that.
fn is_worth_repeating(error: &StoreError) -> bool {
    error.is_transient() || matches!(error, StoreError::Undone(_) | StoreError::Full)
}

/// `again` says that an earlier attempt may have come through.
async fn write_down(tx: &mut Tx, batch: &[Ended], again: bool, now: Timestamp) -> Result<(), StoreError> {
    let mut spent: Vec<Vec<Spent>> = batch.iter().map(|ended| ended.spent.clone()).collect();
    if again || batch.iter().any(|ended| ended.noted) {
        leases::lock(tx, &spent).await?;
        for (ended, spent) in batch.iter().zip(&mut spent) {
            // By that attempt, or by whoever took back the lease of a host that was away: with what it cost.
            if is_written(tx, &ended.record).await? {
                spent.iter_mut().for_each(|part| part.amount = Credits::ZERO);
            }
        }
    }
    let records = batch.iter().map(|ended| ended.record.clone()).collect();
    leases::record(tx, records, &spent, now).await?;
    let mut noted: Vec<&str> = Vec::new();
    noted.extend(batch.iter().filter(|ended| ended.noted).map(|ended| &*ended.record.request_id));
    // In the order in which they are noted, so that no two transactions wait for each other.
    noted.sort_unstable();
    for request_id in noted {
        progress::forget(tx, request_id).await?;
    }
    Ok(())
}
