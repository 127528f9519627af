//! Which organisations have which plugins switched on or off, and what holds for the others.

use crate::db::{execute, fetch, statements};
use crate::revision::raise;
use crate::{Conn, StoreError, Tx};

/// One switch.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Enablement {
    /// For which organisation.
    pub organization_id: String,
    /// Which plugin.
    pub plugin_id: String,
    /// On or off.
    pub enabled: bool,
}

/// What holds for organisations for which nothing is noted.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Openness {
    /// Which plugin.
    pub plugin_id: String,
    /// On or off.
    pub enabled: bool,
}

statements! {
    PUT_OPENNESS: "INSERT INTO plugin_openness (plugin_id, enabled) VALUES ($1, $2) \
                   ON CONFLICT (plugin_id) DO UPDATE SET enabled = excluded.enabled";
    LIST_OPENNESS: "SELECT plugin_id, enabled FROM plugin_openness ORDER BY plugin_id";
    PUT: "INSERT INTO plugin_enablement (organization_id, plugin_id, enabled) VALUES ($1, $2, $3) \
          ON CONFLICT (organization_id, plugin_id) DO UPDATE SET enabled = excluded.enabled";
    CLEAR: "DELETE FROM plugin_enablement WHERE organization_id = $1 AND plugin_id = $2";
    GET: "SELECT organization_id, plugin_id, enabled FROM plugin_enablement \
          WHERE organization_id = $1 AND plugin_id = $2";
    LIST: "SELECT organization_id, plugin_id, enabled FROM plugin_enablement ORDER BY organization_id, plugin_id";
}

/// Switches a plugin on or off for an organisation. An unknown organisation is `Dangling`.
pub async fn put(
    tx: &mut Tx,
    organization_id: &str,
    plugin_id: &str,
    enabled: bool,
) -> Result<(), StoreError> {
    raise(tx).await?;
    execute!(tx, PUT, organization_id, plugin_id, enabled).map(drop)
}

/// Says what holds for organisations for which nothing is noted. Without it, a plugin is on.
pub async fn put_openness(tx: &mut Tx, plugin_id: &str, enabled: bool) -> Result<(), StoreError> {
    raise(tx).await?;
    execute!(tx, PUT_OPENNESS, plugin_id, enabled).map(drop)
}

/// What was said of organisations for which nothing is noted, by plugin.
pub async fn openness(conn: &mut Conn) -> Result<Vec<Openness>, StoreError> {
    fetch!(conn, fetch_all, Openness, LIST_OPENNESS)
}

/// Goes back to what is usual; false where nothing was noted.
pub async fn clear(tx: &mut Tx, organization_id: &str, plugin_id: &str) -> Result<bool, StoreError> {
    raise(tx).await?;
    Ok(execute!(tx, CLEAR, organization_id, plugin_id)? == 1)
}

/// Whether a plugin was switched on or off for an organisation; none where nothing was noted.
pub async fn get(
    conn: &mut Conn,
    organization_id: &str,
    plugin_id: &str,
) -> Result<Option<bool>, StoreError> {
    let found = fetch!(conn, fetch_optional, Enablement, GET, organization_id, plugin_id)?;
    Ok(found.map(|found| found.enabled))
}

/// All switches.
pub async fn list(conn: &mut Conn) -> Result<Vec<Enablement>, StoreError> {
    fetch!(conn, fetch_all, Enablement, LIST)
}
