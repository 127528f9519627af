//! Organisations: who keys belong to and who pays.

use hardpoint_domain::time::Timestamp;

use crate::columns::Micros;
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

/// An organisation.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Organization {
    /// `org_…`.
    pub id: String,
    /// For people.
    pub name: String,
    /// The id of its plan in the plan catalogue.
    pub plan: String,
    /// When it was made.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
}

statements! {
    INSERT: "INSERT INTO organizations (id, name, plan, created_at) VALUES ($1, $2, $3, $4)";
    GET: "SELECT id, name, plan, created_at FROM organizations WHERE id = $1";
}

/// Makes an organisation. A taken id is `Duplicate`.
pub async fn create(tx: &mut Tx, organization: &Organization) -> Result<(), StoreError> {
    let Organization { id, name, plan, created_at } = organization;
    execute!(tx, INSERT, id, name, plan, created_at.micros()).map(drop)
}

/// The organisation with this id.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Organization>, StoreError> {
    fetch!(conn, fetch_optional, Organization, GET, id)
}
