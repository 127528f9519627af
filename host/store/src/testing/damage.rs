//! What somebody who has the database may do to the log, and how it comes to refuse what is to be written, for
//! [`raw`](super::raw).

/// Another body for the fourth event.
pub const EDITED_4: &str = "UPDATE events SET body = body_hash WHERE seq = 4";
/// The second event is gone.
pub const DELETED_2: &str = "DELETE FROM events WHERE seq = 2";
/// All after the second event is gone, and what tells that there was more.
pub const CUT_AFTER_2: &str = "DELETE FROM audit_checkpoints; DELETE FROM events WHERE seq > 2; \
                               UPDATE audit_head SET seq = 2, hash = (SELECT hash FROM events WHERE seq = 2)";
/// The body of the last event that tells of a purge is gone.
pub const ERASED_PURGE: &str = "UPDATE events SET body = NULL, target_id = NULL WHERE kind = 'audit_log.purged' \
                                AND seq = (SELECT MAX(seq) FROM events WHERE kind = 'audit_log.purged')";

/// SQLite refuses to change any plugin's row.
pub const REFUSED_PLUGINS: &str =
    "CREATE TRIGGER refused BEFORE UPDATE ON plugins BEGIN SELECT RAISE(ABORT, 'refused'); END";
/// It does not any more.
pub const PLUGINS_AGAIN: &str = "DROP TRIGGER refused";
