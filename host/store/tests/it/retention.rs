use hardpoint_store::retention::{self, Purged};
use hardpoint_store::{Lane, chain};
use tokio::sync::oneshot;

use crate::support::{Fixture, at, event, on_both};

on_both!(two_hosts_that_purge_at_once_leave_nothing, what_is_over_is_purged_oldest_first);

/// An organisation with events of so many seconds, each with its place.
async fn prepare(db: &Fixture, count: i64) {
    db.organization("org_1").await;
    let write = db.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move {
            for number in 0..count {
                tx.append(&event(&format!("evt_{number}"), Some("org_1"), number), &[]).await?;
            }
            chain::number(tx, 100).await
        })
    });
    write.await.unwrap();
}

async fn purge(db: &Fixture, limit: u32) -> Purged {
    let write = db.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move { retention::purge(tx, "org_1", at(100), limit).await })
    });
    write.await.unwrap()
}

async fn left(db: &Fixture) -> i64 {
    db.direct().await.number("SELECT COUNT(*) FROM events WHERE body IS NOT NULL").await
}

async fn what_is_over_is_purged_oldest_first(db: Fixture) {
    prepare(&db, 5).await;
    assert_eq!(purge(&db, 3).await, Purged { count: 3, before: at(100), is_whole: false });
    let earliest = "SELECT CAST(MIN(seq) AS BIGINT) FROM events WHERE body IS NOT NULL";
    assert_eq!(db.direct().await.number(earliest).await, 4);
    assert_eq!(purge(&db, 3).await, Purged { count: 2, before: at(100), is_whole: true });
    let mut conn = db.store.read().await.unwrap();
    assert!(!retention::is_due(&mut conn, "org_1", at(100)).await.unwrap());
}

/// The second begins while the first has not ended: it goes on where that one ends, and there is an end only once
/// nothing is left.
async fn two_hosts_that_purge_at_once_leave_nothing(db: Fixture) {
    prepare(&db, 9).await;
    let twin = db.twin().await;
    let (begun, first_begun) = oneshot::channel();
    let (go_on, may_end) = oneshot::channel::<()>();
    let first = db.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move {
            let purged = retention::purge(tx, "org_1", at(100), 4).await?;
            begun.send(()).unwrap();
            may_end.await.unwrap();
            Ok(purged)
        })
    });
    let second = async {
        first_begun.await.unwrap();
        let waits = async {
            db.until_waiting(1).await;
            go_on.send(()).unwrap();
        };
        tokio::join!(purge(&twin, 4), waits).0
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((first.unwrap().count, second), (4, Purged { count: 4, before: at(100), is_whole: false }));
    let mut conn = db.store.read().await.unwrap();
    assert!(retention::is_due(&mut conn, "org_1", at(100)).await.unwrap());
    drop(conn);
    assert_eq!((purge(&twin, 4).await.is_whole, left(&db).await), (true, 0));
}
