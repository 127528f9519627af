//! Call records of many requests in one transaction: who comes while a batch is being committed is in
//! the next one.

use tokio::sync::{mpsc, oneshot};

use crate::call_records::{CallRecord, check, insert};
use crate::{Lane, Store, StoreError};

/// Records in one transaction.
const BATCH: usize = 64;
/// Records that may wait before callers wait to queue.
const QUEUE: usize = 4_096;

type Waiting = (CallRecord, oneshot::Sender<Result<(), StoreError>>);

/// Writes call records. Cheap to clone; all clones share their batches.
#[derive(Clone, Debug)]
pub struct CallRecorder(mpsc::Sender<Waiting>);

impl CallRecorder {
    /// Starts the recorder's task on the present runtime; it ends with the last clone.
    pub fn start(store: &Store) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        tokio::spawn(run(store.clone(), queue));
        Self(sender)
    }

    /// Records a call; returns when it is committed as durably as configured. Once this was polled the
    /// record is written even if nobody waits for it any more.
    pub async fn record(&self, record: CallRecord) -> Result<(), StoreError> {
        check(&record)?;
        let (sender, written) = oneshot::channel();
        self.0.send((record, sender)).await.map_err(|_| ended())?;
        written.await.map_err(|_| ended())?
    }
}

fn ended() -> StoreError {
    StoreError::Unavailable("the call recorder has ended".into())
}

async fn run(store: Store, mut queue: mpsc::Receiver<Waiting>) {
    let mut waiting = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut waiting, BATCH).await > 0 {
        let (records, senders): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        let written =
            store.write(Lane::Request, |tx| Box::pin(async move { insert(tx, &records).await })).await;
        for sender in senders {
            let _ = sender.send(written.clone());
        }
    }
}
