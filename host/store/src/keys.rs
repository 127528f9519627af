//! API keys. Only the SHA-256 of a key's text is here; looking one up by it is on the way of every request.

pub use hardpoint_domain::access::Role;
use hardpoint_domain::plan::Rates;
use hardpoint_domain::time::Timestamp;

use crate::columns::{JsonTexts, MaybeMicros, Micros, RatesJson, json_texts};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx, Window};

/// A key, all but its text and hash.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Key {
    /// `key_…`.
    pub id: String,
    /// Whose it is.
    pub organization_id: String,
    /// The only workspace that it may be used in; all of them where there is none.
    pub workspace_id: Option<String>,
    /// For people; may be empty.
    pub label: String,
    /// What its holder is.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// What people may see of the text: its prefix and last characters.
    pub hint: String,
    /// `verb:resource`; none means all that the role allows.
    #[sqlx(try_from = "JsonTexts")]
    pub scopes: Vec<String>,
    /// False for a test key.
    pub livemode: bool,
    /// Requests it may make in a minute; as many as the plan allows where there is none.
    pub rate_limit_per_minute: Option<i64>,
    /// The same for an hour.
    pub rate_limit_per_hour: Option<i64>,
    /// From when on it is refused.
    #[sqlx(try_from = "MaybeMicros")]
    pub expires_at: Option<Timestamp>,
    /// Since when it is refused for good.
    #[sqlx(try_from = "MaybeMicros")]
    pub archived_at: Option<Timestamp>,
    /// When it was made.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
    /// When it was last used, as far as was noted.
    #[sqlx(try_from = "MaybeMicros")]
    pub last_used_at: Option<Timestamp>,
}

/// A key to be kept.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// All but its text.
    pub key: Key,
    /// SHA-256 of its text.
    pub hash: [u8; 32],
}

/// What authentication needs, in one look-up. Archived and expired keys are found too; whether they
/// are refused depends on the time, which the caller has.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Credential {
    /// The key.
    #[sqlx(flatten)]
    pub key: Key,
    /// The organisation's name.
    pub organization_name: String,
    /// The organisation's plan.
    pub plan: String,
    /// The organisation's own limits, in the place of its plan's.
    #[sqlx(try_from = "RatesJson")]
    pub rates: Rates,
}

/// The columns of a [`Key`].
macro_rules! select {
    ($rest:literal) => {
        select!("", $rest)
    };
    ($more:literal, $rest:literal) => {
        concat!(
            "SELECT k.id, k.organization_id, k.workspace_id, k.label, k.role, k.hint, k.scopes, k.livemode, \
             k.rate_limit_per_minute, k.rate_limit_per_hour, k.expires_at, k.archived_at, k.created_at, \
             k.last_used_at",
            $more,
            " FROM api_keys k ",
            $rest
        )
    };
}

statements! {
    INSERT: "INSERT INTO api_keys (id, organization_id, workspace_id, label, role, hash, hint, scopes, livemode, \
             rate_limit_per_minute, rate_limit_per_hour, expires_at, archived_at, created_at, last_used_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    FIND_BY_HASH: select!(
        ", o.name AS organization_name, o.plan, o.rates",
        "JOIN organizations o ON o.id = k.organization_id WHERE k.hash = $1"
    );
    FIND: select!("WHERE k.id = $1");
    LIST: select!(
        "WHERE k.organization_id = $1 AND (CAST($2 AS TEXT) IS NULL OR k.workspace_id = $2) \
         ORDER BY k.created_at DESC, k.id DESC LIMIT $3 OFFSET $4"
    );
    /// Of the workspaces in which a user is more than a viewer.
    LIST_OF_MEMBER: select!(
        "WHERE k.organization_id = $1 AND k.workspace_id IN (SELECT m.workspace_id FROM workspace_members m \
         WHERE m.user_id = $2 AND m.role <> 'viewer') ORDER BY k.created_at DESC, k.id DESC LIMIT $3 OFFSET $4"
    );
    COUNT_OF_MEMBER: "SELECT COUNT(*) FROM api_keys WHERE organization_id = $1 AND workspace_id IN \
                      (SELECT m.workspace_id FROM workspace_members m WHERE m.user_id = $2 AND m.role <> 'viewer')";
    COUNT: "SELECT COUNT(*) FROM api_keys";
    COUNT_OF: "SELECT COUNT(*) FROM api_keys \
               WHERE organization_id = $1 AND (CAST($2 AS TEXT) IS NULL OR workspace_id = $2)";
    COUNT_GOOD: "SELECT COUNT(*) FROM api_keys \
                 WHERE organization_id = $1 AND archived_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";
    COUNT_BOUND: "SELECT COUNT(*) FROM api_keys WHERE workspace_id = $1 AND archived_at IS NULL";
    UNBIND: "UPDATE api_keys SET workspace_id = NULL WHERE workspace_id = $1 AND archived_at IS NOT NULL";
    ARCHIVE: "UPDATE api_keys SET archived_at = $2 WHERE id = $1 AND archived_at IS NULL";
    END: "UPDATE api_keys SET expires_at = $2 WHERE id = $1 AND archived_at IS NULL \
          AND (expires_at IS NULL OR expires_at > $3)";
    DELETE: "DELETE FROM api_keys WHERE id = $1";
    TOUCH: "UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
}

