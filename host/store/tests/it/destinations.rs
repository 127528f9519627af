use std::time::Duration;

use hardpoint_domain::destination::Progress;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::dead_letters::{self, DeadLetter};
use hardpoint_store::destinations::{self, Advance, Destination, Due, Present, State};
use hardpoint_store::{Lane, StoreError, Window, chain, database_clock};
use serde_json::json;

use crate::support::{Fixture, at, event, on_both};

on_both!(
    one_with_nothing_to_do_is_not_claimed,
    only_its_organisations_events_count,
    what_is_written_needs_the_claim,
    an_expired_lease_may_be_claimed_again,
    what_a_wrong_clock_wrote_holds_nothing_up,
    what_is_held_under_another_configuration_is_held,
    a_clock_that_is_ahead_puts_nothing_off_that_is_to_go_on,
    a_clock_that_is_ahead_puts_none_behind_who_is_put_off,
    who_was_claimed_is_behind_the_others,
    whoever_holds_it_loses_it_to_who_decides,
    what_was_mended_waits_no_longer,
    what_is_asked_for_is_not_put_off,
    what_is_asked_for_takes_it_from_nobody,
    a_replay_sends_again_what_an_exporter_remembers,
    those_in_trouble_are_told_apart,
    those_that_are_slow_are_told_apart,
    each_organisation_has_one_among_the_first,
    those_in_trouble_hide_none_that_is_well,
    what_is_held_is_not_claimed_by_its_name,
    dead_letters_are_offered_again_and_forgotten,
    places_by_time,
    names_are_their_owners,
);

const LEASE: Duration = Duration::from_secs(30);
const ALL: Window = Window { limit: 100, offset: 0 };

fn destination(id: &str, organization: Option<&str>) -> Destination {
    Destination {
        id: id.into(),
        owner_id: "org_1".into(),
        name: format!("{id}'s name"),
        organization_id: organization.map(str::to_owned),
        workspace_id: None,
        kinds: vec!["key.*".into()],
        exporter: "datadog".into(),
        options: json!({"tags": ["☃"]}),
        state: State::Active,
        reason: None,
        cursor: 0,
        kept: Progress::from(0).text(),
        saved: None,
        failures: 0,
        due_at: at(0),
        last_error: None,
        last_error_at: None,
        delivered: 0,
        delivered_at: None,
        created_by: "key_1".into(),
        created_at: at(0),
        updated_at: at(0),
    }
}

async fn insert(db: &Fixture, new: Destination) -> Result<(), StoreError> {
    db.store.write(Lane::Request, |tx| Box::pin(async move { destinations::insert(tx, &new).await })).await
}

/// Two organisations, and a destination of the first.
async fn prepare(db: &Fixture) {
    db.organization("org_1").await;
    db.organization("org_2").await;
    insert(db, destination("dst_1", Some("org_1"))).await.unwrap();
}

/// An event that has its place in the log.
async fn happen(db: &Fixture, id: &'static str, organization: Option<&'static str>, seconds: i64) {
    let write = db.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move {
            tx.append(&event(id, organization, seconds), &[]).await?;
            chain::number(tx, 100).await
        })
    });
    write.await.unwrap();
}

/// Nothing is ever put off by more than 4,000 s.
fn present(seconds: i64) -> Present {
    Present::at(at(seconds), Duration::from_secs(4_000), LEASE)
}

async fn due(db: &Fixture, seconds: i64, most: u32) -> Vec<Due> {
    destinations::due(&mut db.store.read().await.unwrap(), present(seconds), most).await.unwrap()
}

async fn claim_these(db: &Fixture, ids: Vec<String>, claim_id: &'static str, seconds: i64) -> Vec<String> {
    let write = db.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move { destinations::claim(tx, &ids, claim_id, present(seconds), LEASE).await })
    });
    write.await.unwrap()
}

/// All that are due.
async fn claim(db: &Fixture, claim_id: &'static str, seconds: i64) -> Vec<String> {
    let due: Vec<String> = due(db, seconds, 100).await.into_iter().map(|due| due.id).collect();
    let claimed = claim_these(db, due.clone(), claim_id, seconds).await;
    assert_eq!(claimed, due);
    claimed
}

