//! For tests: a throw-away PostgreSQL, and what the tests of this crate need to see of its inside.

use crate::db::Statement;
pub use crate::migrate::MIGRATIONS;
use crate::{Conn, Lane, Store, StoreError};

pub mod cluster;
pub mod damage;

/// Connections that read from SQLite at the same time.
pub const READERS: usize = crate::sqlite::READERS;

/// Every statement of this crate.
pub fn statements() -> Vec<Statement> {
    [
        crate::call_records::ALL,
        crate::call_records_dialect::ALL,
        crate::approvals::ALL,
        crate::bindings::ALL,
        crate::chain::ALL,
        crate::chain_dialect::ALL,
        crate::checkpoints_dialect::ALL,
        crate::checkpoints::ALL,
        crate::credits::ALL,
        crate::dead_letters::ALL,
        crate::database_clock::ALL,
        crate::destinations::ALL,
        crate::destinations_dialect::ALL,
        crate::enablement::ALL,
        crate::event_search_dialect::ALL,
        crate::events::ALL,
        crate::events_dialect::ALL,
        crate::grants::ALL,
        crate::idempotency::ALL,
        crate::keys::ALL,
        &crate::knowledge::statements()[..],
        crate::kv::ALL,
        crate::leases::ALL,
        crate::leases_dialect::ALL,
        crate::logins::ALL,
        crate::mails::ALL,
        crate::mails_dialect::ALL,
        crate::members::ALL,
        crate::migrate::ALL,
        crate::migrate_dialect::ALL,
        crate::organizations::ALL,
        crate::backlog::ALL,
        crate::outbox::ALL,
        crate::outbox_dialect::ALL,
        crate::payments::ALL,
        crate::places::ALL,
        crate::plugin_files::ALL,
        crate::plugins::ALL,
        crate::progress::ALL,
        crate::quotas::ALL,
        crate::rates::ALL,
        crate::retention::ALL,
        crate::revision::ALL,
        crate::secrets::ALL,
        crate::settings::ALL,
        crate::usage::ALL,
        crate::users::ALL,
        crate::webhooks::ALL,
        crate::workspaces::ALL,
    ]
    .concat()
}

/// Makes a database look as if a program had left it that knew one migration less.
pub async fn seem_older(store: &Store) -> Result<(), StoreError> {
    let forget = "DELETE FROM migrations WHERE version = (SELECT MAX(version) FROM migrations)";
    store.write(Lane::Request, move |tx| Box::pin(async move { raw(tx, forget).await })).await
}

/// Runs text on a connection as it is.
pub async fn raw(conn: &mut Conn, text: &'static str) -> Result<(), StoreError> {
    let outcome = match conn.handle().await? {
        crate::db::Handle::Sqlite(on) => sqlx::raw_sql(text).execute(on).await.map(drop),
        crate::db::Handle::Postgres(on) => sqlx::raw_sql(text).execute(on).await.map(drop),
    };
    conn.noted(outcome)
}
