use std::sync::{Arc, Mutex};

use hardpoint_store::{Lane, Store, StoreError, organizations};
use tokio::sync::{oneshot, watch};

use crate::support::{Fixture, on_both, organization};

on_both!(
    a_thousand_writers_and_those_that_fail_alone,
    both_lanes_move,
    a_failed_statement_ends_its_write,
    a_write_sees_its_own_rows_and_readers_do_not,
    closing_finishes_what_waits,
);

/// Every tenth write fails after it wrote, in one of three ways.
async fn a_thousand_writers_and_those_that_fail_alone(db: Fixture) {
    let writers = (0..1_000).map(|number| {
        let store = db.store.clone();
        tokio::spawn(async move {
            let outcome = store
                .write(Lane::Request, move |tx| {
                    Box::pin(async move {
                        organizations::create(tx, &organization(&format!("org_{number}"))).await?;
                        match number % 30 {
                            10 => Err(StoreError::Conflict),
                            20 => organizations::create(tx, &organization(&format!("org_{number}"))).await,
                            0 => panic!("expected, by the test"),
                            _ => Ok(()),
                        }
                    })
                })
                .await;
            if outcome.is_ok() {
                // Whoever was answered sees what it wrote.
                let mut conn = store.read().await.unwrap();
                let found = organizations::get(&mut conn, &format!("org_{number}")).await.unwrap();
                assert!(found.is_some());
            }
            (number, outcome)
        })
    });
    for writer in futures_util::future::join_all(writers).await {
        let (number, outcome) = writer.unwrap();
        match number % 30 {
            10 => assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}"),
            20 => assert!(matches!(outcome, Err(StoreError::Duplicate { .. })), "{outcome:?}"),
            0 => assert!(matches!(outcome, Err(StoreError::Undone(_))), "{outcome:?}"),
            _ => outcome.unwrap(),
        }
    }
    assert_eq!(db.rows("organizations").await, 900);
}

async fn both_lanes_move(db: Fixture) {
    let writers = (0..400).map(|number| {
        let store = db.store.clone();
        let lane = if number % 2 == 0 { Lane::Request } else { Lane::Bulk };
        tokio::spawn(async move {
            let organization = organization(&format!("org_{number}"));
            store
                .write(lane, |tx| Box::pin(async move { organizations::create(tx, &organization).await }))
                .await
        })
    });
    for writer in futures_util::future::join_all(writers).await {
        writer.unwrap().unwrap();
    }
    assert_eq!(db.rows("organizations").await, 400);
}

/// PostgreSQL would refuse to go on; so does SQLite. Overlooking the failure is no way around it.
async fn a_failed_statement_ends_its_write(db: Fixture) {
    db.organization("org_1").await;
    let outcome = db
        .store
        .write(Lane::Request, |tx| {
            Box::pin(async move {
                organizations::create(tx, &organization("org_2")).await?;
                let taken = organizations::create(tx, &organization("org_1")).await;
                assert!(matches!(taken, Err(StoreError::Duplicate { .. })));
                let after = organizations::create(tx, &organization("org_3")).await;
                assert!(matches!(after, Err(StoreError::Duplicate { .. })));
                Ok("all is well")
            })
        })
        .await;
    assert!(matches!(outcome, Err(StoreError::Duplicate { .. })), "{outcome:?}");
    assert_eq!(db.rows("organizations").await, 1);
    db.organization("org_2").await;
}

async fn a_write_sees_its_own_rows_and_readers_do_not(db: Fixture) {
    let reader = db.store.clone();
    let (inside, outside) = db
        .store
        .write(Lane::Request, move |tx| {
            Box::pin(async move {
                organizations::create(tx, &organization("org_1")).await?;
                let inside = organizations::get(tx, "org_1").await?;
                let outside = organizations::get(&mut reader.read().await?, "org_1").await?;
                Ok((inside, outside))
            })
        })
        .await
        .unwrap();
    assert_eq!((inside, outside), (Some(organization("org_1")), None));
}

async fn closing_finishes_what_waits(db: Fixture) {
    let writes: Vec<_> = (0..50)
        .map(|number| {
            let store = db.store.clone();
            tokio::spawn(async move {
                let organization = organization(&format!("org_{number}"));
                store
                    .write(Lane::Bulk, |tx| {
                        Box::pin(async move { organizations::create(tx, &organization).await })
                    })
                    .await
            })
        })
        .collect();
    db.organization("org_x").await;
    db.store.close().await;
    let mut written = 1;
    for write in writes {
        match write.await.unwrap() {
            Ok(()) => written += 1,
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}"),
        }
    }
    assert_eq!(db.rows("organizations").await, written);
    let late = db.store.write(Lane::Request, |_| Box::pin(async { Ok(()) })).await;
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    assert!(db.store.read().await.is_err());
}

/// Queues a write that notes its name when it runs.
fn noting(store: &Store, lane: Lane, name: usize, order: &Arc<Mutex<Vec<usize>>>) -> oneshot::Receiver<()> {
    let (store, order, (sender, done)) = (store.clone(), Arc::clone(order), oneshot::channel());
    tokio::spawn(async move {
        let write = store.write(lane, move |_| {
            Box::pin(async move {
                order.lock().unwrap().push(name);
                Ok(())
            })
        });
        write.await.unwrap();
        let _ = sender.send(());
    });
    done
}

/// What a lane is for, on SQLite: the one writer takes requests first, whoever came first.
#[tokio::test]
async fn requests_go_before_bulk_on_sqlite() {
    let db = Fixture::sqlite().await;
    let (open, gate) = oneshot::channel::<()>();
    let (store, (sender, entered)) = (db.store.clone(), oneshot::channel());
    let first = tokio::spawn(async move {
        store
            .write(Lane::Bulk, |_| {
                Box::pin(async move {
                    let _ = sender.send(());
                    let _ = gate.await;
                    Ok(())
                })
            })
            .await
    });
    entered.await.unwrap();
    let order = Arc::default();
    let bulk: Vec<_> = (100..400).map(|name| noting(&db.store, Lane::Bulk, name, &order)).collect();
    let requests: Vec<_> = (0..20).map(|name| noting(&db.store, Lane::Request, name, &order)).collect();
    // On this one thread each of them is in its queue before we are asked again.
    tokio::task::yield_now().await;
    open.send(()).unwrap();
    first.await.unwrap().unwrap();
    for done in requests.into_iter().chain(bulk) {
        done.await.unwrap();
    }
    let order = order.lock().unwrap();
    let expected: Vec<_> = (0..20).chain(100..400).collect();
    assert_eq!(*order, expected);
}

/// What a lane is for, on PostgreSQL: bulk writes that take long leave connections to requests.
#[tokio::test]
async fn requests_find_a_connection_beside_bulk_on_postgres() {
    let Some(db) = Fixture::postgres().await else { return };
    let (open, gate) = watch::channel(false);
    let bulk: Vec<_> = (0..40)
        .map(|_| {
            let (store, mut gate) = (db.store.clone(), gate.clone());
            tokio::spawn(async move {
                store
                    .write(Lane::Bulk, |_| {
                        Box::pin(async move {
                            let _ = gate.wait_for(|open| *open).await;
                            Ok(())
                        })
                    })
                    .await
            })
        })
        .collect();
    tokio::task::yield_now().await;
    for number in 0..20 {
        db.organization(&format!("org_{number}")).await;
    }
    open.send(true).unwrap();
    for write in bulk {
        write.await.unwrap().unwrap();
    }
}
