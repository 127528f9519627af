//! Claiming destinations: on PostgreSQL hosts pass over rows that others are just claiming; SQLite has one writer, so
//! nobody else can be.

use crate::db::Statement;

// Of those in trouble, or of those that are not: so many of the former may not keep the latter waiting.
macro_rules! due {
    () => {
        "SELECT id FROM destinations AS d WHERE state = 'active' AND due_at <= $1 \
         AND (lease_until IS NULL OR lease_until <= $1) AND (failures > 0) = $2 AND (\
         (organization_id IS NULL AND EXISTS (SELECT 1 FROM events AS e WHERE e.seq > d.cursor)) \
         OR EXISTS (SELECT 1 FROM events AS e WHERE e.organization_id = d.organization_id AND e.seq > d.cursor) \
         OR EXISTS (SELECT 1 FROM dead_letters AS l WHERE l.destination_id = d.id AND l.state = 'again' AND l.due_at <= $1)) \
         ORDER BY due_at, id LIMIT $3"
    };
}

macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "WITH due AS (",
            due!(),
            $lock,
            ") UPDATE destinations SET claim_id = $4, lease_until = $5 FROM due WHERE destinations.id = due.id \
             RETURNING destinations.id, destinations.owner_id, destinations.exporter"
        )
    };
}

/// Up to `$3` destinations that have something to do at `$1` and that nobody holds; `$2`: of those in trouble.
pub(crate) const DUE: Statement =
    Statement { name: "destinations_dialect::DUE", sqlite: due!(), postgres: due!() };

/// Claims them as `$4`, until `$5`.
pub(crate) const CLAIM: Statement = Statement {
    name: "destinations_dialect::CLAIM",
    sqlite: claim!(""),
    postgres: claim!(" FOR UPDATE OF d SKIP LOCKED"),
};

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) const ALL: &[Statement] = &[DUE, CLAIM];
