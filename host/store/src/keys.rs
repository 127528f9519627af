//! API keys. Only the SHA-256 of a key's text is here; looking one up by it is on the way of every request.

use hardpoint_domain::time::Timestamp;

use crate::columns::{JsonTexts, MaybeMicros, Micros, json_texts, words};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

words! {
    /// What the holder of a key is.
    pub enum Role {
        /// The platform itself: plugins, grants, configuration, every organisation.
        Operator = "operator",
        /// Owns an organisation.
        Owner = "owner",
        /// Administers an organisation.
        Admin = "admin",
        /// Uses an organisation.
        Member = "member",
        /// Only looks.
        Viewer = "viewer",
    }
}

/// A key, all but its text and hash.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Key {
    /// `key_…`.
    pub id: String,
    /// Whose it is.
    pub organization_id: String,
    /// For people.
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
}

statements! {
    INSERT: "INSERT INTO api_keys (id, organization_id, label, role, hash, hint, scopes, livemode, expires_at, \
             archived_at, created_at, last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    FIND_BY_HASH: "SELECT k.id, k.organization_id, k.label, k.role, k.hint, k.scopes, k.livemode, k.expires_at, \
                   k.archived_at, k.created_at, k.last_used_at, o.name AS organization_name, o.plan \
                   FROM api_keys k JOIN organizations o ON o.id = k.organization_id WHERE k.hash = $1";
    GET: "SELECT id, organization_id, label, role, hint, scopes, livemode, expires_at, archived_at, created_at, \
          last_used_at FROM api_keys WHERE organization_id = $1 AND id = $2";
    LIST: "SELECT id, organization_id, label, role, hint, scopes, livemode, expires_at, archived_at, created_at, \
           last_used_at FROM api_keys WHERE organization_id = $1 ORDER BY created_at DESC, id DESC \
           LIMIT $2 OFFSET $3";
    COUNT: "SELECT COUNT(*) FROM api_keys";
    COUNT_BY_ORGANIZATION: "SELECT COUNT(*) FROM api_keys WHERE organization_id = $1";
    ARCHIVE: "UPDATE api_keys SET archived_at = $3 WHERE organization_id = $1 AND id = $2 AND archived_at IS NULL";
    TOUCH: "UPDATE api_keys SET last_used_at = $2 WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
}

/// Keeps a new key. A taken id or hash is `Duplicate`, an unknown organisation `Dangling`.
pub async fn insert(tx: &mut Tx, new: &NewKey) -> Result<(), StoreError> {
    let key = &new.key;
    execute!(
        tx,
        INSERT,
        &key.id,
        &key.organization_id,
        &key.label,
        key.role.as_str(),
        new.hash.as_slice(),
        &key.hint,
        json_texts(&key.scopes),
        key.livemode,
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

/// A key of this organisation.
pub async fn get(conn: &mut Conn, organization_id: &str, id: &str) -> Result<Option<Key>, StoreError> {
    fetch!(conn, fetch_optional, Key, GET, organization_id, id)
}

/// An organisation's keys, newest first.
pub async fn list(
    conn: &mut Conn,
    organization_id: &str,
    limit: u32,
    offset: u32,
) -> Result<Vec<Key>, StoreError> {
    fetch!(conn, fetch_all, Key, LIST, organization_id, i64::from(limit), i64::from(offset))
}

/// How many keys there are in all, archived ones too. Zero on a host that nobody was let into yet.
pub async fn count(conn: &mut Conn) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT)?;
    Ok(count)
}

/// How many keys an organisation has, archived ones too.
pub async fn count_of(conn: &mut Conn, organization_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT_BY_ORGANIZATION, organization_id)?;
    Ok(count)
}

/// Archives a key for good; false where there is none that is not archived yet.
pub async fn archive(
    tx: &mut Tx,
    organization_id: &str,
    id: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    Ok(execute!(tx, ARCHIVE, organization_id, id, now.micros())? == 1)
}

/// Notes that a key was used. Meant for the bulk lane and for the latest use of many.
pub async fn touch(tx: &mut Tx, id: &str, used_at: Timestamp) -> Result<(), StoreError> {
    execute!(tx, TOUCH, id, used_at.micros()).map(drop)
}
