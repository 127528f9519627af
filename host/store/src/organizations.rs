//! Organisations: who keys belong to and who pays.

use hardpoint_domain::plan::Rates;
use hardpoint_domain::time::Timestamp;

use crate::columns::{Micros, RatesJson, rates_json};
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx, Window};

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
    LIST: "SELECT id, name, plan, created_at FROM organizations ORDER BY created_at DESC, id DESC LIMIT $1 OFFSET $2";
    COUNT: "SELECT COUNT(*) FROM organizations";
    HOLD: "UPDATE organizations SET plan = plan WHERE id = $1";
    SET_PLAN: "UPDATE organizations SET plan = $2 WHERE id = $1";
    RATES: "SELECT rates FROM organizations WHERE id = $1";
    SET_RATES: "UPDATE organizations SET rates = $2 WHERE id = $1";
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

/// Organisations, newest first.
pub async fn list(conn: &mut Conn, window: Window) -> Result<Vec<Organization>, StoreError> {
    fetch!(conn, fetch_all, Organization, LIST, window.limit, window.offset)
}

/// How many organisations there are.
pub async fn count(conn: &mut Conn) -> Result<i64, StoreError> {
    let (count,): (i64,) = fetch!(conn, fetch_one, (i64,), COUNT)?;
    Ok(count)
}

/// Lets no other transaction that holds the same organisation run beside this one.
pub async fn hold(tx: &mut Tx, id: &str) -> Result<(), StoreError> {
    execute!(tx, HOLD, id).map(drop)
}

/// Puts an organisation on another plan; false where there is none of this id.
pub async fn set_plan(tx: &mut Tx, id: &str, plan: &str) -> Result<bool, StoreError> {
    Ok(execute!(tx, SET_PLAN, id, plan)? == 1)
}

/// The limits of its own that an organisation has, in the place of its plan's; none where there is no such
/// organisation.
pub async fn rates(conn: &mut Conn, id: &str) -> Result<Option<Rates>, StoreError> {
    let found = fetch!(conn, fetch_optional, Own, RATES, id)?;
    Ok(found.map(|found| found.rates))
}

/// Gives an organisation limits of its own; false where there is none of this id.
pub async fn set_rates(tx: &mut Tx, id: &str, rates: &Rates) -> Result<bool, StoreError> {
    Ok(execute!(tx, SET_RATES, id, rates_json(rates))? == 1)
}

#[derive(sqlx::FromRow)]
struct Own {
    #[sqlx(try_from = "RatesJson")]
    rates: Rates,
}
