//! Makes the vectors of one document's chunks, in order, from where somebody left off.

use std::time::Duration;

use hardpoint_domain::failure::FailureKind;
use hardpoint_domain::knowledge::ingestion;
use hardpoint_index::vectors::Rounded;
use hardpoint_store::knowledge::ingestions::{self, Claim};
use hardpoint_store::knowledge::{bases, generations, passages, vectors};
use hardpoint_store::{Lane, StoreError};

use super::read::fail;
use crate::service::knowledge::bound::LocalEmbedder;
use crate::service::knowledge::repeat;
use crate::state::App;

/// Chunks that are embedded before they are kept: a second or so of work.
const BATCH: u32 = 32;
/// Batches before others get their turn.
const TURN: u32 = 8;
/// How long a host that cannot make these vectors leaves the job to others.
const TO_OTHERS: Duration = Duration::from_secs(30);

/// Makes vectors for one turn, or to the end.
///
/// # Errors
/// The store's; the claim lapses then.
pub async fn embed(app: &App, mut claim: Claim) -> Result<(), StoreError> {
    let base = bases::find(&mut app.store.read().await?, &claim.knowledge_base_id).await?;
    let generation =
        base.as_ref().and_then(|base| base.generations().find(|it| it.number == claim.generation));
    // What nobody wants any more has no job.
    let Some(generation) = generation else { return Ok(()) };
    let Some(embedder) = app.knowledge.embedder_for(&generation.embedder) else {
        return release(app, claim, TO_OTHERS).await;
    };
    if ingestion::is_given_up(claim.lapses) {
        return fail(app, &claim, "no vectors could be made of it", ingestion::Next::GiveUp).await;
    }
    for _ in 0..TURN {
        let batch = match next_vectors(app, &claim, embedder).await? {
            Ok(batch) if batch.is_empty() => return Ok(()),
            Ok(batch) => batch,
            Err(reason) => {
                let next = ingestion::after(FailureKind::Upstream, claim.attempt + 1, None, app.rng.unit());
                return fail(app, &claim, &reason, next).await;
            }
        };
        let Some((kept, after)) = keep(app, &claim, batch).await? else { return Ok(()) };
        claim = after;
        app.knowledge.ring();
        if kept.is_complete {
            return switch(app, &claim.knowledge_base_id).await;
        }
    }
    let now = app.clock.now();
    let write = app.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move { ingestions::give_up_place(tx, &claim, now).await })
    });
    write.await.map(drop)
}

/// The vectors of the next chunks; why they cannot be made.
async fn next_vectors(
    app: &App,
    claim: &Claim,
    embedder: &LocalEmbedder,
) -> Result<Result<Vec<Vec<u8>>, String>, StoreError> {
    let mut conn = app.store.read().await?;
    let chunks = passages::chunks(&mut conn, &claim.document_id, claim.edition, claim.cursor, BATCH).await?;
    drop(conn);
    let texts = chunks.iter().map(|chunk| chunk.searched().to_owned()).collect();
    let embedded = match embedder.embed(texts).await {
        Ok(embedded) => embedded,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let rounded = embedded.iter().map(|vector| Rounded::of(vector).map(|rounded| rounded.to_bytes()));
    Ok(rounded.collect::<Result<_, _>>().map_err(|error| error.to_string()))
}

async fn keep(
    app: &App,
    claim: &Claim,
    batch: Vec<Vec<u8>>,
) -> Result<Option<(vectors::Kept, Claim)>, StoreError> {
    repeat(|| {
        let (mut claim, batch, now) = (claim.clone(), batch.clone(), app.clock.now());
        app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move {
                let kept = vectors::keep(tx, &mut claim, &batch, now).await?;
                Ok(kept.map(|kept| (kept, claim)))
            })
        })
    })
    .await
}

/// Searches by the new vectors from here on, where these were the last that were missing.
pub(super) async fn switch(app: &App, knowledge_base_id: &str) -> Result<(), StoreError> {
    let switched = repeat(|| {
        let (id, now) = (knowledge_base_id.to_owned(), app.clock.now());
        app.store
            .write(Lane::Bulk, move |tx| Box::pin(async move { generations::switch(tx, &id, now).await }))
    });
    if switched.await?.is_some() {
        tracing::info!(knowledge_base = knowledge_base_id, "its new vectors are searched from here on");
    }
    Ok(())
}

async fn release(app: &App, claim: Claim, wait: Duration) -> Result<(), StoreError> {
    let due = app.clock.now().plus(wait);
    let write = app
        .store
        .write(Lane::Bulk, move |tx| Box::pin(async move { ingestions::release(tx, &claim, due).await }));
    write.await.map(drop)
}
