use std::path::Path;

use hardpoint_store::testing::MIGRATIONS;
use hardpoint_store::{Engine, Lane, Store, StoreConfig, StoreError, organizations};

use crate::support::{Fixture, on_both, open, organization};

on_both!(
    opening_again_changes_nothing,
    a_newer_database_is_refused,
    a_migration_that_fails_leaves_nothing,
    hosts_that_start_together_migrate_once,
    looking_changes_nothing,
    queues_are_vacuumed_whatever_else_their_tables_keep,
);

#[test]
fn both_databases_have_the_same_migrations() {
    let names = |folder: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations").join(folder);
        let mut names: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let expected: Vec<_> = MIGRATIONS
        .iter()
        .enumerate()
        .map(|(index, migration)| {
            assert_eq!(migration.version, index as i64 + 1, "numbered without gaps");
            format!("{:04}_{}.sql", migration.version, migration.name)
        })
        .collect();
    assert_eq!(names("sqlite"), expected);
    assert_eq!(names("postgres"), expected);
}

async fn opening_again_changes_nothing(db: Fixture) {
    db.organization("org_1").await;
    db.store.close().await;
    let again = db.twin().await;
    assert_eq!(again.rows("organizations").await, 1);
    assert_eq!(again.rows("migrations").await, MIGRATIONS.len() as i64);
}

async fn a_newer_database_is_refused(db: Fixture) {
    db.direct()
        .await
        .run("INSERT INTO migrations (version, name, applied_at) VALUES (999, 'later', 0)")
        .await;
    let outcome = open(&db.config).await;
    assert!(matches!(outcome, Err(StoreError::Newer { found: 999, .. })), "{outcome:?}");
}

/// Takes the database back to before its first migration.
async fn empty(db: &Fixture) {
    db.store.close().await;
    match &db.config.url {
        None => {
            for file in ["hardpoint.db", "hardpoint.db-wal", "hardpoint.db-shm"] {
                let _ = std::fs::remove_file(db.config.data.join(file));
            }
            std::fs::write(db.config.data.join("hardpoint.db"), b"").unwrap();
        }
        Some(url) => {
            let (_, schema) = url.split_once("options[search_path]=").unwrap();
            let again = format!("DROP SCHEMA {schema} CASCADE; CREATE SCHEMA {schema}");
            db.direct().await.run(&again).await;
        }
    }
}

async fn a_migration_that_fails_leaves_nothing(db: Fixture) {
    empty(&db).await;
    db.direct().await.run("CREATE TABLE outbox (in_the_way BIGINT)").await;
    assert!(open(&db.config).await.is_err());
    let tables = match db.store.engine() {
        Engine::Sqlite => "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table'",
        Engine::Postgres => "SELECT COUNT(*) FROM pg_tables WHERE schemaname = current_schema()",
    };
    assert_eq!(db.direct().await.number(tables).await, 1, "only the one in the way");
    db.direct().await.run("DROP TABLE outbox").await;
    db.twin().await.organization("org_1").await;
}

async fn hosts_that_start_together_migrate_once(db: Fixture) {
    empty(&db).await;
    let hosts = (0..6).map(|_| {
        let config = db.config.clone();
        tokio::spawn(async move { open(&config).await })
    });
    for host in futures_util::future::join_all(hosts).await {
        host.unwrap().unwrap();
    }
    assert_eq!(db.rows("migrations").await, MIGRATIONS.len() as i64);
    db.twin().await.organization("org_1").await;
}

/// Who only looks neither brings a database to another version under the hosts that use it, nor makes one.
async fn looking_changes_nothing(db: Fixture) {
    db.organization("org_1").await;
    db.store.close().await;
    let store = Store::open_to_read(&db.config).await.unwrap().unwrap();
    assert!(organizations::get(&mut store.read().await.unwrap(), "org_1").await.unwrap().is_some());
    let organization = organization("org_2");
    let write = store
        .write(Lane::Request, |tx| Box::pin(async move { organizations::create(tx, &organization).await }));
    assert!(write.await.is_err());
    store.close().await;
    assert_eq!(db.rows("organizations").await, 1);

    let pending = async || Store::pending(&db.config).await;
    assert_eq!(pending().await.unwrap().len(), 0);

    db.direct().await.run("DELETE FROM migrations WHERE version > 1").await;
    let lacks: Vec<_> = pending().await.unwrap().iter().map(|migration| migration.version).collect();
    assert_eq!(lacks, (2..=MIGRATIONS.len() as i64).collect::<Vec<_>>());
    let outcome = Store::open_to_read(&db.config).await;
    assert!(matches!(outcome, Err(StoreError::Older { found: 1, .. })), "{outcome:?}");
    assert_eq!(db.rows("migrations").await, 1);
    db.direct()
        .await
        .run("INSERT INTO migrations (version, name, applied_at) VALUES (999, 'later', 0)")
        .await;
    let outcome = Store::open_to_read(&db.config).await;
    assert!(matches!(outcome, Err(StoreError::Newer { found: 999, .. })), "{outcome:?}");
    assert!(matches!(pending().await, Err(StoreError::Newer { found: 999, .. })));

    empty(&db).await;
    assert_eq!(pending().await.unwrap().len(), MIGRATIONS.len());
    let blobs = db.config.data.join("blobs");
    std::fs::remove_dir(&blobs).unwrap();
    assert!(Store::open_to_read(&db.config).await.unwrap().is_none());
    assert!(!blobs.exists());
    if db.store.engine() == Engine::Sqlite {
        let nowhere = StoreConfig { data: db.config.data.join("nowhere"), ..db.config.clone() };
        assert!(Store::open_to_read(&nowhere).await.unwrap().is_none());
        assert!(!nowhere.data.exists());
    }
}

/// PostgreSQL's settings for them: that claims stay as fast as they were only a table of millions could show.
async fn queues_are_vacuumed_whatever_else_their_tables_keep(db: Fixture) {
    if db.store.engine() == Engine::Sqlite {
        return;
    }
    let set = "SELECT COUNT(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace \
               AND relname IN ('events', 'outbox') AND reloptions @> ARRAY['autovacuum_vacuum_scale_factor=0', \
               'autovacuum_vacuum_threshold=100000', 'vacuum_index_cleanup=on']";
    assert_eq!(db.direct().await.number(set).await, 2);
}
