//! Reads documents and makes their vectors. Every host does; each job is held by one of them at a time. Whose job is next
//! is decided in `domain/knowledge/fairness.rs`. Readings have places of their own, since a document is found as soon as it
//! is read and its vectors take long; so has what waits for a provider: one that hangs holds up nothing that is done here.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::id;
use hardpoint_domain::knowledge::fairness::{Desk, UnderWay};
use hardpoint_domain::time::Timestamp;
use hardpoint_store::knowledge::ingestions::{self, Claim, Takes};
use hardpoint_store::{Lane, StoreError};

use super::super::crew::Crew;
use super::{embed, read};
use crate::service::claims::lost;
use crate::service::knowledge::embedder;
use crate::state::{App, stopped};

/// How often the store is asked for what other hosts queued, and for what is due again.
const PERIOD: Duration = Duration::from_millis(500);
/// The same after the store failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);

/// Works until the server stops. What was under way then is given back, and goes on elsewhere or at the next start.
pub async fn run(app: Arc<App>) {
    tokio::join!(
        take_up(&app, embedder::read_here),
        take_up(&app, embedder::made_here),
        take_up(&app, embedder::asked_for),
    );
}

async fn take_up(app: &Arc<App>, what: fn(&App) -> Takes) {
    let mut crew = Crew::new();
    let (mut stopping, mut bell) = (app.stop.subscribe(), app.knowledge.subscribe());
    while !app.stop.is_stopping() {
        bell.borrow_and_update();
        let wait = match fill(app, &mut crew, what).await {
            Ok(()) => PERIOD,
            Err(error) => {
                tracing::warn!(%error, "documents wait for the store");
                AFTER_TROUBLE
            }
        };
        crew.rest(&mut bell, &mut stopping, wait).await;
    }
    crew.finish().await;
}

/// Claims as many jobs as there are places for, and begins.
async fn fill(app: &Arc<App>, crew: &mut Crew<UnderWay>, what: fn(&App) -> Takes) -> Result<(), StoreError> {
    let places = app.config.knowledge.at_once;
    while crew.running().len() < places && app.drift.is_right() {
        let (now, takes) = (app.clock.now(), what(app));
        if !ingestions::is_due(&mut app.store.read().await?, &takes, now).await? {
            return Ok(());
        }
        let desk = Desk { places, under_way: crew.running().cloned().collect() };
        let (fresh, lease) = (id::prefixed("claim", now, &*app.rng), app.config.knowledge.lease.0);
        let write = app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { ingestions::claim(tx, (&desk, &takes), &fresh, now, lease).await })
        });
        match write.await {
            Ok(Some(claim)) => begin(app, crew, claim),
            // Others were as quick, or none of these may be taken up here now.
            Ok(None) | Err(StoreError::Conflict) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn begin(app: &Arc<App>, crew: &mut Crew<UnderWay>, claim: Claim) {
    let running = UnderWay { organization_id: claim.organization_id.clone(), is_large: claim.is_large };
    let app = Arc::clone(app);
    crew.begin(running, async move {
        if let Err(error) = work(&app, claim.clone()).await {
            tracing::warn!(%error, document = claim.document_id, "a document waits for the store");
        }
    });
}

/// Works on a job as long as its claim counts and the server runs.
async fn work(app: &Arc<App>, claim: Claim) -> Result<(), StoreError> {
    let (mut stopping, lease) = (app.stop.subscribe(), app.config.knowledge.lease.0);
    let working = async {
        if claim.is_reading() {
            read::read(app, &claim).await
        } else {
            embed::embed(app, claim.clone()).await
        }
    };
    tokio::select! {
        done = working => done?,
        () = lost(app, lease, |now| renew(app, &claim, now)) => {
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

async fn renew(app: &App, claim: &Claim, now: Timestamp) -> Result<bool, StoreError> {
    let (held, lease) = (claim.clone(), app.config.knowledge.lease.0);
    let write = app
        .store
        .write(Lane::Bulk, move |tx| Box::pin(async move { ingestions::renew(tx, &held, now, lease).await }));
    write.await
}
