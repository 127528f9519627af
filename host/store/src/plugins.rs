//! Plugins: every version that was ever published here, and which one of each is wanted.
//!
//! A version is an id and a digest; the bytes are in [`crate::Blobs`]. At most one version of an id is
//! active: those are the desired set, which hosts follow by [`crate::revision()`].

use hardpoint_domain::manifest::Kind;
use hardpoint_domain::time::Timestamp;

use crate::columns::{KindText, MaybeMicros, Micros, kind_text, words};
use crate::db::{execute, fetch, statements};
use crate::revision::raise;
use crate::{Conn, StoreError, Tx};

/// In the place of a host: the version is here by a file, and nobody knows whose. The first host that has such a file
/// says that it is its own.
pub const UNCLAIMED: &str = "unclaimed";

words! {
    /// Where a version came from.
    pub enum Source {
        /// A file in the plugins folder.
        Folder = "folder",
        /// An upload over HTTP.
        Upload = "upload",
        /// Shipped with the host.
        Shipped = "shipped",
    }
}

words! {
    /// What is to be done with a version.
    pub enum State {
        /// Serves.
        Active = "active",
        /// Served, until another version of the same plugin became active.
        Superseded = "superseded",
        /// Would serve, but an operator paused it.
        Paused = "paused",
        /// Waits for an operator.
        PendingApproval = "pending_approval",
        /// Refused, or failed to load.
        Rejected = "rejected",
        /// Taken away.
        Removed = "removed",
    }
}

/// One version of a plugin, as it is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPlugin {
    /// From the manifest.
    pub id: String,
    /// SHA-256 of the component.
    pub digest: String,
    /// From the manifest.
    pub version: String,
    /// From the manifest.
    pub kind: Kind,
    /// Bytes of the component.
    pub size: u64,
    /// The manifest's TOML text.
    pub manifest: String,
    /// Where it came from.
    pub source: Source,
    /// The file's name in the plugins folder, or as it was uploaded.
    pub file_name: Option<String>,
}

/// One version of a plugin, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Plugin {
    /// From the manifest.
    pub id: String,
    /// SHA-256 of the component.
    pub digest: String,
    /// From the manifest.
    pub version: String,
    /// From the manifest.
    #[sqlx(try_from = "KindText")]
    pub kind: Kind,
    /// Bytes of the component.
    #[sqlx(try_from = "i64")]
    pub size: u64,
    /// The manifest's TOML text.
    pub manifest: String,
    /// Where it came from, the last time.
    #[sqlx(try_from = "String")]
    pub source: Source,
    /// The file's name in the plugins folder, or as it was uploaded.
    pub file_name: Option<String>,
    /// The host whose file it is here by, which takes it away when that goes, or [`UNCLAIMED`]. None where it was
    /// uploaded, or an operator brought it back.
    pub host: Option<String>,
    /// What is to be done with it.
    #[sqlx(try_from = "String")]
    pub state: State,
    /// Why it is in that state, for people.
    pub reason: Option<String>,
    /// Who approved exactly these bytes.
    pub approved_by: Option<String>,
    /// When they were approved.
    #[sqlx(try_from = "MaybeMicros")]
    pub approved_at: Option<Timestamp>,
    /// When it last became active; none if it never did since it was last removed.
    #[sqlx(try_from = "MaybeMicros")]
    pub served_at: Option<Timestamp>,
    /// When it was first published.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
    /// When its row was last changed.
    #[sqlx(try_from = "Micros")]
    pub updated_at: Timestamp,
}

statements! {
    INSERT: "INSERT INTO plugins (id, digest, version, kind, size, manifest, source, file_name, state, reason, \
             created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11) \
             ON CONFLICT (id, digest) DO UPDATE SET source = excluded.source, file_name = excluded.file_name, \
             host = NULL, updated_at = excluded.updated_at";
    GET: "SELECT id, digest, version, kind, size, manifest, source, file_name, host, state, reason, approved_by, \
          approved_at, served_at, created_at, updated_at FROM plugins WHERE id = $1 AND digest = $2";
    LIST: "SELECT id, digest, version, kind, size, manifest, source, file_name, host, state, reason, approved_by, \
           approved_at, served_at, created_at, updated_at FROM plugins ORDER BY id, created_at DESC, digest";
    LIST_VERSIONS: "SELECT id, digest, version, kind, size, manifest, source, file_name, host, state, reason, approved_by, \
                    approved_at, served_at, created_at, updated_at FROM plugins WHERE id = $1 ORDER BY created_at DESC, digest";
    DESIRED: "SELECT id, digest, version, kind, size, manifest, source, file_name, host, state, reason, approved_by, \
              approved_at, served_at, created_at, updated_at FROM plugins WHERE state = 'active' ORDER BY id";
    ACTIVATE: "UPDATE plugins SET state = 'active', reason = NULL, served_at = $3, updated_at = $3 \
               WHERE id = $1 AND digest = $2";
    SET_STATE: "UPDATE plugins SET state = $3, reason = $4, updated_at = $5, \
                served_at = CASE WHEN $3 = 'removed' THEN NULL ELSE served_at END WHERE id = $1 AND digest = $2";
    SET_REASON: "UPDATE plugins SET reason = $3 WHERE id = $1 AND digest = $2";
    SUPERSEDE: "UPDATE plugins SET state = 'superseded', reason = NULL, updated_at = $3 \
                WHERE id = $1 AND digest <> $2 AND state = 'active'";
    SET_HOST: "UPDATE plugins SET host = $3 WHERE id = $1 AND digest = $2";
    APPROVE: "UPDATE plugins SET approved_by = $3, approved_at = $4, updated_at = $4 WHERE id = $1 AND digest = $2";
    DISAPPROVE: "UPDATE plugins SET approved_by = NULL, approved_at = NULL, updated_at = $3 \
                 WHERE id = $1 AND digest = $2";
}

