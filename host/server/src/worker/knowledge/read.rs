//! Reads one document: its retriever writes a draft, which is published whole.

use std::sync::Arc;
use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};
use hardpoint_domain::knowledge::ingestion::{self, Next};
use hardpoint_runtime as runtime;
use hardpoint_runtime::CallContext;
use hardpoint_store::blobs::BlobKey;
use hardpoint_store::knowledge::bases::{self, KnowledgeBase};
use hardpoint_store::knowledge::documents::{self, Document};
use hardpoint_store::knowledge::ingestions::{self, Claim};
use hardpoint_store::knowledge::publish::{self, Edition};
use hardpoint_store::{Lane, StoreError};
use tokio::time::sleep;

use crate::service::events::Author;
use crate::service::knowledge::bound::{BlobContent, Draft};
use crate::service::knowledge::{repeat, retriever, told};
use crate::state::App;

/// How often somebody who looks at a document sees how far it is.
const PROGRESS: Duration = Duration::from_secs(1);
/// The longest reason that a document fails with, in characters.
const LONGEST_REASON: usize = 500;

/// Reads the document of a claim to its end, whatever that is.
///
/// # Errors
/// The store's; the claim lapses then.
pub async fn read(app: &Arc<App>, claim: &Claim) -> Result<(), StoreError> {
    let mut conn = app.store.read().await?;
    let base = bases::find(&mut conn, &claim.knowledge_base_id).await?;
    let document = documents::get(&mut conn, &claim.organization_id, &claim.document_id).await?;
    drop(conn);
    // Where either is gone, so is the job.
    let Some((base, document)) = base.zip(document) else { return Ok(()) };
    if ingestion::is_given_up(claim.lapses) {
        let reason = format!(
            "reading it was given up: {} times a host went down or stood still over it",
            claim.lapses
        );
        return fail(app, claim, &reason, Next::GiveUp).await;
    }
    let draft = Arc::new(Draft::new(&app.store, &app.clock, &app.rng, claim));
    let reading = ingest(app, claim, &base, &document, &draft);
    let read = tokio::select! {
        read = reading => read,
        error = show_progress(app, claim, &draft) => return Err(error),
    };
    match read {
        Ok(ingested) => publish(app, claim, ingested).await,
        Err(failure) => give_back(app, claim, &failure).await,
    }
}

async fn ingest(
    app: &Arc<App>,
    claim: &Claim,
    base: &KnowledgeBase,
    document: &Document,
    draft: &Arc<Draft>,
) -> Result<runtime::Ingested, Failure> {
    let retriever = retriever::of(app, base).await?;
    let key = BlobKey::document(&document.id)
        .map_err(|error| Failure::new(FailureKind::Busy, error.to_string()))?;
    let wanted = runtime::Document {
        id: document.id.clone(),
        filename: document.filename.clone(),
        media_type: document.media_type.clone(),
        size: document.size,
        content: Arc::new(BlobContent { blobs: app.store.blobs().clone(), key }),
    };
    let context =
        CallContext { request_id: claim.claim_id.clone(), organization: claim.organization_id.clone() };
    let sink = Arc::clone(draft) as Arc<dyn runtime::DocumentSink>;
    let ingested = retriever.binding.ingest(context, retriever.knowledge, wanted, sink).await?;
    let staged = draft.finish().await;
    staged.map_err(|error| Failure::new(FailureKind::Busy, error.to_string()))?;
    Ok(ingested)
}

/// Notes how far the reading is, until that fails.
async fn show_progress(app: &App, claim: &Claim, draft: &Draft) -> StoreError {
    let mut shown = ((0, 0), None);
    loop {
        sleep(PROGRESS).await;
        let next = (draft.progress(), draft.title());
        if next == shown {
            continue;
        }
        let (claim, (progress, title), now) = (claim.clone(), next.clone(), app.clock.now());
        let write = app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { ingestions::progress(tx, &claim, progress, title.as_deref(), now).await })
        });
        match write.await {
            // Whether the claim still counts is asked by others.
            Ok(_) | Err(StoreError::Conflict) => shown = next,
            Err(error) => return error,
        }
    }
}