fn step(cursor: i64) -> Advance {
    Advance {
        progress: Progress::from(cursor),
        saved: Some(vec![1, 2]),
        delivered: 3,
        error: Some("late".into()),
        parked: None,
        is_slow: false,
        now: at(5),
    }
}

async fn advance(db: &Fixture, claim_id: &'static str, new: Advance) -> bool {
    let write = db.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move { destinations::advance(tx, "dst_1", claim_id, &new).await })
    });
    write.await.unwrap()
}

async fn get(db: &Fixture) -> Destination {
    destinations::get(&mut db.store.read().await.unwrap(), "dst_1").await.unwrap().unwrap()
}

async fn one_with_nothing_to_do_is_not_claimed(db: Fixture) {
    prepare(&db).await;
    assert_eq!(get(&db).await, destination("dst_1", Some("org_1")));
    assert_eq!(claim(&db, "c1", 0).await, [""; 0]);
    happen(&db, "evt_1", Some("org_1"), 0).await;
    assert_eq!(claim(&db, "c1", 0).await, ["dst_1"]);
    assert_eq!(claim(&db, "c2", 0).await, [""; 0], "somebody has it");
    assert!(advance(&db, "c1", step(1)).await);
    let write = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move { destinations::release(tx, "dst_1", "c1", Some(at(0))).await })
    });
    assert!(write.await.unwrap());
    assert_eq!(claim(&db, "c3", 60).await, [""; 0], "it is at the end");
}

async fn what_was_mended_waits_no_longer(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    assert_eq!(claim(&db, "c1", 0).await, ["dst_1"]);
    let write = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move { destinations::release(tx, "dst_1", "c1", Some(at(3_600))).await })
    });
    assert!(write.await.unwrap());
    assert_eq!(claim(&db, "c2", 10).await, [""; 0], "it waits");
    let changed = Destination { updated_at: at(10), ..get(&db).await };
    let write =
        db.store.write(Lane::Bulk, |tx| Box::pin(async move { destinations::update(tx, &changed).await }));
    assert!(write.await.unwrap());
    assert_eq!(claim(&db, "c2", 10).await, ["dst_1"]);
}

async fn wake(db: &Fixture) {
    let write = db.store.write(Lane::Bulk, |tx| Box::pin(destinations::wake(tx, "dst_1")));
    write.await.unwrap();
}

async fn release(db: &Fixture, claim_id: &'static str, seconds: i64) -> bool {
    let write = db.store.write(Lane::Bulk, move |tx| {
        Box::pin(async move { destinations::release(tx, "dst_1", claim_id, Some(at(seconds))).await })
    });
    write.await.unwrap()
}

async fn what_is_asked_for_is_not_put_off(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    assert_eq!(claim(&db, "c1", 0).await, ["dst_1"]);
    assert!(release(&db, "c1", 3_600).await);
    assert_eq!(claim(&db, "c2", 5).await, [""; 0], "it waits");
    wake(&db).await;
    assert_eq!(claim(&db, "c2", 5).await, ["dst_1"]);
    // What is asked for once is tried at once once.
    assert!(release(&db, "c2", 3_600).await);
    assert_eq!(claim(&db, "c3", 10).await, [""; 0], "it waits again");
}

/// Who is at it just then writes down what it does, and then does not put it off.
async fn what_is_asked_for_takes_it_from_nobody(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    assert_eq!(claim(&db, "c1", 0).await, ["dst_1"]);
    wake(&db).await;
    assert_eq!(claim(&db, "c2", 5).await, [""; 0], "somebody has it");
    assert!(advance(&db, "c1", step(0)).await && release(&db, "c1", 3_600).await);
    assert_eq!(claim(&db, "c2", 5).await, ["dst_1"]);
}

async fn a_replay_sends_again_what_an_exporter_remembers(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    assert_eq!(claim(&db, "c1", 0).await, ["dst_1"]);
    assert!(advance(&db, "c1", step(1)).await);
    assert_eq!(get(&db).await.saved, Some(vec![1, 2]));
    let write =
        db.store.write(Lane::Bulk, |tx| Box::pin(async move { destinations::replay(tx, "dst_1", 0).await }));
    assert!(write.await.unwrap());
    assert_eq!((get(&db).await.saved, get(&db).await.cursor), (None, 0));
}

