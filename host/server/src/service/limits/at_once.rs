//! Requests at once. A host that is alone counts them in memory; hosts that share a PostgreSQL hold places that each
//! leased from it, under an id that it renews.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hardpoint_domain::id;
use hardpoint_domain::places::{AtOnce, Entry, Want};
use hardpoint_domain::quota::Meter;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::places::{self, Kept};
use hardpoint_store::{Engine, Lane, StoreError};
use tokio::sync::OwnedMutexGuard;

use super::{Limits, Organization, Tried};
use crate::error::ApiError;
use crate::state::App;

/// How long places are kept for a host of which the store hears nothing.
const LIFE: Duration = Duration::from_secs(30);
/// How long a host that does not come through to the store goes on with the places it has: less, since clocks differ.
const TRUSTED: Duration = Duration::from_secs(20);
/// How often it renews them.
const RENEWED: Duration = Duration::from_secs(5);
/// Places of other hosts that are not needed come back while a request waits this long.
const WAITS: [Duration; 2] = [Duration::from_millis(30), Duration::from_millis(120)];

/// Under which id this host holds places.
#[derive(Default)]
pub(super) struct Holder {
    hold: RwLock<Option<Hold>>,
    /// Held by the one who renews it for all that wait.
    renewing: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Hold {
    id: Arc<str>,
    /// When it was renewed.
    since: Timestamp,
}

impl Hold {
    fn is_younger(&self, than: Duration, now: Timestamp) -> bool {
        (self.since..self.since.plus(than)).contains(&now)
    }
}

impl Holder {
    fn hold(&self) -> Option<Hold> {
        self.hold.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, hold: Option<Hold>) {
        *self.hold.write().unwrap_or_else(PoisonError::into_inner) = hold;
    }

    fn is_younger(&self, than: Duration, now: Timestamp) -> bool {
        let hold = self.hold.read().unwrap_or_else(PoisonError::into_inner);
        hold.as_ref().is_some_and(|hold| hold.is_younger(than, now))
    }
}

/// Places that a request has. Free again when dropped.
pub(super) struct Taken {
    organization: Arc<Organization>,
    meters: Vec<Meter>,
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.organization.counts().places.release(self.meters.iter().copied()) {
            self.organization.bell.notify_one();
        }
    }
}

/// Gives a request a place of each sort that it is of, or none at all.
///
/// # Errors
/// 429 where all are taken; 503 where the store cannot be asked for more.
pub(super) async fn enter(
    app: &App,
    organization: &Arc<Organization>,
    at_once: &[AtOnce],
) -> Result<Taken, ApiError> {
    let is_shared = app.store.engine() == Engine::Postgres && !at_once.is_empty();
    if is_shared && !app.limits.holder.is_younger(TRUSTED, app.clock.now()) {
        keep(app, TRUSTED).await?;
    }
    if let Ok(taken) = organization.try_enter(app, at_once)? {
        return Ok(taken);
    }
    let mut turn = Arc::clone(&organization.leasing).lock_owned().await;
    let mut waits = WAITS.into_iter();
    loop {
        // Whoever had the turn before may have leased enough, and somebody may have left.
        match organization.try_enter(app, at_once)? {
            Ok(taken) => return Ok(taken),
            Err(wants) => turn = organization.lease_places(app, wants, turn).await?,
        }
        match organization.try_enter(app, at_once)? {
            Ok(taken) => return Ok(taken),
            Err(wants) => match waits.next() {
                Some(wait) => tokio::time::sleep(wait).await,
                None => organization.counts().places.note_full(&wants, app.clock.now()),
            },
        }
    }
}

fn full(at_once: AtOnce) -> ApiError {
    ApiError::too_many_at_once(at_once.most, at_once.meter.as_str())
}

impl Organization {
    fn try_enter(self: &Arc<Self>, app: &App, at_once: &[AtOnce]) -> Result<Tried<Taken, Want>, ApiError> {
        match self.counts().places.take(at_once, app.clock.now()) {
            Entry::Full(at_once) => Err(full(at_once)),
            Entry::Lease(wants) => Ok(Err(wants)),
            Entry::Taken => {
                let meters = at_once.iter().map(|at_once| at_once.meter).collect();
                Ok(Ok(Taken { organization: Arc::clone(self), meters }))
            }
        }
    }

