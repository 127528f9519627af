//! The vectors of chunks, of each generation. What is in one is the index's matter.

use hardpoint_domain::time::Timestamp;
use serde_json::Value;

use super::bases;
use super::changes::{self, Change};
use super::ingestions::{self, Claim};
use super::passages_dialect::{KEEP_VECTORS, VECTORS_BY_IDS};
use crate::columns::json_texts;
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

/// Vectors in one batch; more of them keep a transaction open for too long.
pub const MOST: usize = 256;

/// Vectors that were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The change's number.
    pub seq: i64,
    /// Whether every chunk of the document has one now: the job is ended.
    pub is_complete: bool,
}

/// A vector of an edition's chunk.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Vector {
    /// The chunk's.
    pub ordinal: i64,
    /// As the index wrote it.
    pub vector: Vec<u8>,
}

statements! {
    ADVANCE: "UPDATE ingestions SET cursor = cursor + $4, attempt = 0, lapses = 0, last_error = NULL \
              WHERE id = $1 AND claim_id = $2 AND cursor = $3";
    CHUNKS: "SELECT chunk_count FROM documents WHERE id = $1 AND edition = $2 AND removed_at IS NULL";
    COVER: "INSERT INTO vector_coverage (document_id, generation, knowledge_base_id, edition, embedded) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT (document_id, generation) \
            DO UPDATE SET edition = excluded.edition, embedded = excluded.embedded, reason = NULL";
    OF_EDITION: "SELECT ordinal, vector FROM vectors WHERE document_id = $1 AND edition = $2 AND generation = $3 \
                 AND ordinal >= $4 ORDER BY ordinal LIMIT $5";
}

/// Keeps the vectors of the next chunks, from the claim's cursor on, and moves that. None where the claim no longer
/// counts, or nobody wants this generation any more: then nothing is kept.
///
/// # Errors
/// [`StoreError::InvalidValue`] where there are none, more than [`MOST`], or more than there are chunks.
pub async fn keep(
    tx: &mut Tx,
    claim: &mut Claim,
    vectors: &[Vec<u8>],
    now: Timestamp,
) -> Result<Option<Kept>, StoreError> {
    if vectors.is_empty() || vectors.len() > MOST {
        return Err(StoreError::InvalidValue(format!("from 1 to {MOST} vectors at once")));
    }
    let Some(base) = bases::share(tx, &claim.knowledge_base_id).await? else { return Ok(None) };
    let (id, edition, generation) = (&claim.document_id, claim.edition, claim.generation);
    if !base.generations().any(|wanted| wanted.number == generation) {
        return Ok(None);
    }
    let (first, count) = (claim.cursor, i64::try_from(vectors.len()).unwrap_or(i64::MAX));
    let Some((chunks,)) = fetch!(tx, fetch_optional, (i64,), CHUNKS, id, edition)? else { return Ok(None) };
    if execute!(tx, ADVANCE, &claim.id, &claim.claim_id, first, count)? == 0 {
        return Ok(None);
    }
    let embedded = first + count;
    if embedded > chunks {
        return Err(StoreError::InvalidValue(format!("{id} has {chunks} chunks, and not {embedded}")));
    }
    execute!(tx, KEEP_VECTORS, hex_list(vectors), id, edition, generation, first)?;
    execute!(tx, COVER, id, generation, &base.id, edition, embedded)?;
    let is_complete = embedded == chunks;
    if is_complete {
        ingestions::end(tx, claim).await?;
    }
    let change = Change::embedded(&base.id, id, edition, generation, first, count);
    let seq = changes::append(tx, &change, now).await?;
    claim.cursor = embedded;
    Ok(Some(Kept { seq, is_complete }))
}

fn hex_list(vectors: &[Vec<u8>]) -> String {
    let hex = |vector: &Vec<u8>| Value::from(hardpoint_domain::hex::show(vector));
    vectors.iter().map(hex).collect::<Value>().to_string()
}

/// Vectors of an edition's chunks from `first` on, in order.
pub async fn of_edition(
    conn: &mut Conn,
    document_id: &str,
    edition: i64,
    generation: i64,
    first: i64,
    limit: u32,
) -> Result<Vec<Vector>, StoreError> {
    let limit = i64::from(limit);
    fetch!(conn, fetch_all, Vector, OF_EDITION, document_id, edition, generation, first, limit)
}

/// Those of these chunks' vectors of a generation that are there, with the chunks' ids, in the order asked for.
pub async fn by_ids(
    conn: &mut Conn,
    knowledge_base_id: &str,
    generation: i64,
    ids: &[String],
) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let list = json_texts(ids);
    let row = fetch!(conn, fetch_all, (String, Vec<u8>), VECTORS_BY_IDS, knowledge_base_id, list, generation);
    let mut found = row?;
    found.sort_by_cached_key(|(id, _)| ids.iter().position(|asked| asked == id));
    Ok(found)
}
