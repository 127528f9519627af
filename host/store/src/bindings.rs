//! Bindings that operators made by command or over the API: a plugin with settings and secrets. Those of the
//! configuration are not here.

use hardpoint_domain::time::Timestamp;

use crate::columns::Micros;
use crate::db::{execute, fetch, statements};
use crate::revision::raise;
use crate::{Conn, StoreError, Tx};

/// A binding.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Binding {
    /// Unique over all plugins.
    pub name: String,
    /// Which plugin.
    pub plugin_id: String,
    /// A JSON object as text.
    pub settings: String,
    /// A JSON object as text: the manifest's name to the name of a configured secret.
    pub secrets: String,
    /// Who wrote it last.
    pub updated_by: String,
    /// When.
    #[sqlx(try_from = "Micros")]
    pub updated_at: Timestamp,
}

statements! {
    PUT: "INSERT INTO plugin_bindings (name, plugin_id, settings, secrets, updated_by, updated_at) \
          VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO UPDATE SET plugin_id = excluded.plugin_id, \
          settings = excluded.settings, secrets = excluded.secrets, updated_by = excluded.updated_by, \
          updated_at = excluded.updated_at";
    REMOVE: "DELETE FROM plugin_bindings WHERE name = $1";
    GET: "SELECT name, plugin_id, settings, secrets, updated_by, updated_at FROM plugin_bindings WHERE name = $1";
    LIST: "SELECT name, plugin_id, settings, secrets, updated_by, updated_at FROM plugin_bindings ORDER BY name";
}

/// Keeps a binding, in place of the one of its name.
pub async fn put(tx: &mut Tx, binding: &Binding) -> Result<(), StoreError> {
    raise(tx).await?;
    let Binding { name, plugin_id, settings, secrets, updated_by, updated_at } = binding;
    execute!(tx, PUT, name, plugin_id, settings, secrets, updated_by, updated_at.micros()).map(drop)
}

/// Removes a binding; false where there is none of this name.
pub async fn remove(tx: &mut Tx, name: &str) -> Result<bool, StoreError> {
    raise(tx).await?;
    Ok(execute!(tx, REMOVE, name)? == 1)
}

/// The binding of this name.
pub async fn get(conn: &mut Conn, name: &str) -> Result<Option<Binding>, StoreError> {
    fetch!(conn, fetch_optional, Binding, GET, name)
}

/// All bindings, by name.
pub async fn list(conn: &mut Conn) -> Result<Vec<Binding>, StoreError> {
    fetch!(conn, fetch_all, Binding, LIST)
}
