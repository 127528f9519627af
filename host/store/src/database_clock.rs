//! What time it is for the database that hosts share: by it they can tell whether their own clocks go alike.

use hardpoint_domain::time::Timestamp;

use crate::db::{Statement, fetch};
use crate::{Conn, StoreError};

/// SQLite has its host's clock.
const NOW: Statement = Statement {
    name: "database_clock::NOW",
    sqlite: "SELECT CAST(NULL AS BIGINT)",
    postgres: "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
};

/// Every statement of this file.
#[cfg_attr(not(feature = "testing"), allow(dead_code))]
pub(crate) const ALL: &[Statement] = &[NOW];

/// The database's present; none where it has no clock of its own.
pub async fn now(conn: &mut Conn) -> Result<Option<Timestamp>, StoreError> {
    let (now,) = fetch!(conn, fetch_one, (Option<i64>,), NOW)?;
    Ok(now.map(Timestamp::from_micros))
}
