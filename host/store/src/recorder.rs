//! Call records of many requests in one transaction, with what those requests spent: who comes while a batch is being
//! committed is in the next one.
//!
//! What was spent is never given up because the database is away or its disk full: it is owed, and tried again, until it
//! is written. Whoever waits for it waits as long; who asks for [`CallRecorder::trouble`] first need not begin.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hardpoint_domain::money::Credits;
use hardpoint_domain::pool::Spent;
use hardpoint_domain::time::{Clock, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::call_records::{CallRecord, check, insert_whole, is_written};
use crate::call_records_dialect::LARGEST;
use crate::{Lane, Store, StoreError, Tx, leases, progress};

/// A batch of so many says that the next will be as large, if it is given the time: as PostgreSQL's
/// `commit_siblings` has it.
const CROWD: usize = 4;
/// How long a batch waits for its crowd, once; PostgreSQL's `commit_delay`. A commit takes as much work
/// for one record as for many.
const GATHER: Duration = Duration::from_millis(1);
/// Attempts at a batch where others were in the way: nothing was done, and they are gone in a moment.
const CONFLICTS: u32 = 5;
/// Between two attempts at what is owed.
const PAUSE: Duration = Duration::from_millis(500);
/// Of so many attempts one is logged.
const TOLD: u32 = 20;
/// Attempts at a batch that was undone for itself, half a minute of them at least: it may be the batch's own fault.
const UNDONE: u32 = 60;

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

impl Ended {
    fn is_charged(&self) -> bool {
        !self.spent.is_empty() || self.noted
    }
}

impl From<CallRecord> for Ended {
    /// A request that costs nothing.
    fn from(record: CallRecord) -> Self {
        Self { record, spent: Vec::new(), noted: false }
    }
}

type Committed = oneshot::Sender<Result<(), StoreError>>;

/// A request, or a mark that asks to be told when all before it is written.
struct Waiting {
    ended: Option<Ended>,
    committed: Committed,
}

/// Writes call records. Cheap to clone; all clones share their batches.
#[derive(Clone, Debug)]
pub struct CallRecorder {
    queue: mpsc::UnboundedSender<Waiting>,
    trouble: Arc<Mutex<Option<StoreError>>>,
}

impl CallRecorder {
    /// Starts the recorder's task on the present runtime; it ends with the last clone.
    pub fn start(store: &Store, clock: Arc<dyn Clock>) -> Self {
        // Bounded by the requests under way: each waits for its record, or has left and takes no more.
        let (sender, queue) = mpsc::unbounded_channel();
        let trouble = Arc::default();
        let task = Task {
            store: store.clone(),
            clock,
            queue,
            trouble: Arc::clone(&trouble),
            owed: VecDeque::new(),
            attempts: 0,
            undone: 0,
            next_attempt: Instant::now(),
        };
        tokio::spawn(task.run());
        Self { queue: sender, trouble }
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

    /// Waits until all records taken so far are written, or could not be. What is owed is waited for.
    pub async fn flush(&self) {
        if let Ok(written) = self.queue(None) {
            let _ = written.await;
        }
    }

    /// Why what requests spend cannot be written at the moment; none where it can.
    pub fn trouble(&self) -> Option<StoreError> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn queue(&self, ended: Option<Ended>) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        let (committed, written) = oneshot::channel();
        self.queue.send(Waiting { ended, committed }).map_err(|_| closed())?;
        Ok(written)
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the call recorder has ended".into())
}

fn lost(record: &CallRecord, error: &StoreError) {
    tracing::error!(request_id = record.request_id, charge = %record.charge, %error, "call record not written");
}

/// Requests that are written together, and whoever waits for each.
struct Batch {
    ended: Arc<[Ended]>,
    callers: Vec<Committed>,
    marks: Vec<Committed>,
}

impl Batch {
    fn of(waiting: impl Iterator<Item = Waiting>) -> Self {
        let (mut ended, mut callers, mut marks) = (Vec::new(), Vec::new(), Vec::new());
        for Waiting { ended: some, committed } in waiting {
            match some {
                Some(some) => {
                    ended.push(some);
                    callers.push(committed);
                }
                None => marks.push(committed),
            }
        }
        Self { ended: ended.into(), callers, marks }
    }

    fn is_charged(&self) -> bool {
        self.ended.iter().any(Ended::is_charged)
    }

    /// Tells whoever waits what became of it.
    fn tell(self, written: &Result<(), StoreError>) {
        if let Err(error) = written {
            self.ended.iter().for_each(|ended| lost(&ended.record, error));
        }
        for caller in self.callers.into_iter().chain(self.marks) {
            let _ = caller.send(written.clone());
        }
    }

    /// Takes it apart again, for another attempt.
    fn into_waiting(self) -> Vec<Waiting> {
        let ended = self.ended.iter().cloned().map(Some).chain(std::iter::repeat(None));
        let all = ended.zip(self.callers.into_iter().chain(self.marks));
        all.map(|(ended, committed)| Waiting { ended, committed }).collect()
    }
}

struct Task {
    store: Store,
    clock: Arc<dyn Clock>,
    queue: mpsc::UnboundedReceiver<Waiting>,
    trouble: Arc<Mutex<Option<StoreError>>>,
    /// What was spent and could not be written yet, and marks behind it, in their order.
    owed: VecDeque<Waiting>,
    /// Attempts at the first of that, and those of them that were undone.
    attempts: u32,
    undone: u32,
    next_attempt: Instant,
}

impl Task {
    async fn run(mut self) {
        let mut waiting = Vec::with_capacity(LARGEST);
        let mut crowd = 0;
        while self.receive(&mut waiting).await {
            if crowd >= CROWD && waiting.len() < crowd {
                tokio::time::sleep(GATHER).await;
                let room = LARGEST - waiting.len();
                waiting.extend(std::iter::from_fn(|| self.queue.try_recv().ok()).take(room));
            }
            crowd = waiting.len();
            if self.owed.is_empty() {
                self.write(Batch::of(waiting.drain(..))).await;
            } else {
                self.line_up(waiting.drain(..)).await;
                self.write_owed().await;
            }
        }
    }

    /// Waits for requests that have ended, or until what is owed is to be tried again. False when nobody can come any
    /// more.
    async fn receive(&mut self, waiting: &mut Vec<Waiting>) -> bool {
        let received = self.queue.recv_many(waiting, LARGEST);
        if self.owed.is_empty() {
            return received.await > 0;
        }
        tokio::select! {
            count = received => count > 0,
            () = tokio::time::sleep_until(self.next_attempt) => true,
        }
    }

    async fn write(&mut self, batch: Batch) {
        if !batch.is_charged() {
            let written = write_free(&self.store, &batch).await;
            return batch.tell(&written);
        }
        match self.attempt(&batch, false).await {
            Err(error) if self.is_worth_repeating(&error) => {
                self.note_trouble(error);
                self.line_up(batch.into_waiting().into_iter()).await;
            }
            written => batch.tell(&written),
        }
    }

    /// Puts what was spent behind what is owed. What costs nothing is written before it, or not at all: its answer
    /// waits for nobody's money.
    async fn line_up(&mut self, waiting: impl Iterator<Item = Waiting>) {
        let is_owed = |waiting: &Waiting| waiting.ended.as_ref().is_none_or(Ended::is_charged);
        let (owed, free): (Vec<_>, Vec<_>) = waiting.partition(is_owed);
        self.owed.extend(owed);
        if !free.is_empty() {
            let batch = Batch::of(free.into_iter());
            let written = write_free(&self.store, &batch).await;
            batch.tell(&written);
        }
    }

    /// Tries what is owed again, once it is time.
    async fn write_owed(&mut self) {
        while !self.owed.is_empty() && Instant::now() >= self.next_attempt {
            let some = self.owed.len().min(LARGEST);
            let batch = Batch::of(self.owed.drain(..some));
            match self.attempt(&batch, true).await {
                Err(error) if self.is_worth_repeating(&error) => {
                    batch.into_waiting().into_iter().rev().for_each(|waiting| self.owed.push_front(waiting));
                    self.note_trouble(error);
                }
                written => {
                    batch.tell(&written);
                    (self.attempts, self.undone) = (0, 0);
                }
            }
        }
        if self.owed.is_empty() {
            tracing::info!("what requests spent is written down again");
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// Writes a batch with money in it. As a commit may have come through whose answer did not, each attempt but the
    /// first looks whether it did.
    async fn attempt(&self, batch: &Batch, again: bool) -> Result<(), StoreError> {
        let mut written = Ok(());
        for _ in 0..CONFLICTS {
            let (ended, now) = (Arc::clone(&batch.ended), self.clock.now());
            let write = self.store.write(Lane::Request, move |tx| {
                Box::pin(async move { write_down(tx, &ended, again, now).await })
            });
            written = write.await;
            if !matches!(written, Err(StoreError::Conflict)) {
                break;
            }
        }
        written
    }

    /// Also where the database was too slow, or its disk full: what was spent is not to be forgotten for that.
    fn is_worth_repeating(&self, error: &StoreError) -> bool {
        match error {
            StoreError::Undone(_) => self.undone < UNDONE,
            error => error.is_transient() || matches!(error, StoreError::Full),
        }
    }

    fn note_trouble(&mut self, error: StoreError) {
        if self.attempts.is_multiple_of(TOLD) {
            let attempts = self.attempts + 1;
            tracing::warn!(%error, attempts, "what was spent could not be written; it is tried again");
        }
        self.attempts += 1;
        self.undone += u32::from(matches!(error, StoreError::Undone(_)));
        self.next_attempt = Instant::now() + PAUSE;
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

async fn write_free(store: &Store, batch: &Batch) -> Result<(), StoreError> {
    let ended = Arc::clone(&batch.ended);
    let write = store.write(Lane::Request, |tx| {
        Box::pin(async move {
            let records: Vec<&CallRecord> = ended.iter().map(|ended| &ended.record).collect();
            insert_whole(tx, &records).await
        })
    });
    write.await
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
