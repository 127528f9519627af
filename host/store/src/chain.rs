//! The audit log's chain: events get their places, dense numbers tied by hashes, after they were committed.
//!
//! Writers do not wait for each other over it. One sequencer at a time goes on with the chain, and places become
//! visible in their order, so that who read up to a number has missed nothing before it.

use hardpoint_domain::chain::{self, Place};
use hardpoint_domain::event::Event;
use hardpoint_domain::hex;
use hardpoint_domain::time::Timestamp;
use serde_json::json;

use crate::chain_dialect::{HOLD_HEAD, PLACE};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The last number that was given; 0 before the first.
    pub seq: i64,
    /// The last link.
    pub hash: Vec<u8>,
}

/// What one round of the sequencer did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Events that got their places.
    pub count: usize,
    /// The last number that was given, by this round or before it.
    pub head: i64,
}

/// An event without a place. Those of before there was a chain have no hash yet, but their body.
type Waiting = (String, i64, Option<String>, String, Option<Vec<u8>>, Option<Vec<u8>>);

statements! {
    HEAD: "SELECT seq, hash FROM audit_head WHERE id = 1";
    IS_WAITING: "SELECT id FROM events WHERE seq IS NULL ORDER BY time, id LIMIT 1";
    WAITING: "SELECT id, time, organization_id, kind, body_hash, CASE WHEN body_hash IS NULL THEN body END \
              FROM events WHERE seq IS NULL ORDER BY time, id LIMIT $1";
    DESCRIBE: "UPDATE events SET workspace_id = $2, actor_id = $3, target_id = $4, request_id = $5 WHERE id = $1";
    ADVANCE: "UPDATE audit_head SET seq = $1, hash = $2 WHERE id = 1";
}

/// The end of the chain.
pub async fn head(conn: &mut Conn) -> Result<Head, StoreError> {
    let (seq, hash) = fetch!(conn, fetch_one, (i64, Vec<u8>), HEAD)?;
    Ok(Head { seq, hash })
}

/// Whether any event has no place yet. Asking is cheaper than numbering in vain.
pub async fn is_waiting(conn: &mut Conn) -> Result<bool, StoreError> {
    Ok(fetch!(conn, fetch_optional, (String,), IS_WAITING)?.is_some())
}

/// Gives up to `limit` events their places, oldest first. On PostgreSQL it waits for a host that is just at it.
pub async fn number(tx: &mut Tx, limit: u32) -> Result<Numbered, StoreError> {
    let (mut seq, mut hash) = fetch!(tx, fetch_one, (i64, Vec<u8>), HOLD_HEAD)?;
    let waiting = fetch!(tx, fetch_all, Waiting, WAITING, i64::from(limit))?;
    let count = waiting.len();
    if count == 0 {
        return Ok(Numbered { count, head: seq });
    }
    let mut placed = Vec::with_capacity(count);
    for (id, time, organization_id, kind, known, body) in waiting {
        let body_hash = match known {
            Some(known) => known,
            None => describe(tx, &id, &body.unwrap_or_default()).await?,
        };
        seq += 1;
        let place = Place {
            seq,
            id: &id,
            time: Timestamp::from_micros(time),
            organization_id: organization_id.as_deref(),
            kind: &kind,
            body_hash: &body_hash,
        };
        hash = chain::link(&hash, &place).to_vec();
        placed.push(
            json!({ "id": id, "seq": seq, "body_hash": hex::show(&body_hash), "hash": hex::show(&hash) }),
        );
    }
    let changed = execute!(tx, PLACE, serde_json::Value::from(placed).to_string())?;
    if changed != count as u64 {
        return Err(StoreError::Corrupt(format!(
            "{count} events were to get their places, and {changed} did"
        )));
    }
    execute!(tx, ADVANCE, seq, hash)?;
    Ok(Numbered { count, head: seq })
}

/// Fills in what an event of before there was a chain lacks, and gives its hash. One that nobody can read gets its
/// place all the same: it must not hold up all others.
async fn describe(tx: &mut Tx, id: &str, body: &[u8]) -> Result<Vec<u8>, StoreError> {
    if let Ok(event) = serde_json::from_slice::<Event>(body) {
        let (workspace, actor) = (event.workspace_id.as_deref(), event.actor.id.as_deref());
        execute!(tx, DESCRIBE, id, workspace, actor, &event.target.id, event.request_id.as_deref())?;
    }
    Ok(chain::body_hash(body).to_vec())
}
