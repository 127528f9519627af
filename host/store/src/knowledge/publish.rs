//! Making an edition of a document visible: all of it, by one row.

use hardpoint_domain::time::Timestamp;

use super::bases::KnowledgeBase;
use super::changes::{self, Change};
use super::ingestions::{self, Claim};
use super::{bases, documents, removals};
use crate::db::{execute, fetch, statements};
use crate::{StoreError, Tx};

/// What a reading wrote, as its reader counted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// The document's own title.
    pub title: Option<String>,
    /// Pages.
    pub pages: u32,
    /// Chunks.
    pub chunks: u32,
}

macro_rules! units {
    () => {
        "CASE WHEN total > 0 THEN total WHEN CAST($3 AS BIGINT) > 0 THEN CAST($3 AS BIGINT) ELSE 1 END"
    };
}

statements! {
    STAGED: "SELECT (SELECT COUNT(*) FROM pages WHERE document_id = $1 AND edition = $2), \
             (SELECT COUNT(*) FROM chunks WHERE document_id = $1 AND edition = $2), \
             (SELECT COALESCE(MAX(ordinal) + 1, 0) FROM chunks WHERE document_id = $1 AND edition = $2)";
    // What was read in less time than it takes to say how far it is has its pages for units, or is one itself.
    PUBLISH: concat!(
        "UPDATE documents SET edition = $2, last_edition = $2, page_count = $3, chunk_count = $4, title = $5, \
         state = 'indexed', reason = NULL, done = ", units!(), ", total = ", units!(), ", indexed_at = $6, \
         updated_at = $6 WHERE id = $1"
    );
    END_EMBEDDING: "DELETE FROM ingestions WHERE document_id = $1 AND generation > 0";
    EMBED: "INSERT INTO ingestions (id, document_id, knowledge_base_id, organization_id, generation, edition, cursor, \
            is_large, attempt, lapses, due_at, created_at) VALUES ($1, $2, $3, $4, $5, $6, 0, $7, 0, 0, $8, $8)";
}

/// Publishes what was staged under a claim: the document is `indexed`, its chunks are found by whoever sees the change of
/// the number that is answered, and those of the edition before are not. Its vectors are made next. None where the claim
/// no longer counts: then nothing is changed.
///
/// # Errors
/// [`StoreError::InvalidValue`] where what was staged is not what the reader counted.
pub async fn publish(
    tx: &mut Tx,
    claim: &Claim,
    edition: &Edition,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let Some(base) = bases::share(tx, &claim.knowledge_base_id).await? else { return Ok(None) };
    let Some(before) = documents::hold(tx, &claim.document_id).await? else { return Ok(None) };
    if !ingestions::end(tx, claim).await? {
        return Ok(None);
    }
    check_staged(tx, claim, edition).await?;
    let (id, number, chunks) = (&claim.document_id, claim.edition, i64::from(edition.chunks));
    let (pages, title) = (i64::from(edition.pages), edition.title.as_deref());
    execute!(tx, PUBLISH, id, number, pages, chunks, title, now.micros())?;
    execute!(tx, END_EMBEDDING, id)?;
    if chunks > 0 {
        queue_embedding(tx, claim, &base, now).await?;
    }
    removals::queue_edition(tx, id, before, now).await?;
    changes::append(tx, &Change::published(&base.id, id, number, chunks), now).await.map(Some)
}

async fn check_staged(tx: &mut Tx, claim: &Claim, edition: &Edition) -> Result<(), StoreError> {
    let staged = fetch!(tx, fetch_one, (i64, i64, i64), STAGED, &claim.document_id, claim.edition)?;
    let (pages, chunks) = (i64::from(edition.pages), i64::from(edition.chunks));
    if staged != (pages, chunks, chunks) {
        return Err(StoreError::InvalidValue(format!(
            "{pages} pages and {chunks} chunks were to be published of {}, and there are {} and {}",
            claim.document_id, staged.0, staged.1
        )));
    }
    Ok(())
}

async fn queue_embedding(
    tx: &mut Tx,
    claim: &Claim,
    base: &KnowledgeBase,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (id, organization, now) = (&claim.document_id, &claim.organization_id, now.micros());
    for generation in base.generations() {
        let (job, number) = (documents::job_id(id, generation.number), generation.number);
        execute!(tx, EMBED, job, id, &base.id, organization, number, claim.edition, claim.is_large, now)?;
    }
    Ok(())
}