/// Makes what was written visible, with the event that tells of it.
async fn publish(app: &App, claim: &Claim, ingested: runtime::Ingested) -> Result<(), StoreError> {
    let runtime::Ingested { title, pages, chunks } = ingested;
    let edition = Edition { title, pages, chunks };
    repeat(|| {
        let (claim, edition, now, rng) = (claim.clone(), edition.clone(), app.clock.now(), app.rng.clone());
        app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move {
                if publish::publish(tx, &claim, &edition, now).await?.is_none() {
                    return Ok(());
                }
                let document = documents::get(tx, &claim.organization_id, &claim.document_id).await?;
                let Some(document) = document else { return Ok(()) };
                let event = told::of_document(&Author::system(), &document, "document.indexed", now, &*rng);
                tx.append(&event, &[]).await
            })
        })
    })
    .await
}

/// Writes down why a reading failed, and when it is tried again, if it is.
async fn give_back(app: &App, claim: &Claim, failure: &Failure) -> Result<(), StoreError> {
    let is_without_room = matches!(failure.kind, FailureKind::Busy | FailureKind::Paused);
    let is_replaced = failure.code.as_deref() == Some("plugin_retired");
    let next = match is_replaced {
        true => Next::Again(Duration::ZERO),
        false => ingestion::after(failure.kind, claim.attempt + 1, failure.retry_after, app.rng.unit()),
    };
    match next {
        Next::Again(wait) if is_without_room || is_replaced => {
            tracing::debug!(document = claim.document_id, %failure, "a document waits");
            let (claim, due) = (claim.clone(), app.clock.now().plus(wait));
            let write = app.store.write(Lane::Bulk, move |tx| {
                Box::pin(async move { ingestions::release(tx, &claim, due).await })
            });
            write.await.map(drop)
        }
        next => fail(app, claim, &reason_of(failure), next).await,
    }
}

/// What people read. What the sandbox knows of a call that it stopped is in the plugin's log, under
/// the claim's id.
fn reason_of(failure: &Failure) -> String {
    let text = match failure.kind {
        FailureKind::Plugin => why_stopped(failure.code.as_deref().unwrap_or_default()),
        _ => &failure.message,
    };
    text.chars().take(LONGEST_REASON).collect()
}

fn why_stopped(code: &str) -> &'static str {
    match code {
        "plugin_cpu" | "plugin_wall" => "reading it takes longer than a document may take",
        "plugin_memory" => "reading it takes more memory than a document may take",
        "plugin_stack" => "it is nested too deeply for its reader",
        _ => "its reader failed over it",
    }
}

/// Writes down a failure, with the event that tells of it where the document is given up.
pub(super) async fn fail(app: &App, claim: &Claim, reason: &str, next: Next) -> Result<(), StoreError> {
    tracing::info!(document = claim.document_id, reason, ?next, "a document was not worked on to its end");
    repeat(|| {
        let (claim, reason, now, rng) = (claim.clone(), reason.to_owned(), app.clock.now(), app.rng.clone());
        app.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move {
                let is_told = ingestions::fail(tx, &claim, &reason, next, now).await?
                    && next == Next::GiveUp
                    && claim.is_reading();
                if !is_told {
                    return Ok(());
                }
                let document = documents::get(tx, &claim.organization_id, &claim.document_id).await?;
                let Some(document) = document else { return Ok(()) };
                let event = told::of_document(&Author::system(), &document, "document.failed", now, &*rng);
                tx.append(&event, &[]).await
            })
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_nothing_of_the_sandbox() {
        let mut failure =
            Failure::new(FailureKind::Plugin, "plugin hybrid was stopped: it trapped (in rust_panic)");
        for (code, words) in [
            ("plugin_cpu", "reading it takes longer than a document may take"),
            ("plugin_memory", "reading it takes more memory than a document may take"),
            ("plugin_trap", "its reader failed over it"),
        ] {
            failure.code = Some(code.into());
            assert_eq!(reason_of(&failure), words);
        }
        let own = Failure::new(FailureKind::InvalidRequest, "it is encrypted: save it without a password");
        assert_eq!(reason_of(&own), own.message);
        let long = Failure::new(FailureKind::InvalidRequest, "☃".repeat(2_000));
        assert_eq!(reason_of(&long).chars().count(), LONGEST_REASON);
    }
}
