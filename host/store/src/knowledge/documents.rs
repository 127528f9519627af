//! Documents: what was uploaded, and how far each is.
//!
//! A document's bytes are a blob under its id ([`crate::blobs::BlobKey::document`]). Whoever uploads announces it first
//! ([`announce`]): what is announced and never kept is deleted an hour later, so that a host that goes down between the
//! two leaves nothing behind for ever.

use std::time::Duration;

use hardpoint_domain::knowledge::fairness;
use hardpoint_domain::knowledge::state::State;
use hardpoint_domain::time::Timestamp;

use super::changes::{self, Change};
use super::documents_dialect::{COUNT_SEEN, HOLD, LIST_SEEN};
use super::{bases, ingestions, removals};
use crate::columns::{MaybeMicros, Micros, UnknownWord};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx, Window};

/// How long an upload may take, from its announcement on.
const UPLOAD_LIMIT: Duration = Duration::from_secs(3_600);

/// A document.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Document {
    /// `doc-…`.
    pub id: String,
    /// Whose it is.
    pub organization_id: String,
    /// What it is in.
    pub knowledge_base_id: String,
    /// As the client named it.
    pub filename: String,
    /// As the client declared it, or what its content and its name tell.
    pub media_type: Option<String>,
    /// In bytes.
    #[sqlx(try_from = "i64")]
    pub size: u64,
    /// SHA-256 of its bytes.
    pub digest: Vec<u8>,
    /// Its own title, where it has one.
    pub title: Option<String>,
    /// How far it is.
    #[sqlx(try_from = "StateText")]
    pub state: State,
    /// Why it failed; where it is indexed, why something of it is not as it should be.
    pub reason: Option<String>,
    /// For people, while it is read: so many …
    #[sqlx(try_from = "i64")]
    pub done: u64,
    /// … of so many units; 0 where that is not known.
    #[sqlx(try_from = "i64")]
    pub total: u64,
    /// The edition that can be found; 0 where there is none.
    pub edition: i64,
    /// Its pages.
    #[sqlx(try_from = "i64")]
    pub page_count: u64,
    /// Its chunks.
    #[sqlx(try_from = "i64")]
    pub chunk_count: u64,
    /// Those of them that have a vector of the generation that is searched.
    #[sqlx(try_from = "i64")]
    pub embedded: u64,
    /// Who uploaded it.
    pub created_by: String,
    /// When.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
    /// When its state or progress last changed.
    #[sqlx(try_from = "Micros")]
    pub updated_at: Timestamp,
    /// Since when its edition can be found.
    #[sqlx(try_from = "MaybeMicros")]
    pub indexed_at: Option<Timestamp>,
}

/// A `TEXT` column with a document's state.
#[derive(sqlx::Type)]
#[sqlx(transparent)]
struct StateText(String);

impl TryFrom<StateText> for State {
    type Error = UnknownWord;

    fn try_from(text: StateText) -> Result<Self, UnknownWord> {
        Self::parse(&text.0).ok_or(UnknownWord { column: "state", word: text.0 })
    }
}

/// A document whose bytes are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDocument {
    /// `doc-…`, as it was announced.
    pub id: String,
    /// What it is to be in.
    pub knowledge_base_id: String,
    /// As the client named it.
    pub filename: String,
    /// As the client declared it, or what its content and its name tell.
    pub media_type: Option<String>,
    /// In bytes.
    pub size: u64,
    /// SHA-256 of its bytes.
    pub digest: [u8; 32],
    /// Who uploads it.
    pub created_by: String,
    /// When.
    pub now: Timestamp,
}

/// What an upload came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Uploaded {
    /// It is kept, and waits to be read.
    New(Document),
    /// The same bytes were there already. Those that came are deleted.
    There(Document),
}

/// A document that can be found, for who builds an index anew.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Published {
    /// `doc-…`.
    pub id: String,
    /// The edition that can be found.
    pub edition: i64,
    /// Its chunks.
    pub chunk_count: i64,
}

macro_rules! columns {
    () => {
        "d.id, d.organization_id, d.knowledge_base_id, d.filename, d.media_type, d.size, d.digest, d.title, d.state, \
         COALESCE(d.reason, (SELECT w.last_error FROM ingestions w WHERE w.document_id = d.id AND w.generation > 0 \
         AND w.last_error IS NOT NULL ORDER BY w.generation LIMIT 1), (SELECT g.reason FROM vector_coverage g \
         WHERE g.document_id = d.id AND g.edition = d.edition AND g.reason IS NOT NULL AND d.state = 'indexed' \
         AND g.generation IN (k.generation, k.next_generation) ORDER BY g.generation LIMIT 1)) AS reason, \
         d.done, d.total, d.edition, d.page_count, d.chunk_count, \
         CAST(COALESCE(c.embedded, 0) AS BIGINT) AS embedded, d.created_by, d.created_at, d.updated_at, d.indexed_at"
    };
}

