//! Takes away what has ended and is worth nothing any more: PINs, sessions, counts, mail that came too late, notices
//! of payments that nobody sends again, records of requests that were refused.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::login::DAY;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::{Lane, StoreError, call_records, logins, mails, payments};

use super::{Rounds, drift};
use crate::state::App;

/// How often.
const PERIOD: Duration = Duration::from_secs(60);

/// How long notices of payments are known. The provider tries for three days, and can be told to send one again for
/// thirty.
const NOTICES: Duration = Duration::from_secs(90 * 86_400);

/// How long it is known which requests were refused. They cost nothing, so that nothing else bounds how many there are.
const REFUSED: Duration = Duration::from_secs(30 * 86_400);

/// Their records of one write: those who wait for the writer should not notice.
const BATCH: u32 = 250;

/// Forgets every minute, and once more when the server stops.
pub async fn run(app: Arc<App>) {
    let mut rounds = Rounds::every(PERIOD, &app);
    while rounds.next().await {
        if let Err(error) = forget_all(&app).await {
            tracing::warn!(%error, "what has ended was not forgotten");
        }
    }
}

/// Once, by a clock that is right.
///
/// # Errors
/// The store's.
pub async fn forget_all(app: &App) -> Result<(), StoreError> {
    let Some(now) = drift::may_end(app).await? else { return Ok(()) };
    // What is wrong with the one keeps nothing of the other.
    let (ended, refused) = (forget(app, now).await, forget_refused(app, now).await);
    ended.and(refused)
}

async fn forget(app: &App, now: Timestamp) -> Result<(), StoreError> {
    let write = app.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move {
            logins::forget(tx, now, now.minus(DAY)).await?;
            payments::forget(tx, now.minus(NOTICES)).await?;
            mails::forget(tx, now).await
        })
    });
    for mail in write.await? {
        tracing::error!(mail, "mail was not sent in time, and is given up");
    }
    Ok(())
}

/// Forgets records of requests that were refused a month ago, in small steps.
///
/// # Errors
/// The store's.
pub async fn forget_refused(app: &App, now: Timestamp) -> Result<(), StoreError> {
    let before = now.minus(REFUSED);
    loop {
        let write =
            app.store.write(Lane::Bulk, move |tx| Box::pin(call_records::forget_refused(tx, before, BATCH)));
        // Who is to stop leaves the rest to the next.
        if write.await? < u64::from(BATCH) || app.stop.is_stopping() {
            return Ok(());
        }
    }
}
