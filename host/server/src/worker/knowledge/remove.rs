//! Wipes out what was removed: at the retriever, in the store, and among the blobs. Each removal in its own time: a
//! retriever that hangs holds up its own documents alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hardpoint_domain::id;
use hardpoint_domain::time::Timestamp;
use hardpoint_runtime::CallContext;
use hardpoint_store::blobs::BlobKey;
use hardpoint_store::knowledge::bases;
use hardpoint_store::knowledge::removals::{self, Kind, Removal, Wiped};
use hardpoint_store::{Lane, StoreError};

use super::super::crew::Crew;
use crate::service::claims::lost;
use crate::service::knowledge::{repeat, retriever};
use crate::state::{App, stopped};

/// How often the store is asked for what is due.
const PERIOD: Duration = Duration::from_secs(1);
/// The same after the store failed.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// Removals that are under way here at once …
const PLACES: usize = 16;
/// … and those of them that one retriever has to forget.
const PLACES_OF_ONE: usize = 4;
/// Removals after which the database's log is emptied, where there are always more.
const TOGETHER: usize = 8;
/// How long a claim holds that is not prolonged.
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

/// Removals that are under way, by the retriever that has to forget something, and how many wiped something out since the
/// database's log was emptied.
struct Wiping {
    crew: Crew<Option<String>>,
    wiped: Arc<AtomicUsize>,
}

/// Wipes until the server stops. What was under way then is given back.
pub async fn run(app: Arc<App>) {
    let mut wiping = Wiping { crew: Crew::new(), wiped: Arc::default() };
    let (mut stopping, mut bell) = (app.stop.subscribe(), app.knowledge.subscribe());
    while !app.stop.is_stopping() {
        bell.borrow_and_update();
        let wait = match wiping.turn(&app).await {
            Ok(()) => PERIOD,
            Err(error) => {
                tracing::warn!(%error, "what was removed waits for the store");
                AFTER_TROUBLE
            }
        };
        wiping.crew.rest(&mut bell, &mut stopping, wait).await;
    }
    wiping.crew.finish().await;
}

impl Wiping {
    async fn turn(&mut self, app: &Arc<App>) -> Result<(), StoreError> {
        let has_begun = self.fill(app).await?;
        let wiped = self.wiped.load(Ordering::Relaxed);
        if wiped >= TOGETHER || (wiped > 0 && !has_begun) {
            // What was overwritten in the database is in its log still. Who reads may be in the way.
            app.store.scrub().await?;
            self.wiped.fetch_sub(wiped, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Claims as many removals as there are places for, and begins; whether there were any.
    async fn fill(&mut self, app: &Arc<App>) -> Result<bool, StoreError> {
        let mut has_begun = false;
        while self.crew.running().len() < PLACES
            && app.drift.is_right()
            && removals::is_due(&mut app.store.read().await?, app.clock.now()).await?
        {
            let (now, busy) = (app.clock.now(), self.busy());
            let claim_id = id::prefixed("claim", now, &*app.rng);
            let fresh = claim_id.clone();
            let write = app.store.write(Lane::Bulk, move |tx| {
                Box::pin(async move { removals::claim(tx, &fresh, 1, &busy, now, LEASE).await })
            });
            // What is due may all have to wait for a retriever, or be claimed by others.
            let Some(removal) = write.await?.pop() else { break };
            self.begin(app, removal, claim_id);
            has_begun = true;
        }
        Ok(has_begun)
    }

    /// Retrievers that have no place left.
    fn busy(&mut self) -> Vec<String> {
        let asked: Vec<&String> = self.crew.running().flatten().collect();
        let places = |name: &String| asked.iter().filter(|asked| **asked == name).count();
        let mut busy: Vec<String> =
            asked.iter().filter(|name| places(name) >= PLACES_OF_ONE).map(|name| (*name).clone()).collect();
        busy.sort();
        busy.dedup();
        busy
    }

    fn begin(&mut self, app: &Arc<App>, removal: Removal, claim_id: String) {
        let (app, wiped) = (Arc::clone(app), Arc::clone(&self.wiped));
        self.crew.begin(removal.retriever.clone(), async move {
            match work(&app, &removal, &claim_id).await {
                Ok(true) => drop(wiped.fetch_add(1, Ordering::Relaxed)),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, removal = removal.id, "a removal waits for the store"),
            }
        });
    }
}

/// Works on a removal as long as its claim counts and the server runs; whether anything was wiped out.
async fn work(app: &App, removal: &Removal, claim_id: &str) -> Result<bool, StoreError> {
    let mut stopping = app.stop.subscribe();
    tokio::select! {
        done = wipe_out(app, removal, claim_id) => done,
        () = lost(app, LEASE, |now| renew(app, removal, claim_id, now)) => Ok(true),
        () = stopped(&mut stopping) => release(app, removal, claim_id, Duration::ZERO).await.map(|()| true),
    }
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
                Box::pin(async move { removals::wipe(tx, &removal, &claim, ROWS, now).await })
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

async fn renew(app: &App, removal: &Removal, claim_id: &str, now: Timestamp) -> Result<bool, StoreError> {
    let (id, claim) = (removal.id.clone(), claim_id.to_owned());
    let write = app.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move { removals::renew(tx, &id, &claim, now, LEASE).await })
    });
    write.await
}

async fn release(app: &App, removal: &Removal, claim_id: &str, wait: Duration) -> Result<(), StoreError> {
    let (id, claim, due) = (removal.id.clone(), claim_id.to_owned(), app.clock.now().plus(wait));
    let write = app
        .store
        .write(Lane::Bulk, move |tx| Box::pin(async move { removals::release(tx, &id, &claim, due).await }));
    write.await.map(drop)
}
