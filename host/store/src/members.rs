//! Who is in a workspace.

use hardpoint_domain::access::Role;
use hardpoint_domain::time::Timestamp;

use crate::columns::Micros;
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx, Window};

/// A user in a workspace.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Member {
    /// `user_…`.
    pub user_id: String,
    /// Their address.
    pub email: String,
    /// Their name; may be empty.
    pub name: String,
    /// What they are in the workspace.
    #[sqlx(try_from = "String")]
    pub role: Role,
    /// Since when they are there.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
}

#[derive(sqlx::FromRow)]
struct Place {
    workspace_id: String,
    #[sqlx(try_from = "String")]
    role: Role,
}

statements! {
    PUT: "INSERT INTO workspace_members (workspace_id, user_id, role, created_at) VALUES ($1, $2, $3, $4) \
          ON CONFLICT (workspace_id, user_id) DO UPDATE SET role = excluded.role";
    REMOVE: "DELETE FROM workspace_members WHERE workspace_id = $1 AND user_id = $2";
    CLEAR: "DELETE FROM workspace_members WHERE workspace_id = $1";
    GET: "SELECT m.user_id, u.email, u.name, m.role, m.created_at FROM workspace_members m \
          JOIN users u ON u.id = m.user_id WHERE m.workspace_id = $1 AND m.user_id = $2";
    LIST: "SELECT m.user_id, u.email, u.name, m.role, m.created_at FROM workspace_members m \
           JOIN users u ON u.id = m.user_id WHERE m.workspace_id = $1 \
           ORDER BY m.user_id DESC LIMIT $2 OFFSET $3";
    ROLES_OF: "SELECT workspace_id, role FROM workspace_members WHERE user_id = $1 ORDER BY workspace_id";
    COUNT: "SELECT COUNT(*) FROM workspace_members WHERE workspace_id = $1";
}

/// Puts a user into a workspace, or gives them another role there. An unknown user or workspace is
/// `Dangling`.
pub async fn put(
    tx: &mut Tx,
    workspace_id: &str,
    user_id: &str,
    role: Role,
    now: Timestamp,
) -> Result<(), StoreError> {
    execute!(tx, PUT, workspace_id, user_id, role.as_str(), now.micros()).map(drop)
}

/// Takes a user out of a workspace; false where they are not in it.
pub async fn remove(tx: &mut Tx, workspace_id: &str, user_id: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, REMOVE, workspace_id, user_id)? == 1)
}

/// Takes everybody out of a workspace.
pub async fn clear(tx: &mut Tx, workspace_id: &str) -> Result<(), StoreError> {
    execute!(tx, CLEAR, workspace_id).map(drop)
}

/// A user in a workspace.
pub async fn get(conn: &mut Conn, workspace_id: &str, user_id: &str) -> Result<Option<Member>, StoreError> {
    fetch!(conn, fetch_optional, Member, GET, workspace_id, user_id)
}

/// What a user is in each workspace that they are in.
pub async fn roles_of(conn: &mut Conn, user_id: &str) -> Result<Vec<(String, Role)>, StoreError> {
    let found = fetch!(conn, fetch_all, Place, ROLES_OF, user_id)?;
    Ok(found.into_iter().map(|place| (place.workspace_id, place.role)).collect())
}

/// Who is in a workspace, the newest users first.
pub async fn list(conn: &mut Conn, workspace_id: &str, window: Window) -> Result<Vec<Member>, StoreError> {
    fetch!(conn, fetch_all, Member, LIST, workspace_id, window.limit, window.offset)
}

/// How many are in a workspace.
pub async fn count(conn: &mut Conn, workspace_id: &str) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT, workspace_id)?;
    Ok(count)
}
