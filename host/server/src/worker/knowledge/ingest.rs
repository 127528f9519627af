//! Reads documents and makes their vectors. Every host does; each job is held by one of them at a time. Whose job is next
//! is decided in `domain/knowledge/fairness.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::id;
use hardpoint_domain::knowledge::fairness::{Desk, UnderWay};
use hardpoint_store::knowledge::ingestions::{self, Claim};
use hardpoint_store::{Lane, StoreError};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::sleep;

use super::{embed, read};
use crate::state::{App, stopped};

/// How often the store is asked for what other hosts queued, and for what is due again.
const PERIOD: Duration = Duration::from_millis(500);
/// The same after the store failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);

/// The jobs that are under way here.
#[derive(Default)]
struct Crew {
    tasks: JoinSet<()>,
    running: HashMap<Id, UnderWay>,
}

/// Works until the server stops. What was under way then is given back, and goes on elsewhere or at the next start.
pub async fn run(app: Arc<App>) {
    let mut crew = Crew::default();
    let (mut stopping, mut bell) = (app.stop.subscribe(), app.knowledge.subscribe());
    while !app.stop.is_stopping() {
        bell.borrow_and_update();
        let wait = match crew.fill(&app).await {
            Ok(()) => PERIOD,
            Err(error) => {
                tracing::warn!(%error, "documents wait for the store");
                AFTER_TROUBLE
            }
        };
        tokio::select! {
            _ = bell.changed() => {}
            Some(ended) = crew.tasks.join_next_with_id() => crew.forget(ended),
            () = sleep(wait) => {}
            () = stopped(&mut stopping) => {}
        }
    }
    // Each ends by itself soon after the server is to stop.
    while crew.tasks.join_next().await.is_some() {}
}

impl Crew {
    /// Claims as many jobs as there are places for, and begins.
    async fn fill(&mut self, app: &Arc<App>) -> Result<(), StoreError> {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.forget(ended);
        }
        let (places, embeds) = (app.config.knowledge.at_once, app.knowledge.local_embedder().is_some());
        while self.running.len() < places && app.drift.is_right() {
            let now = app.clock.now();
            if !ingestions::is_due(&mut app.store.read().await?, embeds, now).await? {
                return Ok(());
            }
            let desk = Desk { places, under_way: self.running.values().cloned().collect() };
            let (fresh, lease) = (id::prefixed("claim", now, &*app.rng), app.config.knowledge.lease.0);
            let write = app.store.write(Lane::Bulk, move |tx| {
                Box::pin(async move { ingestions::claim(tx, (&desk, embeds), &fresh, now, lease).await })
            });
            match write.await {
                Ok(Some(claim)) => self.begin(app, claim),
                // Others were as quick, or none of these may be taken up here now.
                Ok(None) | Err(StoreError::Conflict) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn begin(&mut self, app: &Arc<App>, claim: Claim) {
        let running = UnderWay { organization_id: claim.organization_id.clone(), is_large: claim.is_large };
        let app = Arc::clone(app);
        let task = self.tasks.spawn(async move {
            if let Err(error) = work(&app, claim.clone()).await {
                tracing::warn!(%error, document = claim.document_id, "a document waits for the store");
            }
        });
        self.running.insert(task.id(), running);
    }

    fn forget(&mut self, ended: Result<(Id, ()), JoinError>) {
        let task = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.running.remove(&task);
    }
}

/// Works on a job as long as its claim counts and the server runs.
async fn work(app: &App, claim: Claim) -> Result<(), StoreError> {
    let mut stopping = app.stop.subscribe();
    let working = async {
        if claim.is_reading() {
            read::read(app, &claim).await
        } else {
            embed::embed(app, claim.clone()).await
        }
    };
    tokio::select! {
        done = working => done?,
        () = lost(app, &claim) => {
            tracing::warn!(document = claim.document_id, "a document is worked on elsewhere: its claim was lost");
            return Ok(());
        }
        () = stopped(&mut stopping) => {
            let now = app.clock.now();
            let write = app.store.write(Lane::Bulk, move |tx| {
                Box::pin(async move { ingestions::release(tx, &claim, now).await })
            });
            return write.await.map(drop);
        }
    }
    app.knowledge.ring();
    Ok(())
}

/// Renews a claim, and returns when it counts no more, or may not.
async fn lost(app: &App, claim: &Claim) {
    let lease = app.config.knowledge.lease.0;
    let mut until = app.clock.now().plus(lease);
    loop {
        sleep(lease / 4).await;
        let (held, now) = (claim.clone(), app.clock.now());
        let write = app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { ingestions::renew(tx, &held, now, lease).await })
        });
        match write.await {
            Ok(true) => until = now.plus(lease),
            Ok(false) => return,
            Err(_) if app.clock.now() < until => {}
            Err(_) => return,
        }
    }
}
