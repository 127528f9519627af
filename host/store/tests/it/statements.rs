use std::collections::HashSet;

use hardpoint_store::testing::statements;
use sqlx::{AssertSqlSafe, Executor, Row, SqlSafeStr};

use crate::support::{Direct, Fixture, on_both};

on_both!(every_statement_can_be_prepared, hot_statements_use_an_index, what_was_claimed_is_found_by_its_id);

async fn every_statement_can_be_prepared(db: Fixture) {
    let mut direct = db.direct().await;
    let mut names = HashSet::new();
    for statement in statements() {
        assert!(names.insert(statement.name), "two are called {}", statement.name);
        let prepared = match &mut direct {
            Direct::Sqlite(conn) => conn.prepare(statement.sqlite.into_sql_str()).await.map(drop),
            Direct::Postgres(conn) => conn.prepare(statement.postgres.into_sql_str()).await.map(drop),
        };
        if let Err(error) = prepared {
            panic!("{}: {error}", statement.name);
        }
    }
    assert!(names.len() > 50);
}

/// On the way of requests, or run every few seconds on tables that grow without end.
const HOT: &[&str] = &[
    "keys::FIND_BY_HASH",
    "keys::FIND",
    "keys::LIST",
    "keys::COUNT_OF",
    "keys::COUNT_GOOD",
    "keys::COUNT_BOUND",
    "keys::UNBIND",
    "keys::TOUCH",
    "organizations::GET",
    "organizations::LIST",
    "users::GET",
    "users::LIST",
    "users::COUNT",
    "users::COUNT_SEATS",
    "users::OTHER_OWNERS",
    "users::OF_ADDRESS",
    "users::FIND",
    "users::HOLD",
    "logins::ATTEMPT",
    "logins::USE",
    "logins::COUNT",
    "logins::FIND",
    "logins::END",
    "logins::END_ALL",
    "logins::FORGET_CHALLENGES",
    "logins::FORGET_SESSIONS",
    "logins::FORGET_COUNTS",
    "mails::IS_DUE",
    "mails::COMPLETE",
    "mails::FORGET",
    "mails_dialect::CLAIM",
    "secrets::GET",
    "secrets::OF_OWNER",
    "members::GET",
    "members::LIST",
    "members::COUNT",
    "members::CLEAR",
    "members::ROLES_OF",
    "keys::LIST_OF_MEMBER",
    "keys::COUNT_OF_MEMBER",
    "workspaces::GET",
    "workspaces::LIST",
    "workspaces::COUNT",
    "call_records::PAGE_OF_KEY",
    "call_records::COUNT_OF_KEY",
    "call_records::ANY_OF_KEY",
    "call_records::FORGET_REFUSED",
    "usage::OF_KEY",
    "usage::OF_ORGANIZATION",
    "credits::GET",
    "credits::STANDS",
    "credits::ADDED",
    "credits::HELD",
    "credits::BESIDE",
    "credits::TRANSFERRED",
    "credits::ENTRIES",
    "leases::EXPIRED",
    "leases::SPEND",
    "leases_dialect::SWEEP",
    "leases_dialect::RENEW",
    "leases_dialect::KEEP",
    "progress::TAKE",
    "approvals::LIST",
    "payments::IS_KNOWN",
    "payments::CUSTOMER_OF",
    "payments::OWNER_OF",
    "payments::SUBSCRIPTION",
    "payments::FORGET",
    "payments::PAYMENT",
    "kv::GET",
    "kv::SIZE",
    "kv::KEYS",
    "call_records::LIST_BY_ORGANIZATION",
    "call_records::LIST_BY_KEY",
    "call_records::LIST",
    "events::LIST",
    "events::LIST_BY_ORGANIZATION",
    "events::GET",
    "events::AFTER",
    "events::AFTER_OF_ORGANIZATION",
    "chain::IS_WAITING",
    "chain::WAITING",
    "chain_dialect::PLACE",
    "retention::IS_DUE",
    "retention::PURGE",
    "checkpoints::AFTER",
    "checkpoints::ROWS",
    "checkpoints::LAST",
    "checkpoints::COUNT_UNNUMBERED",
    "event_search_dialect::PAGE",
    "event_search_dialect::PAGE_OF_ORGANIZATION",
    "event_search_dialect::PAGE_OF_TARGET",
    "event_search_dialect::PAGE_OF_ACTOR",
    "event_search_dialect::COUNT",
    "event_search_dialect::COUNT_OF_ORGANIZATION",
    "event_search_dialect::COUNT_OF_TARGET",
    "event_search_dialect::COUNT_OF_ACTOR",
    "retention::IS_DUE_OF_STRANGERS",
    "retention::PURGE_OF_STRANGERS",
    "event_search_dialect::FIND",
    "event_search_dialect::FIND_OF_ORGANIZATION",
    "event_search_dialect::COUNT_FOUND",
    "event_search_dialect::COUNT_FOUND_OF_ORGANIZATION",
    "event_search_dialect::END",
    "event_search_dialect::END_OF_ORGANIZATION",
    "destinations_dialect::DUE",
    "destinations_dialect::CLAIM",
    "outbox_dialect::CLAIM_DUE",
    "outbox_dialect::MADE",
    "outbox_dialect::UNCLAIM",
    "outbox::SETTLE",
    "outbox::BY_EVENT",
    "outbox::GET",
    "outbox::LIST",
    "outbox::LIST_IN_STATE",
    "outbox::COUNT",
    "outbox::EXPIRE",
    "outbox::FORGET",
    "backlog::PENDING",
    "backlog::OVERDUE",
    "webhooks::GET",
    "webhooks::HOLD",
    "events_dialect::INSERT",
    "plugins::GET",
    "grants::GET",
    "quotas::GRANT",
    "organizations::RATES",
    "places::SUM",
    "places::HOLD",
    "places::KEEP",
    "places::RENEW",
    "idempotency::FIND",
    "idempotency::ANSWER",
    "idempotency::NOT_KEPT",
    "idempotency::OLDEST",
    "idempotency::LEASE",
    "idempotency::RELEASE",
    "idempotency::SWEEP",
    "enablement::GET",
    "bases::GET",
    "bases_dialect::SHARE",
    "documents::GET",
    "documents::BY_DIGEST",
    "documents::LIST",
    "changes::AFTER",
    "ingestions_dialect::READING_IS_DUE",
    "ingestions_dialect::VECTORS_ARE_DUE",
    "ingestions::CLAIM",
    "ingestions::HOLD",
    "passages::CHUNKS",
    "passages::PAGES",
    "vectors::ADVANCE",
    "vectors::OF_EDITION",
    "removals::IS_DUE",
    "removals_dialect::CLAIM",
    "conversations::GET",
    "conversations::MESSAGES",
    "conversations::LATEST",
];

