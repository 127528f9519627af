//! Delivers to standing destinations. Every host does; each destination is held by one of them at a time, for a few
//! attempts, and then others get their turn. Who gets the next place is decided in `domain/destination/places.rs`.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::destination::places::{self, Party};
use hardpoint_domain::id;
use hardpoint_store::destinations::{self, Due};
use hardpoint_store::{Lane, StoreError};

use super::crew::Crew;
use crate::service::destinations::run::{Claim, Pace, deliver, present};
use crate::state::App;

/// How often the store is asked for what other hosts numbered, and for what is due again.
const PERIOD: Duration = Duration::from_millis(500);
/// The same after the store failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// Destinations that are looked at to choose from, of those that are well and of the others.
const LOOKED_AT: u32 = 256;

/// A destination that is delivered to now.
struct Running {
    destination: Due,
    pace: Arc<Pace>,
}

/// Delivers until the server stops. What was under way then is delivered again by the next that claims it.
pub async fn run(app: Arc<App>) {
    let mut crew = Crew::new();
    let (mut stopping, mut log) = (app.stop.subscribe(), app.log.subscribe());
    while !app.stop.is_stopping() {
        log.borrow_and_update();
        let wait = match fill(&app, &mut crew).await {
            Ok(()) => PERIOD,
            Err(error) => {
                tracing::warn!(%error, "destinations wait for the store");
                AFTER_TROUBLE
            }
        };
        crew.rest(&mut log, &mut stopping, wait).await;
    }
    crew.finish().await;
}

/// Claims as many destinations as there are places for, and begins.
async fn fill(app: &Arc<App>, crew: &mut Crew<Running>) -> Result<(), StoreError> {
    let running: Vec<Party> = crew.running().map(Running::party).collect();
    if !places::any_free(&running) || !app.drift.is_right() {
        return Ok(());
    }
    let (now, lease) = (present(app), app.config.siem.lease.0);
    let due = destinations::due(&mut app.store.read().await?, now, LOOKED_AT).await?;
    let waiting: Vec<Party> = due.iter().map(|due| party(due, due.is_slow)).collect();
    let chosen = places::chosen(&running, &waiting);
    if chosen.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> =
        chosen.into_iter().filter_map(|at| due.get(at)).map(|due| due.id.clone()).collect();
    let claim_id = id::prefixed("claim", now.now, &*app.rng);
    let (fresh, host) = (claim_id.clone(), Arc::clone(app));
    let write = app.store.write(Lane::Bulk, move |tx| {
        // By the time then: this may have waited for as long as a claim lasts.
        Box::pin(async move { destinations::claim(tx, &ids, &fresh, present(&host), lease).await })
    });
    let claimed = write.await?;
    for destination in due.into_iter().filter(|due| claimed.contains(&due.id)) {
        begin(app, crew, destination, claim_id.clone());
    }
    Ok(())
}

fn begin(app: &Arc<App>, crew: &mut Crew<Running>, destination: Due, claim_id: String) {
    let claim = Claim { id: destination.id.clone(), claim_id };
    let (app, pace) = (Arc::clone(app), Arc::new(Pace::new(destination.is_slow)));
    let running = Running { destination, pace: Arc::clone(&pace) };
    crew.begin(running, async move {
        if let Err(error) = deliver(&app, &claim, &pace).await {
            tracing::warn!(%error, destination = claim.id, "a destination waits for the store");
        }
    });
}

impl Running {
    fn party(&self) -> Party {
        party(&self.destination, self.pace.is_slow())
    }
}

fn party(destination: &Due, is_slow: bool) -> Party {
    let Due { owner_id, exporter, .. } = destination;
    Party { owner: owner_id.clone(), exporter: exporter.clone(), is_slow }
}
