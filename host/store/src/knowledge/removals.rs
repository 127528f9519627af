//! What is still to be wiped out: rows, vectors and blobs that nobody sees any more.
//!
//! A removal is claimed like a delivery, with a fresh id and a lease. Its holder has the retriever forget what it keeps
//! of the document elsewhere, wipes its rows in batches ([`wipe`]), deletes its blob, and completes it. Each of these may
//! be done again: a host that goes down in between leaves it to another, which begins anew.
//!
//! On SQLite what was wiped is overwritten in the database file (`secure_delete`), and gone from the write-ahead log too
//! after [`crate::Store::scrub`]. What hosts' indexes still have is told by [`is_forgotten`].

use std::time::Duration;

use hardpoint_domain::time::Timestamp;

use super::removals_dialect::CLAIM;
use crate::columns::{json_texts, words};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

words! {
    /// What is to be wiped out.
    pub enum Kind {
        /// A knowledge base, with all of its documents. These become removals of their own first.
        Base = "base",
        /// A document, and its blob.
        Document = "document",
        /// An edition of a document that another one took the place of, or that never became whole.
        Edition = "edition",
        /// The vectors of a generation that is not searched any more.
        Vectors = "vectors",
        /// A blob that was announced and never kept, or that was there already.
        Blob = "blob",
    }
}

/// Something to be wiped out.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Removal {
    /// Made of what it is about, so that nothing is removed twice.
    pub id: String,
    /// What is to be wiped out.
    #[sqlx(try_from = "String")]
    pub kind: Kind,
    /// Of which knowledge base.
    pub knowledge_base_id: String,
    /// Which document, or whose blob.
    pub document_id: Option<String>,
    /// Which edition, or which generation.
    pub number: Option<i64>,
    /// The change that told hosts of it; 0 where none needed to be told.
    pub seq: i64,
    /// Who has to forget it too: a document's retriever.
    pub retriever: Option<String>,
}

/// What wiping a batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiped {
    /// There may be more.
    More,
    /// Others are being wiped out that this one waits for.
    Waiting,
    /// No row is left. Where it has a blob, that is next.
    All,
    /// The claim no longer counts: nothing was wiped.
    Lost,
}

impl Removal {
    pub(super) fn base(id: &str, seq: i64) -> Self {
        Self {
            id: id.to_owned(),
            kind: Kind::Base,
            knowledge_base_id: id.to_owned(),
            document_id: None,
            number: None,
            seq,
            retriever: None,
        }
    }

    pub(super) fn document(base: &str, id: &str, seq: i64) -> Self {
        let document_id = Some(id.to_owned());
        Self { id: id.to_owned(), kind: Kind::Document, document_id, ..Self::base(base, seq) }
    }

    pub(super) fn blob(base: &str, id: &str) -> Self {
        Self { kind: Kind::Blob, ..Self::document(base, id, 0) }
    }

    pub(super) fn vectors(base: &str, generation: i64, seq: i64) -> Self {
        let id = format!("{base}:vectors:{generation}");
        Self { id, kind: Kind::Vectors, number: Some(generation), ..Self::base(base, seq) }
    }

    /// The document whose bytes are to be deleted once its rows are gone.
    pub fn blob_of(&self) -> Option<&str> {
        self.document_id.as_deref().filter(|_| matches!(self.kind, Kind::Document | Kind::Blob))
    }
}