/// Documents `d` that are there, their knowledge bases `k`, and the coverage `c` of what is searched.
macro_rules! there {
    () => {
        " FROM documents d JOIN knowledge_bases k ON k.id = d.knowledge_base_id AND k.removed_at IS NULL \
         LEFT JOIN vector_coverage c ON c.document_id = d.id AND c.generation = k.generation AND c.edition = d.edition \
         WHERE d.removed_at IS NULL AND "
    };
}
pub(super) use {columns, there};

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), there!(), $rest)
    };
}

statements! {
    // Whoever inserts the same bytes at once waits for the other, and then finds them there.
    INSERT: "INSERT INTO documents (id, organization_id, knowledge_base_id, filename, media_type, size, digest, state, \
             done, total, edition, last_edition, page_count, chunk_count, created_by, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, 'processing', 0, 0, 0, 0, 0, 0, $8, $9, $9) \
             ON CONFLICT (knowledge_base_id, digest) WHERE removed_at IS NULL DO NOTHING";
    JOB: "INSERT INTO ingestions (id, document_id, knowledge_base_id, organization_id, generation, edition, cursor, \
          is_large, attempt, lapses, due_at, created_at) VALUES ($1, $2, $3, $4, 0, $5, 0, $6, 0, 0, $7, $7)";
    BY_DIGEST: select!("d.knowledge_base_id = $1 AND d.digest = $2");
    GET: select!("d.organization_id = $1 AND d.id = $2");
    LIST: select!("d.knowledge_base_id = $1 ORDER BY d.created_at DESC, d.id DESC LIMIT $2 OFFSET $3");
    COUNT: "SELECT COUNT(*) FROM documents d WHERE d.knowledge_base_id = $1 AND d.removed_at IS NULL";
    PUBLISHED: "SELECT d.id, d.edition, d.chunk_count FROM documents d \
                JOIN knowledge_bases k ON k.id = d.knowledge_base_id AND k.removed_at IS NULL \
                WHERE d.knowledge_base_id = $1 AND d.removed_at IS NULL AND d.edition > 0 AND d.id > $2 \
                ORDER BY d.id LIMIT $3";
    HOLDS: "SELECT id FROM documents WHERE knowledge_base_id = $1 AND id = $2 AND removed_at IS NULL";
    END_JOBS: "DELETE FROM ingestions WHERE document_id = $1";
    END_READING: "DELETE FROM ingestions WHERE document_id = $1 AND generation = 0 RETURNING edition";
    AGAIN: "UPDATE documents SET state = 'processing', reason = NULL, done = 0, total = 0, updated_at = $2 \
            WHERE id = $1 AND removed_at IS NULL RETURNING last_edition";
    REMOVE: "UPDATE documents SET removed_at = $2 WHERE id = $1 AND removed_at IS NULL";
}

/// Announces a document whose bytes are about to be put under its id.
pub async fn announce(
    tx: &mut Tx,
    knowledge_base_id: &str,
    id: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let removal = removals::Removal::blob(knowledge_base_id, id);
    removals::queue(tx, &removal, now.plus(UPLOAD_LIMIT)).await
}

/// Takes an announcement back: whatever was put under the id is deleted now, and not only when the upload's time is over.
pub async fn withdraw(tx: &mut Tx, id: &str, now: Timestamp) -> Result<(), StoreError> {
    removals::hasten(tx, id, now).await
}

/// Keeps a document whose bytes were put, to be read when it is its turn; or finds the one that is there with the same
/// bytes, and has what was put deleted. None where the knowledge base is not there.
///
/// # Errors
/// [`StoreError::Undone`] where it was not announced, or longer ago than an upload may take: its bytes may be gone.
pub async fn upload(tx: &mut Tx, new: &NewDocument) -> Result<Option<Uploaded>, StoreError> {
    let Some(base) = bases::share(tx, &new.knowledge_base_id).await? else { return Ok(None) };
    let (organization, size) = (&base.organization_id, i64::try_from(new.size).unwrap_or(i64::MAX));
    let (media_type, now) = (new.media_type.as_deref(), new.now.micros());
    let digest = &new.digest[..];
    let (id, by) = (&new.id, &new.created_by);
    let is_new =
        execute!(tx, INSERT, id, organization, &base.id, &new.filename, media_type, size, digest, by, now)?;
    if is_new == 0 {
        let there = find(tx, &base.id, &new.digest).await?.ok_or(StoreError::Conflict)?;
        removals::hasten(tx, &new.id, new.now).await?;
        return Ok(Some(Uploaded::There(there)));
    }
    if !removals::cancel(tx, &new.id).await? {
        return Err(StoreError::Undone("the upload was not announced, or took too long"));
    }
    queue_reading(tx, organization, &base.id, &new.id, 0, new.size, new.now).await?;
    let kept = get(tx, organization, &new.id).await?;
    Ok(kept.map(Uploaded::New))
}

