use std::collections::HashSet;
use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use hardpoint_store::outbox::{self, Attempt, Claimed, Delivery, Settlement, State};
use hardpoint_store::{Lane, Store, Window};
use tokio::sync::oneshot;

use crate::events::delivery;
use crate::support::{Fixture, at, event, on_both};

on_both!(
    the_oldest_due_are_claimed_first,
    a_claim_by_a_wrong_clock_holds_nothing,
    one_endpoints_are_not_anothers,
    settling_needs_the_claim,
    many_are_settled_at_once,
    an_expired_lease_may_be_claimed_again,
    what_failed_waits_for_its_time_unless_it_is_pulled_forward,
    what_a_clock_ahead_tried_is_pulled_forward_too,
    a_dropped_delivery_stays_dropped_until_it_is_replayed,
    what_was_given_up_is_replayed_since_a_time,
    what_was_given_up_by_a_clock_ahead_is_replayed_too,
    what_is_given_up_again_at_once_is_not_replayed_again,
    the_latest_attempts_are_kept,
    what_is_too_old_is_given_up_and_forgotten,
    what_was_not_tried_is_given_back,
    what_is_begun_anew_at_that_moment_stays,
    all_claims_end_where_a_host_is_alone,
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

async fn claim_to_send(store: &Store, claim_id: &str, batch: u32, seconds: i64) -> Vec<Claimed> {
    let claim_id = claim_id.to_owned();
    store
        .write(Lane::Bulk, move |tx| {
            Box::pin(async move { outbox::claim(tx, "whe_1", &claim_id, batch, at(seconds), LEASE).await })
        })
        .await
        .unwrap()
}

async fn claim(store: &Store, claim_id: &str, batch: u32, seconds: i64) -> Vec<Delivery> {
    deliveries(claim_to_send(store, claim_id, batch, seconds).await)
}

fn deliveries(claimed: Vec<Claimed>) -> Vec<Delivery> {
    claimed.into_iter().map(|claimed| claimed.delivery).collect()
}

async fn claim_early(db: &Fixture, seconds: i64, tried_until: i64) -> Vec<Delivery> {
    let write = db.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move {
            outbox::claim_early(tx, "whe_1", "early", 10, at(seconds), LEASE, at(tried_until)).await
        })
    });
    deliveries(write.await.unwrap())
}

fn tried(seconds: i64, error: Option<&str>) -> Attempt {
    Attempt { at: at(seconds), status: Some(200), error: error.map(str::to_owned), duration_ms: 7 }
}

async fn settle(db: &Fixture, claimed: &Delivery, attempt: Attempt, settlement: Settlement) -> bool {
    let claimed = claimed.clone();
    let write = db.store.write(Lane::Bulk, move |tx| {
        let now = attempt.at;
        Box::pin(async move { outbox::settle(tx, &claimed, attempt, settlement, now).await })
    });
    write.await.unwrap()
}

async fn first(db: &Fixture) -> Delivery {
    let mut conn = db.store.read().await.unwrap();
    outbox::get(&mut conn, "whe_1", "dlv_0000").await.unwrap().unwrap()
}

async fn replay_since(db: &Fixture, since: i64) -> u64 {
    let write = db.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move { outbox::replay_since(tx, "whe_1", at(since), at(900), 1_000).await })
    });
    write.await.unwrap()
}

fn ids(claimed: &[Delivery]) -> Vec<&str> {
    claimed.iter().map(|claimed| claimed.id.as_str()).collect()
}

async fn the_oldest_due_are_claimed_first(db: Fixture) {
    append(&db, 25).await;
    let first = claim_to_send(&db.store, "c1", 3, 1).await;
    let body = serde_json::to_vec(&event("evt_1", None, 0)).unwrap();
    assert!(first.iter().all(|claimed| claimed.body.as_ref() == Some(&body)));
    let first = deliveries(first);
    assert_eq!(ids(&first), ["dlv_0000", "dlv_0001", "dlv_0002"]);
    assert_eq!(first[0].attempt, 1);
    assert_eq!(first[0].event_id, "evt_1");
    assert_eq!(claim(&db.store, "c2", 100, 1).await.len(), 17, "what is due, less what is claimed");
    assert_eq!(claim(&db.store, "c3", 100, 1).await, []);
}

/// It claimed a day ahead, and nobody hears of it again.
async fn a_claim_by_a_wrong_clock_holds_nothing(db: Fixture) {
    append(&db, 1).await;
    assert_eq!(claim(&db.store, "c1", 10, 86_400).await.len(), 1);
    assert_eq!(claim(&db.store, "c2", 10, 1).await.len(), 1);
    assert_eq!(claim(&db.store, "c3", 10, 1).await, [], "this one holds");
    assert_eq!(claim_early(&db, 1, 1).await, []);
}

