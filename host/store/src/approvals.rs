//! Approvals: somebody's yes to one request that may cost more than the threshold of its organisation's budget.

use hardpoint_domain::money::Credits;
use hardpoint_domain::time::Timestamp;

use crate::columns::{Amount, Micros};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx, Window};

/// An approval.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Approval {
    /// `apr_…`.
    pub id: String,
    /// Whose it is.
    pub organization_id: String,
    /// The most that the request may cost.
    #[sqlx(try_from = "Amount")]
    pub most: Credits,
    /// Who said yes.
    pub approved_by: String,
    /// When.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
    /// Until when it may be used.
    #[sqlx(try_from = "Micros")]
    pub expires_at: Timestamp,
    /// The request that used it.
    pub request_id: Option<String>,
}

statements! {
    INSERT: "INSERT INTO spend_approvals (id, organization_id, most, approved_by, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6)";
    USE: "UPDATE spend_approvals SET request_id = $3 WHERE id = $1 AND organization_id = $2 AND request_id IS NULL \
          AND expires_at > $4 AND most >= $5 RETURNING most";
    LIST: "SELECT id, organization_id, most, approved_by, created_at, expires_at, request_id FROM spend_approvals \
           WHERE organization_id = $1 ORDER BY id DESC LIMIT $2 OFFSET $3";
    COUNT: "SELECT COUNT(*) FROM spend_approvals WHERE organization_id = $1";
}

/// Keeps an approval.
pub async fn insert(tx: &mut Tx, approval: &Approval) -> Result<(), StoreError> {
    let Approval { id, organization_id, most, approved_by, created_at, expires_at, .. } = approval;
    let (created, expires) = (created_at.micros(), expires_at.micros());
    execute!(tx, INSERT, id, organization_id, most.micros(), approved_by, created, expires).map(drop)
}

/// Uses an approval for a request that may cost so much, and says how much it is for; none where it is not there, too
/// small, over, or used.
pub async fn spend(
    tx: &mut Tx,
    organization_id: &str,
    id: &str,
    request_id: &str,
    estimate: Credits,
    now: Timestamp,
) -> Result<Option<Credits>, StoreError> {
    let (now, estimate) = (now.micros(), estimate.micros());
    let found: Option<(i64,)> =
        fetch!(tx, fetch_optional, (i64,), USE, id, organization_id, request_id, now, estimate)?;
    Ok(found.map(|(most,)| Credits::from_micros(most)))
}

/// Approvals, newest first.
pub async fn list(
    conn: &mut Conn,
    organization_id: &str,
    window: Window,
) -> Result<Vec<Approval>, StoreError> {
    fetch!(conn, fetch_all, Approval, LIST, organization_id, window.limit, window.offset)
}

/// How many approvals there are.
pub async fn count(conn: &mut Conn, organization_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT, organization_id)?;
    Ok(count)
}
