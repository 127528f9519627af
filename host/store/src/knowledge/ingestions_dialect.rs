//! Whose job is next, of those that a host takes up: the two databases read lists out of JSON in ways of their own.

use crate::db::Statement;

/// What a job is: a reading is nothing, vectors are the model that makes them.
macro_rules! work {
    ($job:literal) => {
        concat!(
            "CASE ",
            $job,
            ".generation WHEN 0 THEN '' ELSE (SELECT CASE ",
            $job,
            ".generation WHEN b.generation THEN b.model WHEN b.next_generation THEN b.next_model END \
             FROM knowledge_bases b WHERE b.id = ",
            $job,
            ".knowledge_base_id) END"
        )
    };
}

/// Whether a host takes a job up: it is among what it does, and not among what it leaves at present.
macro_rules! own {
    ($engine:ident, $job:literal, $done:literal, $left:literal) => {
        concat!(
            among!($engine, concat!("(", work!($job), ")"), $done),
            " AND NOT ",
            among!($engine, concat!("(", $job, ".organization_id || ' ' || ", work!($job), ")"), $left)
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

/// The first job in turn of the organisation `t`, of large documents or of others. Readings and vectors have places of
/// their own: how many of the one are under way is no matter for the other.
macro_rules! candidate {
    ($engine:ident, $is_large:literal) => {
        concat!(
            "SELECT i.id, i.organization_id, t.turn_at AS last_turn, (SELECT COUNT(*) FROM ingestions u \
             WHERE u.organization_id = t.organization_id AND u.lease_until > $1 \
             AND (u.generation = 0) = (i.generation = 0)) AS under_way, i.due_at, i.is_large \
             FROM waiting t JOIN ingestions i ON i.id = (SELECT f.id FROM ingestions f \
             WHERE f.organization_id = t.organization_id AND f.is_large = ",
            $is_large,
            " AND f.due_at <= $1 AND (f.lease_until IS NULL OR f.lease_until <= $1) AND ",
            own!($engine, "f", "$3", "$4"),
            " ORDER BY f.organization_id, f.is_large, f.due_at, f.id LIMIT 1)"
        )
    };
}

macro_rules! candidates {
    ($engine:ident) => {
        concat!(
            "WITH waiting AS (SELECT t.organization_id, t.turn_at FROM ingestion_turns t WHERE EXISTS (\
             SELECT 1 FROM ingestions e WHERE e.organization_id = t.organization_id AND e.due_at <= $1 \
             AND (e.lease_until IS NULL OR e.lease_until <= $1) AND ",
            own!($engine, "e", "$3", "$4"),
            ") ORDER BY t.turn_at, t.organization_id LIMIT $2) ",
            candidate!($engine, "FALSE"),
            " UNION ALL ",
            candidate!($engine, "TRUE")
        )
    };
}

macro_rules! is_due {
    ($engine:ident) => {
        concat!(
            "SELECT i.id FROM ingestions i WHERE i.due_at <= $1 AND (i.lease_until IS NULL OR i.lease_until <= $1) AND ",
            own!($engine, "i", "$2", "$3"),
            " ORDER BY i.due_at, i.id LIMIT 1"
        )
    };
}

/// The two firsts of each organisation that has a job that is due.
pub(super) const CANDIDATES: Statement = Statement {
    name: "ingestions_dialect::CANDIDATES",
    sqlite: candidates!(sqlite),
    postgres: candidates!(postgres),
};

/// A job that is due.
pub(super) const IS_DUE: Statement =
    Statement { name: "ingestions_dialect::IS_DUE", sqlite: is_due!(sqlite), postgres: is_due!(postgres) };

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(super) const ALL: &[Statement] = &[CANDIDATES, IS_DUE];
