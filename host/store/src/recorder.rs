//! Call records of many requests in one transaction: who comes while a batch is being committed is in
//! the next one.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::call_records::{CallRecord, check, insert_whole};
use crate::call_records_dialect::LARGEST;
use crate::{Lane, Store, StoreError};

/// A batch of so many says that the next will be as large, if it is given the time: as PostgreSQL's
/// `commit_siblings` has it.
const CROWD: usize = 4;
/// How long a batch waits for its crowd, once; PostgreSQL's `commit_delay`. A commit takes as much work
/// for one record as for many.
const GATHER: Duration = Duration::from_millis(1);

/// A record, or a mark that asks to be told when all before it is written.
struct Waiting {
    record: Option<CallRecord>,
    committed: oneshot::Sender<Result<(), StoreError>>,
}

/// Writes call records. Cheap to clone; all clones share their batches.
#[derive(Clone, Debug)]
pub struct CallRecorder(mpsc::UnboundedSender<Waiting>);

impl CallRecorder {
    /// Starts the recorder's task on the present runtime; it ends with the last clone.
    pub fn start(store: &Store) -> Self {
        // Bounded by the requests under way: each waits for its record, or has left and takes no more.
        let (sender, queue) = mpsc::unbounded_channel();
        tokio::spawn(run(store.clone(), queue));
        Self(sender)
    }

    /// Takes a record. It is written whether or not anybody waits; the future tells when it is committed,
    /// as durably as configured. A record that could not be written is logged.
    pub fn record(&self, record: CallRecord) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let queued =
            check(&record).inspect_err(|error| lost(&record, error)).and_then(|()| self.queue(Some(record)));
        async move { queued?.await.map_err(|_| ended())? }
    }

    /// Waits until all records taken so far are written, or could not be.
    pub async fn flush(&self) {
        if let Ok(written) = self.queue(None) {
            let _ = written.await;
        }
    }

    fn queue(
        &self,
        record: Option<CallRecord>,
    ) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        let (committed, written) = oneshot::channel();
        self.0.send(Waiting { record, committed }).map_err(|_| ended())?;
        Ok(written)
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable("the call recorder has ended".into())
}

fn lost(record: &CallRecord, error: &StoreError) {
    tracing::error!(request_id = record.request_id, %error, "call record not written");
}

async fn run(store: Store, mut queue: mpsc::UnboundedReceiver<Waiting>) {
    let mut waiting = Vec::with_capacity(LARGEST);
    let mut crowd = 0;
    while queue.recv_many(&mut waiting, LARGEST).await > 0 {
        if crowd >= CROWD && waiting.len() < crowd {
            tokio::time::sleep(GATHER).await;
            let room = LARGEST - waiting.len();
            waiting.extend(std::iter::from_fn(|| queue.try_recv().ok()).take(room));
        }
        crowd = waiting.len();
        write(&store, &mut waiting).await;
    }
}

async fn write(store: &Store, waiting: &mut Vec<Waiting>) {
    let (records, callers): (Vec<_>, Vec<_>) =
        waiting.drain(..).map(|waiting| (waiting.record, waiting.committed)).unzip();
    let records: Arc<[CallRecord]> = records.into_iter().flatten().collect();
    let batch = Arc::clone(&records);
    let written =
        store.write(Lane::Request, |tx| Box::pin(async move { insert_whole(tx, &batch).await })).await;
    if let Err(error) = &written {
        records.iter().for_each(|record| lost(record, error));
    }
    for caller in callers {
        let _ = caller.send(written.clone());
    }
}
