//! Claiming destinations: on PostgreSQL hosts pass over rows that others are just claiming; SQLite has one writer, so
//! nobody else can be. And a list as an argument.

use crate::db::Statement;

/// Destinations that have something to do at `$1` and that nobody holds: up to `$2` that are well, and as many that are
/// slow or in trouble, so that none of these hides one of those. Of each organisation the one that waits longest comes
/// first, then of each the next: where one has very many, the others' are among them.
///
/// What is due after `$3` or held beyond `$4` was written by a clock that was wrong.
macro_rules! due {
    () => {
        "SELECT id, owner_id, exporter, is_slow FROM (\
         SELECT id, owner_id, exporter, is_slow, due_at, turn, \
         ROW_NUMBER() OVER (PARTITION BY is_slow ORDER BY turn, due_at, id) AS place FROM (\
         SELECT d.id, d.owner_id, d.exporter, d.due_at, (d.is_slow OR d.failures > 0) AS is_slow, ROW_NUMBER() OVER (\
         PARTITION BY d.owner_id, (d.is_slow OR d.failures > 0) ORDER BY d.due_at, d.id) AS turn \
         FROM destinations AS d WHERE d.state = 'active' AND (d.due_at <= $1 OR d.due_at > $3) \
         AND (d.lease_until IS NULL OR d.lease_until <= $1 OR d.lease_until > $4) AND (\
         (d.organization_id IS NULL AND EXISTS (SELECT 1 FROM events AS e WHERE e.seq > d.cursor)) \
         OR EXISTS (SELECT 1 FROM events AS e WHERE e.organization_id = d.organization_id AND e.seq > d.cursor) \
         OR EXISTS (SELECT 1 FROM dead_letters AS l WHERE l.destination_id = d.id AND l.state = 'again' \
         AND (l.due_at <= $1 OR l.due_at > $3)))\
         ) AS due) AS due WHERE place <= $2 ORDER BY turn, due_at, id"
    };
}

macro_rules! claim {
    ($list:literal, $least:literal, $now:literal, $lock:literal) => {
        concat!(
            "WITH due AS (SELECT id FROM destinations WHERE id ",
            $list,
            " AND state = 'active' AND (due_at <= $2 OR due_at > $5) \
             AND (lease_until IS NULL OR lease_until <= $2 OR lease_until > $6)",
            $lock,
            ") UPDATE destinations SET claim_id = $3, lease_until = $4, due_at = ",
            $least,
            "($2, (SELECT COALESCE(MAX(waiting.due_at), 0) + 1 FROM destinations AS waiting \
             WHERE waiting.state = 'active' AND waiting.due_at <= ",
            $now,
            ")) FROM due WHERE destinations.id = due.id RETURNING destinations.id"
        )
    };
}

pub(crate) const DUE: Statement =
    Statement { name: "destinations_dialect::DUE", sqlite: due!(), postgres: due!() };

/// Claims those in the list `$1`, a JSON array of ids, that are still due at `$2`, as `$3`, until `$4`; `$5` and `$6` as
/// `$3` and `$4` of [`DUE`]. They are put behind all others that are due, and not at `$2` itself: a clock that is ahead
/// would put them off. Nor, for the same reason, behind those that are due by that clock alone: by the database's too. What is
/// 0 once they are let go of was asked for meanwhile.
pub(crate) const CLAIM: Statement = Statement {
    name: "destinations_dialect::CLAIM",
    sqlite: claim!("IN (SELECT value FROM json_each($1))", "MIN", "$2", ""),
    postgres: claim!(
        "= ANY (ARRAY(SELECT jsonb_array_elements_text($1::jsonb)))",
        "LEAST",
        "LEAST($2, CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT))",
        " FOR UPDATE SKIP LOCKED"
    ),
};

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) const ALL: &[Statement] = &[DUE, CLAIM];
