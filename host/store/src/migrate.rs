//! Brings a database to the version that this program knows.

use hardpoint_domain::time::Timestamp;

use crate::db::{Handle, Tx, execute, fetch, statements};
use crate::migrate_dialect::HAS_LIST;
use crate::{Conn, StoreError};

/// One step, for each database.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Counts from 1 without gaps.
    pub version: i64,
    /// The file's name after its number.
    pub name: &'static str,
    /// What SQLite is told.
    pub sqlite: &'static str,
    /// What PostgreSQL is told.
    pub postgres: &'static str,
}

macro_rules! migrations {
    ($($version:literal $file:literal $name:literal,)*) => {
        /// All migrations, oldest first.
        pub const MIGRATIONS: &[Migration] = &[$(Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../migrations/sqlite/", $file)),
            postgres: include_str!(concat!("../migrations/postgres/", $file)),
        },)*];
    };
}

migrations! {
    1 "0001_spine.sql" "spine",
    2 "0002_bindings.sql" "bindings",
    3 "0003_identity.sql" "identity",
    4 "0004_users.sql" "users",
    5 "0005_call_errors.sql" "call_errors",
    6 "0006_quotas.sql" "quotas",
    7 "0007_sealed_secrets.sql" "sealed_secrets",
    8 "0008_ledger.sql" "ledger",
    9 "0009_idempotency.sql" "idempotency",
    10 "0010_plugins_served.sql" "plugins_served",
    11 "0011_mail_deadlines.sql" "mail_deadlines",
    12 "0012_answers_kept.sql" "answers_kept",
    13 "0013_payments.sql" "payments",
    14 "0014_limits.sql" "limits",
    15 "0015_audit_chain.sql" "audit_chain",
    16 "0016_webhooks.sql" "webhooks",
    17 "0017_destinations.sql" "destinations",
    18 "0018_plugin_hosts.sql" "plugin_hosts",
    19 "0019_calls_refused.sql" "calls_refused",
    20 "0020_unclaimed_plugins.sql" "unclaimed_plugins",
    21 "0021_dead_letters_due.sql" "dead_letters_due",
    22 "0022_deliveries.sql" "deliveries",
    23 "0023_events_found.sql" "events_found",
    24 "0024_knowledge.sql" "knowledge",
    25 "0025_queues.sql" "queues",
    26 "0026_vectors_given_up.sql" "vectors_given_up",
    27 "0027_readings.sql" "readings",
    28 "0028_turns.sql" "turns",
}

/// Not `CREATE TABLE IF NOT EXISTS` in a migration of its own: it is where migrations are noted.
const CREATE_LIST: &str = "CREATE TABLE IF NOT EXISTS migrations \
    (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, applied_at BIGINT NOT NULL)";

/// The number is "hardpoin" in ASCII: nobody else on the same server should take it by chance.
const LOCK: &str = "SELECT pg_advisory_xact_lock(7521983763898558830)";

/// The version that this program knows.
pub(crate) const KNOWN: i64 = MIGRATIONS[MIGRATIONS.len() - 1].version;

statements! {
    NEWEST: "SELECT COALESCE(MAX(version), 0) FROM migrations";
    NOTE: "INSERT INTO migrations (version, name, applied_at) VALUES ($1, $2, $3)";
}

/// Applies what is missing, in the one transaction given: all of it or nothing. The transaction holds
/// the only write lock of SQLite; on PostgreSQL an advisory lock lets one host at a time in here.
pub(crate) async fn run(tx: &mut Tx, now: Timestamp) -> Result<(), StoreError> {
    raw(tx, "SELECT 1", LOCK).await?;
    raw(tx, CREATE_LIST, CREATE_LIST).await?;
    let (found,): (i64,) = fetch!(tx, fetch_one, (i64,), NEWEST)?;
    if found > KNOWN {
        return Err(StoreError::Newer { found, known: KNOWN });
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.version > found) {
        raw(tx, migration.sqlite, migration.postgres).await?;
        execute!(tx, NOTE, migration.version, migration.name, now.micros())?;
        tracing::info!(version = migration.version, name = migration.name, "migrated the database");
    }
    Ok(())
}

/// The version that a database is at; 0 where nothing was ever kept in it.
pub(crate) async fn version(conn: &mut Conn) -> Result<i64, StoreError> {
    let (is_noted,): (bool,) = fetch!(conn, fetch_one, (bool,), HAS_LIST)?;
    if !is_noted {
        return Ok(0);
    }
    let (found,): (i64,) = fetch!(conn, fetch_one, (i64,), NEWEST)?;
    Ok(found)
}

/// Runs text that may hold several statements.
async fn raw(tx: &mut Tx, sqlite: &'static str, postgres: &'static str) -> Result<(), StoreError> {
    let outcome = match tx.handle().await? {
        Handle::Sqlite(conn) => sqlx::raw_sql(sqlite).execute(conn).await.map(drop),
        Handle::Postgres(conn) => sqlx::raw_sql(postgres).execute(conn).await.map(drop),
    };
    tx.noted(outcome)
}
