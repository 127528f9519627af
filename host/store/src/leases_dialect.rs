//! Leases that are renewed, kept and taken back by many hosts at once: on PostgreSQL rows are locked in the order of
//! their ids, or passed over where another host is just at them; SQLite has one writer, so nobody else can be.

use crate::db::Statement;

macro_rules! sweep {
    ($lock:literal) => {
        concat!(
            "WITH due AS (SELECT id FROM credit_leases WHERE is_open AND expires_at < $1 ORDER BY expires_at, id \
             LIMIT $2",
            $lock,
            ") UPDATE credit_leases SET is_open = FALSE FROM due \
             WHERE credit_leases.id = due.id AND credit_leases.is_open \
             RETURNING credit_leases.id, credit_leases.organization_id, credit_leases.granted, \
             credit_leases.spent, credit_leases.period_begin"
        )
    };
}

/// Closes up to `$2` leases that ended before `$1`.
pub(crate) const SWEEP: Statement = Statement {
    name: "leases_dialect::SWEEP",
    sqlite: sweep!(""),
    postgres: sweep!(" FOR UPDATE SKIP LOCKED"),
};

/// Lets the open ones of the leases in the list `$1`, a JSON array, live until `$2`, and names them.
pub(crate) const RENEW: Statement = Statement {
    name: "leases_dialect::RENEW",
    sqlite: "UPDATE credit_leases SET expires_at = $2 WHERE is_open AND id IN (SELECT value FROM json_each($1)) \
             RETURNING id",
    postgres: "WITH due AS (SELECT id FROM credit_leases \
               WHERE is_open AND id IN (SELECT jsonb_array_elements_text(CAST($1 AS JSONB))) ORDER BY id FOR UPDATE) \
               UPDATE credit_leases SET expires_at = $2 FROM due WHERE credit_leases.id = due.id \
               RETURNING credit_leases.id",
};

macro_rules! keep {
    ($lock:literal) => {
        concat!("SELECT id FROM credit_leases WHERE id = $1 AND is_open", $lock)
    };
}

/// An open lease, which nobody closes until this transaction ends.
pub(crate) const KEEP: Statement =
    Statement { name: "leases_dialect::KEEP", sqlite: keep!(""), postgres: keep!(" FOR SHARE") };

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) const ALL: &[Statement] = &[SWEEP, RENEW, KEEP];