async fn only_its_organisations_events_count(db: Fixture) {
    prepare(&db).await;
    insert(&db, destination("dst_2", None)).await.unwrap();
    happen(&db, "evt_1", Some("org_2"), 0).await;
    happen(&db, "evt_2", None, 1).await;
    assert_eq!(claim(&db, "c1", 0).await, ["dst_2"], "everybody's and the platform's");
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(destinations::behind(&mut conn, None, 0, 10).await.unwrap(), (2, Some(at(0))));
    assert_eq!(
        destinations::behind(&mut conn, None, 0, 1).await.unwrap(),
        (1, Some(at(0))),
        "no more are counted"
    );
    assert_eq!(destinations::behind(&mut conn, Some("org_1"), 0, 10).await.unwrap(), (0, None));
    let listed = destinations::list(&mut conn, Some("org_1"), None, ALL).await.unwrap();
    assert_eq!(listed.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["dst_1"]);
    assert_eq!(destinations::count(&mut conn, None, None).await.unwrap(), 2);
    assert_eq!(destinations::count(&mut conn, None, Some("ws_1")).await.unwrap(), 0);
}

async fn what_is_written_needs_the_claim(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    let before = get(&db).await;
    assert!(!advance(&db, "c1", step(1)).await, "nobody claimed it");
    claim(&db, "c1", 0).await;
    assert!(!advance(&db, "c2", step(1)).await, "another's claim");
    assert_eq!(get(&db).await, before);
    assert!(advance(&db, "c1", step(1)).await);
    let after = get(&db).await;
    assert_eq!((after.cursor, after.delivered, after.delivered_at), (1, 3, Some(at(5))));
    assert_eq!((after.saved, after.last_error.as_deref()), (Some(vec![1, 2]), Some("late")));
    // What was wrong last stays until something else is, and so does when something was delivered.
    assert!(advance(&db, "c1", Advance { error: None, delivered: 0, now: at(9), ..step(1) }).await);
    let later = get(&db).await;
    assert_eq!((later.last_error_at, later.delivered_at, later.delivered), (Some(at(5)), Some(at(5)), 3));
    // Parked, it is nobody's.
    assert!(advance(&db, "c1", Advance { parked: Some("403".into()), ..step(1) }).await);
    assert_eq!((get(&db).await.state, get(&db).await.reason.as_deref()), (State::Parked, Some("403")));
    assert!(!advance(&db, "c1", step(9)).await);
}

async fn an_expired_lease_may_be_claimed_again(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    claim(&db, "c1", 0).await;
    let renew = |claim_id: &'static str, now: Timestamp| {
        db.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { destinations::renew(tx, "dst_1", claim_id, now, LEASE).await })
        })
    };
    assert!(renew("c1", at(20)).await.unwrap());
    assert_eq!(claim(&db, "c2", 49).await, [""; 0]);
    assert_eq!(claim(&db, "c2", 50).await, ["dst_1"]);
    assert!(!renew("c1", at(51)).await.unwrap(), "it was too late");
    assert!(!advance(&db, "c1", step(1)).await && advance(&db, "c2", step(1)).await);
    // The only host of a database begins anew.
    let write = db.store.write(Lane::Bulk, |tx| Box::pin(destinations::release_all(tx)));
    write.await.unwrap();
    assert!(!advance(&db, "c2", step(1)).await);
}

/// Of hosts that are told of another lease or another longest wait one by one, none takes what another has.
async fn what_is_held_under_another_configuration_is_held(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    let short = |seconds| Present::at(at(seconds), Duration::from_secs(1), Duration::from_secs(1));
    let due = async |present| {
        let due = destinations::due(&mut db.store.read().await.unwrap(), present, 100).await.unwrap();
        due.len()
    };
    assert_eq!(claim(&db, "c1", 100).await, ["dst_1"]);
    assert_eq!(due(short(110)).await, 0, "a lease is shorter elsewhere");
    // By a clock that fell back by more than two leases.
    let renewed = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move { destinations::renew(tx, "dst_1", "c1", at(200), LEASE).await })
    });
    assert!(renewed.await.unwrap());
    assert_eq!(claim_these(&db, vec!["dst_1".into()], "c2", 120).await, [""; 0]);
    assert!(release(&db, "c1", 3_500).await);
    assert_eq!(due(short(0)).await, 0, "it is put off by no more than others would");
}

