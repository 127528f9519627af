//! Claiming deliveries: on PostgreSQL hosts pass over rows that others are just claiming; SQLite has
//! one writer, so nobody else can be. And lists as arguments.

use crate::db::Statement;

macro_rules! claim {
    ($which:literal, $sets:literal, $lock:literal) => {
        concat!(
            "WITH due AS (SELECT id FROM outbox WHERE destination = $5 AND state = 'open' AND ",
            $which,
            " AND (lease_until IS NULL OR lease_until <= $1 OR lease_until > $4 + ($4 - $1)) \
             ORDER BY due_at, id LIMIT $2",
            $lock,
            ") UPDATE outbox SET claim_id = $3, lease_until = $4, attempted_at = $1, attempt = attempt + 1",
            $sets,
            " FROM due WHERE outbox.id = due.id RETURNING outbox.id, outbox.event_id, outbox.destination, outbox.kind, \
             outbox.created_at, outbox.state, outbox.accepted_at, outbox.due_at, outbox.attempt, outbox.claim_id, \
             outbox.lease_until, outbox.ended_at, outbox.last_error, outbox.attempts, \
             (SELECT body FROM events WHERE events.id = outbox.event_id) AS body"
        )
    };
}

/// Claims up to `$2` deliveries to `$5` that are due at `$1`, as `$3`, until `$4`. A claim for more than twice as long was
/// made by a clock that was wrong, and holds nothing.
pub(crate) const CLAIM_DUE: Statement = Statement {
    name: "outbox_dialect::CLAIM_DUE",
    sqlite: claim!("due_at <= $1", "", ""),
    postgres: claim!("due_at <= $1", "", " FOR UPDATE SKIP LOCKED"),
};

/// The same, also of those that were last tried at `$6` or before; or by a clock that was wrong, later than a claim of now
/// ends. They are due from now on: one that is not sent after all, by a host that stops or is lost, is found again by that.
pub(crate) const CLAIM_EARLY: Statement = Statement {
    name: "outbox_dialect::CLAIM_EARLY",
    sqlite: claim!(
        "(due_at <= $1 OR attempted_at <= $6 OR attempted_at > $4)",
        ", due_at = CASE WHEN due_at < $1 THEN due_at ELSE $1 END",
        ""
    ),
    postgres: claim!(
        "(due_at <= $1 OR attempted_at <= $6 OR attempted_at > $4)",
        ", due_at = CASE WHEN due_at < $1 THEN due_at ELSE $1 END",
        " FOR UPDATE SKIP LOCKED"
    ),
};

/// Ends claims in the list `$1`, a JSON array of objects with `id` and `claim_id`; with `attempts` too where the
/// delivery was made at `$2`. What is claimed is open: that is not asked for once more, or PostgreSQL would have an index of
/// all that is open to begin with, and prefer it where little was when it last counted.
macro_rules! end_claims {
    ($sets:literal, $sqlite:literal, $postgres:literal, $gives:literal) => {
        [
            concat!(
                "UPDATE outbox SET claim_id = NULL, lease_until = NULL, ",
                $sets,
                " FROM (SELECT json_extract(value, '$.id') AS id, json_extract(value, '$.claim_id') AS claim_id",
                $sqlite,
                " FROM json_each($1)) AS ended WHERE outbox.id = ended.id AND outbox.claim_id = ended.claim_id",
                $gives
            ),
            concat!(
                "UPDATE outbox SET claim_id = NULL, lease_until = NULL, ",
                $sets,
                " FROM jsonb_to_recordset(CAST($1 AS JSONB)) AS ended (id TEXT, claim_id TEXT",
                $postgres,
                ") WHERE outbox.id = ended.id COLLATE \"C\" AND outbox.claim_id = ended.claim_id COLLATE \"C\"",
                $gives
            ),
        ]
    };
}

const MADE_TEXTS: [&str; 2] = end_claims!(
    "state = 'delivered', ended_at = $2, last_error = NULL, attempts = ended.attempts",
    ", json_extract(value, '$.attempts') AS attempts",
    ", attempts TEXT",
    " RETURNING outbox.id"
);
const UNCLAIM_TEXTS: [&str; 2] = end_claims!("attempt = attempt - 1", "", "", "");

/// Writes down that claimed deliveries were made; gives those whose claim counts.
pub(crate) const MADE: Statement =
    Statement { name: "outbox_dialect::MADE", sqlite: MADE_TEXTS[0], postgres: MADE_TEXTS[1] };

/// Gives claimed deliveries back that were not tried.
pub(crate) const UNCLAIM: Statement =
    Statement { name: "outbox_dialect::UNCLAIM", sqlite: UNCLAIM_TEXTS[0], postgres: UNCLAIM_TEXTS[1] };

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) const ALL: &[Statement] = &[CLAIM_DUE, CLAIM_EARLY, MADE, UNCLAIM];
