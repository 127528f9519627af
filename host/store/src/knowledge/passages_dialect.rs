//! Lists as arguments, which the two databases read out of JSON in ways of their own.

use super::passages::columns;
use crate::db::Statement;

// SQLite keeps to the order of a `CROSS JOIN`: few chunks are asked for, and there may be many documents.
macro_rules! by_ids {
    ($join:literal, $list:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            ", d.id AS document_id, d.filename, d.title AS document_title, p.title AS page_title \
             FROM chunks c ",
            $join,
            " documents d ON d.id = c.document_id AND d.edition = c.edition ",
            $join,
            " knowledge_bases k ON k.id = d.knowledge_base_id \
             LEFT JOIN pages p ON p.document_id = c.document_id AND p.edition = c.edition AND p.number = c.first_page \
             WHERE d.knowledge_base_id = $1 AND d.removed_at IS NULL AND k.removed_at IS NULL AND c.id ",
            $list
        )
    };
}

macro_rules! vectors_by_ids {
    ($join:literal, $list:literal) => {
        concat!(
            "SELECT c.id, v.vector FROM chunks c ",
            $join,
            " documents d ON d.id = c.document_id AND d.edition = c.edition ",
            $join,
            " vectors v ON v.document_id = c.document_id AND v.edition = c.edition AND v.generation = $3 \
             AND v.ordinal = c.ordinal WHERE d.knowledge_base_id = $1 AND d.removed_at IS NULL AND c.id ",
            $list
        )
    };
}

/// Keeps the pages in the list `$1` as those of edition `$3` of the document `$2`.
pub(super) const STAGE_PAGES: Statement = Statement {
    name: "passages_dialect::STAGE_PAGES",
    sqlite: "INSERT INTO pages (document_id, edition, number, title, text) \
             SELECT $2, $3, json_extract(value, '$.number'), json_extract(value, '$.title'), \
             json_extract(value, '$.text') FROM json_each($1)",
    postgres: "INSERT INTO pages (document_id, edition, number, title, text) \
               SELECT $2, $3, number, title, text FROM jsonb_to_recordset(CAST($1 AS JSONB)) \
               AS staged (number BIGINT, title TEXT, text TEXT)",
};

/// The same of chunks.
pub(super) const STAGE_CHUNKS: Statement = Statement {
    name: "passages_dialect::STAGE_CHUNKS",
    sqlite: "INSERT INTO chunks (document_id, edition, id, ordinal, text, embedded_text, first_page, last_page, \
             begins_at, ends_at, metadata) SELECT $2, $3, json_extract(value, '$.id'), \
             json_extract(value, '$.ordinal'), json_extract(value, '$.text'), \
             json_extract(value, '$.embedded_text'), json_extract(value, '$.first_page'), \
             json_extract(value, '$.last_page'), json_extract(value, '$.begins_at'), \
             json_extract(value, '$.ends_at'), json_extract(value, '$.metadata') FROM json_each($1)",
    postgres: "INSERT INTO chunks (document_id, edition, id, ordinal, text, embedded_text, first_page, last_page, \
               begins_at, ends_at, metadata) SELECT $2, $3, id, ordinal, text, embedded_text, first_page, last_page, \
               begins_at, ends_at, metadata FROM jsonb_to_recordset(CAST($1 AS JSONB)) AS staged \
               (id TEXT, ordinal BIGINT, text TEXT, embedded_text TEXT, first_page BIGINT, last_page BIGINT, \
               begins_at BIGINT, ends_at BIGINT, metadata TEXT)",
};

/// Keeps the vectors in the list `$1`, a JSON array of hex digits, as those of generation `$4` of edition `$3` of the
/// document `$2`, from the chunk `$5` on.
pub(super) const KEEP_VECTORS: Statement = Statement {
    name: "passages_dialect::KEEP_VECTORS",
    sqlite: "INSERT INTO vectors (document_id, edition, generation, ordinal, vector) \
             SELECT $2, $3, $4, $5 + key, unhex(value) FROM json_each($1)",
    postgres: "INSERT INTO vectors (document_id, edition, generation, ordinal, vector) \
               SELECT $2, $3, $4, $5 + place - 1, decode(value, 'hex') \
               FROM jsonb_array_elements_text(CAST($1 AS JSONB)) WITH ORDINALITY AS kept (value, place)",
};

/// Those of the list `$2`, a JSON array of ids, that can be found in `$1`.
pub(super) const BY_IDS: Statement = Statement {
    name: "passages_dialect::BY_IDS",
    sqlite: by_ids!("CROSS JOIN", "IN (SELECT value FROM json_each($2))"),
    postgres: by_ids!("JOIN", "= ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($2 AS JSONB))))"),
};

/// The vectors of generation `$3` of those chunks.
pub(super) const VECTORS_BY_IDS: Statement = Statement {
    name: "passages_dialect::VECTORS_BY_IDS",
    sqlite: vectors_by_ids!("CROSS JOIN", "IN (SELECT value FROM json_each($2))"),
    postgres: vectors_by_ids!("JOIN", "= ANY (ARRAY(SELECT jsonb_array_elements_text(CAST($2 AS JSONB))))"),
};

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(super) const ALL: &[Statement] = &[STAGE_PAGES, STAGE_CHUNKS, KEEP_VECTORS, BY_IDS, VECTORS_BY_IDS];
