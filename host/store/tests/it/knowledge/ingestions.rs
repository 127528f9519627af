use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use hardpoint_domain::knowledge::fairness::{Desk, LARGE, UnderWay};
use hardpoint_store::Lane;
use hardpoint_store::knowledge::documents::NewDocument;
use hardpoint_store::knowledge::ingestions::{self as jobs, Takes};

use super::{
    LEASE, claim, claim_at, indexed, keep, make_base, new_base, new_document, prepare, read_claimed, takes,
    upload, written,
};
use crate::support::{Fixture, at, on_both};

on_both!(
    organisations_take_turns,
    a_huge_document_holds_nobody_up,
    vectors_under_way_hold_up_no_reading,
    a_lapsed_claim_is_anothers_and_the_first_writes_nothing,
    what_is_given_back_is_no_failure,
    no_job_is_claimed_twice,
    turns_of_who_has_nothing_are_forgotten,
);

/// Organisations with a knowledge base each: `kb-1` of `org_1`, and so on.
async fn organizations(db: &Fixture, count: usize) {
    for number in 1..=count {
        let organization = format!("org_{number}");
        db.organization(&organization).await;
        make_base(db, new_base(&format!("kb-{number}"), &organization)).await.unwrap();
    }
}

async fn organisations_take_turns(db: Fixture) {
    organizations(&db, 3).await;
    // The first is there long before the others, with far more.
    for (organization, documents) in [(1, 20), (2, 3), (3, 1)] {
        for number in 0..documents {
            let (id, base) = (format!("doc-{organization}-{number:02}"), format!("kb-{organization}"));
            upload(&db, new_document(&id, &base, &id, number)).await.unwrap();
        }
    }
    let mut turns = Vec::new();
    for time in 100.. {
        let Some(claim) = claim_at(&db, "a", time).await else { break };
        read_claimed(&db, &claim, 0).await;
        turns.push(claim.document_id);
    }
    assert_eq!(turns.len(), 24);
    let first = ["1-00", "2-00", "3-00", "1-01", "2-01", "1-02", "2-02", "1-03", "1-04"];
    assert_eq!(turns[..9], first.map(|id| format!("doc-{id}")), "oldest first, in turns");
}

async fn a_huge_document_holds_nobody_up(db: Fixture) {
    organizations(&db, 2).await;
    for number in 0..3 {
        let id = format!("doc-huge-{number}");
        let huge = NewDocument { size: LARGE + 1, ..new_document(&id, "kb-1", &id, 0) };
        upload(&db, huge).await.unwrap();
    }
    upload(&db, new_document("doc-small", "kb-1", "small", 5)).await.unwrap();
    let two_places = |under_way: &[UnderWay]| Desk { places: 2, under_way: under_way.to_vec() };
    let claim = async |desk: Desk, name: &str, time| {
        let name = name.to_owned();
        written!(db, |tx| jobs::claim(tx, (&desk, &takes()), &name, at(time), LEASE)).unwrap()
    };
    let first = claim(two_places(&[]), "a", 10).await.unwrap();
    assert!(first.is_large && first.document_id == "doc-huge-0", "{first:?}");
    let busy = [UnderWay { organization_id: "org_1".into(), is_large: true }];
    assert_eq!(claim(two_places(&busy), "b", 10).await, None, "the last place is for others");
    upload(&db, new_document("doc-2", "kb-2", "others", 11)).await.unwrap();
    let second = claim(two_places(&busy), "b", 11).await.unwrap();
    assert_eq!(second.document_id, "doc-2");
    // Beside others' jobs its small one comes before its other large ones.
    let others = [UnderWay { organization_id: "org_9".into(), is_large: true }];
    let third = claim(two_places(&others), "c", 12).await.unwrap();
    assert_eq!(third.document_id, "doc-small");
}

async fn vectors_under_way_hold_up_no_reading(db: Fixture) {
    organizations(&db, 2).await;
    let reads = Takes { readings: true, ..Takes::default() };
    let embeds = Takes { readings: false, ..takes() };
    let is_due = async |takes: &Takes, time| {
        jobs::is_due(&mut db.store.read().await.unwrap(), takes, at(time)).await.unwrap()
    };
    let claim = async |takes: &Takes, name: &str, time| {
        let (takes, name) = (takes.clone(), name.to_owned());
        written!(db, |tx| jobs::claim(tx, (&Desk::new(8), &takes), &name, at(time), LEASE)).unwrap()
    };
    upload(&db, new_document("doc-1", "kb-1", "one", 0)).await.unwrap();
    read_claimed(&db, &claim(&reads, "a", 1).await.unwrap(), 1).await;
    assert_eq!((is_due(&reads, 2).await, is_due(&embeds, 2).await), (false, true));
    assert!(!is_due(&Takes::default(), 2).await);
    let vectors = claim(&embeds, "b", 2).await.unwrap();
    assert!(!vectors.is_reading());
    for (id, base) in [("doc-2", "kb-1"), ("doc-3", "kb-2"), ("doc-4", "kb-2")] {
        upload(&db, new_document(id, base, id, 3)).await.unwrap();
    }
    for (time, next) in [(4, "doc-3"), (5, "doc-2"), (6, "doc-4")] {
        let claimed = claim(&reads, next, time).await.unwrap();
        assert_eq!(claimed.document_id, next, "in turns, whatever vectors are being made");
        read_claimed(&db, &claimed, 0).await;
    }
    assert!(!is_due(&reads, 7).await);
    written!(db, |tx| jobs::give_up_place(tx, &vectors, at(19))).unwrap();
    assert!(claim(&embeds, "c", 20).await.is_some(), "the first organisation's turn, with its vectors");
    for (id, base) in [("doc-5", "kb-1"), ("doc-6", "kb-2")] {
        upload(&db, new_document(id, base, id, 21)).await.unwrap();
    }
    let first = claim(&reads, "d", 22).await.unwrap();
    assert_eq!(
        first.document_id, "doc-5",
        "whose last reading is longest ago, whatever vectors it had made since"
    );
}

