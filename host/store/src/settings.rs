//! What operators changed of the configuration while hosts run.

use hardpoint_domain::time::Timestamp;

use crate::columns::Micros;
use crate::db::{execute, fetch, statements};
use crate::revision::raise;
use crate::{Conn, StoreError, Tx};

/// One key of the configuration and what it is to be.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Setting {
    /// `log.level`, `plans.free`.
    pub name: String,
    /// As JSON text.
    pub value: String,
    /// Who said so.
    pub updated_by: String,
    /// When.
    #[sqlx(try_from = "Micros")]
    pub updated_at: Timestamp,
}

statements! {
    PUT: "INSERT INTO settings (name, value, updated_by, updated_at) VALUES ($1, $2, $3, $4) \
          ON CONFLICT (name) DO UPDATE SET value = excluded.value, updated_by = excluded.updated_by, \
          updated_at = excluded.updated_at";
    LIST: "SELECT name, value, updated_by, updated_at FROM settings ORDER BY name";
    DELETE: "DELETE FROM settings WHERE name = $1";
}

/// Says what a key is to be.
pub async fn put(tx: &mut Tx, setting: &Setting) -> Result<(), StoreError> {
    raise(tx).await?;
    let Setting { name, value, updated_by, updated_at } = setting;
    execute!(tx, PUT, name, value, updated_by, updated_at.micros()).map(drop)
}

/// All that was said, by key.
pub async fn list(conn: &mut Conn) -> Result<Vec<Setting>, StoreError> {
    fetch!(conn, fetch_all, Setting, LIST)
}

/// Says nothing of a key any more; false where nothing was said.
pub async fn delete(tx: &mut Tx, name: &str) -> Result<bool, StoreError> {
    raise(tx).await?;
    Ok(execute!(tx, DELETE, name)? == 1)
}
