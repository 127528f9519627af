//! Which knowledge bases a workspace sees: the two databases look into JSON in ways of their own. And holding one: on
//! PostgreSQL others wait for the row; SQLite has one writer, so nobody else can be there.

use super::bases::columns;
use crate::db::Statement;

/// Whether `k` is seen from the workspace `$2`, or from everywhere where that is null.
macro_rules! seen {
    (sqlite) => {
        "(CAST($2 AS TEXT) IS NULL OR k.shared_with IS NULL \
         OR EXISTS (SELECT 1 FROM json_each(k.shared_with) WHERE value = $2))"
    };
    (postgres) => {
        "(CAST($2 AS TEXT) IS NULL OR k.shared_with IS NULL OR jsonb_exists(CAST(k.shared_with AS JSONB), $2))"
    };
}
pub(super) use seen;

macro_rules! of_organization {
    ($engine:ident, $what:expr, $rest:literal) => {
        concat!(
            "SELECT ",
            $what,
            " FROM knowledge_bases k WHERE k.organization_id = $1 AND k.removed_at IS NULL AND ",
            seen!($engine),
            $rest
        )
    };
}

macro_rules! hold {
    ($lock:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM knowledge_bases k WHERE k.id = $1 AND k.removed_at IS NULL",
            $lock
        )
    };
}

/// Those of `$1` that are seen from `$2`.
pub(super) const LIST: Statement = Statement {
    name: "bases_dialect::LIST",
    sqlite: of_organization!(sqlite, columns!(), " ORDER BY k.created_at DESC, k.id DESC LIMIT $3 OFFSET $4"),
    postgres: of_organization!(
        postgres,
        columns!(),
        " ORDER BY k.created_at DESC, k.id DESC LIMIT $3 OFFSET $4"
    ),
};

/// How many there are.
pub(super) const COUNT: Statement = Statement {
    name: "bases_dialect::COUNT",
    sqlite: of_organization!(sqlite, "COUNT(*)", ""),
    postgres: of_organization!(postgres, "COUNT(*)", ""),
};

/// One that is to stay as it is.
pub(super) const SHARE: Statement =
    Statement { name: "bases_dialect::SHARE", sqlite: hold!(""), postgres: hold!(" FOR SHARE") };

/// One that is to be changed.
pub(super) const HOLD: Statement =
    Statement { name: "bases_dialect::HOLD", sqlite: hold!(""), postgres: hold!(" FOR UPDATE") };

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(super) const ALL: &[Statement] = &[LIST, COUNT, SHARE, HOLD];
