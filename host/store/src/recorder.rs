//! Call records of many requests in one transaction: who comes while a batch is being committed is in
//! the next one.

use tokio::sync::{mpsc, oneshot};

use crate::call_records::{CallRecord, check, insert_whole};
use crate::call_records_dialect::LARGEST;
use crate::{Lane, Store, StoreError};

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

    /// Records a call; returns when it is committed as durably as configured. Whoever stops waiting for this
    /// gives the record up unless there was room for it already: let it run to its end.
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
    let mut waiting = Vec::with_capacity(LARGEST);
    while queue.recv_many(&mut waiting, LARGEST).await > 0 {
        let (records, senders): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        let written =
            store.write(Lane::Request, |tx| Box::pin(async move { insert_whole(tx, &records).await })).await;
        for sender in senders {
            let _ = sender.send(written.clone());
        }
    }
}
