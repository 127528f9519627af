//! Versions of the rates: what models cost, as it was when a request was charged.

use hardpoint_domain::time::Timestamp;

use crate::columns::Micros;
use crate::db::{execute, fetch, statements};
use crate::{Conn, StoreError, Tx};

/// Rates as they were.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct RateVersion {
    /// Made from what is in it.
    pub version: String,
    /// JSON.
    pub rates: String,
    /// When a host had them first.
    #[sqlx(try_from = "Micros")]
    pub created_at: Timestamp,
}

statements! {
    INSERT: "INSERT INTO rate_versions (version, rates, created_at) VALUES ($1, $2, $3) ON CONFLICT (version) DO NOTHING";
    GET: "SELECT version, rates, created_at FROM rate_versions WHERE version = $1";
}

/// Keeps a version; false where it is known.
pub async fn insert(tx: &mut Tx, version: &RateVersion) -> Result<bool, StoreError> {
    Ok(execute!(tx, INSERT, &version.version, &version.rates, version.created_at.micros())? == 1)
}

/// A version.
pub async fn get(conn: &mut Conn, version: &str) -> Result<Option<RateVersion>, StoreError> {
    fetch!(conn, fetch_optional, RateVersion, GET, version)
}
