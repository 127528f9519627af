//! Workspaces: parts of an organisation.

use hardpoint_domain::time::Timestamp;

use crate::columns::Micros;
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx, Window};

/// A workspace.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Workspace {
    /// `ws_…`.
    pub id: String,
    /// Whose it is.
    pub organization_id: String,
    /// For people; unique in its organisation.
    pub name: String,
    /// For people; may be empty.
    pub description: String,
    /// When it was made.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
    /// When its name or description was last written.
    #[sqlx(try_from = "Micros")]
    pub updated_at: Timestamp,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, organization_id, name, description, created_at, updated_at FROM workspaces ",
            $rest
        )
    };
}

statements! {
    INSERT: "INSERT INTO workspaces (id, organization_id, name, description, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6)";
    GET: select!("WHERE organization_id = $1 AND id = $2");
    LIST: select!("WHERE organization_id = $1 ORDER BY created_at DESC, id DESC LIMIT $2 OFFSET $3");
    COUNT: "SELECT COUNT(*) FROM workspaces WHERE organization_id = $1";
    UPDATE: "UPDATE workspaces SET name = $3, description = $4, updated_at = $5 \
             WHERE organization_id = $1 AND id = $2";
    DELETE: "DELETE FROM workspaces WHERE organization_id = $1 AND id = $2";
}

/// Makes a workspace. A name that the organisation has already is `Duplicate`, an unknown organisation
/// `Dangling`.
pub async fn create(tx: &mut Tx, workspace: &Workspace) -> Result<(), StoreError> {
    let Workspace { id, organization_id, name, description, created_at, updated_at } = workspace;
    execute!(tx, INSERT, id, organization_id, name, description, created_at.micros(), updated_at.micros())
        .map(drop)
}

/// A workspace of this organisation.
pub async fn get(conn: &mut Conn, organization_id: &str, id: &str) -> Result<Option<Workspace>, StoreError> {
    fetch!(conn, fetch_optional, Workspace, GET, organization_id, id)
}

/// An organisation's workspaces, newest first.
pub async fn list(
    conn: &mut Conn,
    organization_id: &str,
    window: Window,
) -> Result<Vec<Workspace>, StoreError> {
    fetch!(conn, fetch_all, Workspace, LIST, organization_id, window.limit, window.offset)
}

/// How many workspaces an organisation has.
pub async fn count(conn: &mut Conn, organization_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT, organization_id)?;
    Ok(count)
}

/// Writes a workspace's name, description and time of change; false where there is none of its id in its
/// organisation. A name that the organisation has already is `Duplicate`.
pub async fn update(tx: &mut Tx, workspace: &Workspace) -> Result<bool, StoreError> {
    let Workspace { id, organization_id, name, description, updated_at, .. } = workspace;
    Ok(execute!(tx, UPDATE, organization_id, id, name, description, updated_at.micros())? == 1)
}

/// Removes a workspace; false where there is none. One that keys are bound to is `Dangling`.
pub async fn delete(tx: &mut Tx, organization_id: &str, id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, DELETE, organization_id, id)? == 1)
}
