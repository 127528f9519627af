//! Requests under an `Idempotency-Key`: prolongs the leases of those that this host carries out, and forgets those
//! that are over.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_store::{Lane, StoreError, idempotency};
use tokio::time::{MissedTickBehavior, interval};

use crate::service::idempotency::LEASE;
use crate::state::{App, stopped};

/// How often: a lease survives two failures.
const PERIOD: Duration = Duration::from_secs(LEASE.as_secs() / 3);

/// Leases in one write.
const BATCH: usize = 100;

/// Answers that are forgotten in one write. Each may be a mebibyte.
const SWEPT_AT_ONCE: u32 = 20;

/// Does both every few seconds, until the server is to stop: a lease lasts longer than that takes.
pub async fn run(app: Arc<App>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopping = app.stop.subscribe();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stopped(&mut stopping) => return,
        }
        if let Err(error) = prolong(&app).await {
            tracing::warn!(%error, "leases of requests under way were not prolonged");
        }
        if let Err(error) = sweep(&app).await {
            tracing::warn!(%error, "answers that are over were not forgotten");
        }
    }
}

async fn prolong(app: &App) -> Result<(), StoreError> {
    for batch in app.claims.held().chunks(BATCH) {
        let (batch, until) = (batch.to_vec(), app.clock.now().plus(LEASE));
        let write = app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move {
                for id in &batch {
                    idempotency::lease(tx, id, until).await?;
                }
                Ok(())
            })
        });
        write.await?;
    }
    Ok(())
}

/// Forgets what is over, in small steps.
///
/// # Errors
/// The store's.
pub async fn sweep(app: &App) -> Result<(), StoreError> {
    loop {
        let now = app.clock.now();
        let write =
            app.store.write(Lane::Bulk, move |tx| Box::pin(idempotency::sweep(tx, now, SWEPT_AT_ONCE)));
        if write.await? < u64::from(SWEPT_AT_ONCE) {
            return Ok(());
        }
    }
}