/// It claimed and let go of it a day ahead.
async fn what_a_wrong_clock_wrote_holds_nothing_up(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    assert_eq!(claim(&db, "c1", 86_400).await, ["dst_1"]);
    assert_eq!(claim(&db, "c2", 1).await, ["dst_1"], "nobody holds it that long");
    let write = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move { destinations::release(tx, "dst_1", "c2", Some(at(86_400))).await })
    });
    assert!(write.await.unwrap());
    assert_eq!(claim(&db, "c3", 1).await, ["dst_1"], "nor puts it off that long");
}

/// It claimed and let go of it half an hour ahead, which is no longer than it may be put off.
async fn a_clock_that_is_ahead_puts_nothing_off_that_is_to_go_on(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    assert_eq!(claim(&db, "c1", 1_800).await, ["dst_1"]);
    let write = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move { destinations::release(tx, "dst_1", "c1", None).await })
    });
    assert!(write.await.unwrap());
    assert_eq!(claim(&db, "c2", 1).await, ["dst_1"]);
}

/// SQLite has no clock but its host's.
async fn a_clock_that_is_ahead_puts_none_behind_who_is_put_off(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    let Some(now) = database_clock::now(&mut db.store.read().await.unwrap()).await.unwrap() else { return };
    let put_off = now.plus(Duration::from_secs(600));
    insert(&db, Destination { due_at: put_off, ..destination("dst_2", Some("org_1")) }).await.unwrap();
    let ahead = Present::at(now.plus(Duration::from_secs(1_800)), Duration::from_secs(4_000), LEASE);
    let write = db.store.write(Lane::Bulk, move |tx| {
        let ids = ["dst_1".to_owned()];
        Box::pin(async move { destinations::claim(tx, &ids, "c1", ahead, LEASE).await })
    });
    assert_eq!(write.await.unwrap(), ["dst_1"]);
    assert!(get(&db).await.due_at < now);
}

/// Those that always have something to do take turns.
async fn who_was_claimed_is_behind_the_others(db: Fixture) {
    prepare(&db).await;
    for number in 2..4 {
        insert(&db, destination(&format!("dst_{number}"), Some("org_1"))).await.unwrap();
    }
    happen(&db, "evt_1", Some("org_1"), 0).await;
    let mut first = Vec::new();
    for _ in 0..6 {
        let next = due(&db, 10, 1).await.remove(0).id;
        assert_eq!(claim_these(&db, vec![next.clone()], "c1", 10).await, std::slice::from_ref(&next));
        first.push(next.clone());
        let write = db.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { destinations::release(tx, &next, "c1", None).await })
        });
        assert!(write.await.unwrap());
    }
    assert_eq!(first, ["dst_1", "dst_2", "dst_3", "dst_1", "dst_2", "dst_3"]);
}

async fn whoever_holds_it_loses_it_to_who_decides(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    for (claim_id, to) in [("c1", State::Paused), ("c2", State::Active)] {
        db.store
            .write(Lane::Bulk, move |tx| {
                Box::pin(async move { destinations::switch(tx, "dst_1", State::Active).await })
            })
            .await
            .unwrap();
        assert_eq!(claim(&db, claim_id, 0).await, ["dst_1"]);
        let write = db.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move {
                match to {
                    State::Paused => destinations::switch(tx, "dst_1", to).await,
                    _ => destinations::replay(tx, "dst_1", 0).await,
                }
            })
        });
        assert!(write.await.unwrap());
        assert!(!advance(&db, claim_id, step(1)).await);
        assert_eq!((get(&db).await.state, get(&db).await.cursor), (to, 0));
    }
    let mut changed = get(&db).await;
    changed.name = "another".into();
    changed.saved = None;
    claim(&db, "c3", 0).await;
    let write =
        db.store.write(Lane::Bulk, |tx| Box::pin(async move { destinations::update(tx, &changed).await }));
    assert!(write.await.unwrap() && !advance(&db, "c3", step(1)).await);
    assert_eq!((get(&db).await.name.as_str(), get(&db).await.saved), ("another", None));
}

