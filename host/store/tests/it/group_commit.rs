use hardpoint_store::{Lane, StoreError, organizations};

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
