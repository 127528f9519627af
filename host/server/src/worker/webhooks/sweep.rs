//! Gives up deliveries that are too old, and forgets what ended long ago. Beside what sends: after an outage there may be
//! a great many, and what just happened is not to wait for them.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use hardpoint_store::{Lane, StoreError, outbox};

use super::super::{Rounds, drift};
use crate::service::webhooks::losses;
use crate::state::App;

/// How often it looks.
const PERIOD: Duration = Duration::from_secs(60);
/// How long what became of a delivery can be seen, and be replayed.
const KEPT: Duration = Duration::from_secs(30 * 86_400);
/// Rows in one write.
const BATCH: i64 = 500;

/// Sweeps every minute, and once more when the server stops.
pub async fn run(app: Arc<App>) {
    let mut rounds = Rounds::every(PERIOD, &app);
    while rounds.next().await {
        if let Err(error) = sweep(&app).await {
            tracing::warn!(%error, "old deliveries of webhooks were not cleared");
        }
    }
}

/// Once, by a clock that is right.
///
/// # Errors
/// The store's.
pub async fn sweep(app: &App) -> Result<(), StoreError> {
    let Some(now) = drift::may_end(app).await? else { return Ok(()) };
    // Who is to stop leaves the rest to the next.
    while step(app, now).await? && !app.stop.is_stopping() {}
    Ok(())
}

/// One write; whether there may be more.
async fn step(app: &App, now: Timestamp) -> Result<bool, StoreError> {
    let rng = app.rng.clone();
    let write = app.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move {
            let expired = losses::expire(tx, now, BATCH, &*rng).await?;
            Ok((expired, outbox::forget(tx, now.minus(KEPT), BATCH).await?))
        })
    });
    let (expired, forgotten) = write.await?;
    if expired > 0 {
        app.metrics.deliveries.webhooks_given_up(expired);
        tracing::warn!(expired, "webhooks were not delivered in time; they are dead letters now");
    }
    Ok(expired.max(forgotten) >= BATCH.unsigned_abs())
}
