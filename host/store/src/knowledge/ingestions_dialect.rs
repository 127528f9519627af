//! Whose job is next, of those that a host takes up: the two databases read lists out of JSON in ways of their own.
//!
//! Readings and vectors have places and turns of their own: how many of the one an organisation has under way, and when
//! it last had a turn with them, is no matter for the other. So there is a statement of each kind, `readings` for both
//! databases, and of vectors one for each.

use crate::db::Statement;

/// The model whose vectors a job is to make.
macro_rules! model {
    ($job:literal) => {
        concat!(
            "(SELECT CASE ",
            $job,
            ".generation WHEN b.generation THEN b.model WHEN b.next_generation THEN b.next_model END \
             FROM knowledge_bases b WHERE b.id = ",
            $job,
            ".knowledge_base_id)"
        )
    };
}

macro_rules! among {
    (sqlite, $text:expr, $list:literal) => {
        concat!("(", $text, " IN (SELECT value FROM json_each(", $list, ")))")
    };
    (postgres, $text:expr, $list:literal) => {
        concat!("jsonb_exists(CAST(", $list, " AS JSONB), ", $text, ")")
    };
}

/// When an organisation `t` last had a turn.
macro_rules! turn {
    (readings) => {
        "t.reading_turn_at"
    };
    ($vectors:ident) => {
        "t.vectors_turn_at"
    };
}

/// Of which kind a job is, in the words of the partial indexes.
macro_rules! is_of_kind {
    (readings, $job:literal) => {
        concat!($job, ".generation = 0")
    };
    ($vectors:ident, $job:literal) => {
        concat!($job, ".generation > 0")
    };
}

/// Whether this host does such a job: makes vectors of one of its models, and not for whom it leaves that model at present.
macro_rules! is_own {
    (readings, $job:literal) => {
        "TRUE"
    };
    ($engine:ident, $job:literal) => {
        concat!(
            among!($engine, model!($job), "$2"),
            " AND NOT ",
            among!($engine, concat!("(", $job, ".organization_id || ' ' || ", model!($job), ")"), "$3")
        )
    };
}

/// Whether a job is one for this host, is due, and nobody holds it.
macro_rules! is_free {
    ($kind:ident, $job:literal) => {
        concat!(
            is_of_kind!($kind, $job),
            " AND ",
            $job,
            ".due_at <= $1 AND (",
            $job,
            ".lease_until IS NULL OR ",
            $job,
            ".lease_until <= $1) AND ",
            is_own!($kind, $job)
        )
    };
}

/// The first job in turn of the organisation `t`, of large documents or of others.
macro_rules! candidate {
    ($kind:ident, $is_large:literal) => {
        concat!(
            "SELECT i.id, i.organization_id, ",
            turn!($kind),
            " AS last_turn, (SELECT COUNT(*) FROM ingestions u WHERE u.organization_id = t.organization_id \
             AND u.lease_until > $1 AND ",
            is_of_kind!($kind, "u"),
            ") AS under_way, i.due_at, i.is_large FROM waiting t JOIN ingestions i ON i.id = (\
             SELECT f.id FROM ingestions f WHERE f.organization_id = t.organization_id AND f.is_large = ",
            $is_large,
            " AND ",
            is_free!($kind, "f"),
            " ORDER BY f.organization_id, f.is_large, f.due_at, f.id LIMIT 1)"
        )
    };
}

/// The two firsts of each organisation that has a job, of the 64 that had their last turn longest ago.
macro_rules! candidates {
    ($kind:ident) => {
        concat!(
            "WITH waiting AS (SELECT t.* FROM ingestion_turns t WHERE EXISTS (\
             SELECT 1 FROM ingestions e WHERE e.organization_id = t.organization_id AND ",
            is_free!($kind, "e"),
            ") ORDER BY ",
            turn!($kind),
            ", t.organization_id LIMIT 64) ",
            candidate!($kind, "FALSE"),
            " UNION ALL ",
            candidate!($kind, "TRUE")
        )
    };
}

macro_rules! is_due {
    ($kind:ident) => {
        concat!(
            "SELECT i.id FROM ingestions i WHERE ",
            is_free!($kind, "i"),
            " ORDER BY i.due_at, i.id LIMIT 1"
        )
    };
}

/// The readings that may be next.
pub(super) const READINGS: Statement = Statement {
    name: "ingestions_dialect::READINGS",
    sqlite: candidates!(readings),
    postgres: candidates!(readings),
};

/// The vectors that may be next.
pub(super) const VECTORS: Statement = Statement {
    name: "ingestions_dialect::VECTORS",
    sqlite: candidates!(sqlite),
    postgres: candidates!(postgres),
};

/// A reading that is due.
pub(super) const READING_IS_DUE: Statement = Statement {
    name: "ingestions_dialect::READING_IS_DUE",
    sqlite: is_due!(readings),
    postgres: is_due!(readings),
};

/// Vectors that are due.
pub(super) const VECTORS_ARE_DUE: Statement = Statement {
    name: "ingestions_dialect::VECTORS_ARE_DUE",
    sqlite: is_due!(sqlite),
    postgres: is_due!(postgres),
};

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(super) const ALL: &[Statement] = &[READINGS, VECTORS, READING_IS_DUE, VECTORS_ARE_DUE];