async fn many_are_settled_at_once(db: Fixture) {
    append(&db, 3).await;
    let first_claimed = claim(&db.store, "c1", 3, 1).await;
    settle(&db, &first_claimed[0], tried(1, Some("it answered 500")), Settlement::Again(at(2))).await;
    let mut claimed = claim(&db.store, "c2", 1, 2).await;
    claimed.extend(first_claimed.into_iter().skip(1));
    claimed[2].claim_id = Some("of another".into());
    let write = db.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move {
            let with_attempt = |claimed| (claimed, tried(3, None));
            outbox::made(tx, &claimed.iter().map(with_attempt).collect::<Vec<_>>(), at(4)).await
        })
    });
    let counted = write.await.unwrap();
    assert!(counted.len() == 2 && !counted.contains("dlv_0002"), "the third's claim does not count");
    let made = first(&db).await;
    assert_eq!((made.state, made.ended_at, made.last_error), (State::Delivered, Some(at(4)), None));
    assert_eq!((made.claim_id, made.lease_until), (None, None));
    assert_eq!(made.attempts, [tried(1, Some("it answered 500")), tried(3, None)]);
    let mut conn = db.store.read().await.unwrap();
    let window = Window { limit: 10, offset: 0 };
    assert_eq!(outbox::list(&mut conn, "whe_1", Some(State::Delivered), window).await.unwrap().1, 2);
    assert_eq!(outbox::list(&mut conn, "whe_1", Some(State::Open), window).await.unwrap().1, 1);
}

async fn one_endpoints_are_not_anothers(db: Fixture) {
    append(&db, 1).await;
    let of_other = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move { outbox::claim(tx, "whe_2", "c1", 10, at(1_000), LEASE).await })
    });
    assert_eq!(of_other.await.unwrap(), []);
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(outbox::get(&mut conn, "whe_2", "dlv_0000").await.unwrap(), None);
    let window = Window { limit: 10, offset: 0 };
    assert_eq!(outbox::list(&mut conn, "whe_2", None, window).await.unwrap(), (vec![], 0));
    assert_eq!(outbox::list(&mut conn, "whe_1", Some(State::Open), window).await.unwrap().1, 1);
    assert_eq!(outbox::list(&mut conn, "whe_1", Some(State::Dropped), window).await.unwrap(), (vec![], 0));
}

async fn settling_needs_the_claim(db: Fixture) {
    append(&db, 1).await;
    let unclaimed = first(&db).await;
    assert!(!settle(&db, &unclaimed, tried(0, None), Settlement::Delivered).await, "nobody claimed it");
    let claimed = claim(&db.store, "c1", 1, 0).await.remove(0);
    let others = Delivery { claim_id: Some("c2".into()), ..claimed.clone() };
    assert!(!settle(&db, &others, tried(0, None), Settlement::Delivered).await, "another's claim");
    assert!(settle(&db, &claimed, tried(0, None), Settlement::Delivered).await);
    assert!(!settle(&db, &claimed, tried(0, None), Settlement::Delivered).await, "made only once");
    assert_eq!(claim(&db.store, "c3", 1, 1_000).await, []);
    let made = first(&db).await;
    assert_eq!((made.state, made.claim_id, made.ended_at), (State::Delivered, None, Some(at(0))));
    assert_eq!(made.attempts, [tried(0, None)]);
}

async fn an_expired_lease_may_be_claimed_again(db: Fixture) {
    append(&db, 1).await;
    let old = claim(&db.store, "c1", 1, 0).await.remove(0);
    assert_eq!(claim(&db.store, "c2", 1, 29).await, []);
    let again = claim(&db.store, "c2", 1, 30).await;
    assert_eq!((ids(&again), again[0].attempt), (vec!["dlv_0000"], 2));
    let outcome = settle(&db, &old, tried(31, None), Settlement::Delivered).await;
    assert!(!outcome, "the first claim no longer counts");
    assert!(settle(&db, &again[0], tried(31, None), Settlement::Delivered).await);
}

