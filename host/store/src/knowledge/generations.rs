//! Changing a knowledge base's embedder: a second set of vectors is made beside the one that is searched, and takes its
//! place at once.

use hardpoint_domain::knowledge::fairness;
use hardpoint_domain::knowledge::settings::Embedder;
use hardpoint_domain::time::Timestamp;

use super::bases::Generation;
use super::changes::{self, Change};
use super::{bases, ingestions, removals};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

statements! {
    BEGIN: "UPDATE knowledge_bases SET next_model = $2, next_dimensions = $3, next_generation = last_generation + 1, \
            last_generation = last_generation + 1, updated_at = $4 WHERE id = $1 RETURNING next_generation";
    JOBS: "INSERT INTO ingestions (id, document_id, knowledge_base_id, organization_id, generation, edition, cursor, \
           is_large, attempt, lapses, due_at, created_at) SELECT id || ':' || CAST($2 AS TEXT), id, \
           knowledge_base_id, organization_id, $3, edition, 0, size > $4, 0, 0, $5, $5 FROM documents \
           WHERE knowledge_base_id = $1 AND removed_at IS NULL AND chunk_count > 0";
    END_JOBS: "DELETE FROM ingestions WHERE knowledge_base_id = $1 AND generation = $2";
    ABANDON: "UPDATE knowledge_bases SET next_model = NULL, next_dimensions = NULL, next_generation = NULL, \
              updated_at = $2 WHERE id = $1";
    MADE: "SELECT CAST(COALESCE(SUM(CASE WHEN c.reason IS NULL THEN 1 ELSE 0 END), 0) AS BIGINT), COUNT(*) \
           FROM vector_coverage c JOIN documents d ON d.id = c.document_id AND d.edition = c.edition \
           WHERE c.knowledge_base_id = $1 AND c.generation = $2 AND d.removed_at IS NULL";
    LEFT: "SELECT COUNT(*) FROM ingestions WHERE knowledge_base_id = $1 AND generation = $2";
    READY: "SELECT b.id FROM knowledge_bases b WHERE b.next_generation IS NOT NULL AND b.removed_at IS NULL \
            AND b.id > $1 AND NOT EXISTS (SELECT 1 FROM ingestions i WHERE i.knowledge_base_id = b.id \
            AND i.generation = b.next_generation) ORDER BY b.id LIMIT $2";
    SWITCH: "UPDATE knowledge_bases SET model = next_model, dimensions = next_dimensions, \
             generation = next_generation, next_model = NULL, next_dimensions = NULL, next_generation = NULL, \
             updated_at = $2 WHERE id = $1";
}

/// Begins to make vectors of another embedder, of every document that can be found and of those to come. What was begun
/// before and is not searched yet is given up; that is all where the vectors that are searched are this embedder's. None
/// where there is no such knowledge base; what is there where it has this embedder already, or is at it.
pub async fn begin(
    tx: &mut Tx,
    knowledge_base_id: &str,
    embedder: &Embedder,
    now: Timestamp,
) -> Result<Option<Generation>, StoreError> {
    let Some(base) = bases::hold(tx, knowledge_base_id).await? else { return Ok(None) };
    let is_it = |generation: &&Generation| generation.embedder == *embedder;
    let last = base.next.as_ref().or(base.current.as_ref());
    if let Some(there) = last.filter(is_it) {
        return Ok(Some(there.clone()));
    }
    if let Some(given_up) = &base.next {
        execute!(tx, END_JOBS, &base.id, given_up.number)?;
        let removal = removals::Removal::vectors(&base.id, given_up.number, 0);
        removals::queue(tx, &removal, now).await?;
        if let Some(current) = base.current.filter(|current| is_it(&current)) {
            execute!(tx, ABANDON, &base.id, now.micros())?;
            changes::append(tx, &Change::switched(&base.id, current.number), now).await?;
            return Ok(Some(current));
        }
    }
    let (model, dimensions, at) = (&embedder.model, i64::from(embedder.dimensions), now.micros());
    let (number,) = fetch!(tx, fetch_one, (i64,), BEGIN, &base.id, model, dimensions, at)?;
    let large = i64::try_from(fairness::LARGE).unwrap_or(i64::MAX);
    execute!(tx, JOBS, &base.id, number.to_string(), number, large, at)?;
    ingestions::take_turns(tx, &base.organization_id, now).await?;
    Ok(Some(Generation { number, embedder: embedder.clone() }))
}

/// For how many documents vectors of a generation are still to be made.
pub async fn left(conn: &mut Conn, knowledge_base_id: &str, generation: i64) -> Result<i64, StoreError> {
    let (left,): (i64,) = fetch!(conn, fetch_one, (i64,), LEFT, knowledge_base_id, generation)?;
    Ok(left)
}

/// Knowledge bases for which no vectors are left to be made beside those that are searched, by their ids after this one.
pub async fn ready(conn: &mut Conn, after: &str, limit: u32) -> Result<Vec<String>, StoreError> {
    let found = fetch!(conn, fetch_all, (String,), READY, after, i64::from(limit))?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

/// Lets the vectors that were made take the place of those that are searched, where every document has them, or it was
/// given up to make them; not where it was given up for most. Answers the change's number; none where there is nothing to
/// switch to yet.
pub async fn switch(tx: &mut Tx, knowledge_base_id: &str, now: Timestamp) -> Result<Option<i64>, StoreError> {
    let Some(base) = bases::hold(tx, knowledge_base_id).await? else { return Ok(None) };
    let Some(next) = &base.next else { return Ok(None) };
    if left(tx, &base.id, next.number).await? > 0 {
        return Ok(None);
    }
    let (made, all): (i64, i64) = fetch!(tx, fetch_one, (i64, i64), MADE, &base.id, next.number)?;
    if made < all - made {
        return Ok(None);
    }
    execute!(tx, SWITCH, &base.id, now.micros())?;
    if let Some(before) = &base.current {
        execute!(tx, END_JOBS, &base.id, before.number)?;
        removals::queue(tx, &removals::Removal::vectors(&base.id, before.number, 0), now).await?;
    }
    changes::append(tx, &Change::switched(&base.id, next.number), now).await.map(Some)
}
