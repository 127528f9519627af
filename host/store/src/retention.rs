//! How long events keep their bodies. What is purged keeps its place in the chain: its number, its hashes, its time,
//! its kind and whose it was.

use hardpoint_domain::chain::verify::PURGED;
use hardpoint_domain::time::Timestamp;

use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx, organizations};

statements! {
    OWN: "SELECT audit_retention_days FROM organizations WHERE id = $1";
    SET_OWN: "UPDATE organizations SET audit_retention_days = $2 WHERE id = $1";
    MARK: "SELECT before FROM audit_purges WHERE organization_id = $1";
    SET_MARK: "INSERT INTO audit_purges (organization_id, before) VALUES ($1, $2) \
               ON CONFLICT (organization_id) DO UPDATE SET before = excluded.before";
    IS_DUE: "SELECT id FROM events WHERE organization_id = $1 AND time >= $2 AND time < $3 AND kind <> $4 \
             AND seq IS NOT NULL AND body IS NOT NULL ORDER BY time, id LIMIT 1";
    PURGE: "UPDATE events SET body = NULL, workspace_id = NULL, actor_id = NULL, target_id = NULL, request_id = NULL \
            WHERE body IS NOT NULL AND id IN (SELECT id FROM events WHERE organization_id = $1 AND time >= $2 \
            AND time < $3 AND kind <> $4 AND seq IS NOT NULL AND body IS NOT NULL ORDER BY time, id LIMIT $5) \
            RETURNING time";
    // By an index of just these, `events_of_strangers`: so the kinds stand here in full.
    IS_DUE_OF_STRANGERS: "SELECT id FROM events WHERE organization_id IS NULL \
                          AND kind IN ('request.refused', 'login.failed') AND body IS NOT NULL \
                          AND seq IS NOT NULL AND time < $1 ORDER BY time, id LIMIT 1";
    PURGE_OF_STRANGERS: "UPDATE events SET body = NULL, workspace_id = NULL, actor_id = NULL, target_id = NULL, \
                         request_id = NULL WHERE body IS NOT NULL AND id IN (SELECT id FROM events \
                         WHERE organization_id IS NULL AND kind IN ('request.refused', 'login.failed') \
                         AND body IS NOT NULL AND seq IS NOT NULL AND time < $1 ORDER BY time, id LIMIT $2)";
}

/// The kind of the events that tell of refused requests.
pub const REQUEST_REFUSED: &str = "request.refused";
/// The kind of the events that tell of failed logins.
pub const LOGIN_FAILED: &str = "login.failed";

/// What a purge took away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purged {
    /// Bodies that were taken away.
    pub count: i64,
    /// All of them are of before then.
    pub before: Timestamp,
    /// Whether nothing is left of before then.
    pub is_whole: bool,
}

/// The days that an organisation was given of its own; none where it has its plan's, or is none.
pub async fn own_days(conn: &mut Conn, organization_id: &str) -> Result<Option<i64>, StoreError> {
    let found = fetch!(conn, fetch_optional, (Option<i64>,), OWN, organization_id)?;
    Ok(found.and_then(|(days,)| days))
}

/// Gives an organisation days of its own, or none; false where there is none of this id.
pub async fn set_own_days(tx: &mut Tx, organization_id: &str, days: Option<i64>) -> Result<bool, StoreError> {
    Ok(execute!(tx, SET_OWN, organization_id, days)? == 1)
}

/// Whether an organisation has any body of before then that is still to be purged.
pub async fn is_due(conn: &mut Conn, organization_id: &str, before: Timestamp) -> Result<bool, StoreError> {
    let mark = mark(conn, organization_id).await?;
    let found =
        fetch!(conn, fetch_optional, (String,), IS_DUE, organization_id, mark, before.micros(), PURGED)?;
    Ok(found.is_some())
}

/// Takes away up to `limit` bodies of an organisation of before then, oldest first. One host at a time: two would pick
/// the same rows, and the one that comes second would find none left of those, and take that for the end.
pub async fn purge(
    tx: &mut Tx,
    organization_id: &str,
    before: Timestamp,
    limit: u32,
) -> Result<Purged, StoreError> {
    organizations::hold(tx, organization_id).await?;
    let mark = mark(tx, organization_id).await?;
    let limit = i64::from(limit);
    let times = fetch!(tx, fetch_all, (i64,), PURGE, organization_id, mark, before.micros(), PURGED, limit)?;
    let count = i64::try_from(times.len()).unwrap_or(i64::MAX);
    let is_whole = count < limit;
    // The next round goes on where this one ended, and does not walk through what it took away.
    let reached = times.iter().map(|(time,)| *time).max().filter(|_| !is_whole).unwrap_or(before.micros());
    execute!(tx, SET_MARK, organization_id, reached.max(mark))?;
    Ok(Purged { count, before, is_whole })
}

/// Whether any body is still to be purged that tells of refusals of before then of nobody's.
pub async fn is_due_of_strangers(conn: &mut Conn, before: Timestamp) -> Result<bool, StoreError> {
    Ok(fetch!(conn, fetch_optional, (String,), IS_DUE_OF_STRANGERS, before.micros())?.is_some())
}

/// Takes away up to `limit` bodies that tell of refusals of before then of nobody's, oldest first, and says how many.
pub async fn purge_of_strangers(tx: &mut Tx, before: Timestamp, limit: u32) -> Result<i64, StoreError> {
    let purged = execute!(tx, PURGE_OF_STRANGERS, before.micros(), i64::from(limit))?;
    Ok(i64::try_from(purged).unwrap_or(i64::MAX))
}

async fn mark(conn: &mut Conn, organization_id: &str) -> Result<i64, StoreError> {
    Ok(fetch!(conn, fetch_optional, (i64,), MARK, organization_id)?.map_or(i64::MIN, |(before,)| before))
}
