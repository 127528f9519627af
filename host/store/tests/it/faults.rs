use hardpoint_store::testing::raw;
use hardpoint_store::{Engine, Lane, StoreError, keys, kv, organizations, plugins};

use crate::support::{Direct, Fixture, new_key, on_both, open, organization};

on_both!(what_cannot_be_understood_is_corrupt, writers_of_other_processes_are_waited_for);

async fn what_cannot_be_understood_is_corrupt(db: Fixture) {
    db.organization("org_1").await;
    let key = new_key("key_1", "org_1", [1; 32]);
    db.store.write(Lane::Request, |tx| Box::pin(async move { keys::insert(tx, &key).await })).await.unwrap();
    db.direct().await.run("UPDATE api_keys SET role = 'emperor'").await;
    let found = keys::find_by_hash(&mut db.store.read().await.unwrap(), &[1; 32]).await;
    assert!(matches!(&found, Err(StoreError::Corrupt(why)) if why.contains("role")), "{found:?}");
    assert_eq!(plugins::list(&mut db.store.read().await.unwrap()).await.unwrap(), []);
}

async fn writers_of_other_processes_are_waited_for(db: Fixture) {
    let mut direct = db.direct().await;
    let (begin, lock) = match db.store.engine() {
        Engine::Sqlite => ("BEGIN IMMEDIATE", "SELECT 1"),
        Engine::Postgres => ("BEGIN", "LOCK TABLE organizations IN ACCESS EXCLUSIVE MODE"),
    };
    direct.run(begin).await;
    direct.run(lock).await;
    let store = db.store.clone();
    let waiting = tokio::spawn(async move {
        let organization = organization("org_1");
        store
            .write(Lane::Request, |tx| {
                Box::pin(async move { organizations::create(tx, &organization).await })
            })
            .await
    });
    // On SQLite reading goes on meanwhile.
    if let Direct::Sqlite(_) = direct {
        assert_eq!(organizations::get(&mut db.store.read().await.unwrap(), "org_1").await.unwrap(), None);
    }
    assert!(!waiting.is_finished());
    direct.run("COMMIT").await;
    waiting.await.unwrap().unwrap();
    assert_eq!(db.rows("organizations").await, 1);
}

/// A full disk, as SQLite sees it: the file may not grow any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_database_refuses_writes_and_goes_on_reading() {
    let db = Fixture::sqlite().await;
    let limit = async |text: &'static str| {
        db.store.write(Lane::Request, move |tx| Box::pin(async move { raw(tx, text).await })).await.unwrap();
    };
    // Less than there are: SQLite then takes the present size as the limit.
    limit("PRAGMA max_page_count = 1").await;
    let namespace =
        |number: usize| kv::Namespace { binding: "notes".into(), organization_id: format!("org_{number}") };
    let mut written = Vec::new();
    for round in 0..10 {
        // Together, so that a full database meets writes that share a transaction.
        let writes = (0..8).map(|place| {
            let (store, number) = (db.store.clone(), round * 8 + place);
            tokio::spawn(async move {
                let outcome = store
                    .write(Lane::Request, move |tx| {
                        Box::pin(async move { kv::set(tx, &namespace(number), "k", &[7; 3_000]).await })
                    })
                    .await;
                (number, outcome)
            })
        });
        for write in futures_util::future::join_all(writes).await {
            match write.unwrap() {
                (number, Ok(())) => written.push(number),
                (_, Err(error)) => assert!(matches!(error, StoreError::Full), "{error:?}"),
            }
        }
    }
    assert!(written.len() < 80, "it never became full");
    for number in 0..80 {
        let found = kv::get(&mut db.store.read().await.unwrap(), &namespace(number), "k").await.unwrap();
        assert_eq!(found.is_some(), written.contains(&number), "what was answered is what is there");
    }
    limit("PRAGMA max_page_count = 1000000").await;
    db.organization("org_1").await;
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_made_is_unavailable() {
    let db = Fixture::sqlite().await;
    let mut config = db.config.clone();
    config.data = db.config.data.join("hardpoint.db/inside a file");
    let outcome = open(&config).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_corrupt() {
    let db = Fixture::sqlite().await;
    let mut config = db.config.clone();
    config.data = db.config.data.join("other");
    std::fs::create_dir(&config.data).unwrap();
    std::fs::write(config.data.join("hardpoint.db"), vec![b'x'; 8_192]).unwrap();
    let outcome = open(&config).await;
    assert!(matches!(outcome, Err(StoreError::Corrupt(_))), "{outcome:?}");
}
