use std::sync::Arc;

use hardpoint_domain::plan::Rates;
use hardpoint_domain::quota::{Count, Lease, Limit, Meter, Window, Wish};
use hardpoint_store::{Lane, keys, organizations, quotas};

use crate::support::{Fixture, at, new_key, on_both};

on_both!(
    a_window_gives_no_more_than_its_limit,
    a_window_that_a_wrong_clock_began_keeps_nobody_out,
    hosts_that_lease_at_once_get_all_of_it_and_no_more,
    several_limits_are_leased_at_once_whatever_their_order,
    an_organisation_s_own_limits_come_with_its_keys,
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
    // Less than was wished is all that was left.
    let leases =
        lease(&db, vec![wish("key_1", Window::Minute, 20, 120, 8), wish("key_1", Window::Hour, 5, 0, 2)])
            .await;
    let told: Vec<_> = leases.iter().map(|lease| (lease.size, lease.is_last)).collect();
    assert_eq!(told, [(8, false), (2, false)]);
    let leases = lease(&db, vec![wish("key_1", Window::Minute, 21, 120, 8)]).await;
    assert_eq!((leases[0].size, leases[0].granted, leases[0].is_last), (1, 21, true));
}

async fn a_window_that_a_wrong_clock_began_keeps_nobody_out(db: Fixture) {
    let minute = |begin, size| wish("key_1", Window::Minute, 10, begin, size);
    let day = |begin, size| wish("key_1", Window::Day, 10, begin, size);
    const HOUR: i64 = 3_600;
    assert_eq!(one(&db, minute(60, 4)).await, (4, 4));
    // A clock that is somewhat ahead may be right, and this one behind.
    assert_eq!(one(&db, minute(60 + HOUR, 4)).await, (4, 4));
    assert_eq!(one(&db, minute(60, 4)).await.0, 0);
    // Years ahead it is wrong.
    assert_eq!(one(&db, minute(60 + 10_000 * HOUR, 4)).await, (4, 4));
    assert_eq!(one(&db, minute(120, 4)).await, (4, 4));
    assert_eq!(one(&db, minute(120, 8)).await, (6, 10));
    assert_eq!(one(&db, day(24 * HOUR, 4)).await, (4, 4));
    assert_eq!(one(&db, day(0, 4)).await.0, 0);
    assert_eq!(one(&db, day(48 * HOUR, 4)).await, (4, 4));
    assert_eq!(one(&db, day(0, 4)).await, (4, 4));
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

async fn an_organisation_s_own_limits_come_with_its_keys(db: Fixture) {
    db.organization("org_1").await;
    let key = new_key("key_1", "org_1", [7; 32]);
    db.store.write(Lane::Request, |tx| Box::pin(async move { keys::insert(tx, &key).await })).await.unwrap();
    let set = |id: &'static str, rates: Rates| {
        db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { organizations::set_rates(tx, id, &rates).await })
        })
    };
    let found = async || {
        let mut conn = db.store.read().await.unwrap();
        let own = organizations::rates(&mut conn, "org_1").await.unwrap().unwrap();
        assert_eq!(keys::find_by_hash(&mut conn, &[7; 32]).await.unwrap().unwrap().rates, own);
        own
    };
    assert_eq!(found().await, Rates::default());
    let own = Rates {
        requests_per_day: Some(5),
        concurrent: Some(2),
        tokens_per_minute: Some(1),
        ..Rates::default()
    };
    assert!(set("org_1", own.clone()).await.unwrap());
    assert_eq!(found().await, own);
    assert!(set("org_1", Rates::default()).await.unwrap());
    assert_eq!(found().await, Rates::default());
    assert!(!set("org_2", own).await.unwrap());
    assert_eq!(organizations::rates(&mut db.store.read().await.unwrap(), "org_2").await.unwrap(), None);
}
