//! Signed checkpoints of the audit log's chain, and the log as it is verified.

use hardpoint_domain::chain::checkpoint::{Checkpoint, PublicKey};
use hardpoint_domain::chain::verify::{PURGED, Row};
use hardpoint_domain::event::Event;
use hardpoint_domain::time::Timestamp;

use crate::checkpoints_dialect::ON_DISK;
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

/// A checkpoint's columns.
type Stored = (i64, Vec<u8>, i64, Vec<u8>, Vec<u8>);

/// An event's columns. Of one that somebody tampered with any may be missing.
#[derive(sqlx::FromRow)]
struct Columns {
    seq: i64,
    id: String,
    time: i64,
    organization_id: Option<String>,
    kind: String,
    body: Option<Vec<u8>>,
    body_hash: Option<Vec<u8>>,
    hash: Option<Vec<u8>>,
    workspace_id: Option<String>,
    actor_id: Option<String>,
    target_id: Option<String>,
    request_id: Option<String>,
}

statements! {
    INSERT: "INSERT INTO audit_checkpoints (seq, hash, time, public_key, signature) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (seq) DO NOTHING";
    AFTER: "SELECT seq, hash, time, public_key, signature FROM audit_checkpoints WHERE seq > $1 AND seq <= $2 \
            ORDER BY seq LIMIT $3";
    ROWS: "SELECT seq, id, time, organization_id, kind, body, body_hash, hash, workspace_id, actor_id, target_id, \
           request_id FROM events WHERE seq > $1 AND seq <= $2 ORDER BY seq LIMIT $3";
    LAST: "SELECT seq FROM events WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1";
    COUNT_UNNUMBERED: "SELECT COUNT(*) FROM events WHERE seq IS NULL";
    // In one statement: between two, what has no number yet could get one, and would be in neither.
    LATER_OF_KIND: "SELECT body FROM events WHERE (seq > $1 OR seq IS NULL) AND kind = $2 AND body IS NOT NULL \
                    ORDER BY time, id";
}

/// Keeps a checkpoint, unless there is one of that place. On PostgreSQL it is on the disk once it is committed.
pub async fn insert(tx: &mut Tx, checkpoint: &Checkpoint) -> Result<(), StoreError> {
    let Checkpoint { seq, hash, time, public_key, signature } = checkpoint;
    let key = public_key.bytes().as_slice();
    fetch!(tx, fetch_one, (String,), ON_DISK)?;
    execute!(tx, INSERT, *seq, hash.as_slice(), time.micros(), key, signature.as_slice()).map(drop)
}

/// Those of places after `seq` and up to `to`, in the log's order; at most `limit`.
pub async fn after(conn: &mut Conn, seq: i64, to: i64, limit: u32) -> Result<Vec<Checkpoint>, StoreError> {
    let found = fetch!(conn, fetch_all, Stored, AFTER, seq, to, i64::from(limit))?;
    Ok(found.into_iter().map(read).collect())
}

/// The log's rows of places after `seq` and up to `to`, in its order; at most `limit`.
pub async fn rows(conn: &mut Conn, seq: i64, to: i64, limit: u32) -> Result<Vec<Row>, StoreError> {
    let found = fetch!(conn, fetch_all, Columns, ROWS, seq, to, i64::from(limit))?;
    Ok(found.into_iter().map(row).collect())
}

/// The highest number that any event has; 0 where none has any.
pub async fn last(conn: &mut Conn) -> Result<i64, StoreError> {
    Ok(fetch!(conn, fetch_optional, (i64,), LAST)?.map_or(0, |(seq,)| seq))
}

/// How many events have no number yet.
pub async fn count_unnumbered(conn: &mut Conn) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT_UNNUMBERED)?;
    Ok(count)
}

/// Events after a place that tell of purges, those too that have no place yet.
pub async fn purges_after(conn: &mut Conn, seq: i64) -> Result<Vec<Event>, StoreError> {
    let bodies = fetch!(conn, fetch_all, (Vec<u8>,), LATER_OF_KIND, seq, PURGED)?;
    let read = |(body,): (Vec<u8>,)| serde_json::from_slice(&body);
    bodies
        .into_iter()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// A column that does not have its length has been tampered with; as zeros it fits nothing, which is told then.
fn read((seq, hash, time, public_key, signature): Stored) -> Checkpoint {
    Checkpoint {
        seq,
        hash: hash.try_into().unwrap_or([0; 32]),
        time: Timestamp::from_micros(time),
        public_key: PublicKey::new(public_key.try_into().unwrap_or([0; 32])),
        signature: signature.try_into().unwrap_or([0; 64]),
    }
}

fn row(columns: Columns) -> Row {
    Row {
        seq: columns.seq,
        id: columns.id,
        time: Timestamp::from_micros(columns.time),
        organization_id: columns.organization_id,
        kind: columns.kind,
        body: columns.body,
        body_hash: columns.body_hash.unwrap_or_default(),
        hash: columns.hash.unwrap_or_default(),
        asked_for: [columns.workspace_id, columns.actor_id, columns.target_id, columns.request_id],
    }
}