statements! {
    QUEUE: "INSERT INTO removals (id, kind, knowledge_base_id, document_id, number, seq, due_at, created_at) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7) ON CONFLICT (id) DO NOTHING";
    QUEUE_EDITION: "INSERT INTO removals (id, kind, knowledge_base_id, document_id, number, seq, due_at, created_at) \
                    SELECT $1, 'edition', knowledge_base_id, id, $3, 0, $4, $4 FROM documents \
                    WHERE id = $2 AND edition <> $3 ON CONFLICT (id) DO NOTHING";
    HASTEN: "UPDATE removals SET due_at = $2 WHERE id = $1 AND kind = 'blob'";
    CANCEL: "DELETE FROM removals WHERE id = $1 AND kind = 'blob' AND claim_id IS NULL";
    IS_DUE: "SELECT id FROM removals WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) \
             ORDER BY due_at, id LIMIT 1";
    OF_BASE: "SELECT COUNT(*) FROM removals WHERE knowledge_base_id = $1";
    HOLD: "UPDATE removals SET claim_id = claim_id WHERE id = $1 AND claim_id = $2";
    RENEW: "UPDATE removals SET lease_until = $3 WHERE id = $1 AND claim_id = $2";
    RELEASE: "UPDATE removals SET due_at = $3, claim_id = NULL, lease_until = NULL WHERE id = $1 AND claim_id = $2";
    RELEASE_ALL: "UPDATE removals SET claim_id = NULL, lease_until = NULL WHERE claim_id IS NOT NULL";
    COMPLETE: "DELETE FROM removals WHERE id = $1 AND claim_id = $2";
    IS_BEHIND: "SELECT host_id FROM knowledge_followers WHERE seq < $1 AND seen_at > $2 LIMIT 1";

    // Of a document, the children before their parents; of one edition, or of all.
    JOBS: "DELETE FROM ingestions WHERE document_id = $1";
    VECTORS: "DELETE FROM vectors WHERE document_id = $1 AND (edition, generation, ordinal) IN (\
              SELECT edition, generation, ordinal FROM vectors WHERE document_id = $1 \
              AND (CAST($2 AS BIGINT) IS NULL OR edition = $2) LIMIT $3)";
    COVERAGE: "DELETE FROM vector_coverage WHERE document_id = $1 AND (CAST($2 AS BIGINT) IS NULL OR edition = $2)";
    CHUNKS: "DELETE FROM chunks WHERE id IN (SELECT id FROM chunks WHERE document_id = $1 \
             AND (CAST($2 AS BIGINT) IS NULL OR edition = $2) LIMIT $3)";
    PAGES: "DELETE FROM pages WHERE document_id = $1 AND (edition, number) IN (SELECT edition, number FROM pages \
            WHERE document_id = $1 AND (CAST($2 AS BIGINT) IS NULL OR edition = $2) LIMIT $3)";
    SOURCES: "DELETE FROM question_sources WHERE document_id = $1 AND question_id IN (\
              SELECT question_id FROM question_sources WHERE document_id = $1 LIMIT $2)";
    DOCUMENT: "DELETE FROM documents WHERE id = $1 AND removed_at IS NOT NULL";
    OTHERS: "DELETE FROM removals WHERE document_id = $1 AND knowledge_base_id = $2 AND kind = 'edition'";

    // Of a generation.
    COVERED: "SELECT document_id FROM vector_coverage WHERE knowledge_base_id = $1 AND generation = $2 \
              ORDER BY document_id LIMIT 1";
    VECTORS_OF: "DELETE FROM vectors WHERE document_id = $1 AND generation = $2 AND (edition, ordinal) IN (\
                 SELECT edition, ordinal FROM vectors WHERE document_id = $1 AND generation = $2 LIMIT $3)";
    UNCOVER: "DELETE FROM vector_coverage WHERE document_id = $1 AND generation = $2";

    // Of a knowledge base.
    QUEUE_DOCUMENTS: "INSERT INTO removals (id, kind, knowledge_base_id, document_id, seq, due_at, created_at) \
                      SELECT id, 'document', knowledge_base_id, id, $2, $3, $3 FROM documents \
                      WHERE knowledge_base_id = $1 AND removed_at IS NULL ORDER BY created_at, id LIMIT $4 \
                      ON CONFLICT (id) DO NOTHING";
    REMOVE_DOCUMENTS: "UPDATE documents SET removed_at = $2 WHERE id IN (SELECT id FROM documents \
                       WHERE knowledge_base_id = $1 AND removed_at IS NULL ORDER BY created_at, id LIMIT $3)";
    HAS_DOCUMENTS: "SELECT id FROM documents WHERE knowledge_base_id = $1 LIMIT 1";
    OF_VECTORS: "DELETE FROM removals WHERE knowledge_base_id = $1 AND kind = 'vectors'";
    BASE: "DELETE FROM knowledge_bases WHERE id = $1 AND removed_at IS NOT NULL";
}

/// Has something wiped out from `due_at` on.
pub(super) async fn queue(tx: &mut Tx, removal: &Removal, due_at: Timestamp) -> Result<(), StoreError> {
    let Removal { id, kind, knowledge_base_id, document_id, number, seq, .. } = removal;
    let (kind, document, due) = (kind.as_str(), document_id.as_deref(), due_at.micros());
    execute!(tx, QUEUE, id, kind, knowledge_base_id, document, *number, *seq, due).map(drop)
}

/// Has an edition wiped out, unless it is the one that can be found.
pub(super) async fn queue_edition(
    tx: &mut Tx,
    document: &str,
    edition: i64,
    now: Timestamp,
) -> Result<(), StoreError> {
    if edition == 0 {
        return Ok(());
    }
    let id = format!("{document}:edition:{edition}");
    execute!(tx, QUEUE_EDITION, id, document, edition, now.micros()).map(drop)
}

/// Has an announced blob deleted now.
pub(super) async fn hasten(tx: &mut Tx, id: &str, now: Timestamp) -> Result<(), StoreError> {
    execute!(tx, HASTEN, id, now.micros()).map(drop)
}

/// Keeps an announced blob. False where somebody may be deleting it.
pub(super) async fn cancel(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, CANCEL, id)? == 1)
}

/// Whether anything is to be wiped out that nobody is at. Asking is cheaper than claiming in vain.
pub async fn is_due(conn: &mut Conn, now: Timestamp) -> Result<bool, StoreError> {
    Ok(fetch!(conn, fetch_optional, (String,), IS_DUE, now.micros())?.is_some())
}

/// How much is still to be wiped out of a knowledge base; nothing of it is left where this is 0 and it is not there.
pub async fn count_of_base(conn: &mut Conn, knowledge_base_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), OF_BASE, knowledge_base_id)?;
    Ok(count)
}

