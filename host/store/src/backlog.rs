//! How much waits to be delivered, to webhook endpoints and to destinations: for whoever watches the hosts.

use hardpoint_domain::time::Timestamp;

use crate::db::{fetch, statements};
use crate::{Conn, StoreError};

/// The most deliveries that are counted.
pub const MOST_COUNTED: i64 = 100_000;

/// What waits, of all organisations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Deliveries to endpoints that are to be made, at most [`MOST_COUNTED`].
    pub pending: i64,
    /// Since when the first of those is due that nothing holds up: its endpoint is well, and nobody has claimed it.
    pub overdue_since: Option<Timestamp>,
    /// Endpoints by how they are: `active`, `failing` (their breaker is open), `disabled`.
    pub endpoints: Vec<(String, i64)>,
    /// Destinations by how they are: `active`, `failing` (their last attempt settled nothing), `paused`, `parked`.
    pub destinations: Vec<(String, i64)>,
}

statements! {
    PENDING: "SELECT COUNT(*) FROM (SELECT id FROM outbox WHERE ended_at IS NULL ORDER BY accepted_at LIMIT $1) AS open";
    // Of each endpoint only the first: there may be many more.
    OVERDUE: "SELECT CAST(MIN(oldest) AS BIGINT) FROM (SELECT (SELECT o.due_at FROM outbox o \
              WHERE o.destination = e.id AND o.state = 'open' AND o.due_at <= $1 \
              AND (o.lease_until IS NULL OR o.lease_until <= $1) ORDER BY o.due_at, o.id LIMIT 1) AS oldest \
              FROM webhook_endpoints e WHERE e.is_enabled AND e.probe_at IS NULL) AS overdue";
    ENDPOINTS: "SELECT CASE WHEN NOT is_enabled THEN 'disabled' WHEN probe_at IS NULL THEN 'active' ELSE 'failing' END \
                AS health, COUNT(*) FROM webhook_endpoints GROUP BY 1 ORDER BY 1";
    DESTINATIONS: "SELECT CASE WHEN state = 'active' AND failures > 0 THEN 'failing' ELSE state END AS health, \
                   COUNT(*) FROM destinations GROUP BY 1 ORDER BY 1";
}

/// What waits now.
pub async fn backlog(conn: &mut Conn, now: Timestamp) -> Result<Backlog, StoreError> {
    let (pending,): (i64,) = fetch!(conn, fetch_one, (i64,), PENDING, MOST_COUNTED)?;
    let (overdue,): (Option<i64>,) = fetch!(conn, fetch_one, (Option<i64>,), OVERDUE, now.micros())?;
    let endpoints = fetch!(conn, fetch_all, (String, i64), ENDPOINTS)?;
    let destinations = fetch!(conn, fetch_all, (String, i64), DESTINATIONS)?;
    Ok(Backlog { pending, overdue_since: overdue.map(Timestamp::from_micros), endpoints, destinations })
}
