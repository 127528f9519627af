//! What somebody who has the database may do to the log, and how it comes to refuse what is to be written, for
//! [`raw`](super::raw).

use hardpoint_domain::chain::{self as links, GENESIS, Place};
use hardpoint_domain::hex;

use crate::{Engine, Store, StoreError, chain, checkpoints};

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

/// SQLite refuses to keep more than fifty events of refusals.
pub const REFUSED_EVENTS: &str = "CREATE TRIGGER full BEFORE INSERT ON events WHEN NEW.kind = 'egress.refused' \
                                  AND (SELECT COUNT(*) FROM events WHERE kind = 'egress.refused') >= 50 \
                                  BEGIN SELECT RAISE(ABORT, 'refused'); END";
/// It does not any more.
pub const EVENTS_AGAIN: &str = "DROP TRIGGER full";

/// Reads from here on, so that SQLite's log cannot be emptied …
pub const READ_ON: &str = "BEGIN; SELECT COUNT(*) FROM events";
/// … until here.
pub const READ_OVER: &str = "COMMIT";

/// SQLite refuses to forget any mail.
pub const KEPT_MAILS: &str =
    "CREATE TRIGGER kept BEFORE DELETE ON mails BEGIN SELECT RAISE(ABORT, 'refused'); END";

/// Secrets cannot be read from here on …
pub const NO_SECRETS: &str = "ALTER TABLE secrets RENAME TO secrets_of_nobody";
/// … until here.
pub const SECRETS_AGAIN: &str = "ALTER TABLE secrets_of_nobody RENAME TO secrets";

/// SQLite refuses to change any plugin's row.
pub const REFUSED_PLUGINS: &str =
    "CREATE TRIGGER refused BEFORE UPDATE ON plugins BEGIN SELECT RAISE(ABORT, 'refused'); END";
/// It does not any more.
pub const PLUGINS_AGAIN: &str = "DROP TRIGGER refused";

/// The statements that edit an event, link all from there on anew and take the checkpoints away, as who has the database
/// and no key would.
pub async fn rewritten(store: &Store, from: i64) -> Result<String, StoreError> {
    let mut conn = store.read().await?;
    let head = chain::head(&mut conn).await?;
    let mut rows = checkpoints::rows(&mut conn, from - 2, head.seq, u32::MAX).await?;
    let before = if from > 1 { Some(rows.remove(0)) } else { None };
    let mut previous = before.map_or(GENESIS.to_vec(), |row| row.hash);
    let mut sql =
        format!("DELETE FROM audit_checkpoints; UPDATE events SET kind = 'key.forged' WHERE seq = {from};");
    for row in &rows {
        let place = Place {
            seq: row.seq,
            id: &row.id,
            time: row.time,
            organization_id: row.organization_id.as_deref(),
            kind: if row.seq == from { "key.forged" } else { &row.kind },
            body_hash: &row.body_hash,
        };
        previous = links::link(&previous, &place).to_vec();
        sql += &format!("UPDATE events SET hash = {} WHERE seq = {};", bytes(store, &previous), row.seq);
    }
    Ok(sql + &format!("UPDATE audit_head SET hash = {}", bytes(store, &previous)))
}

/// Bytes as each database writes them.
fn bytes(store: &Store, bytes: &[u8]) -> String {
    match store.engine() {
        Engine::Sqlite => format!("x'{}'", hex::show(bytes)),
        Engine::Postgres => format!("'\\x{}'::bytea", hex::show(bytes)),
    }
}