/// Claims up to `batch` removals that are due and that nobody holds, oldest first, and that none of the `busy` retrievers
/// has to forget. `claim_id` must be fresh.
pub async fn claim(
    tx: &mut Tx,
    claim_id: &str,
    batch: u32,
    busy: &[String],
    now: Timestamp,
    lease: Duration,
) -> Result<Vec<Removal>, StoreError> {
    let (until, batch, now) = (now.plus(lease).micros(), i64::from(batch), now.micros());
    fetch!(tx, fetch_all, Removal, CLAIM, now, batch, claim_id, until, json_texts(busy))
}

/// Prolongs a claim. False where it no longer counts.
pub async fn renew(
    tx: &mut Tx,
    id: &str,
    claim_id: &str,
    now: Timestamp,
    lease: Duration,
) -> Result<bool, StoreError> {
    Ok(execute!(tx, RENEW, id, claim_id, now.plus(lease).micros())? == 1)
}

/// Lets go of a claim; it may be claimed again from `due_at` on. False where it no longer counts.
pub async fn release(tx: &mut Tx, id: &str, claim_id: &str, due_at: Timestamp) -> Result<bool, StoreError> {
    Ok(execute!(tx, RELEASE, id, claim_id, due_at.micros())? == 1)
}

/// Ends all claims: for the only host, when it starts.
pub async fn release_all(tx: &mut Tx) -> Result<(), StoreError> {
    execute!(tx, RELEASE_ALL).map(drop)
}

/// Wipes some `batch` rows of what was claimed; to be called until it answers [`Wiped::All`].
pub async fn wipe(
    tx: &mut Tx,
    removal: &Removal,
    claim_id: &str,
    batch: u32,
    now: Timestamp,
) -> Result<Wiped, StoreError> {
    if execute!(tx, HOLD, &removal.id, claim_id)? == 0 {
        return Ok(Wiped::Lost);
    }
    let batch = i64::from(batch.max(1));
    let (base, document) = (&removal.knowledge_base_id, removal.document_id.as_deref().unwrap_or_default());
    match removal.kind {
        Kind::Base => wipe_base(tx, base, removal.seq, batch, now).await,
        Kind::Document => wipe_document(tx, base, document, batch).await,
        Kind::Edition => wipe_texts(tx, document, removal.number, batch).await,
        Kind::Vectors => wipe_vectors(tx, base, removal.number.unwrap_or_default(), batch).await,
        Kind::Blob => Ok(Wiped::All),
    }
}

async fn wipe_base(
    tx: &mut Tx,
    base: &str,
    seq: i64,
    batch: i64,
    now: Timestamp,
) -> Result<Wiped, StoreError> {
    let now = now.micros();
    execute!(tx, QUEUE_DOCUMENTS, base, seq, now, batch)?;
    if execute!(tx, REMOVE_DOCUMENTS, base, now, batch)? > 0 {
        return Ok(Wiped::More);
    }
    if fetch!(tx, fetch_optional, (String,), HAS_DOCUMENTS, base)?.is_some() {
        return Ok(Wiped::Waiting);
    }
    execute!(tx, OF_VECTORS, base)?;
    execute!(tx, BASE, base)?;
    Ok(Wiped::All)
}

async fn wipe_document(tx: &mut Tx, base: &str, document: &str, batch: i64) -> Result<Wiped, StoreError> {
    execute!(tx, JOBS, document)?;
    if wipe_texts(tx, document, None, batch).await? == Wiped::More
        || execute!(tx, SOURCES, document, batch)? > 0
    {
        return Ok(Wiped::More);
    }
    execute!(tx, OTHERS, document, base)?;
    execute!(tx, DOCUMENT, document)?;
    Ok(Wiped::All)
}

async fn wipe_texts(
    tx: &mut Tx,
    document: &str,
    edition: Option<i64>,
    batch: i64,
) -> Result<Wiped, StoreError> {
    for statement in [VECTORS, CHUNKS, PAGES] {
        if execute!(tx, statement, document, edition, batch)? > 0 {
            return Ok(Wiped::More);
        }
    }
    execute!(tx, COVERAGE, document, edition)?;
    Ok(Wiped::All)
}

async fn wipe_vectors(tx: &mut Tx, base: &str, generation: i64, batch: i64) -> Result<Wiped, StoreError> {
    let covered = fetch!(tx, fetch_optional, (String,), COVERED, base, generation)?;
    let Some((document,)) = covered else { return Ok(Wiped::All) };
    if execute!(tx, VECTORS_OF, &document, generation, batch)? == 0 {
        execute!(tx, UNCOVER, &document, generation)?;
    }
    Ok(Wiped::More)
}

/// Forgets a removal of which nothing is left. False where the claim no longer counts.
pub async fn complete(tx: &mut Tx, id: &str, claim_id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, COMPLETE, id, claim_id)? == 1)
}

/// Whether the indexes of all hosts that were seen after `seen_after` have come as far as a removal's change, so that
/// nothing of it is in their files.
pub async fn is_forgotten(conn: &mut Conn, seq: i64, seen_after: Timestamp) -> Result<bool, StoreError> {
    Ok(fetch!(conn, fetch_optional, (String,), IS_BEHIND, seq, seen_after.micros())?.is_none())
}
