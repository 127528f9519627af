//! Files of the hosts' plugins folders as each host last saw its own: what they held, or why they are no version of
//! any plugin. What is in the folder now is news where it is not what is noted here.

use hardpoint_domain::time::Timestamp;

use crate::columns::Micros;
use crate::db::{execute, fetch, statements};
use crate::plugins::State;
use crate::{Conn, StoreError, Tx};

/// A file in the plugins folder.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct PluginFile {
    /// Whose folder it is in.
    pub host: String,
    /// Its name in the folder.
    pub name: String,
    /// Its bytes.
    #[sqlx(try_from = "i64")]
    pub size: u64,
    /// When it was last written to.
    #[sqlx(try_from = "Micros")]
    pub mtime: Timestamp,
    /// SHA-256 of the version that it holds, or held before it turned bad.
    pub digest: Option<String>,
    /// `Rejected` where it is no version of any plugin.
    #[sqlx(try_from = "String")]
    pub state: State,
    /// Why, for people.
    pub reason: Option<String>,
    /// When it was last looked at, or its host last said that it is still there itself.
    #[sqlx(try_from = "Micros")]
    pub seen_at: Timestamp,
}

statements! {
    PUT: "INSERT INTO plugin_files (host, name, size, mtime, digest, state, reason, seen_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (host, name) DO UPDATE SET size = excluded.size, \
          mtime = excluded.mtime, digest = excluded.digest, state = excluded.state, reason = excluded.reason, \
          seen_at = excluded.seen_at";
    REMOVE: "DELETE FROM plugin_files WHERE host = $1 AND name = $2";
    RENEW: "UPDATE plugin_files SET seen_at = $2 WHERE host = $1";
    FORGET: "DELETE FROM plugin_files WHERE host <> $1 AND seen_at < $2";
    LIST: "SELECT host, name, size, mtime, digest, state, reason, seen_at FROM plugin_files WHERE host = $1 \
           ORDER BY name";
}

/// Notes what was found out about a file, in place of what was noted before.
pub async fn put(tx: &mut Tx, file: &PluginFile) -> Result<(), StoreError> {
    let size = i64::try_from(file.size).map_err(|_| StoreError::InvalidValue("the size".into()))?;
    execute!(
        tx,
        PUT,
        &file.host,
        &file.name,
        size,
        file.mtime.micros(),
        file.digest.as_deref(),
        file.state.as_str(),
        file.reason.as_deref(),
        file.seen_at.micros(),
    )
    .map(drop)
}

/// Forgets a file: it is gone.
pub async fn remove(tx: &mut Tx, host: &str, name: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, REMOVE, host, name)? == 1)
}

/// Says that a host is still there, and forgets what others noted before a time and have not renewed since: they are
/// gone, and their folders with them.
pub async fn renew(tx: &mut Tx, host: &str, now: Timestamp, before: Timestamp) -> Result<(), StoreError> {
    execute!(tx, RENEW, host, now.micros())?;
    execute!(tx, FORGET, host, before.micros()).map(drop)
}

/// All that is noted of a host's folder, by name.
pub async fn list(conn: &mut Conn, host: &str) -> Result<Vec<PluginFile>, StoreError> {
    fetch!(conn, fetch_all, PluginFile, LIST, host)
}
