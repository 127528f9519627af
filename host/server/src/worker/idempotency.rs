//! Requests under an `Idempotency-Key`: prolongs the leases of those that this host carries out, forgets those that
//! are over, and lets answers go that nobody has room for.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_store::{Lane, StoreError, idempotency};
use tokio::time::{MissedTickBehavior, interval};

use super::drift;
use crate::service::idempotency::{LEASE, MOST_KEPT};
use crate::state::{App, stopped};

/// How often: a lease survives two failures.
const PERIOD: Duration = Duration::from_secs(LEASE.as_secs() / 3);

/// Leases in one write.
const BATCH: usize = 100;

/// Answers that are forgotten, or let go, in one write. Each may be a mebibyte.
const SWEPT_AT_ONCE: u32 = 20;

/// Does so every few seconds, until the server is to stop: a lease lasts longer than that takes.
pub async fn run(app: Arc<App>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stopping = app.stop.subscribe();
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = app.claims.full() => {}
            () = stopped(&mut stopping) => return,
        }
        if let Err(error) = prolong(&app).await {
            tracing::warn!(%error, "leases of requests under way were not prolonged");
        }
        if let Err(error) = sweep(&app).await {
            tracing::warn!(%error, "answers that are over were not forgotten");
        }
        if app.claims.is_full()
            && let Err(error) = bound(&app, MOST_KEPT).await
        {
            tracing::warn!(%error, "it is not known whether too many answers are kept");
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

/// Forgets what is over by a clock that is right, in small steps.
///
/// # Errors
/// The store's.
pub async fn sweep(app: &App) -> Result<(), StoreError> {
    let Some(now) = drift::may_end(app).await? else { return Ok(()) };
    loop {
        let write =
            app.store.write(Lane::Bulk, move |tx| Box::pin(idempotency::sweep(tx, now, SWEPT_AT_ONCE)));
        if write.await? < u64::from(SWEPT_AT_ONCE) {
            return Ok(());
        }
    }
}

/// Lets the oldest answers of each organisation go that has more than so many bytes of them, in small steps.
///
/// # Errors
/// The store's.
pub async fn bound(app: &App, most: i64) -> Result<(), StoreError> {
    let over = idempotency::over(&mut app.store.read().await?, most).await?;
    for (organization, kept) in over {
        tracing::info!(organization, kept, "the oldest answers make room");
        let mut excess = kept - most;
        while excess > 0 {
            let organization = organization.clone();
            let write = app.store.write(Lane::Bulk, move |tx| {
                Box::pin(
                    async move { idempotency::make_room(tx, &organization, excess, SWEPT_AT_ONCE).await },
                )
            });
            match write.await? {
                0 => break,
                freed => excess -= freed,
            }
        }
    }
    Ok(())
}
