//! Sealed values. What is sealed, for which place and under which key, is the business of whoever keeps them here.

use hardpoint_domain::time::Timestamp;

use crate::columns::Micros;
use crate::db::{execute, fetch, statements};
use crate::revision::raise;
use crate::{Conn, StoreError, Tx};

/// The owner of what belongs to no organisation.
pub const PLATFORM: &str = "platform";

/// A sealed value.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Secret {
    /// [`PLATFORM`], or the id of what it belongs to: an organisation, a webhook endpoint, a standing destination.
    pub owner: String,
    /// Unique for its owner.
    pub name: String,
    /// The only origin that plugins' requests may take it to; none for what the host alone uses.
    pub audience: Option<String>,
    /// The master key that it is sealed under.
    pub key_id: String,
    /// The nonce and what was sealed.
    pub sealed: Vec<u8>,
    /// Who wrote it last.
    pub updated_by: String,
    /// When it was first written.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
    /// When it was last written; sealing it anew does not count.
    #[sqlx(try_from = "Micros")]
    pub updated_at: Timestamp,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT owner, name, audience, key_id, sealed, updated_by, created_at, updated_at FROM secrets ",
            $rest
        )
    };
}

statements! {
    PUT: "INSERT INTO secrets (owner, name, audience, key_id, sealed, updated_by, created_at, updated_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (owner, name) DO UPDATE SET \
          audience = excluded.audience, key_id = excluded.key_id, sealed = excluded.sealed, \
          updated_by = excluded.updated_by, updated_at = excluded.updated_at";
    GET: select!("WHERE owner = $1 AND name = $2");
    OF_OWNER: select!("WHERE owner = $1 ORDER BY name");
    AFTER: select!("WHERE owner > $1 OR (owner = $1 AND name > $2) ORDER BY owner, name LIMIT $3");
    RESEAL: "UPDATE secrets SET key_id = $3, sealed = $4 WHERE owner = $1 AND name = $2 AND sealed = $5";
    DELETE: "DELETE FROM secrets WHERE owner = $1 AND name = $2";
}

/// Keeps a secret, in place of the one that has its name; that one's time of creation stays.
pub async fn put(tx: &mut Tx, secret: &Secret) -> Result<(), StoreError> {
    raise_for(tx, &secret.owner).await?;
    let Secret { owner, name, audience, key_id, sealed, updated_by, created_at, updated_at } = secret;
    let (audience, sealed) = (audience.as_deref(), sealed.as_slice());
    let (created, updated) = (created_at.micros(), updated_at.micros());
    execute!(tx, PUT, owner, name, audience, key_id, sealed, updated_by, created, updated).map(drop)
}

/// The secret of this name.
pub async fn get(conn: &mut Conn, owner: &str, name: &str) -> Result<Option<Secret>, StoreError> {
    fetch!(conn, fetch_optional, Secret, GET, owner, name)
}

/// All secrets of an owner, by name.
pub async fn list(conn: &mut Conn, owner: &str) -> Result<Vec<Secret>, StoreError> {
    fetch!(conn, fetch_all, Secret, OF_OWNER, owner)
}

/// Secrets of all owners, at most `limit`, in an order of the database's own, after this owner and name.
pub async fn after(conn: &mut Conn, owner: &str, name: &str, limit: i64) -> Result<Vec<Secret>, StoreError> {
    fetch!(conn, fetch_all, Secret, AFTER, owner, name, limit)
}

/// Puts the same value, sealed anew, in the place of what was read; false where that is not there any more.
pub async fn reseal(tx: &mut Tx, read: &Secret, key_id: &str, sealed: &[u8]) -> Result<bool, StoreError> {
    let Secret { owner, name, sealed: old, .. } = read;
    Ok(execute!(tx, RESEAL, owner, name, key_id, sealed, old.as_slice())? == 1)
}

/// Forgets a secret; false where there is none.
pub async fn delete(tx: &mut Tx, owner: &str, name: &str) -> Result<bool, StoreError> {
    raise_for(tx, owner).await?;
    Ok(execute!(tx, DELETE, owner, name)? == 1)
}

/// Only the platform's are part of the configuration, which hosts keep.
async fn raise_for(tx: &mut Tx, owner: &str) -> Result<(), StoreError> {
    if owner == PLATFORM { raise(tx).await } else { Ok(()) }
}