/// Lets go of it after an attempt; whether it is slow by what is known now.
async fn is_slow_after(db: &Fixture, attempt: Advance) -> bool {
    claim(db, "c1", 0).await;
    assert!(advance(db, "c1", attempt).await);
    let write = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move { destinations::release(tx, "dst_1", "c1", Some(at(0))).await })
    });
    write.await.unwrap();
    due(db, 0, 1).await[0].is_slow
}

async fn those_that_are_slow_are_told_apart(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    assert!(!due(&db, 0, 1).await[0].is_slow);
    assert!(is_slow_after(&db, Advance { is_slow: true, ..step(0) }).await);
    assert!(!is_slow_after(&db, step(0)).await);
}

/// Many of one organisation wait longer than one of another.
async fn each_organisation_has_one_among_the_first(db: Fixture) {
    prepare(&db).await;
    for number in 2..30 {
        insert(&db, destination(&format!("dst_{number}"), Some("org_1"))).await.unwrap();
    }
    let late =
        Destination { owner_id: "org_2".into(), due_at: at(9), ..destination("dst_late", Some("org_2")) };
    insert(&db, late).await.unwrap();
    happen(&db, "evt_1", Some("org_1"), 0).await;
    happen(&db, "evt_2", Some("org_2"), 0).await;
    let first: Vec<_> = due(&db, 10, 3).await.into_iter().map(|due| (due.id, due.owner_id)).collect();
    let of = |id: &str, owner: &str| (id.to_owned(), owner.to_owned());
    assert_eq!(first, [of("dst_1", "org_1"), of("dst_late", "org_2"), of("dst_10", "org_1")]);
}

/// However many there are, and however long they wait.
async fn those_in_trouble_hide_none_that_is_well(db: Fixture) {
    prepare(&db).await;
    for number in 2..6 {
        insert(&db, destination(&format!("dst_{number}"), Some("org_1"))).await.unwrap();
    }
    happen(&db, "evt_1", Some("org_1"), 0).await;
    assert_eq!(claim(&db, "c1", 0).await.len(), 5);
    let write = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move {
            for number in 1..6 {
                let slow = Advance { is_slow: true, ..step(0) };
                let id = format!("dst_{number}");
                assert!(destinations::advance(tx, &id, "c1", &slow).await?);
                destinations::release(tx, &id, "c1", Some(at(0))).await?;
            }
            Ok(())
        })
    });
    write.await.unwrap();
    let well = Destination { due_at: at(9), ..destination("dst_well", Some("org_1")) };
    insert(&db, well).await.unwrap();
    let found: Vec<_> = due(&db, 10, 2).await.into_iter().map(|due| due.id).collect();
    assert_eq!(found, ["dst_1", "dst_well", "dst_2"]);
}

/// Another host was faster.
async fn what_is_held_is_not_claimed_by_its_name(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    let seen: Vec<String> = due(&db, 0, 9).await.into_iter().map(|due| due.id).collect();
    assert_eq!(claim_these(&db, seen.clone(), "c1", 0).await, ["dst_1"]);
    assert_eq!(claim_these(&db, seen.clone(), "c2", 0).await, [""; 0]);
    assert_eq!(claim_these(&db, seen, "c2", 30).await, ["dst_1"], "its lease is over");
}

async fn those_in_trouble_are_told_apart(db: Fixture) {
    prepare(&db).await;
    happen(&db, "evt_1", Some("org_1"), 0).await;
    let failed = Progress { failures: 2, ..Progress::from(0) };
    assert!(is_slow_after(&db, Advance { progress: failed, ..step(0) }).await);
    assert_eq!(get(&db).await.progress().failures, 2);
    let write = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move { destinations::switch(tx, "dst_1", State::Active).await })
    });
    write.await.unwrap();
    assert_eq!(
        (get(&db).await.progress().failures, get(&db).await.failures),
        (0, 0),
        "resumed, it begins anew"
    );
}

fn letter(event_id: &str, seq: i64) -> DeadLetter {
    DeadLetter {
        destination_id: "dst_1".into(),
        event_id: event_id.into(),
        seq,
        kind: "key.created".into(),
        reason: "no\0t taken".into(),
        state: dead_letters::State::Dead,
        attempt: 0,
        created_at: at(0),
        due_at: at(0),
    }
}

