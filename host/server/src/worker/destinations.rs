//! Delivers to standing destinations. Every host does; each destination is held by one of them at a time, for a few
//! attempts, and then others get their turn. Who gets the next place is decided in `domain/destination/places.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::destination::places::{self, Party};
use hardpoint_domain::id;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::destinations::{self, Due, Present};
use hardpoint_store::{Lane, StoreError};
use tokio::task::{Id, JoinSet};
use tokio::time::sleep;

use crate::service::destinations::run::{Claim, Pace, deliver};
use crate::state::{App, stopped};

/// How often the store is asked for what other hosts numbered, and for what is due again.
const PERIOD: Duration = Duration::from_millis(500);
/// The same after the store failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// Destinations that are looked at to choose from, of those that are well and of the others.
const LOOKED_AT: u32 = 256;

/// The destinations that are delivered to now.
#[derive(Default)]
struct Crew {
    tasks: JoinSet<()>,
    running: HashMap<Id, Running>,
}

struct Running {
    destination: Due,
    pace: Arc<Pace>,
}

/// Delivers until the server stops. What was under way then is delivered again by the next that claims it.
pub async fn run(app: Arc<App>) {
    let mut crew = Crew::default();
    let (mut stopping, mut log) = (app.stop.subscribe(), app.log.subscribe());
    while !app.stop.is_stopping() {
        log.borrow_and_update();
        let wait = match crew.fill(&app).await {
            Ok(()) => PERIOD,
            Err(error) => {
                tracing::warn!(%error, "destinations wait for the store");
                AFTER_TROUBLE
            }
        };
        tokio::select! {
            _ = log.changed() => {}
            Some(ended) = crew.tasks.join_next_with_id() => crew.forget(ended.map_or_else(|error| error.id(), |(id, ())| id)),
            () = sleep(wait) => {}
            () = stopped(&mut stopping) => {}
        }
    }
    // Each ends by itself soon after the server is to stop.
    while crew.tasks.join_next().await.is_some() {}
}

impl Crew {
    /// Claims as many destinations as there are places for, and begins.
    async fn fill(&mut self, app: &Arc<App>) -> Result<(), StoreError> {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.forget(ended.map_or_else(|error| error.id(), |(id, ())| id));
        }
        let running: Vec<Party> = self.running.values().map(Running::party).collect();
        if !places::any_free(&running) || !app.drift.is_right() {
            return Ok(());
        }
        let (now, lease) = (app.clock.now(), app.config.siem.lease.0);
        let present = present(app, now);
        let due = destinations::due(&mut app.store.read().await?, present, LOOKED_AT).await?;
        let waiting: Vec<Party> = due.iter().map(|due| party(due, due.is_slow)).collect();
        let chosen = places::chosen(&running, &waiting);
        if chosen.is_empty() {
            return Ok(());
        }
        let ids: Vec<String> =
            chosen.into_iter().filter_map(|at| due.get(at)).map(|due| due.id.clone()).collect();
        let claim_id = id::prefixed("claim", now, &*app.rng);
        let fresh = claim_id.clone();
        let write = app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { destinations::claim(tx, &ids, &fresh, present, lease).await })
        });
        let claimed = write.await?;
        for destination in due.into_iter().filter(|due| claimed.contains(&due.id)) {
            self.begin(app, destination, claim_id.clone());
        }
        Ok(())
    }

    fn begin(&mut self, app: &Arc<App>, destination: Due, claim_id: String) {
        let claim = Claim { id: destination.id.clone(), claim_id };
        let (app, pace) = (Arc::clone(app), Arc::new(Pace::new(destination.is_slow)));
        let running = Running { destination, pace: Arc::clone(&pace) };
        let task = self.tasks.spawn(async move {
            if let Err(error) = deliver(&app, &claim, &pace).await {
                tracing::warn!(%error, destination = claim.id, "a destination waits for the store");
            }
        });
        self.running.insert(task.id(), running);
    }

    fn forget(&mut self, task: Id) {
        self.running.remove(&task);
    }
}

impl Running {
    fn party(&self) -> Party {
        party(&self.destination, self.pace.is_slow())
    }
}

/// Hosts' clocks may differ: by less than a lease, or they claim nothing.
fn present(app: &App, now: Timestamp) -> Present {
    let siem = &app.config.siem;
    Present::at(now, siem.patience().at_most(), siem.lease.0)
}

fn party(destination: &Due, is_slow: bool) -> Party {
    let Due { owner_id, exporter, .. } = destination;
    Party { owner: owner_id.clone(), exporter: exporter.clone(), is_slow }
}