async fn a_lapsed_claim_is_anothers_and_the_first_writes_nothing(db: Fixture) {
    prepare(&db).await;
    indexed(&db, "doc-1", 4).await;
    let mut first = claim(&db, "a").await.unwrap();
    keep(&db, &mut first, 1).await.unwrap().unwrap();
    assert_eq!(claim_at(&db, "b", 29).await, None, "it is held");
    let held = first.clone();
    assert!(written!(db, |tx| jobs::renew(tx, &held, at(20), LEASE)).unwrap());
    assert_eq!(claim_at(&db, "b", 49).await, None, "it was prolonged");
    let mut second = claim_at(&db, "b", 50).await.unwrap();
    assert_eq!((second.id.as_str(), second.cursor, second.lapses), (first.id.as_str(), 1, 1));
    assert_eq!(keep(&db, &mut first, 1).await.unwrap(), None);
    let late = first.clone();
    assert!(!written!(db, |tx| jobs::renew(tx, &late, at(50), LEASE)).unwrap());
    assert!(!written!(db, |tx| jobs::give_up_place(tx, &first, at(50))).unwrap());
    assert!(keep(&db, &mut second, 3).await.unwrap().unwrap().is_complete);
    assert_eq!(db.rows("vectors").await, 4);
}

async fn what_is_given_back_is_no_failure(db: Fixture) {
    prepare(&db).await;
    upload(&db, new_document("doc-1", "kb-1", "a", 0)).await.unwrap();
    let first = claim(&db, "a").await.unwrap();
    assert!(written!(db, |tx| jobs::release(tx, &first, at(5))).unwrap());
    assert!(!jobs::is_due(&mut db.store.read().await.unwrap(), &takes(), at(4)).await.unwrap());
    assert!(jobs::is_due(&mut db.store.read().await.unwrap(), &takes(), at(5)).await.unwrap());
    let second = claim_at(&db, "b", 5).await.unwrap();
    assert_eq!((second.attempt, second.lapses), (0, 0));
    written!(db, |tx| jobs::release_all(tx)).unwrap();
    let third = claim_at(&db, "c", 5).await.unwrap();
    assert_eq!((third.attempt, third.lapses), (0, 1), "what a host left when it went down");
}

async fn no_job_is_claimed_twice(db: Fixture) {
    organizations(&db, 4).await;
    for number in 0..40 {
        let (id, base) = (format!("doc-{number:02}"), format!("kb-{}", number % 4 + 1));
        upload(&db, new_document(&id, &base, &id, 0)).await.unwrap();
    }
    let hosts = (0..8).map(|host| {
        let store = db.store.clone();
        tokio::spawn(async move {
            let mut claimed = Vec::new();
            for number in 0.. {
                let due = jobs::is_due(&mut store.read().await.unwrap(), &takes(), at(1)).await.unwrap();
                if !due {
                    return claimed;
                }
                let name = format!("{host} {number}");
                let claim = store.write(Lane::Bulk, move |tx| {
                    Box::pin(
                        async move { jobs::claim(tx, (&Desk::new(99), &takes()), &name, at(1), LEASE).await },
                    )
                });
                match claim.await {
                    Ok(claim) => claimed.extend(claim),
                    Err(error) => assert!(error.is_transient(), "{error}"),
                }
            }
            claimed
        })
    });
    let mut times = BTreeMap::new();
    for claims in join_all(hosts).await {
        for claim in claims.unwrap() {
            *times.entry(claim.document_id).or_insert(0) += 1;
        }
    }
    assert_eq!(times.len(), 40);
    assert!(times.values().all(|count| *count == 1), "{times:?}");
}

async fn turns_of_who_has_nothing_are_forgotten(db: Fixture) {
    organizations(&db, 2).await;
    upload(&db, new_document("doc-1", "kb-1", "a", 0)).await.unwrap();
    upload(&db, new_document("doc-2", "kb-2", "b", 0)).await.unwrap();
    let first = claim_at(&db, "a", 10).await.unwrap();
    assert_eq!(first.document_id, "doc-1");
    read_claimed(&db, &first, 0).await;
    let forget = async |until| written!(db, |tx| jobs::forget_turns(tx, at(until))).unwrap();
    assert_eq!(forget(9).await, 0, "one had its turn later, the other waits");
    assert_eq!(forget(10).await, 1);
    upload(&db, new_document("doc-3", "kb-1", "c", 20)).await.unwrap();
    let lease = Duration::from_secs(1);
    let next = written!(db, |tx| jobs::claim(tx, (&Desk::new(8), &takes()), "b", at(20), lease)).unwrap();
    assert!(next.is_some(), "who was forgotten has turns again");
}
