//! Looks after leased credits: notes how far long requests are, keeps the leases that are used, gives back those that
//! are not, and takes back those of hosts that are gone.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use hardpoint_store::{Engine, Lane, Store, StoreError, leases, progress};

use super::Rounds;
use crate::service::billing::LEASE_LIFE;
use crate::state::App;

/// How often.
pub const PERIOD: Duration = Duration::from_secs(2);

/// Requests whose progress is noted, or leases that are closed, in one write: none holds up the others for long.
const BATCH: usize = 50;
/// Leases that are renewed in one write, which is one statement.
const RENEWALS: usize = 500;
/// How long a round waits for what was spent to be written. Where it cannot be, leases are kept until it is.
const PATIENCE: Duration = Duration::from_secs(5);

/// Looks after leases until the server stops, and gives back then what nobody needs.
pub async fn run(app: Arc<App>) {
    let mut rounds = Rounds::every(PERIOD, &app);
    while rounds.next().await {
        if let Err(error) = look(&app).await {
            tracing::warn!(%error, "leases of credits were not looked after; it is tried again");
        }
    }
    if let Err(error) = give_back(&app).await {
        tracing::warn!(%error, "leases of credits were not given back; other hosts will take them");
    }
}

/// Takes back what the run before this one had leased, where nobody else has the database: its host is gone.
///
/// # Errors
/// The store's.
pub async fn take_back(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    if store.engine() == Engine::Sqlite {
        // Whatever the clock said when they were leased.
        sweep_until(store, now, Timestamp::from_micros(i64::MAX)).await?;
    }
    Ok(())
}

/// Once. Each step is good without the next.
pub async fn look(app: &App) -> Result<(), StoreError> {
    note_progress(app).await?;
    renew(app).await?;
    give_back_idle(app).await?;
    sweep(app).await
}

/// Notes what requests have cost so far that have been under way for a while.
async fn note_progress(app: &App) -> Result<(), StoreError> {
    let noted: Vec<_> = app.billing.open().iter().filter_map(|note| note.progress(PERIOD)).collect();
    for batch in noted.chunks(BATCH) {
        let batch = batch.to_vec();
        app.store.write(Lane::Bulk, |tx| Box::pin(async move { progress::put(tx, &batch).await })).await?;
    }
    Ok(())
}

/// Keeps leases for another while, those of all organisations together. One that was taken back gives no more.
async fn renew(app: &App) -> Result<(), StoreError> {
    let now = app.clock.now();
    let mut due = Vec::new();
    for purse in app.billing.all() {
        let ids: Vec<_> = purse.pool(|pool| pool.due(now).map(ToString::to_string).collect());
        due.extend(ids.into_iter().map(|id| (purse.clone(), id)));
    }
    for some in due.chunks(RENEWALS) {
        let ids = some.iter().map(|(_, id)| id.clone()).collect();
        let until = now.plus(LEASE_LIFE);
        let lost = app.store.write(Lane::Bulk, move |tx| Box::pin(leases::renew(tx, ids, until))).await?;
        for (purse, lease) in some {
            if lost.contains(lease) {
                tracing::warn!(
                    lease,
                    organization = purse.organization_id,
                    "a lease of credits was taken back"
                );
                purse.pool(|pool| pool.lose(lease));
            } else {
                purse.pool(|pool| pool.renewed(lease, now));
            }
        }
    }
    Ok(())
}

async fn give_back_idle(app: &App) -> Result<(), StoreError> {
    let now = app.clock.now();
    let idle = app.billing.all().into_iter().flat_map(|purse| purse.pool(|pool| pool.idle(now)));
    close(app, idle.map(|id| id.to_string()).collect()).await
}

/// All that no request needs, at the end. Requests are over by then, or were given up.
pub async fn give_back(app: &App) -> Result<(), StoreError> {
    let held = app.billing.all().into_iter().flat_map(|purse| purse.pool(|pool| pool.empty()));
    close(app, held.map(|id| id.to_string()).collect()).await
}

async fn close(app: &App, ids: Vec<String>) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    // What was spent of them is written before they are closed.
    if tokio::time::timeout(PATIENCE, app.calls.flush()).await.is_err() {
        return Err(StoreError::Unavailable("what was spent of leases could not be written".into()));
    }
    let now = app.clock.now();
    for some in ids.chunks(BATCH) {
        let some = some.to_vec();
        app.store.write(Lane::Bulk, move |tx| Box::pin(leases::close(tx, some, now))).await?;
    }
    Ok(())
}

/// Takes back what hosts that were silent for too long have leased.
async fn sweep(app: &App) -> Result<(), StoreError> {
    let now = app.clock.now();
    sweep_until(&app.store, now, now).await
}

/// Takes back leases that end before `end`.
async fn sweep_until(store: &Store, now: Timestamp, end: Timestamp) -> Result<(), StoreError> {
    while leases::any_expired(&mut store.read().await?, end).await? {
        let swept = store.write(Lane::Bulk, move |tx| Box::pin(leases::sweep(tx, end, now))).await?;
        if swept == 0 {
            // Another host is just at them.
            break;
        }
        tracing::warn!(
            leases = swept,
            "took back leases of credits from hosts that are gone, or were silent"
        );
    }
    Ok(())
}