/// Publishes a version. One that is known keeps its state, reason and approval, and takes over where it
/// came from this time; a new one starts in `state`. Where it came from a host's file, [`set_host`] says whose.
/// Gives the version as it now is.
pub async fn upsert(
    tx: &mut Tx,
    new: &NewPlugin,
    state: State,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<Plugin, StoreError> {
    let known = get(tx, &new.id, &new.digest).await?;
    if let Some(known) = known
        && known.source == new.source
        && known.file_name == new.file_name
    {
        return Ok(known);
    }
    raise(tx).await?;
    let size = i64::try_from(new.size).map_err(|_| StoreError::InvalidValue("the size".into()))?;
    execute!(
        tx,
        INSERT,
        &new.id,
        &new.digest,
        &new.version,
        kind_text(new.kind),
        size,
        &new.manifest,
        new.source.as_str(),
        new.file_name.as_deref(),
        state.as_str(),
        reason,
        now.micros(),
    )?;
    fetch!(tx, fetch_one, Plugin, GET, &new.id, &new.digest)
}

/// Makes this the active version of its plugin and supersedes the one that was; false where it is unknown.
pub async fn set_active(tx: &mut Tx, id: &str, digest: &str, now: Timestamp) -> Result<bool, StoreError> {
    raise(tx).await?;
    if get(tx, id, digest).await?.is_none() {
        return Ok(false);
    }
    execute!(tx, SUPERSEDE, id, digest, now.micros())?;
    execute!(tx, ACTIVATE, id, digest, now.micros())?;
    Ok(true)
}

/// Puts a version into a state and says why; false where it is unknown. For `Active` see [`set_active`]. One that
/// is removed has never served.
pub async fn set_state(
    tx: &mut Tx,
    id: &str,
    digest: &str,
    state: State,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    if state == State::Active {
        return set_active(tx, id, digest, now).await;
    }
    raise(tx).await?;
    Ok(execute!(tx, SET_STATE, id, digest, state.as_str(), reason, now.micros())? == 1)
}

/// Says why a version is in its state; it has been in it as long as before. False where it is unknown.
pub async fn set_reason(
    tx: &mut Tx,
    id: &str,
    digest: &str,
    reason: Option<&str>,
) -> Result<bool, StoreError> {
    raise(tx).await?;
    Ok(execute!(tx, SET_REASON, id, digest, reason)? == 1)
}

/// Says by which host's file a version is here, if by any; false where it is unknown.
pub async fn set_host(tx: &mut Tx, id: &str, digest: &str, host: Option<&str>) -> Result<bool, StoreError> {
    raise(tx).await?;
    Ok(execute!(tx, SET_HOST, id, digest, host)? == 1)
}

/// Notes that an operator approved exactly these bytes; false where they are unknown.
pub async fn approve(
    tx: &mut Tx,
    id: &str,
    digest: &str,
    by: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    raise(tx).await?;
    Ok(execute!(tx, APPROVE, id, digest, by, now.micros())? == 1)
}

/// Forgets who approved a version's bytes; false where they are unknown.
pub async fn disapprove(tx: &mut Tx, id: &str, digest: &str, now: Timestamp) -> Result<bool, StoreError> {
    raise(tx).await?;
    Ok(execute!(tx, DISAPPROVE, id, digest, now.micros())? == 1)
}

/// One version.
pub async fn get(conn: &mut Conn, id: &str, digest: &str) -> Result<Option<Plugin>, StoreError> {
    fetch!(conn, fetch_optional, Plugin, GET, id, digest)
}

/// Every version of every plugin, by id, newest first.
pub async fn list(conn: &mut Conn) -> Result<Vec<Plugin>, StoreError> {
    fetch!(conn, fetch_all, Plugin, LIST)
}

/// Every version of one plugin, newest first.
pub async fn versions(conn: &mut Conn, id: &str) -> Result<Vec<Plugin>, StoreError> {
    fetch!(conn, fetch_all, Plugin, LIST_VERSIONS, id)
}

/// The desired set: the active version of each plugin, by id.
pub async fn desired(conn: &mut Conn) -> Result<Vec<Plugin>, StoreError> {
    fetch!(conn, fetch_all, Plugin, DESIRED)
}
