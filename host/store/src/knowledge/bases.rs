//! Knowledge bases: what somebody decided about each, and which embedder its vectors are of.

use std::collections::BTreeSet;

use hardpoint_domain::id::BindingName;
use hardpoint_domain::knowledge::settings::{Chunking, Embedder, Settings, Sharing};
use hardpoint_domain::knowledge::state::Coverage;
use hardpoint_domain::time::Timestamp;

use super::bases_dialect::{COUNT, HOLD, LIST, SHARE};
use super::changes::{self, Change};
use super::removals;
use crate::columns::{MaybeMicros, Micros, json_texts};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx, Window};

/// A knowledge base.
#[derive(Clone, Debug, PartialEq)]
pub struct KnowledgeBase {
    /// `kb-…`.
    pub id: String,
    /// Whose it is.
    pub organization_id: String,
    /// Whether uploads that name none go here; at most one of an organisation's.
    pub is_default: bool,
    /// What can be changed.
    pub settings: Settings,
    /// Whose vectors are searched; none where there is no embedder.
    pub current: Option<Generation>,
    /// Whose vectors are being made, to take their place.
    pub next: Option<Generation>,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When somebody last changed it.
    pub updated_at: Timestamp,
    /// Since when it is not there any more.
    pub removed_at: Option<Timestamp>,
}

/// A set of vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generation {
    /// From 1; never given twice in one knowledge base.
    pub number: i64,
    /// Whose vectors they are.
    pub embedder: Embedder,
}

impl KnowledgeBase {
    /// The sets of vectors that documents are to have, the one that is searched first.
    pub fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.current.iter().chain(&self.next)
    }
}

/// A new knowledge base.
#[derive(Clone, Debug, PartialEq)]
pub struct NewKnowledgeBase {
    /// `kb-…`.
    pub id: String,
    /// Whose it is.
    pub organization_id: String,
    /// Whether uploads that name none go here.
    pub is_default: bool,
    /// What was decided, and checked.
    pub settings: Settings,
    /// Whose vectors its documents get; none where none is loaded.
    pub embedder: Option<Embedder>,
    /// Who makes it.
    pub created_by: String,
    /// When.
    pub now: Timestamp,
}

/// How much is in a knowledge base.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Documents, whatever their states.
    pub documents: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Chunks that can be found, and how many of them have a vector.
    pub coverage: Coverage,
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: String,
    organization_id: String,
    is_default: bool,
    name: String,
    description: String,
    #[sqlx(try_from = "String")]
    retriever: BindingName,
    #[sqlx(try_from = "i64")]
    chunk_tokens: u32,
    #[sqlx(try_from = "i64")]
    chunk_overlap: u32,
    similarity_threshold: f64,
    fallback: Option<String>,
    shared_with: Option<String>,
    model: Option<String>,
    dimensions: Option<i64>,
    generation: i64,
    next_model: Option<String>,
    next_dimensions: Option<i64>,
    next_generation: Option<i64>,
    created_by: String,
    #[sqlx(try_from = "Micros")]
    created_at: Timestamp,
    #[sqlx(try_from = "Micros")]
    updated_at: Timestamp,
    #[sqlx(try_from = "MaybeMicros")]
    removed_at: Option<Timestamp>,
}

impl TryFrom<Row> for KnowledgeBase {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let sharing = match &row.shared_with {
            None => Sharing::Organization,
            Some(json) => Sharing::Workspaces(workspaces(json)?),
        };
        let settings = Settings {
            name: row.name,
            description: row.description,
            retriever: row.retriever,
            chunking: Chunking { tokens: row.chunk_tokens, overlap: row.chunk_overlap },
            similarity_threshold: row.similarity_threshold,
            fallback: row.fallback,
            sharing,
        };
        Ok(Self {
            id: row.id,
            organization_id: row.organization_id,
            is_default: row.is_default,
            settings,
            current: generation(row.model, row.dimensions, Some(row.generation)),
            next: generation(row.next_model, row.next_dimensions, row.next_generation),
            created_by: row.created_by,
            created_at: row.created_at,
            updated_at: row.updated_at,
            removed_at: row.removed_at,
        })
    }
}