    /// Leases in a task of its own, which has the turn until it is done: a client that leaves meanwhile must not lose
    /// what the store has given, and nobody else lease beside it.
    async fn lease_places(
        self: &Arc<Self>,
        app: &App,
        wants: Vec<Want>,
        turn: OwnedMutexGuard<()>,
    ) -> Result<OwnedMutexGuard<()>, ApiError> {
        let holder = Arc::clone(&app.limits.holder);
        let Some(Hold { id, .. }) = holder.hold() else { return Err(lost()) };
        let (store, organization, under) = (app.store.clone(), Arc::clone(self), Arc::clone(&id));
        let leasing = tokio::spawn(async move {
            let (organization_id, wanted) = (organization.id.clone(), wants.clone());
            let leaser = Arc::clone(&under);
            let write = store.write(Lane::Request, move |tx| {
                Box::pin(async move { places::lease(tx, &organization_id, &leaser, wanted).await })
            });
            let leased = write.await;
            let mut counts = organization.counts();
            match &leased {
                // What was leased under an id that was lost meanwhile is nobody's.
                Ok(_) if holder.hold().is_none_or(|now| now.id != under) => return Err(StoreError::Dangling),
                Ok(leases) => leases.iter().for_each(|lease| counts.places.receive(*lease)),
                Err(_) => counts.places.note_unknown(&wants),
            }
            leased.map(|_| turn)
        });
        match leasing.await {
            Ok(Err(StoreError::Dangling)) => {
                app.limits.lose(&id);
                Err(lost())
            }
            Ok(leased) => Ok(leased?),
            Err(error) => Err(ApiError::internal(format!("leasing of places failed: {error}"))),
        }
    }
}

impl Limits {
    /// Forgets all places that were held under an id: the store gave them to others.
    fn lose(&self, id: &str) {
        if self.holder.hold().is_none_or(|hold| &*hold.id != id) {
            return;
        }
        tracing::warn!(id, "places for requests at once were given to other hosts: this one was silent");
        self.holder.set(None);
        self.all().iter().for_each(|organization| organization.counts().places.lose());
    }
}

fn lost() -> ApiError {
    ApiError::unavailable(1, "This host was out of touch with the database. Retry.")
}

/// Renews this host's hold on its places, unless it is younger than this; makes one where there is none.
pub(crate) async fn keep(app: &App, younger: Duration) -> Result<(), StoreError> {
    let holder = &app.limits.holder;
    let _turn = holder.renewing.lock().await;
    // By the clock from before the store is asked: what it notes is later.
    let now = app.clock.now();
    if holder.is_younger(younger, now) {
        return Ok(());
    }
    if let Some(Hold { id, .. }) = holder.hold() {
        let renewed = Arc::clone(&id);
        let renew = app.store.write(Lane::Request, move |tx| {
            Box::pin(async move { places::renew(tx, &renewed, now.plus(LIFE)).await })
        });
        if renew.await? {
            holder.set(Some(Hold { id, since: now }));
            return Ok(());
        }
        app.limits.lose(&id);
    }
    let id: Arc<str> = id::prefixed("plh", now, &*app.rng).into();
    let begun = Arc::clone(&id);
    let begin = app.store.write(Lane::Request, move |tx| {
        Box::pin(async move { places::begin(tx, &begun, now.plus(LIFE)).await })
    });
    begin.await?;
    holder.set(Some(Hold { id, since: now }));
    Ok(())
}

/// Gives back what is not needed: at the end of a round what was not needed in it, in between what is scarce.
pub(crate) async fn give_back(app: &App, is_round: bool) -> Result<(), StoreError> {
    let Some(hold) = app.limits.holder.hold() else { return Ok(()) };
    let mut surplus = Vec::new();
    for organization in app.limits.all() {
        // Who leases just now needs what there is.
        let Ok(turn) = Arc::clone(&organization.leasing).try_lock_owned() else { continue };
        let kept = organization.counts().places.surplus(is_round);
        if !kept.is_empty() {
            surplus.push((organization, kept, turn));
        }
    }
    if surplus.is_empty() {
        return Ok(());
    }
    let of = |organization: &Organization, (meter, held): (Meter, u32)| Kept {
        organization_id: organization.id.clone(),
        meter,
        held,
    };
    let noted =
        surplus.iter().flat_map(|(organization, kept, _)| kept.iter().map(|kept| of(organization, *kept)));
    let noted: Vec<Kept> = noted.collect();
    let write = app
        .store
        .write(Lane::Request, move |tx| Box::pin(async move { places::keep(tx, &hold.id, noted).await }));
    write.await?;
    for (organization, kept, _turn) in surplus {
        let mut counts = organization.counts();
        kept.into_iter().for_each(|(meter, held)| counts.places.note_kept(meter, held));
    }
    Ok(())
}

/// A round of whoever looks after places: renews this host's, gives back what it did not need, and takes back those of
/// hosts that are gone.
pub async fn look(app: &App) -> Result<(), StoreError> {
    if app.limits.holder.hold().is_none() {
        return Ok(());
    }
    give_back(app, true).await?;
    let now = app.clock.now();
    if app.limits.holder.is_younger(RENEWED, now) {
        return Ok(());
    }
    keep(app, RENEWED).await?;
    let ended = app.store.write(Lane::Bulk, move |tx| Box::pin(places::end_silent(tx, now))).await?;
    if ended > 0 {
        tracing::warn!(hosts = ended, "took back the places of hosts that are gone, or were silent");
    }
    Ok(())
}

/// Gives back all places, at the end. Requests are over by then, or were given up.
pub async fn give_up(app: &App) -> Result<(), StoreError> {
    let Some(hold) = app.limits.holder.hold() else { return Ok(()) };
    app.limits.holder.set(None);
    app.store.write(Lane::Bulk, move |tx| Box::pin(async move { places::end(tx, &hold.id).await })).await
}
