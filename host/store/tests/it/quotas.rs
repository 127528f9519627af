use std::sync::Arc;

use hardpoint_domain::quota::{Count, Lease, Limit, Meter, Window, Wish};
use hardpoint_store::{Lane, quotas};

use crate::support::{Fixture, at, on_both};

on_both!(
    a_window_gives_no_more_than_its_limit,
    hosts_that_lease_at_once_get_all_of_it_and_no_more,
    several_limits_are_leased_at_once_whatever_their_order,
);

fn wish(subject: &str, window: Window, most: u64, begin: i64, size: u64) -> Wish {
    let count = Count { subject: subject.into(), meter: Meter::Requests, window };
    Wish { limit: Limit { count, most }, begin: at(begin), size }
}

async fn lease(db: &Fixture, wishes: Vec<Wish>) -> Vec<Lease> {
    db.store.write(Lane::Request, |tx| Box::pin(quotas::lease(tx, wishes))).await.unwrap()
}

async fn one(db: &Fixture, wish: Wish) -> (u64, u64) {
    let leases = lease(db, vec![wish]).await;
    (leases[0].size, leases[0].granted)
}

async fn a_window_gives_no_more_than_its_limit(db: Fixture) {
    let minute = |begin, size| wish("key_1", Window::Minute, 10, begin, size);
    assert_eq!(one(&db, minute(60, 4)).await, (4, 4));
    assert_eq!(one(&db, minute(60, 4)).await, (4, 8));
    assert_eq!(one(&db, minute(60, 4)).await, (2, 10));
    assert_eq!(one(&db, minute(60, 4)).await, (0, 10));
    // Another window, another limit, another subject.
    assert_eq!(one(&db, minute(120, 4)).await, (4, 4));
    assert_eq!(one(&db, wish("key_1", Window::Hour, 10, 0, 3)).await, (3, 3));
    assert_eq!(one(&db, wish("key_2", Window::Minute, 10, 120, 5)).await, (5, 5));
    // A host whose clock is behind gets nothing, and takes nothing from the window that began.
    assert_eq!(one(&db, minute(60, 4)).await.0, 0);
    assert_eq!(one(&db, minute(120, 4)).await, (4, 8));
    // The limit was lowered below what is leased, and raised again.
    assert_eq!(one(&db, wish("key_1", Window::Minute, 5, 120, 4)).await, (0, 8));
    assert_eq!(one(&db, wish("key_1", Window::Minute, 20, 120, 4)).await, (4, 12));
}

async fn hosts_that_lease_at_once_get_all_of_it_and_no_more(db: Fixture) {
    let db = Arc::new(db);
    let leases = (0..100).map(|_| {
        let db = Arc::clone(&db);
        tokio::spawn(async move { one(&db, wish("key_1", Window::Day, 250, 0, 3)).await.0 })
    });
    let mut sizes = Vec::new();
    for lease in leases {
        sizes.push(lease.await.unwrap());
    }
    assert_eq!(sizes.iter().sum::<u64>(), 250, "{sizes:?}");
}

async fn several_limits_are_leased_at_once_whatever_their_order(db: Fixture) {
    let db = Arc::new(db);
    let wishes = || {
        ["a", "b", "c"]
            .map(|subject| wish(subject, Window::Minute, 1_000, 0, 1))
            .into_iter()
            .chain(["a", "b", "c"].map(|subject| wish(subject, Window::Hour, 1_000, 0, 1)))
            .collect::<Vec<_>>()
    };
    let leases = (0..40).map(|turn| {
        let (db, mut wishes) = (Arc::clone(&db), wishes());
        wishes.rotate_left(turn % 6);
        tokio::spawn(async move { lease(&db, wishes).await.len() })
    });
    for lease in leases.collect::<Vec<_>>() {
        assert_eq!(lease.await.unwrap(), 6);
    }
    assert_eq!(one(&db, wish("b", Window::Hour, 1_000, 0, 1)).await, (1, 41));
}
