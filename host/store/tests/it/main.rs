//! One suite, two databases: every test below runs on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod between;
mod blobs;
mod call_records;
mod cancellation;
mod chain;
mod destinations;
mod events;
mod faults;
mod grants;
mod group_commit;
mod idempotency;
mod keys;
mod kill;
mod knowledge;
mod kv;
mod ledger;
mod logins;
mod mails;
mod migrations;
mod outbox;
mod payments;
mod places;
mod plugins;
mod postgres_gone;
mod quotas;
mod retention;
mod secrets;
mod statements;
mod support;
mod tampering;
mod usage;
mod users;
mod webhooks;
mod workspaces;

use std::io::Write as _;

/// How many tests are left out where there is no PostgreSQL.
const ON_BOTH: usize = blobs::COUNT
    + call_records::COUNT
    + cancellation::COUNT
    + chain::COUNT
    + destinations::COUNT
    + events::COUNT
    + faults::COUNT
    + grants::COUNT
    + group_commit::COUNT
    + idempotency::COUNT
    + keys::COUNT
    + knowledge::COUNT
    + kv::COUNT
    + ledger::COUNT
    + logins::COUNT
    + mails::COUNT
    + migrations::COUNT
    + outbox::COUNT
    + payments::COUNT
    + places::COUNT
    + plugins::COUNT
    + quotas::COUNT
    + retention::COUNT
    + secrets::COUNT
    + statements::COUNT
    + tampering::COUNT
    + usage::COUNT
    + users::COUNT
    + webhooks::COUNT
    + workspaces::COUNT;

/// Without PostgreSQL half of the suite passes without having run: nobody should overlook that, and
/// where it counts it is a failure.
#[test]
fn postgres_is_there() {
    let Err(error) = hardpoint_store::testing::cluster::shared() else { return };
    // Not `eprintln!`, which the test harness keeps to itself.
    let _ = writeln!(std::io::stderr(), "\nPostgreSQL not found: {ON_BOTH} tests left out ({error})\n");
    assert!(std::env::var_os("CI").is_none(), "PostgreSQL not found: {ON_BOTH} tests left out ({error})");
}
