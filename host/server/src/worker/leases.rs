//! Looks after leased credits: notes how far long requests are, keeps the leases that are used, gives back those that
//! are not, and takes back those of hosts that are gone.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use hardpoint_store::{Engine, Lane, Store, StoreError, leases, progress};

use super::Rounds;
use crate::service::billing::{LEASE_LIFE, Purse};
use crate::state::App;

/// How often.
pub const PERIOD: Duration = Duration::from_secs(2);

/// Requests in one write, so that none holds up the others for long.
const BATCH: usize = 50;

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
        sweep_until(store, now, now.plus(LEASE_LIFE).plus(LEASE_LIFE)).await?;
    }
    Ok(())
}

/// Once. Each step is good without the next.
pub async fn look(app: &App) -> Result<(), StoreError> {
    note_progress(app).await?;
    for purse in app.billing.all() {
        renew(app, &purse).await?;
    }
    give_back_idle(app).await?;
    sweep(app).await
}

/// Notes what requests have cost so far that have been under way for a while.
async fn note_progress(app: &App) -> Result<(), StoreError> {
    let mut noted: Vec<_> = app.billing.open().iter().filter_map(|note| note.progress(PERIOD)).collect();
    noted.sort_unstable_by(|(_, one), (_, other)| one.request_id.cmp(&other.request_id));
    for batch in noted.chunks(BATCH) {
        let batch = batch.to_vec();
        let write = app.store.write(Lane::Bulk, |tx| {
            Box::pin(async move {
                for (lease, record) in &batch {
                    progress::put(tx, lease, record).await?;
                }
                Ok(())
            })
        });
        write.await?;
    }
    Ok(())
}

/// Keeps an organisation's leases for another while. One that was taken back gives no more.
async fn renew(app: &App, purse: &Arc<Purse>) -> Result<(), StoreError> {
    let ids: Vec<String> = purse.pool(|pool| pool.blocks().map(ToString::to_string).collect());
    if ids.is_empty() {
        return Ok(());
    }
    let until = app.clock.now().plus(LEASE_LIFE);
    let lost = app.store.write(Lane::Bulk, move |tx| Box::pin(leases::renew(tx, ids, until))).await?;
    for lease in lost {
        tracing::warn!(lease, organization = purse.organization_id, "a lease of credits was taken back");
        purse.pool(|pool| pool.lose(&lease));
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
    app.calls.flush().await;
    let now = app.clock.now();
    app.store.write(Lane::Bulk, move |tx| Box::pin(leases::close(tx, ids, now))).await
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
        tracing::warn!(
            leases = swept,
            "took back leases of credits from hosts that are gone, or were silent"
        );
    }
    Ok(())
}