fn generation(model: Option<String>, dimensions: Option<i64>, number: Option<i64>) -> Option<Generation> {
    let dimensions = u32::try_from(dimensions?).ok()?;
    Some(Generation { number: number?, embedder: Embedder { model: model?, dimensions } })
}

fn workspaces(json: &str) -> Result<BTreeSet<String>, StoreError> {
    serde_json::from_str(json).map_err(|error| StoreError::Corrupt(format!("shared_with: {error}")))
}

fn shared_with(sharing: &Sharing) -> Option<String> {
    match sharing {
        Sharing::Organization => None,
        Sharing::Workspaces(ids) => Some(json_texts(&ids.iter().cloned().collect::<Vec<_>>())),
    }
}

macro_rules! columns {
    () => {
        "k.id, k.organization_id, k.is_default, k.name, k.description, k.retriever, k.chunk_tokens, k.chunk_overlap, \
         k.similarity_threshold, k.fallback, k.shared_with, k.model, k.dimensions, k.generation, k.next_model, \
         k.next_dimensions, k.next_generation, k.created_by, k.created_at, k.updated_at, \
         k.removed_at"
    };
}
pub(super) use columns;

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT ", columns!(), " FROM knowledge_bases k ", $rest)
    };
}

statements! {
    INSERT: "INSERT INTO knowledge_bases (id, organization_id, is_default, name, description, retriever, chunk_tokens, \
             chunk_overlap, similarity_threshold, fallback, shared_with, model, dimensions, generation, \
             last_generation, created_by, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $14, $15, $16, $16)";
    GET: select!("WHERE k.organization_id = $1 AND k.id = $2 AND k.removed_at IS NULL");
    FIND: select!("WHERE k.id = $1");
    DEFAULT: select!("WHERE k.organization_id = $1 AND k.is_default AND k.removed_at IS NULL");
    UPDATE: "UPDATE knowledge_bases SET name = $3, description = $4, retriever = $5, chunk_tokens = $6, \
             chunk_overlap = $7, similarity_threshold = $8, fallback = $9, shared_with = $10, updated_at = $11 \
             WHERE organization_id = $1 AND id = $2 AND removed_at IS NULL";
    REMOVE: "UPDATE knowledge_bases SET removed_at = $3 WHERE organization_id = $1 AND id = $2 AND removed_at IS NULL";
    END_JOBS: "DELETE FROM ingestions WHERE knowledge_base_id = $1";
    CONTENTS: "SELECT COUNT(*), CAST(COALESCE(SUM(d.size), 0) AS BIGINT), \
               CAST(COALESCE(SUM(d.chunk_count), 0) AS BIGINT), CAST(COALESCE(SUM(c.embedded), 0) AS BIGINT) \
               FROM documents d JOIN knowledge_bases k ON k.id = d.knowledge_base_id \
               LEFT JOIN vector_coverage c ON c.document_id = d.id AND c.generation = k.generation \
               AND c.edition = d.edition \
               WHERE d.knowledge_base_id = $1 AND d.removed_at IS NULL";
}

/// Makes a knowledge base. Its first embedder is pinned from the beginning, as generation 1.
///
/// # Errors
/// [`StoreError::Duplicate`] where it is to be the default and there is one.
pub async fn create(tx: &mut Tx, new: &NewKnowledgeBase) -> Result<(), StoreError> {
    let settings = &new.settings;
    execute!(
        tx,
        INSERT,
        &new.id,
        &new.organization_id,
        new.is_default,
        &settings.name,
        &settings.description,
        settings.retriever.as_str(),
        i64::from(settings.chunking.tokens),
        i64::from(settings.chunking.overlap),
        settings.similarity_threshold,
        settings.fallback.as_deref(),
        shared_with(&settings.sharing),
        new.embedder.as_ref().map(|embedder| embedder.model.as_str()),
        new.embedder.as_ref().map(|embedder| i64::from(embedder.dimensions)),
        i64::from(new.embedder.is_some()),
        &new.created_by,
        new.now.micros(),
    )
    .map(drop)
}

