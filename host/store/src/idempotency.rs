//! What was asked under an `Idempotency-Key`, and what was answered. A name belongs to one key of an organisation.
//!
//! A name is claimed before anything is done, so that of many who ask at once one does it. Who claimed it holds a
//! lease meanwhile: where that has run out without an answer, the host is gone, and what became of the request is
//! not known. It is not done again.

use hardpoint_domain::time::Timestamp;

use crate::columns::{Micros, words};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

words! {
    /// How far a request is.
    pub enum State {
        /// It is under way, or was when its host was lost.
        Running = "running",
        /// Its answer is here.
        Answered = "answered",
        /// It was answered, and the answer is not here: it was too long, or had to make room.
        NotKept = "not_kept",
    }
}

/// A request that claims a name.
#[derive(Clone, Debug)]
pub struct Claim {
    /// `req_…`.
    pub id: String,
    /// Whose.
    pub organization_id: String,
    /// Of their keys, which.
    pub key_id: String,
    /// What it calls the request.
    pub name: String,
    /// SHA-256 of what it asks.
    pub fingerprint: [u8; 32],
    /// Until when the host answers for it, unless it prolongs that.
    pub lease_until: Timestamp,
    /// Until when the name means this request.
    pub expires_at: Timestamp,
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Known {
    /// SHA-256 of what was asked.
    pub fingerprint: Vec<u8>,
    /// How far it is.
    #[sqlx(try_from = "String")]
    pub state: State,
    /// Until when its host answers for it.
    #[sqlx(try_from = "Micros")]
    pub lease_until: Timestamp,
    /// The answer's HTTP status.
    pub status: Option<i64>,
    /// The answer's headers, as they were given to [`answer`].
    pub headers: Option<String>,
    /// The answer's body.
    pub body: Option<Vec<u8>>,
}

statements! {
    FIND: "SELECT fingerprint, state, lease_until, status, headers, body FROM idempotency \
           WHERE organization_id = $1 AND key_id = $2 AND name = $3 AND expires_at > $4";
    CLAIM: "INSERT INTO idempotency (id, organization_id, key_id, name, fingerprint, state, lease_until, expires_at) \
            VALUES ($1, $2, $3, $4, $5, 'running', $6, $7) \
            ON CONFLICT (organization_id, key_id, name) DO UPDATE SET id = excluded.id, \
            fingerprint = excluded.fingerprint, state = excluded.state, lease_until = excluded.lease_until, \
            expires_at = excluded.expires_at, status = NULL, headers = NULL, body = NULL, size = 0 \
            WHERE idempotency.expires_at <= $8";
    ANSWER: "UPDATE idempotency SET state = 'answered', status = $2, headers = $3, body = $4, size = $5 WHERE id = $1";
    NOT_KEPT: "UPDATE idempotency SET state = 'not_kept', status = NULL, headers = NULL, body = NULL, size = 0 \
               WHERE id = $1";
    OVER: "SELECT organization_id, CAST(SUM(size) AS BIGINT) FROM idempotency WHERE size > 0 \
           GROUP BY organization_id HAVING SUM(size) > $1";
    OLDEST: "SELECT id, size FROM idempotency WHERE organization_id = $1 AND size > 0 ORDER BY expires_at, id LIMIT $2";
    LEASE: "UPDATE idempotency SET lease_until = $2 WHERE id = $1 AND state = 'running'";
    LOSE_ALL: "UPDATE idempotency SET lease_until = $1 WHERE state = 'running' AND lease_until > $1";
    RELEASE: "DELETE FROM idempotency WHERE id = $1 AND state = 'running'";
    SWEEP: "DELETE FROM idempotency WHERE id IN \
            (SELECT id FROM idempotency WHERE expires_at <= $1 ORDER BY expires_at, id LIMIT $2)";
}

/// What a name stands for at `now`.
pub async fn find(
    conn: &mut Conn,
    organization_id: &str,
    key_id: &str,
    name: &str,
    now: Timestamp,
) -> Result<Option<Known>, StoreError> {
    fetch!(conn, fetch_optional, Known, FIND, organization_id, key_id, name, now.micros())
}

/// Claims a name; false where it stands for another request at `now`.
pub async fn claim(tx: &mut Tx, claim: &Claim, now: Timestamp) -> Result<bool, StoreError> {
    let Claim { id, organization_id, key_id, name, fingerprint, lease_until, expires_at } = claim;
    let (lease, end, print) = (lease_until.micros(), expires_at.micros(), fingerprint.as_slice());
    let changed = execute!(tx, CLAIM, id, organization_id, key_id, name, print, lease, end, now.micros())?;
    Ok(changed == 1)
}

/// Keeps the answer to the request that claimed a name, also if its lease has run out: it is known now.
pub async fn answer(
    tx: &mut Tx,
    id: &str,
    status: u16,
    headers: &str,
    body: &[u8],
) -> Result<(), StoreError> {
    let size = size(headers, body);
    execute!(tx, ANSWER, id, i64::from(status), headers, body, size).map(drop)
}

/// How much an answer takes, in bytes.
pub fn size(headers: &str, body: &[u8]) -> i64 {
    i64::try_from(headers.len() + body.len()).unwrap_or(i64::MAX)
}

/// Notes that a request was answered, and keeps no answer to it, not even one that is here.
pub async fn not_kept(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    execute!(tx, NOT_KEPT, id).map(drop)
}

/// Organisations of whose answers more than so many bytes are kept, and how many.
pub async fn over(conn: &mut Conn, most: i64) -> Result<Vec<(String, i64)>, StoreError> {
    fetch!(conn, fetch_all, (String, i64), OVER, most)
}

/// Lets an organisation's oldest answers go until so many bytes are free, at most `most` answers at once; how many
/// bytes became free. Their names stand for the same requests as before.
pub async fn make_room(tx: &mut Tx, organization_id: &str, bytes: i64, most: u32) -> Result<i64, StoreError> {
    let oldest = fetch!(tx, fetch_all, (String, i64), OLDEST, organization_id, i64::from(most))?;
    let mut free = 0;
    for (id, size) in oldest {
        if free >= bytes {
            break;
        }
        not_kept(tx, &id).await?;
        free += size;
    }
    Ok(free)
}

/// Answers for a request that is under way until then. A time that is over gives it up: what became of it will not
/// be known.
pub async fn lease(tx: &mut Tx, id: &str, until: Timestamp) -> Result<(), StoreError> {
    execute!(tx, LEASE, id, until.micros()).map(drop)
}

/// Gives up all that are under way: for the only host of a database, when it starts.
pub async fn lose_all(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    execute!(tx, LOSE_ALL, now.micros()).map(drop)
}

/// Forgets a request that came to nothing, so that it can be made again under the same name.
pub async fn release(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    execute!(tx, RELEASE, id).map(drop)
}

/// Forgets what is over at `now`, at most so many at once; how many were forgotten.
pub async fn sweep(tx: &mut Tx, now: Timestamp, most: u32) -> Result<u64, StoreError> {
    execute!(tx, SWEEP, now.micros(), i64::from(most))
}
