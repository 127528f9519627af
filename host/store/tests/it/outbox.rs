use std::collections::HashSet;
use std::time::Duration;

use hardpoint_store::outbox::{self, Claimed, State};
use hardpoint_store::{Lane, Store};

use crate::events::delivery;
use crate::support::{Fixture, at, event, on_both};

on_both!(
    the_oldest_due_are_claimed_first,
    completing_needs_the_claim,
    an_expired_lease_may_be_claimed_again,
    a_released_delivery_waits_for_its_time,
    a_dropped_delivery_stays_dropped,
    a_thousand_claims_of_two_hosts_never_meet,
);

const LEASE: Duration = Duration::from_secs(30);

async fn append(db: &Fixture, deliveries: i64) {
    db.store
        .write(Lane::Bulk, move |tx| {
            Box::pin(async move {
                let deliveries: Vec<_> = (0..deliveries)
                    .map(|number| {
                        let mut new = delivery(&format!("dlv_{number:04}"), "whe_1");
                        new.due_at = at(number / 10);
                        new
                    })
                    .collect();
                tx.append(&event("evt_1", None, 0), &deliveries).await
            })
        })
        .await
        .unwrap();
}

async fn claim(store: &Store, claim_id: &str, batch: u32, seconds: i64) -> Vec<Claimed> {
    let claim_id = claim_id.to_owned();
    store
        .write(Lane::Bulk, move |tx| {
            Box::pin(async move { outbox::claim(tx, &claim_id, batch, at(seconds), LEASE).await })
        })
        .await
        .unwrap()
}

async fn complete(db: &Fixture, id: &'static str, claim_id: &'static str) -> bool {
    db.store
        .write(Lane::Bulk, move |tx| Box::pin(async move { outbox::complete(tx, id, claim_id).await }))
        .await
        .unwrap()
}

fn ids(claimed: &[Claimed]) -> Vec<&str> {
    claimed.iter().map(|claimed| claimed.id.as_str()).collect()
}

async fn the_oldest_due_are_claimed_first(db: Fixture) {
    append(&db, 25).await;
    let first = claim(&db.store, "c1", 3, 1).await;
    assert_eq!(ids(&first), ["dlv_0000", "dlv_0001", "dlv_0002"]);
    assert_eq!(first[0].attempt, 1);
    assert_eq!(first[0].event_id, "evt_1");
    assert_eq!(claim(&db.store, "c2", 100, 1).await.len(), 17, "what is due, less what is claimed");
    assert_eq!(claim(&db.store, "c3", 100, 1).await, []);
}

async fn completing_needs_the_claim(db: Fixture) {
    append(&db, 1).await;
    assert!(!complete(&db, "dlv_0000", "c1").await, "nobody claimed it");
    claim(&db.store, "c1", 1, 0).await;
    assert!(!complete(&db, "dlv_0000", "c2").await, "another's claim");
    assert!(complete(&db, "dlv_0000", "c1").await);
    assert!(!complete(&db, "dlv_0000", "c1").await, "made only once");
    assert_eq!(claim(&db.store, "c3", 1, 1_000).await, []);
    let deliveries = outbox::of_event(&mut db.store.read().await.unwrap(), "evt_1").await.unwrap();
    assert_eq!((deliveries[0].state, deliveries[0].claim_id.as_deref()), (State::Delivered, None));
}

async fn an_expired_lease_may_be_claimed_again(db: Fixture) {
    append(&db, 1).await;
    claim(&db.store, "c1", 1, 0).await;
    assert_eq!(claim(&db.store, "c2", 1, 29).await, []);
    let again = claim(&db.store, "c2", 1, 30).await;
    assert_eq!((ids(&again), again[0].attempt), (vec!["dlv_0000"], 2));
    assert!(!complete(&db, "dlv_0000", "c1").await, "the first claim no longer counts");
    assert!(complete(&db, "dlv_0000", "c2").await);
}

async fn a_released_delivery_waits_for_its_time(db: Fixture) {
    append(&db, 1).await;
    claim(&db.store, "c1", 1, 0).await;
    let release = |claim_id: &'static str| {
        db.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { outbox::release(tx, "dlv_0000", claim_id, at(60), Some("503")).await })
        })
    };
    assert!(!release("c2").await.unwrap());
    assert!(release("c1").await.unwrap());
    assert!(!release("c1").await.unwrap());
    assert_eq!(claim(&db.store, "c2", 1, 59).await, []);
    let deliveries = outbox::of_event(&mut db.store.read().await.unwrap(), "evt_1").await.unwrap();
    assert_eq!(deliveries[0].last_error.as_deref(), Some("503"));
    assert_eq!(claim(&db.store, "c2", 1, 60).await[0].attempt, 2);
}

async fn a_dropped_delivery_stays_dropped(db: Fixture) {
    append(&db, 1).await;
    claim(&db.store, "c1", 1, 0).await;
    let give_up = |claim_id: &'static str| {
        db.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { outbox::give_up(tx, "dlv_0000", claim_id, "410").await })
        })
    };
    assert!(!give_up("c2").await.unwrap());
    assert!(give_up("c1").await.unwrap());
    assert_eq!(claim(&db.store, "c2", 1, 1_000).await, []);
    let deliveries = outbox::of_event(&mut db.store.read().await.unwrap(), "evt_1").await.unwrap();
    assert_eq!((deliveries[0].state, deliveries[0].last_error.as_deref()), (State::Dropped, Some("410")));
}

async fn a_thousand_claims_of_two_hosts_never_meet(db: Fixture) {
    append(&db, 1_500).await;
    let other = db.twin().await;
    let claims = (0..1_000).map(|number| {
        let store = if number % 2 == 0 { db.store.clone() } else { other.store.clone() };
        tokio::spawn(async move { claim(&store, &format!("c{number}"), 2, 1_000).await })
    });
    let mut claimed = Vec::new();
    for batch in futures_util::future::join_all(claims).await {
        let batch = batch.unwrap();
        assert!(batch.len() <= 2);
        claimed.extend(batch);
    }
    // Who passes over rows that another is just claiming may find none though some are left.
    claimed.extend(claim(&db.store, "rest", 2_000, 1_000).await);
    assert!(claimed.iter().all(|delivery| delivery.attempt == 1));
    let distinct: HashSet<_> = ids(&claimed).into_iter().collect();
    assert_eq!((claimed.len(), distinct.len()), (1_500, 1_500));
}
