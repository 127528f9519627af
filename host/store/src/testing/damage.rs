//! What somebody who has the database may do to the log, for [`raw`](super::raw).

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
