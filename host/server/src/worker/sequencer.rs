//! Gives events their places in the audit log's chain. Every host has one; the store lets one at a time go on with the
//! chain, and where one is late another has done it.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_store::StoreError;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::service::audit;
use crate::state::{App, stopped};

/// How often the store is asked for what other processes appended.
const PERIOD: Duration = Duration::from_secs(1);
/// The same after the store failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// How long the first event waits for others: under load a transaction for many, and nobody waits long.
const GATHER: Duration = Duration::from_millis(10);

/// How far the log is numbered, as this host knows it. Who follows the log waits for this to change, and looks now and
/// then by itself: other hosts number too, and do not tell.
#[derive(Debug)]
pub struct Log(watch::Sender<i64>);

impl Default for Log {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Log {
    /// Changes with the last number that was given.
    pub fn subscribe(&self) -> watch::Receiver<i64> {
        self.0.subscribe()
    }

    fn is_at(&self, head: i64) {
        self.0.send_if_modified(|at| {
            let is_news = head > *at;
            *at = head.max(*at);
            is_news
        });
    }
}

/// Numbers events until the server stops, and once more then.
pub async fn run(app: Arc<App>) {
    let mut stopping = app.stop.subscribe();
    loop {
        let is_last = app.stop.is_stopping();
        let numbered = number_all(&app).await;
        if is_last {
            return;
        }
        let Err(error) = numbered else {
            tokio::select! {
                () = app.store.appended() => sleep(GATHER).await,
                () = sleep(PERIOD) => {}
                () = stopped(&mut stopping) => {}
            }
            continue;
        };
        tracing::warn!(%error, "events wait for their places in the audit log");
        tokio::select! {
            () = sleep(AFTER_TROUBLE) => {}
            () = stopped(&mut stopping) => {}
        }
    }
}

/// Gives every event that is there its place.
pub async fn number_all(app: &App) -> Result<(), StoreError> {
    audit::number_all(&app.store, |head| app.log.is_at(head)).await
}
