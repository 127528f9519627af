//! Whether a database was ever migrated: each has its own list of tables.

use crate::db::Statement;

/// Whether there is a list of migrations.
pub(crate) const HAS_LIST: Statement = Statement {
    name: "migrate_dialect::HAS_LIST",
    sqlite: "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'migrations')",
    postgres: "SELECT to_regclass('migrations') IS NOT NULL",
};

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) const ALL: &[Statement] = &[HAS_LIST];
