//! Makes the vectors of one document's chunks, in order, from where somebody left off.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::knowledge::ingestion::{self, Next};
use hardpoint_domain::knowledge::settings::Embedder;
use hardpoint_index::vectors::Rounded;
use hardpoint_store::knowledge::ingestions::{self, Claim};
use hardpoint_store::knowledge::{bases, generations, passages, vectors};
use hardpoint_store::{Lane, StoreError};

use super::read::fail;
use crate::error::ApiError;
use crate::service::knowledge::embedder::{self, Maker};
use crate::service::knowledge::remote::{self, Unmade};
use crate::service::knowledge::repeat;
use crate::state::App;

/// Chunks that are embedded here before they are kept: a second or so of work.
const BATCH: u32 = 32;
/// Chunks that another model is asked for at once …
const REMOTE_BATCH: u32 = 64;
/// … and bytes of their text: providers take so many tokens in a request.
const REMOTE_BYTES: usize = 256 << 10;
/// Batches before others get their turn.
const TURN: u32 = 8;
/// How long a host that cannot make these vectors leaves the job to others.
const TO_OTHERS: Duration = Duration::from_secs(30);
/// How long no document is tried with a model that its provider refuses, or is silent about: so would the next one be.
const REST: Duration = Duration::from_secs(60);
/// The longest reason that vectors are missing with, in characters.
const LONGEST_REASON: usize = 500;

/// Makes vectors for one turn, or to the end.
///
/// # Errors
/// The store's; the claim lapses then.
pub async fn embed(app: &Arc<App>, mut claim: Claim) -> Result<(), StoreError> {
    let base = bases::find(&mut app.store.read().await?, &claim.knowledge_base_id).await?;
    let generation =
        base.as_ref().and_then(|base| base.generations().find(|it| it.number == claim.generation));
    // What nobody wants any more has no job.
    let Some(generation) = generation else { return Ok(()) };
    let Some(maker) = embedder::maker(app, &generation.embedder) else {
        return release(app, claim, TO_OTHERS).await;
    };
    if ingestion::is_given_up(claim.lapses) {
        return fail(app, &claim, "no vectors could be made of it", Next::GiveUp).await;
    }
    for _ in 0..TURN {
        let texts = next_texts(app, &claim, &maker).await?;
        if texts.is_empty() {
            return Ok(());
        }
        let batch = match vectors_of(app, &claim, &generation.embedder, &maker, texts).await {
            Ok(batch) => batch,
            Err(unmade) => return wait(app, claim, &maker, unmade).await,
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

/// The texts of the next chunks, as many as are embedded at once.
async fn next_texts(app: &App, claim: &Claim, maker: &Maker<'_>) -> Result<Vec<String>, StoreError> {
    let (most, most_bytes) = match maker {
        Maker::Local(_) => (BATCH, usize::MAX),
        Maker::Remote(_) => (REMOTE_BATCH, REMOTE_BYTES),
    };
    let mut conn = app.store.read().await?;
    let chunks = passages::chunks(&mut conn, &claim.document_id, claim.edition, claim.cursor, most).await?;
    drop(conn);
    let (mut texts, mut bytes) = (Vec::with_capacity(chunks.len()), 0);
    for chunk in &chunks {
        let text = chunk.searched();
        bytes += text.len();
        if bytes > most_bytes && !texts.is_empty() {
            break;
        }
        texts.push(text.to_owned());
    }
    Ok(texts)
}

/// Their vectors, as they are kept; why they cannot be made.
async fn vectors_of(
    app: &Arc<App>,
    claim: &Claim,
    pinned: &Embedder,
    maker: &Maker<'_>,
    texts: Vec<String>,
) -> Result<Vec<Vec<u8>>, Unmade> {
    let embedded = match maker {
        Maker::Local(local) => {
            local.embed(texts).await.map_err(|error| useless(FailureKind::Protocol, &error))?
        }
        Maker::Remote(_) => remote::of_passages(app, &claim.organization_id, pinned, texts).await?,
    };
    let rounded = embedded.iter().map(|vector| Rounded::of(vector).map(|rounded| rounded.to_bytes()));
    // The same text has the same vector the next time, and it may cost something.
    rounded.collect::<Result<_, _>>().map_err(|error| useless(FailureKind::InvalidRequest, &error))
}

fn useless(kind: FailureKind, error: &dyn std::fmt::Display) -> Unmade {
    Unmade::Failed(Failure::new(kind, error.to_string()))
}

/// Writes down why the next vectors are not there, and when they are tried again, if they are.
async fn wait(app: &App, claim: Claim, maker: &Maker<'_>, unmade: Unmade) -> Result<(), StoreError> {
    let (attempt, random) = (claim.attempt + 1, app.rng.unit());
    let (organization, failure) = match unmade {
        Unmade::Unpaid(error) => {
            let next = ingestion::waits(attempt, random);
            if let (Next::Again(wait), Maker::Remote(model)) = (next, maker) {
                let until = app.clock.now().plus(wait.min(REST));
                app.knowledge.resting.rest(Some(&claim.organization_id), &model.id, until);
            }
            return fail(app, &claim, &lack(&error), next).await;
        }
        Unmade::Unfit(failure) => (Some(&*claim.organization_id), failure),
        Unmade::Failed(failure) => (None, failure),
    };
    // Some providers say by the status alone that there is no such model.
    let kind = if failure.status == Some(404) { FailureKind::Unsupported } else { failure.kind };
    let next = ingestion::after_embedding(kind, attempt, failure.retry_after, random);
    if let (Next::Again(wait), Maker::Remote(model)) = (next, maker)
        && let Some(rest) = rest(kind, wait)
    {
        app.knowledge.resting.rest(organization, &model.id, app.clock.now().plus(rest));
    }
    match next {
        Next::Again(wait) if matches!(kind, FailureKind::Busy | FailureKind::Paused) => {
            release(app, claim, wait).await
        }
        next => {
            let reason = format!("its vectors are missing: {}", failure.message);
            let reason: String = reason.chars().take(LONGEST_REASON).collect();
            fail(app, &claim, &reason, next).await
        }
    }
}

/// How long a model is given time that failed so, where that says something about all documents.
fn rest(kind: FailureKind, wait: Duration) -> Option<Duration> {
    match kind {
        FailureKind::RateLimited | FailureKind::Overloaded => Some(wait),
        FailureKind::Connect | FailureKind::Timeout => Some(wait.min(REST)),
        FailureKind::Authentication | FailureKind::Denied | FailureKind::Unsupported => Some(REST),
        _ => None,
    }
}

/// What people read of money that is not there.
fn lack(error: &ApiError) -> String {
    match error.kind() {
        "insufficient_balance" => "its vectors wait for credits: those that are left are too few".to_owned(),
        "spend_cap_exceeded" => "its vectors wait: this month's spend cap is reached".to_owned(),
        "spend_approval_required" => {
            "its vectors wait: they may cost more at once than a request may without an approval".to_owned()
        }
        _ => format!("its vectors wait: {}", error.message()),
    }
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