async fn what_failed_waits_for_its_time_unless_it_is_pulled_forward(db: Fixture) {
    append(&db, 1).await;
    let claimed = claim(&db.store, "c1", 1, 0).await.remove(0);
    assert!(settle(&db, &claimed, tried(1, Some("503")), Settlement::Again(at(60))).await);
    assert_eq!(claim(&db.store, "c2", 1, 59).await, []);
    let waiting = first(&db).await;
    assert_eq!((waiting.state, waiting.last_error.as_deref()), (State::Open, Some("503")));
    assert_eq!(claim_early(&db, 20, -1).await, [], "tried since");
    assert_eq!(claim_early(&db, 20, 0).await[0].attempt, 2);
    assert_eq!(claim_early(&db, 20, 0).await, [], "claimed");
    // Its host was lost: what was pulled forward stays so.
    let again = claim(&db.store, "c3", 1, 50).await;
    assert_eq!((ids(&again), again[0].attempt), (vec!["dlv_0000"], 3));
}

/// A day ahead; and a host whose clock is right sees that the endpoint answers again.
async fn what_a_clock_ahead_tried_is_pulled_forward_too(db: Fixture) {
    append(&db, 1).await;
    let claimed = claim(&db.store, "c1", 1, 86_400).await.remove(0);
    assert!(settle(&db, &claimed, tried(1, Some("500")), Settlement::Again(at(100))).await);
    assert_eq!(claim(&db.store, "c2", 1, 10).await, []);
    assert_eq!(claim_early(&db, 10, 9).await[0].attempt, 2);
    let claimed = first(&db).await;
    assert!(settle(&db, &claimed, tried(10, Some("500")), Settlement::Again(at(100))).await);
    assert_eq!(claim_early(&db, 11, 9).await, [], "once");
}

async fn a_dropped_delivery_stays_dropped_until_it_is_replayed(db: Fixture) {
    append(&db, 1).await;
    let replay = |now: i64| {
        db.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { outbox::replay(tx, "whe_1", "dlv_0000", at(now)).await })
        })
    };
    assert!(!replay(1).await.unwrap(), "it is on its way");
    let claimed = claim(&db.store, "c1", 1, 0).await.remove(0);
    assert!(settle(&db, &claimed, tried(1, Some("404")), Settlement::Dropped).await);
    assert_eq!(claim(&db.store, "c2", 1, 1_000).await, []);
    let dropped = first(&db).await;
    assert_eq!((dropped.state, dropped.last_error.as_deref()), (State::Dropped, Some("404")));
    assert!(replay(500).await.unwrap());
    let again = claim(&db.store, "c3", 1, 500).await.remove(0);
    assert_eq!((again.accepted_at, again.event_id.as_str(), again.attempts.len()), (at(500), "evt_1", 1));
}

async fn what_was_given_up_is_replayed_since_a_time(db: Fixture) {
    let append = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move {
            for number in 0..4 {
                let delivery = delivery(&format!("dlv_{number}"), "whe_1");
                tx.append(&event(&format!("evt_{number}"), None, number * 100), &[delivery]).await?;
            }
            Ok(())
        })
    });
    append.await.unwrap();
    for claimed in claim(&db.store, "c1", 10, 400).await {
        let settlement = if claimed.id == "dlv_3" { Settlement::Delivered } else { Settlement::Dropped };
        assert!(settle(&db, &claimed, tried(400, None), settlement).await);
    }
    assert_eq!(replay_since(&db, 100).await, 2, "neither the older one nor the one that was made");
    assert_eq!(ids(&claim(&db.store, "c2", 10, 900).await), ["dlv_1", "dlv_2"]);
}

/// By a host whose clock is ahead of who replays.
async fn what_was_given_up_by_a_clock_ahead_is_replayed_too(db: Fixture) {
    append(&db, 1).await;
    let again = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move { outbox::replay(tx, "whe_1", "dlv_0000", at(902)).await })
    });
    let claimed = claim(&db.store, "c1", 1, 900).await.remove(0);
    assert!(settle(&db, &claimed, tried(900, None), Settlement::Dropped).await);
    assert!(again.await.unwrap());
    let claimed = claim(&db.store, "c2", 1, 902).await.remove(0);
    assert!(settle(&db, &claimed, tried(902, None), Settlement::Dropped).await);
    assert_eq!(replay_since(&db, 0).await, 1);
}

async fn what_is_given_up_again_at_once_is_not_replayed_again(db: Fixture) {
    append(&db, 1).await;
    for (claim_id, replayed) in [("c1", 1), ("c2", 0)] {
        let claimed = claim(&db.store, claim_id, 1, 900).await.remove(0);
        assert!(settle(&db, &claimed, tried(900, None), Settlement::Dropped).await);
        assert_eq!(replay_since(&db, 0).await, replayed);
    }
}

async fn the_latest_attempts_are_kept(db: Fixture) {
    append(&db, 1).await;
    for second in 0..25 {
        let claimed = claim(&db.store, &format!("c{second}"), 1, second).await.remove(0);
        assert!(settle(&db, &claimed, tried(second, Some("no")), Settlement::Again(at(second + 1))).await);
    }
    let delivery = first(&db).await;
    assert_eq!((delivery.attempt, delivery.attempts.len()), (25, 20));
    assert_eq!((delivery.attempts[0].at, delivery.attempts[19].at), (at(5), at(24)));
}