async fn hot_statements_use_an_index(db: Fixture) {
    let mut direct = asked_for_plans(&db).await;
    for name in HOT {
        let plan = plan(&mut direct, name).await;
        // Sums are put in order after they were made, and what was found in a part that was looked through; both are few.
        // So are the destinations of an organisation that are due.
        let sums = name.starts_with("usage::") || name.contains("::FIND") || name.ends_with("dialect::DUE");
        // What was just chosen to be claimed is a list in memory, and is read from end to end; so is one that was sent,
        // what a search looks through, and what is counted.
        let lists = ["SCAN due", "SCAN json_each", "SCAN looked", "SCAN (subquery", "SCAN open"];
        // Endpoints are few, and each is asked for the first that waits; events, which go by the same letter, are not.
        let endpoints = |step: &str| step == "SCAN e" || step.contains("Seq Scan on webhook_endpoints ");
        let is_of_endpoints = |step: &str| *name == "backlog::OVERDUE" && endpoints(step);
        let is_list = |step: &str| is_of_endpoints(step) || lists.iter().any(|list| step.contains(list));
        let whole = |step: &&String| {
            (step.contains("SCAN ") && !is_list(step) && !step.contains("USING INDEX"))
                || (step.contains("Seq Scan") && !is_list(step))
                || (step.contains("USE TEMP B-TREE") && !sums)
        };
        let reads_all: Vec<_> = plan.iter().filter(whole).collect();
        assert!(reads_all.is_empty(), "{name} reads all of a table:\n{}", plan.join("\n"));
    }
}

