//! What a checkpoint waits for: PostgreSQL that does not wait for the disk is told to, in this transaction, and so for all
//! that was committed before. SQLite has [`crate::Store::scrub`].

use crate::db::Statement;

/// Has this transaction wait for the disk.
pub(crate) const ON_DISK: Statement = Statement {
    name: "checkpoints_dialect::ON_DISK",
    sqlite: "SELECT 'as configured'",
    postgres: "SELECT set_config('synchronous_commit', 'on', true)",
};

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) const ALL: &[Statement] = &[ON_DISK];
