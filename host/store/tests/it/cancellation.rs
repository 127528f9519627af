use std::time::Duration;

use hardpoint_store::{Lane, StoreError, keys, organizations};

use crate::support::{Fixture, new_key, on_both, organization};

on_both!(
    a_caller_that_leaves_leaves_all_or_nothing,
    a_queued_write_is_kept_without_its_caller,
    a_reader_that_leaves_harms_no_other,
    a_write_that_hangs_is_undone,
);

async fn a_caller_that_leaves_leaves_all_or_nothing(db: Fixture) {
    let writers: Vec<_> = (0..200_u8)
        .map(|number| {
            let store = db.store.clone();
            tokio::spawn(async move {
                let id = format!("org_{number}");
                let op = store.write(Lane::Request, move |tx| {
                    Box::pin(async move {
                        organizations::create(tx, &organization(&id)).await?;
                        tokio::task::yield_now().await;
                        keys::insert(tx, &new_key(&format!("key_{number}"), &id, [number; 32])).await
                    })
                });
                // Leaves somewhere on the way: at once, in the queue, in the write, or not at all.
                tokio::time::timeout(Duration::from_micros(u64::from(number) * 50), op).await.ok()
            })
        })
        .collect();
    let mut answered = 0;
    for (number, writer) in writers.into_iter().enumerate() {
        if number % 7 == 0 {
            writer.abort();
        }
        if let Ok(Some(outcome)) = writer.await {
            outcome.unwrap();
            answered += 1;
        }
    }
    // Whatever still runs is before this in the queue, or on PostgreSQL over when the store is closed.
    db.organization("org_last").await;
    db.store.close().await;
    let (organizations, keys) = (db.rows("organizations").await - 1, db.rows("api_keys").await);
    assert_eq!(organizations, keys, "each write whole or not at all");
    assert!(keys >= answered, "{keys} written, {answered} answered");
}

async fn a_queued_write_is_kept_without_its_caller(db: Fixture) {
    let (started, begun) = tokio::sync::oneshot::channel();
    let store = db.store.clone();
    let caller = tokio::spawn(async move {
        store
            .write(Lane::Request, |tx| {
                Box::pin(async move {
                    let _ = started.send(());
                    tokio::task::yield_now().await;
                    organizations::create(tx, &organization("org_1")).await
                })
            })
            .await
    });
    begun.await.unwrap();
    caller.abort();
    db.store.close().await;
    assert_eq!(db.rows("organizations").await, 1);
}

async fn a_reader_that_leaves_harms_no_other(db: Fixture) {
    db.organization("org_1").await;
    let readers = (0..300_u64).map(|number| {
        let store = db.store.clone();
        tokio::spawn(async move {
            let read = async {
                let mut conn = store.read().await?;
                organizations::get(&mut conn, "org_1").await
            };
            tokio::time::timeout(Duration::from_micros(number), read).await.ok()
        })
    });
    for reader in futures_util::future::join_all(readers).await {
        if let Some(found) = reader.unwrap() {
            assert_eq!(found.unwrap(), Some(organization("org_1")));
        }
    }
    let found = organizations::get(&mut db.store.read().await.unwrap(), "org_1").await.unwrap();
    assert_eq!(found, Some(organization("org_1")));
}

async fn a_write_that_hangs_is_undone(db: Fixture) {
    let hanging: Result<(), _> = db
        .store
        .write(Lane::Request, |tx| {
            Box::pin(async move {
                organizations::create(tx, &organization("org_1")).await?;
                std::future::pending().await
            })
        })
        .await;
    assert!(matches!(hanging, Err(StoreError::Undone(_))), "{hanging:?}");
    assert_eq!(db.rows("organizations").await, 0);
    db.organization("org_1").await;
}
