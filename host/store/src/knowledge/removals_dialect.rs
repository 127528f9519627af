//! Claiming removals: on PostgreSQL hosts pass over rows that others are just claiming; SQLite has one writer, so nobody
//! else can be.

use crate::db::Statement;

/// Who has to forget the document that is removed.
macro_rules! retriever {
    () => {
        "(SELECT k.retriever FROM knowledge_bases k WHERE k.id = removals.knowledge_base_id \
         AND removals.kind = 'document')"
    };
}

macro_rules! claim {
    ($list:literal, $lock:literal) => {
        concat!(
            "WITH due AS (SELECT id FROM removals WHERE due_at <= $1 AND (lease_until IS NULL OR lease_until <= $1) \
             AND COALESCE(",
            retriever!(),
            ", '') NOT IN (",
            $list,
            ") ORDER BY due_at, id LIMIT $2",
            $lock,
            ") UPDATE removals SET claim_id = $3, lease_until = $4 FROM due WHERE removals.id = due.id \
             RETURNING removals.id, removals.kind, removals.knowledge_base_id, removals.document_id, \
             removals.number, removals.seq, ",
            retriever!(),
            " AS retriever"
        )
    };
}

/// Claims up to `$2` removals that are due at `$1`, as `$3`, until `$4`: none that a retriever in the list `$5` has to
/// forget.
pub(super) const CLAIM: Statement = Statement {
    name: "removals_dialect::CLAIM",
    sqlite: claim!("SELECT value FROM json_each($5)", ""),
    postgres: claim!(
        "SELECT value FROM jsonb_array_elements_text(CAST($5 AS JSONB))",
        " FOR UPDATE OF removals SKIP LOCKED"
    ),
};

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(super) const ALL: &[Statement] = &[CLAIM];