async fn queue_reading(
    tx: &mut Tx,
    organization_id: &str,
    knowledge_base_id: &str,
    id: &str,
    last_edition: i64,
    size: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (job, is_large) = (job_id(id, 0), fairness::is_large(size));
    execute!(tx, JOB, job, id, knowledge_base_id, organization_id, last_edition, is_large, now.micros())?;
    ingestions::take_turns(tx, organization_id, now).await
}

/// The id of the job that reads a document (generation 0), or makes its vectors.
pub(super) fn job_id(document_id: &str, generation: i64) -> String {
    format!("{document_id}:{generation}")
}

/// The document of a knowledge base that has these bytes.
pub async fn find(
    conn: &mut Conn,
    knowledge_base_id: &str,
    digest: &[u8; 32],
) -> Result<Option<Document>, StoreError> {
    fetch!(conn, fetch_optional, Document, BY_DIGEST, knowledge_base_id, &digest[..])
}

/// A document of this organisation.
pub async fn get(conn: &mut Conn, organization_id: &str, id: &str) -> Result<Option<Document>, StoreError> {
    fetch!(conn, fetch_optional, Document, GET, organization_id, id)
}

/// The documents of a knowledge base, newest first.
pub async fn list(
    conn: &mut Conn,
    knowledge_base_id: &str,
    window: Window,
) -> Result<Vec<Document>, StoreError> {
    fetch!(conn, fetch_all, Document, LIST, knowledge_base_id, window.limit, window.offset)
}

/// How many there are.
pub async fn count(conn: &mut Conn, knowledge_base_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT, knowledge_base_id)?;
    Ok(count)
}

/// The documents of all knowledge bases of an organisation that a workspace sees, or of all; newest first.
pub async fn list_of_organization(
    conn: &mut Conn,
    organization_id: &str,
    workspace_id: Option<&str>,
    Window { limit, offset }: Window,
) -> Result<Vec<Document>, StoreError> {
    fetch!(conn, fetch_all, Document, LIST_SEEN, organization_id, workspace_id, limit, offset)
}

/// How many there are of these.
pub async fn count_of_organization(
    conn: &mut Conn,
    organization_id: &str,
    workspace_id: Option<&str>,
) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT_SEEN, organization_id, workspace_id)?;
    Ok(count)
}

/// Documents of a knowledge base that can be found, by id after this one: for who builds an index anew. Read the head of
/// the changes before, and follow from there: what is published meanwhile is then told once more.
pub async fn published(
    conn: &mut Conn,
    knowledge_base_id: &str,
    after: &str,
    limit: u32,
) -> Result<Vec<Published>, StoreError> {
    fetch!(conn, fetch_all, Published, PUBLISHED, knowledge_base_id, after, i64::from(limit))
}

/// Whether a document is in a knowledge base.
pub async fn holds(conn: &mut Conn, knowledge_base_id: &str, id: &str) -> Result<bool, StoreError> {
    Ok(fetch!(conn, fetch_optional, (String,), HOLDS, knowledge_base_id, id)?.is_some())
}

/// Has a document read anew. What can be found of it can be found until the new edition takes its place. Whoever is
/// reading it does so no longer. False where there is none.
pub async fn read_again(
    tx: &mut Tx,
    organization_id: &str,
    id: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(document) = get(tx, organization_id, id).await? else { return Ok(false) };
    let Some(base) = bases::share(tx, &document.knowledge_base_id).await? else { return Ok(false) };
    let again = fetch!(tx, fetch_optional, (i64,), AGAIN, id, now.micros())?;
    let Some((mut last_edition,)) = again else { return Ok(false) };
    // The number goes on with the job: what the one before began is wiped out when this one is claimed.
    if let Some((begun,)) = fetch!(tx, fetch_optional, (i64,), END_READING, id)? {
        last_edition = begun;
    }
    queue_reading(tx, organization_id, &base.id, id, last_edition, document.size, now).await?;
    Ok(true)
}

/// Removes a document: from here on it is not there and not found, and its jobs are ended. What it leaves is wiped out
/// by whoever claims the removal. Answers the change's number; none where there is no such document.
pub async fn remove(
    tx: &mut Tx,
    organization_id: &str,
    id: &str,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let Some(document) = get(tx, organization_id, id).await? else { return Ok(None) };
    if execute!(tx, REMOVE, id, now.micros())? == 0 {
        return Ok(None);
    }
    execute!(tx, END_JOBS, id)?;
    let base = &document.knowledge_base_id;
    let seq = changes::append(tx, &Change::removed(base, id), now).await?;
    removals::queue(tx, &removals::Removal::document(base, id, seq), now).await?;
    Ok(Some(seq))
}

/// Whether a document is there, and stays until this transaction ends as it is, but for who holds it. The edition that
/// can be found.
pub(super) async fn hold(tx: &mut Tx, id: &str) -> Result<Option<i64>, StoreError> {
    Ok(fetch!(tx, fetch_optional, (i64,), HOLD, id)?.map(|(edition,)| edition))
}