async fn what_is_too_old_is_given_up_and_forgotten(db: Fixture) {
    append(&db, 25).await;
    let expire = |until: i64, batch: i64| {
        db.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { outbox::expire(tx, at(until), at(100), "too late", batch).await })
        })
    };
    // Whoever is at it may still succeed.
    claim(&db.store, "c1", 1, 80).await;
    let (some, rest) = (expire(1, 4).await.unwrap(), expire(1, 100).await.unwrap());
    assert_eq!((some.len(), rest.len()), (4, 15));
    assert_eq!((some[0].destination.as_str(), some[0].event_id.as_str()), ("whe_1", "evt_1"));
    assert_eq!(some[0].last_error.as_deref(), Some("too late"));
    assert_eq!(expire(1, 100).await.unwrap(), []);
    let mut conn = db.store.read().await.unwrap();
    let window = Window { limit: 100, offset: 0 };
    let (dropped, count) = outbox::list(&mut conn, "whe_1", Some(State::Dropped), window).await.unwrap();
    assert_eq!((count, dropped[0].last_error.as_deref()), (19, Some("too late")));
    let forget = |until: Timestamp| {
        db.store.write(Lane::Bulk, move |tx| Box::pin(async move { outbox::forget(tx, until, 10).await }))
    };
    assert_eq!(forget(at(99)).await.unwrap(), 0);
    assert_eq!((forget(at(100)).await.unwrap(), forget(at(100)).await.unwrap()), (10, 9));
}

async fn what_was_not_tried_is_given_back(db: Fixture) {
    append(&db, 2).await;
    let claimed = claim(&db.store, "c1", 2, 0).await;
    let stale = Delivery { claim_id: Some("c0".into()), ..claimed[1].clone() };
    let two = [claimed[0].clone(), stale];
    let unclaim =
        db.store.write(Lane::Bulk, move |tx| Box::pin(async move { outbox::unclaim(tx, &two).await }));
    assert_eq!(unclaim.await.unwrap(), 1, "the other's claim does not count");
    assert_eq!((first(&db).await.attempt, claim(&db.store, "c2", 2, 1).await.len()), (0, 1));
}

/// One host begins a delivery anew and claims another, while others are about to forget the one and give the other up.
async fn what_is_begun_anew_at_that_moment_stays(db: Fixture) {
    append(&db, 2).await;
    let claimed = claim(&db.store, "c1", 1, 0).await.remove(0);
    assert!(settle(&db, &claimed, tried(0, Some("404")), Settlement::Dropped).await);
    let (forgetful, strict) = (db.twin().await, db.twin().await);
    let (begun, has_begun) = oneshot::channel();
    let (go_on, may_end) = oneshot::channel::<()>();
    let host = db.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move {
            assert!(outbox::replay(tx, "whe_1", "dlv_0000", at(50)).await?);
            let claimed = outbox::claim(tx, "whe_1", "c2", 2, at(50), LEASE).await?;
            begun.send(()).unwrap();
            may_end.await.unwrap();
            Ok(claimed.len())
        })
    });
    let others = async {
        has_begun.await.unwrap();
        let forget = forgetful
            .store
            .write(Lane::Bulk, |tx| Box::pin(async move { outbox::forget(tx, at(99), 10).await }));
        let expire = strict.store.write(Lane::Bulk, |tx| {
            Box::pin(async move { outbox::expire(tx, at(10), at(60), "too late", 10).await })
        });
        let waits = async {
            db.until_waiting(2).await;
            go_on.send(()).unwrap();
        };
        let (forgotten, expired, ()) = tokio::join!(forget, expire, waits);
        (forgotten.unwrap(), expired.unwrap().len())
    };
    let (claimed, others) = tokio::join!(host, others);
    assert_eq!((claimed.unwrap(), others), (2, (0, 0)));
    assert_eq!((first(&db).await.state, db.rows("outbox").await), (State::Open, 2));
}

async fn all_claims_end_where_a_host_is_alone(db: Fixture) {
    append(&db, 2).await;
    assert_eq!((claim(&db.store, "c1", 2, 0).await.len(), claim(&db.store, "c2", 2, 1).await.len()), (2, 0));
    db.store.write(Lane::Bulk, |tx| Box::pin(outbox::unclaim_all(tx))).await.unwrap();
    assert_eq!(claim(&db.store, "c3", 2, 1).await.len(), 2);
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
