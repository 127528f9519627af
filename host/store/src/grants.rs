//! Grants: what an operator allowed a binding, beside what its plugin asks for.

use hardpoint_domain::time::Timestamp;

use crate::columns::Micros;
use crate::db::{execute, fetch, statements};
use crate::revision::raise;
use crate::{Conn, StoreError, Tx};

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Grant {
    /// Which binding it is for.
    pub binding: String,
    /// Which plugin the binding was of when it was granted.
    pub plugin_id: String,
    /// `domain::grant::Permissions` as JSON text.
    pub permissions: String,
    /// The fingerprint of what was asked when it was granted.
    pub fingerprint: String,
    /// Who granted it.
    pub granted_by: String,
    /// When.
    #[sqlx(try_from = "Micros")]
    pub granted_at: Timestamp,
}

statements! {
    PUT: "INSERT INTO plugin_grants (binding, plugin_id, permissions, fingerprint, granted_by, granted_at) \
          VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (binding) DO UPDATE SET plugin_id = excluded.plugin_id, \
          permissions = excluded.permissions, fingerprint = excluded.fingerprint, \
          granted_by = excluded.granted_by, granted_at = excluded.granted_at";
    REVOKE: "DELETE FROM plugin_grants WHERE binding = $1";
    GET: "SELECT binding, plugin_id, permissions, fingerprint, granted_by, granted_at FROM plugin_grants \
          WHERE binding = $1";
    LIST: "SELECT binding, plugin_id, permissions, fingerprint, granted_by, granted_at FROM plugin_grants \
           ORDER BY binding";
}

/// Grants, in place of what the binding was granted before.
pub async fn put(tx: &mut Tx, grant: &Grant) -> Result<(), StoreError> {
    raise(tx).await?;
    let Grant { binding, plugin_id, permissions, fingerprint, granted_by, granted_at } = grant;
    execute!(tx, PUT, binding, plugin_id, permissions, fingerprint, granted_by, granted_at.micros()).map(drop)
}

/// Takes a binding's grant back; false where it had none.
pub async fn revoke(tx: &mut Tx, binding: &str) -> Result<bool, StoreError> {
    raise(tx).await?;
    Ok(execute!(tx, REVOKE, binding)? == 1)
}

/// A binding's grant.
pub async fn get(conn: &mut Conn, binding: &str) -> Result<Option<Grant>, StoreError> {
    fetch!(conn, fetch_optional, Grant, GET, binding)
}

/// All grants, by binding.
pub async fn list(conn: &mut Conn) -> Result<Vec<Grant>, StoreError> {
    fetch!(conn, fetch_all, Grant, LIST)
}
