//! The documents that answers rested on, of those that a workspace sees: see `bases_dialect.rs`.

use super::bases_dialect::seen;
use super::questions::of;
use crate::db::Statement;

macro_rules! top_sources {
    ($engine:ident) => {
        concat!(
            "SELECT d.id AS document_id, d.filename, COUNT(*) AS answers FROM questions q \
             JOIN question_sources s ON s.question_id = q.id \
             JOIN documents d ON d.id = s.document_id AND d.removed_at IS NULL \
             JOIN knowledge_bases k ON k.id = d.knowledge_base_id AND k.removed_at IS NULL AND ",
            seen!($engine),
            " WHERE ",
            of!("GROUP BY d.id, d.filename ORDER BY COUNT(*) DESC, d.id LIMIT $5")
        )
    };
}

/// Those in most answers.
pub(super) const TOP_SOURCES: Statement = Statement {
    name: "questions_dialect::TOP_SOURCES",
    sqlite: top_sources!(sqlite),
    postgres: top_sources!(postgres),
};

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(super) const ALL: &[Statement] = &[TOP_SOURCES];