/// Keeps a new key. A taken id or hash is `Duplicate`, an unknown organisation or workspace `Dangling`.
pub async fn insert(tx: &mut Tx, new: &NewKey) -> Result<(), StoreError> {
    let key = &new.key;
    execute!(
        tx,
        INSERT,
        &key.id,
        &key.organization_id,
        key.workspace_id.as_deref(),
        &key.label,
        key.role.as_str(),
        new.hash.as_slice(),
        &key.hint,
        json_texts(&key.scopes),
        key.livemode,
        key.rate_limit_per_minute,
        key.rate_limit_per_hour,
        key.expires_at.map(Timestamp::micros),
        key.archived_at.map(Timestamp::micros),
        key.created_at.micros(),
        key.last_used_at.map(Timestamp::micros),
    )
    .map(drop)
}

/// The key whose text has this SHA-256.
pub async fn find_by_hash(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<Credential>, StoreError> {
    fetch!(conn, fetch_optional, Credential, FIND_BY_HASH, hash.as_slice())
}

/// The key of this id, whosever it is.
pub async fn find(conn: &mut Conn, id: &str) -> Result<Option<Key>, StoreError> {
    fetch!(conn, fetch_optional, Key, FIND, id)
}

/// An organisation's keys, or those of one of its workspaces, newest first.
pub async fn list(
    conn: &mut Conn,
    organization_id: &str,
    workspace_id: Option<&str>,
    window: Window,
) -> Result<Vec<Key>, StoreError> {
    let Window { limit, offset } = window;
    fetch!(conn, fetch_all, Key, LIST, organization_id, workspace_id, limit, offset)
}

/// Keys of the workspaces in which a user is more than a viewer, newest first.
pub async fn list_of_member(
    conn: &mut Conn,
    organization_id: &str,
    user_id: &str,
    window: Window,
) -> Result<Vec<Key>, StoreError> {
    let Window { limit, offset } = window;
    fetch!(conn, fetch_all, Key, LIST_OF_MEMBER, organization_id, user_id, limit, offset)
}

/// How many those are.
pub async fn count_of_member(
    conn: &mut Conn,
    organization_id: &str,
    user_id: &str,
) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT_OF_MEMBER, organization_id, user_id)?;
    Ok(count)
}

/// How many keys there are in all, archived ones too. Zero on a host that nobody was let into yet.
pub async fn count(conn: &mut Conn) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT)?;
    Ok(count)
}

/// How many keys an organisation or one of its workspaces has, archived ones too.
pub async fn count_of(
    conn: &mut Conn,
    organization_id: &str,
    workspace_id: Option<&str>,
) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT_OF, organization_id, workspace_id)?;
    Ok(count)
}

/// How many keys of an organisation are good at `now`.
pub async fn count_good(conn: &mut Conn, organization_id: &str, now: Timestamp) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT_GOOD, organization_id, now.micros())?;
    Ok(count)
}

/// How many keys that are not archived are bound to a workspace.
pub async fn count_bound(conn: &mut Conn, workspace_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT_BOUND, workspace_id)?;
    Ok(count)
}

/// Lets go of a workspace's archived keys, so that it can be removed; nobody can use them any more.
pub async fn unbind_archived(tx: &mut Tx, workspace_id: &str) -> Result<(), StoreError> {
    execute!(tx, UNBIND, workspace_id).map(drop)
}

/// Archives a key for good; false where there is none that is not archived yet.
pub async fn archive(tx: &mut Tx, id: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(execute!(tx, ARCHIVE, id, now.micros())? == 1)
}

/// Lets a key that is good at `now` end at `end`; false where there is none.
pub async fn end(tx: &mut Tx, id: &str, end: Timestamp, now: Timestamp) -> Result<bool, StoreError> {
    Ok(execute!(tx, END, id, end.micros(), now.micros())? == 1)
}

/// Removes a key; false where there is none.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE, id)? == 1)
}

/// Notes that a key was used. Meant for the bulk lane and for the latest use of many.
pub async fn touch(tx: &mut Tx, id: &str, used_at: Timestamp) -> Result<(), StoreError> {
    execute!(tx, TOUCH, id, used_at.micros()).map(drop)
}
