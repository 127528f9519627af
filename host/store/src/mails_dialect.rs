//! Claiming mail: on PostgreSQL hosts pass over rows that others are just claiming; SQLite has one writer, so
//! nobody else can be.

use crate::db::Statement;

// The plus keeps SQLite from looking for all that is due and sorting it: it goes along the deadlines.
macro_rules! claim {
    ($lock:literal) => {
        concat!(
            "WITH due AS (SELECT id FROM mails WHERE key_id = $5 AND +due_at <= $1 \
             AND (lease_until IS NULL OR lease_until <= $1) ORDER BY expires_at, id LIMIT $2",
            $lock,
            ") UPDATE mails SET claim_id = $3, lease_until = $4, attempt = attempt + 1 FROM due \
             WHERE mails.id = due.id RETURNING mails.id, mails.key_id, mails.sealed, mails.addressed, mails.attempt, \
             mails.expires_at"
        )
    };
}

/// Claims up to `$2` mails under the key `$5` that are due at `$1`, as `$3`, until `$4`.
pub(crate) const CLAIM: Statement = Statement {
    name: "mails_dialect::CLAIM",
    sqlite: claim!(""),
    postgres: claim!(" FOR UPDATE SKIP LOCKED"),
};

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) const ALL: &[Statement] = &[CLAIM];
