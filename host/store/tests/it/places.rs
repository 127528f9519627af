use std::sync::Arc;

use hardpoint_domain::places::{AtOnce, Held, Want};
use hardpoint_domain::quota::Meter;
use hardpoint_store::places::{self, Kept};
use hardpoint_store::{Lane, StoreError};

use crate::support::{Fixture, at, on_both};

on_both!(
    no_more_places_are_leased_than_there_are,
    hosts_that_lease_at_once_get_all_places_and_no_more,
    what_a_host_does_not_know_of_it_does_not_keep,
    who_was_silent_has_lost_its_places,
);

fn want(most: u32, held: u32, more: u32) -> Want {
    Want { at_once: AtOnce { meter: Meter::Requests, most }, held, more }
}

async fn begin(db: &Fixture, holder: &'static str, seconds: i64) {
    let begun =
        db.store.write(Lane::Request, move |tx| Box::pin(places::begin(tx, holder, at(seconds)))).await;
    begun.unwrap();
}

async fn try_lease(db: &Fixture, holder: &'static str, want: Want) -> Result<Vec<Held>, StoreError> {
    db.store.write(Lane::Request, move |tx| Box::pin(places::lease(tx, "org_1", holder, vec![want]))).await
}

async fn lease(db: &Fixture, holder: &'static str, want: Want) -> (u32, u32) {
    let leased = try_lease(db, holder, want).await.unwrap();
    let [Held { held, all, .. }] = leased[..] else { panic!("{leased:?}") };
    (held, all)
}

async fn keep(db: &Fixture, holder: &'static str, held: u32) {
    let kept = vec![Kept { organization_id: "org_1".into(), meter: Meter::Requests, held }];
    db.store.write(Lane::Bulk, move |tx| Box::pin(places::keep(tx, holder, kept))).await.unwrap();
}

async fn renew(db: &Fixture, holder: &'static str, seconds: i64) -> bool {
    db.store.write(Lane::Bulk, move |tx| Box::pin(places::renew(tx, holder, at(seconds)))).await.unwrap()
}

async fn sweep(db: &Fixture, seconds: i64) -> u64 {
    db.store.write(Lane::Bulk, move |tx| Box::pin(places::end_silent(tx, at(seconds)))).await.unwrap()
}

async fn scene(db: &Fixture) {
    db.organization("org_1").await;
    begin(db, "a", 30).await;
    begin(db, "b", 60).await;
}

async fn no_more_places_are_leased_than_there_are(db: Fixture) {
    scene(&db).await;
    assert_eq!(lease(&db, "a", want(10, 0, 4)).await, (4, 4));
    assert_eq!(lease(&db, "b", want(10, 0, 4)).await, (4, 8));
    assert_eq!(lease(&db, "a", want(10, 4, 4)).await, (6, 10));
    assert_eq!(lease(&db, "b", want(10, 4, 4)).await, (4, 10));
    // Another sort, another organisation.
    let completions = Want { at_once: AtOnce { meter: Meter::Completions, most: 3 }, held: 0, more: 2 };
    assert_eq!(lease(&db, "b", completions).await, (2, 2));
    keep(&db, "a", 1).await;
    assert_eq!(lease(&db, "b", want(10, 4, 9)).await, (9, 10));
    // What is kept is never more than was leased.
    keep(&db, "a", 5).await;
    assert_eq!(lease(&db, "b", want(10, 9, 1)).await, (9, 10));
    // The limit was lowered below what is leased, and raised.
    assert_eq!(lease(&db, "b", want(4, 9, 1)).await, (9, 10));
    assert_eq!(lease(&db, "b", want(12, 9, 5)).await, (11, 12));
}

async fn hosts_that_lease_at_once_get_all_places_and_no_more(db: Fixture) {
    db.organization("org_1").await;
    let db = Arc::new(db);
    let holders: Vec<&'static str> = (0..40).map(|number| &*format!("host_{number}").leak()).collect();
    for holder in &holders {
        begin(&db, holder, 30).await;
    }
    let leases = holders.into_iter().map(|holder| {
        let db = Arc::clone(&db);
        tokio::spawn(async move { lease(&db, holder, want(10, 0, 3)).await.0 })
    });
    let mut held = Vec::new();
    for lease in leases.collect::<Vec<_>>() {
        held.push(lease.await.unwrap());
    }
    assert_eq!(held.iter().sum::<u32>(), 10, "{held:?}");
}

async fn what_a_host_does_not_know_of_it_does_not_keep(db: Fixture) {
    scene(&db).await;
    assert_eq!(lease(&db, "a", want(10, 0, 8)).await, (8, 8));
    // It never heard of that lease.
    assert_eq!(lease(&db, "a", want(10, 0, 1)).await, (1, 1));
    assert_eq!(lease(&db, "b", want(10, 0, 10)).await, (9, 10));
}

async fn who_was_silent_has_lost_its_places(db: Fixture) {
    scene(&db).await;
    assert_eq!(lease(&db, "a", want(10, 0, 8)).await, (8, 8));
    assert_eq!(lease(&db, "b", want(10, 0, 8)).await, (2, 10));
    assert_eq!(sweep(&db, 30).await, 0);
    assert!(renew(&db, "b", 90).await);
    assert_eq!(sweep(&db, 31).await, 1);
    assert!(!renew(&db, "a", 90).await);
    assert!(matches!(try_lease(&db, "a", want(12, 8, 1)).await, Err(StoreError::Dangling)));
    assert_eq!(lease(&db, "b", want(10, 2, 8)).await, (10, 10));
    db.store.write(Lane::Bulk, |tx| Box::pin(places::end(tx, "b"))).await.unwrap();
    assert_eq!((db.rows("place_holders").await, db.rows("place_leases").await), (0, 0));
}
