//! The documents that a workspace sees, and holding one: see `bases_dialect.rs`.

use super::bases_dialect::seen;
use super::documents::{columns, there};
use crate::db::Statement;

macro_rules! list {
    ($engine:ident) => {
        concat!(
            "SELECT ",
            columns!(),
            there!(),
            "d.organization_id = $1 AND ",
            seen!($engine),
            " ORDER BY d.created_at DESC, d.id DESC LIMIT $3 OFFSET $4"
        )
    };
}

macro_rules! count {
    ($engine:ident) => {
        concat!("SELECT COUNT(*)", there!(), "d.organization_id = $1 AND ", seen!($engine))
    };
}

macro_rules! hold {
    ($lock:literal) => {
        concat!("SELECT edition FROM documents WHERE id = $1 AND removed_at IS NULL", $lock)
    };
}

/// Those of `$1` that are seen from `$2`.
pub(super) const LIST_SEEN: Statement =
    Statement { name: "documents_dialect::LIST_SEEN", sqlite: list!(sqlite), postgres: list!(postgres) };

/// How many there are.
pub(super) const COUNT_SEEN: Statement =
    Statement { name: "documents_dialect::COUNT_SEEN", sqlite: count!(sqlite), postgres: count!(postgres) };

/// One that is to be changed.
pub(super) const HOLD: Statement =
    Statement { name: "documents_dialect::HOLD", sqlite: hold!(""), postgres: hold!(" FOR UPDATE") };

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(super) const ALL: &[Statement] = &[LIST_SEEN, COUNT_SEEN, HOLD];