async fn dead_letters_are_offered_again_and_forgotten(db: Fixture) {
    prepare(&db).await;
    let write = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move {
            for seq in [1, 2, 2] {
                dead_letters::put(tx, &letter(&format!("evt_{seq}"), seq)).await?;
            }
            Ok(())
        })
    });
    write.await.unwrap();
    let mut conn = db.store.read().await.unwrap();
    let listed = dead_letters::list(&mut conn, "dst_1", ALL).await.unwrap();
    assert_eq!(listed.iter().map(|letter| letter.seq).collect::<Vec<_>>(), [2, 1]);
    assert_eq!((listed[0].reason.as_str(), listed[0].state), ("no t taken", dead_letters::State::Dead));
    assert_eq!(dead_letters::next(&mut conn, "dst_1", present(99)).await.unwrap(), None);
    let between = dead_letters::between(&mut conn, "dst_1", 2, 9).await.unwrap();
    assert_eq!(between, listed[..1]);
    assert_eq!(claim(&db, "c1", 0).await, [""; 0]);
    let replay = |event_id: Option<&'static str>| {
        db.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { dead_letters::replay(tx, "dst_1", event_id).await })
        })
    };
    assert_eq!(replay(Some("evt_9")).await.unwrap(), 0);
    assert_eq!(replay(Some("evt_2")).await.unwrap(), 1);
    assert_eq!(claim(&db, "c1", 0).await, ["dst_1"], "though the log has nothing");
    assert_eq!(replay(None).await.unwrap(), 2);
    let next = async |seconds| {
        let mut conn = db.store.read().await.unwrap();
        dead_letters::next(&mut conn, "dst_1", present(seconds)).await.unwrap().map(|letter| letter.seq)
    };
    assert_eq!(next(0).await, Some(1));
    // What is put off keeps the others waiting no longer than itself.
    let put_off = |seq: i64, seconds| {
        let again = dead_letters::State::Again;
        let late = DeadLetter { due_at: at(seconds), state: again, ..letter(&format!("evt_{seq}"), seq) };
        db.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move {
                destinations::release(tx, "dst_1", "c1", Some(at(0))).await?;
                dead_letters::put(tx, &late).await
            })
        })
    };
    put_off(1, 50).await.unwrap();
    assert_eq!((next(0).await, next(50).await), (Some(2), Some(2)));
    put_off(2, 60).await.unwrap();
    assert_eq!((next(49).await, next(60).await), (None, Some(1)));
    assert_eq!((claim(&db, "c1", 49).await.len(), claim(&db, "c1", 50).await.len()), (0, 1));
    // By a clock that was wrong.
    put_off(1, 86_400).await.unwrap();
    assert_eq!((next(0).await, claim(&db, "c1", 0).await.len()), (Some(1), 1));
    assert_eq!(replay(None).await.unwrap(), 2);
    assert_eq!(next(-9).await, Some(1), "by whatever clock");
    let write = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move {
            assert!(dead_letters::delete(tx, "dst_1", "evt_1").await?);
            destinations::delete(tx, "dst_1").await
        })
    });
    assert!(write.await.unwrap());
    assert_eq!(db.rows("dead_letters").await, 0, "the rest goes with the destination");
}

async fn places_by_time(db: Fixture) {
    prepare(&db).await;
    let at_time = async |seconds| {
        destinations::place_at(&mut db.store.read().await.unwrap(), at(seconds)).await.unwrap()
    };
    assert_eq!(at_time(0).await, None);
    happen(&db, "evt_1", None, 0).await;
    happen(&db, "evt_2", None, 10).await;
    assert_eq!((at_time(-5).await, at_time(1).await, at_time(11).await), (Some(1), Some(2), None));
}

async fn names_are_their_owners(db: Fixture) {
    prepare(&db).await;
    let mut twin = destination("dst_2", None);
    twin.name = "dst_1's name".into();
    assert!(matches!(insert(&db, twin.clone()).await, Err(StoreError::Duplicate { .. })));
    twin.owner_id = "org_2".into();
    insert(&db, twin).await.unwrap();
}
