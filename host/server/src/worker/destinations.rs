//! Delivers to standing destinations. Every host does; each destination is held by one of them at a time, for a few
//! attempts, and then others get their turn. Those whose last attempt settled nothing have places of their own, so that
//! however many of them are slow or dead, none that is well waits for them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::id;
use hardpoint_store::destinations::{self, Claimed};
use hardpoint_store::{Lane, StoreError};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::service::destinations::run::{Claim, deliver, give_back};
use crate::state::{App, stopped};

/// How often the store is asked for what other hosts numbered, and for what is due again.
const PERIOD: Duration = Duration::from_millis(500);
/// The same after the store failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// Destinations that are delivered to at once by one host: those that are well, and those in trouble.
const PLACES: [u32; 2] = [16, 8];
/// Of these, of one organisation by one exporter: less than it may run at once, so that there is room for those who
/// wait for an export, and for its other destinations.
const OF_ONE: [usize; 2] = [2, 1];

/// An organisation and an exporter.
type Pair = (String, String);

/// Destinations of one sort that are delivered to now.
#[derive(Default)]
struct Crew {
    tasks: JoinSet<()>,
    in_trouble: bool,
    /// Shared by the tasks of a pair, so that their number is known however they end.
    running: HashMap<Pair, Arc<()>>,
}

/// Delivers until the server stops. What was under way then is delivered again by the next that claims it.
pub async fn run(app: Arc<App>) {
    let (mut well, mut troubled) = (Crew::default(), Crew { in_trouble: true, ..Crew::default() });
    let (mut stopping, mut log) = (app.stop.subscribe(), app.log.subscribe());
    while !app.stop.is_stopping() {
        log.borrow_and_update();
        let begun = async {
            well.fill(&app).await?;
            troubled.fill(&app).await
        };
        let wait = match begun.await {
            Ok(()) => PERIOD,
            Err(error) => {
                tracing::warn!(%error, "destinations wait for the store");
                AFTER_TROUBLE
            }
        };
        tokio::select! {
            _ = log.changed() => {}
            Some(_) = well.tasks.join_next() => {}
            Some(_) = troubled.tasks.join_next() => {}
            () = sleep(wait) => {}
            () = stopped(&mut stopping) => {}
        }
    }
    // Each ends by itself soon after the server is to stop.
    while well.tasks.join_next().await.is_some() {}
    while troubled.tasks.join_next().await.is_some() {}
}

impl Crew {
    /// Claims as many destinations as there are places for, and begins.
    async fn fill(&mut self, app: &Arc<App>) -> Result<(), StoreError> {
        while self.tasks.try_join_next().is_some() {}
        self.running.retain(|_, token| Arc::strong_count(token) > 1);
        let taken = u32::try_from(self.tasks.len()).unwrap_or(u32::MAX);
        let in_trouble = self.in_trouble;
        let most = PLACES[usize::from(in_trouble)].saturating_sub(taken);
        let now = app.clock.now();
        if most == 0 || !destinations::is_due(&mut app.store.read().await?, in_trouble, now).await? {
            return Ok(());
        }
        let (claim_id, lease) = (id::prefixed("claim", now, &*app.rng), app.config.siem.lease.0);
        let fresh = claim_id.clone();
        let write = app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { destinations::claim(tx, &fresh, most, in_trouble, now, lease).await })
        });
        for Claimed { id, owner_id, exporter } in write.await? {
            let claim = Claim { id, claim_id: claim_id.clone() };
            let token = self.running.entry((owner_id, exporter)).or_default();
            if Arc::strong_count(token) > OF_ONE[usize::from(in_trouble)] {
                // Else it waits for the lease to end; the others that were claimed with it must not.
                if let Err(error) = give_back(app, &claim, now.plus(PERIOD)).await {
                    tracing::warn!(%error, destination = claim.id, "a destination waits for its lease to end");
                }
                continue;
            }
            let (app, token) = (Arc::clone(app), Arc::clone(token));
            self.tasks.spawn(async move {
                if let Err(error) = deliver(&app, &claim).await {
                    tracing::warn!(%error, destination = claim.id, "a destination waits for the store");
                }
                drop(token);
            });
        }
        Ok(())
    }
}