/// A knowledge base of this organisation.
pub async fn get(
    conn: &mut Conn,
    organization_id: &str,
    id: &str,
) -> Result<Option<KnowledgeBase>, StoreError> {
    fetch!(conn, fetch_optional, Row, GET, organization_id, id)?.map(TryInto::try_into).transpose()
}

/// A knowledge base of whatever organisation, also one that was removed and is not wiped out yet: for the host's own work.
pub async fn find(conn: &mut Conn, id: &str) -> Result<Option<KnowledgeBase>, StoreError> {
    fetch!(conn, fetch_optional, Row, FIND, id)?.map(TryInto::try_into).transpose()
}

/// Where an organisation's uploads go that name none.
pub async fn default_of(conn: &mut Conn, organization_id: &str) -> Result<Option<KnowledgeBase>, StoreError> {
    fetch!(conn, fetch_optional, Row, DEFAULT, organization_id)?.map(TryInto::try_into).transpose()
}

/// An organisation's knowledge bases, newest first: those that a workspace sees, or all.
pub async fn list(
    conn: &mut Conn,
    organization_id: &str,
    workspace_id: Option<&str>,
    window: Window,
) -> Result<Vec<KnowledgeBase>, StoreError> {
    let Window { limit, offset } = window;
    let found = fetch!(conn, fetch_all, Row, LIST, organization_id, workspace_id, limit, offset)?;
    found.into_iter().map(TryInto::try_into).collect()
}

/// How many there are of these.
pub async fn count(
    conn: &mut Conn,
    organization_id: &str,
    workspace_id: Option<&str>,
) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT, organization_id, workspace_id)?;
    Ok(count)
}

/// How much is in a knowledge base.
pub async fn contents(conn: &mut Conn, id: &str) -> Result<Contents, StoreError> {
    let (documents, bytes, chunks, embedded) = fetch!(conn, fetch_one, (i64, i64, i64, i64), CONTENTS, id)?;
    let whole = |number: i64| u64::try_from(number).unwrap_or(0);
    let coverage = Coverage { chunks: whole(chunks), embedded: whole(embedded) };
    Ok(Contents { documents: whole(documents), bytes: whole(bytes), coverage })
}

/// Writes a knowledge base's settings and its time of change; false where there is none of its id in its organisation.
pub async fn update(tx: &mut Tx, changed: &KnowledgeBase) -> Result<bool, StoreError> {
    let settings = &changed.settings;
    let done = execute!(
        tx,
        UPDATE,
        &changed.organization_id,
        &changed.id,
        &settings.name,
        &settings.description,
        settings.retriever.as_str(),
        i64::from(settings.chunking.tokens),
        i64::from(settings.chunking.overlap),
        settings.similarity_threshold,
        settings.fallback.as_deref(),
        shared_with(&settings.sharing),
        changed.updated_at.micros(),
    )?;
    Ok(done == 1)
}

/// Removes a knowledge base: from here on it is not there, nothing in it is found, and its jobs are ended. What it
/// leaves is wiped out by whoever claims the removal. Answers the change's number; none where there is none.
pub async fn remove(
    tx: &mut Tx,
    organization_id: &str,
    id: &str,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    if execute!(tx, REMOVE, organization_id, id, now.micros())? == 0 {
        return Ok(None);
    }
    execute!(tx, END_JOBS, id)?;
    let seq = changes::append(tx, &Change::base_removed(id), now).await?;
    removals::queue(tx, &removals::Removal::base(id, seq), now).await?;
    Ok(Some(seq))
}

/// A knowledge base as it is and stays until this transaction ends, beside others who only need it to stay.
pub(super) async fn share(tx: &mut Tx, id: &str) -> Result<Option<KnowledgeBase>, StoreError> {
    fetch!(tx, fetch_optional, Row, SHARE, id)?.map(TryInto::try_into).transpose()
}

/// The same for who changes it: whoever else needs it waits.
pub(super) async fn hold(tx: &mut Tx, id: &str) -> Result<Option<KnowledgeBase>, StoreError> {
    fetch!(tx, fetch_optional, Row, HOLD, id)?.map(TryInto::try_into).transpose()
}