/// However many others wait: an index of all that is open has them all, and looks short where little was open when
/// PostgreSQL last counted.
async fn what_was_claimed_is_found_by_its_id(db: Fixture) {
    let mut direct = asked_for_plans(&db).await;
    if let Direct::Postgres(_) = direct {
        // The ways to read all of a table that look good where there is little in it.
        direct.run("SET enable_hashjoin = off; SET enable_mergejoin = off").await;
    }
    for name in ["outbox_dialect::MADE", "outbox_dialect::UNCLAIM"] {
        let plan = plan(&mut direct, name).await.join("\n");
        let key =
            ["SEARCH outbox USING INDEX sqlite_autoindex_outbox_1 (id=?)", "using outbox_pkey on outbox"];
        assert!(key.iter().any(|key| plan.contains(key)), "{name}:\n{plan}");
    }
}

async fn asked_for_plans(db: &Fixture) -> Direct {
    let mut direct = db.direct().await;
    if let Direct::Postgres(_) = direct {
        // Tables are empty here, and small ones are faster read from end to end: ask what it would do if
        // they were not, for any arguments.
        direct.run("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan").await;
    }
    direct
}

/// The steps by which a statement is carried out.
async fn plan(direct: &mut Direct, name: &str) -> Vec<String> {
    let all = statements();
    let statement = all
        .iter()
        .find(|statement| statement.name.ends_with(name))
        .unwrap_or_else(|| panic!("there is no {name}"));
    match direct {
        Direct::Sqlite(conn) => {
            let explain = format!("EXPLAIN QUERY PLAN {}", statement.sqlite);
            let rows = sqlx::query(AssertSqlSafe(explain)).fetch_all(conn).await.unwrap();
            rows.iter().map(|row| row.get("detail")).collect()
        }
        Direct::Postgres(conn) => {
            let last = (1..20).rev().find(|n| statement.postgres.contains(&format!("${n}")));
            let arguments = last.map(|last| format!("({})", vec!["NULL"; last].join(", ")));
            let prepare = format!("PREPARE hot AS {}", statement.postgres);
            sqlx::raw_sql(AssertSqlSafe(prepare)).execute(&mut *conn).await.unwrap();
            let explain = format!("EXPLAIN EXECUTE hot{}", arguments.unwrap_or_default());
            let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut *conn).await.unwrap();
            sqlx::raw_sql("DEALLOCATE hot").execute(&mut *conn).await.unwrap();
            rows.iter().map(|row| row.get(0)).collect()
        }
    }
}

/// A statement that is not declared with `statements!` would not be among those prepared above.
#[test]
fn no_statement_is_written_elsewhere() {
    let allowed = [
        // The macros themselves, and the insert of many rows.
        ("db.rs", 4),
        ("call_records.rs", 3),
        // Control of transactions, migrations, and for tests.
        ("sqlite_tx.rs", 1),
        ("writer.rs", 3),
        ("migrate.rs", 2),
        ("testing.rs", 2),
    ];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let count =
            ["sqlx::query::<", "sqlx::query(", "sqlx::query_as", "sqlx::query_scalar", "sqlx::raw_sql("]
                .iter()
                .map(|call| text.matches(call).count())
                .sum::<usize>();
        let name = path.file_name().unwrap().to_str().unwrap();
        let expected = allowed.iter().find(|(file, _)| *file == name).map_or(0, |(_, count)| *count);
        assert_eq!(count, expected, "{name} runs statements beside the macros of db.rs");
    }
}
