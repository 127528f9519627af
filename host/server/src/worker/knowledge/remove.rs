//! Wipes out what was removed: at the retriever, in the store, and among the blobs.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hardpoint_domain::id;
use hardpoint_runtime::CallContext;
use hardpoint_store::blobs::BlobKey;
use hardpoint_store::knowledge::bases;
use hardpoint_store::knowledge::removals::{self, Kind, Removal, Wiped};
use hardpoint_store::{Lane, StoreError};
use tokio::time::sleep;

use crate::service::knowledge::{repeat, retriever};
use crate::state::{App, stopped};

/// How often the store is asked for what is due.
const PERIOD: Duration = Duration::from_secs(1);
/// The same after the store failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// Removals that are claimed together.
const TOGETHER: u32 = 8;
/// How long a claim holds; it is renewed with each step.
const LEASE: Duration = Duration::from_secs(60);
/// Rows that one write wipes out: who waits for the writer should not notice.
const ROWS: u32 = 200;
/// How long until what cannot be wiped out yet is tried again.
const AGAIN: Duration = Duration::from_secs(30);
/// The same where others are at work on it.
const SOON: Duration = Duration::from_secs(1);
/// The same where hosts still have it in their files.
const KEPT: Duration = Duration::from_secs(5);
/// A host that was not seen for so long has gone; when it comes back it reads what was removed before it answers.
const SEEN: Duration = Duration::from_secs(600);

/// Wipes until the server stops.
pub async fn run(app: Arc<App>) {
    let (mut stopping, mut bell) = (app.stop.subscribe(), app.knowledge.subscribe());
    while !app.stop.is_stopping() {
        bell.borrow_and_update();
        let wait = match wipe_due(&app).await {
            Ok(()) => PERIOD,
            Err(error) => {
                tracing::warn!(%error, "what was removed waits for the store");
                AFTER_TROUBLE
            }
        };
        tokio::select! {
            _ = bell.changed() => {}
            () = sleep(wait) => {}
            () = stopped(&mut stopping) => {}
        }
    }
}

async fn wipe_due(app: &App) -> Result<(), StoreError> {
    while app.drift.is_right()
        && !app.stop.is_stopping()
        && removals::is_due(&mut app.store.read().await?, app.clock.now()).await?
    {
        let (now, claim_id) = (app.clock.now(), id::prefixed("claim", app.clock.now(), &*app.rng));
        let fresh = claim_id.clone();
        let write = app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { removals::claim(tx, &fresh, TOGETHER, now, LEASE).await })
        });
        let claimed = write.await?;
        // Together, so that one whose retriever is slow delays the others by one call at most.
        let wiping = claimed.iter().map(|removal| wipe_out(app, removal, &claim_id));
        let wiped: Vec<bool> = join_all(wiping).await.into_iter().collect::<Result<_, _>>()?;
        if wiped.contains(&true) {
            // What was overwritten in the database is in its log still. Who reads may be in the way.
            app.store.scrub().await?;
        }
    }
    Ok(())
}

/// Takes one removal as far as it goes; whether anything was wiped out.
async fn wipe_out(app: &App, removal: &Removal, claim_id: &str) -> Result<bool, StoreError> {
    if removal.kind == Kind::Document
        && let Err(reason) = forget_elsewhere(app, removal).await?
    {
        tracing::warn!(document = removal.id, reason, "a retriever did not forget a document yet");
        return release(app, removal, claim_id, AGAIN).await.map(|()| false);
    }
    loop {
        let step = repeat(|| {
            let (removal, claim, now) = (removal.clone(), claim_id.to_owned(), app.clock.now());
            app.store.write(Lane::Bulk, move |tx| {
                Box::pin(async move {
                    removals::renew(tx, &removal.id, &claim, now, LEASE).await?;
                    removals::wipe(tx, &removal, &claim, ROWS, now).await
                })
            })
        });
        match step.await? {
            Wiped::More => {}
            Wiped::Waiting => return release(app, removal, claim_id, SOON).await.map(|()| true),
            Wiped::Lost => return Ok(true),
            Wiped::All => break,
        }
    }
    if let Some(document) = removal.blob_of() {
        let key = BlobKey::document(document)?;
        app.store.blobs().delete(&key).await?;
        app.store.blobs().delete_unfinished(&key).await?;
    }
    // As long as it is in some host's files it is not gone.
    let seen_after = app.clock.now().minus(SEEN);
    if !removals::is_forgotten(&mut app.store.read().await?, removal.seq, seen_after).await? {
        return release(app, removal, claim_id, KEPT).await.map(|()| true);
    }
    let (id, claim) = (removal.id.clone(), claim_id.to_owned());
    let write = app
        .store
        .write(Lane::Bulk, move |tx| Box::pin(async move { removals::complete(tx, &id, &claim).await }));
    write.await?;
    Ok(true)
}

/// Has the retriever forget what it keeps of a document outside the host; why it did not.
async fn forget_elsewhere(app: &App, removal: &Removal) -> Result<Result<(), String>, StoreError> {
    let base = bases::find(&mut app.store.read().await?, &removal.knowledge_base_id).await?;
    let Some((base, document)) = base.zip(removal.document_id.clone()) else { return Ok(Ok(())) };
    let retriever = match retriever::to_forget(app, &base).await {
        Ok(retriever) => retriever,
        Err(failure) => return Ok(Err(failure.to_string())),
    };
    let context = CallContext { request_id: removal.id.clone(), organization: base.organization_id.clone() };
    let forgotten = retriever.binding.remove(context, retriever.knowledge, &[document]).await;
    Ok(forgotten.map_err(|failure| failure.to_string()))
}

async fn release(app: &App, removal: &Removal, claim_id: &str, wait: Duration) -> Result<(), StoreError> {
    let (id, claim, due) = (removal.id.clone(), claim_id.to_owned(), app.clock.now().plus(wait));
    let write = app
        .store
        .write(Lane::Bulk, move |tx| Box::pin(async move { removals::release(tx, &id, &claim, due).await }));
    write.await.map(drop)
}
