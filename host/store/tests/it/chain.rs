use std::time::Duration;

use hardpoint_domain::chain::{self as links, Place};
use hardpoint_store::{Lane, StoreError, chain, events};
use sqlx::Row;

use crate::support::{Direct, Fixture, at, event, on_both};

on_both!(
    events_get_dense_numbers_and_links,
    sequencers_take_turns,
    a_host_that_stands_still_holds_others_up_for_a_moment,
    the_log_is_read_from_a_place_on,
    who_waits_is_told_of_events_alone,
    events_of_before_the_chain_get_their_places_too,
);

pub(crate) async fn append(db: &Fixture, numbers: std::ops::Range<i64>) {
    for number in numbers {
        let organization = (number % 2 == 0).then_some("org_1");
        let event = event(&format!("evt_{number}"), organization, number / 2);
        db.store
            .write(Lane::Request, |tx| Box::pin(async move { tx.append(&event, &[]).await }))
            .await
            .unwrap();
    }
}

pub(crate) async fn number(db: &Fixture, limit: u32) -> chain::Numbered {
    db.store
        .write(Lane::Bulk, move |tx| Box::pin(async move { chain::number(tx, limit).await }))
        .await
        .unwrap()
}

/// It has the end of the chain, and does not go on. (SQLite has one writer.)
async fn a_host_that_stands_still_holds_others_up_for_a_moment(db: Fixture) {
    let mut still @ Direct::Postgres(_) = db.direct().await else { return };
    append(&db, 0..1).await;
    still.run("BEGIN; SELECT seq FROM audit_head WHERE id = 1 FOR UPDATE").await;
    let wait =
        db.store.write(Lane::Bulk, |tx| Box::pin(async move { chain::number(tx, 10).await.map(drop) }));
    // What the server ends for taking long, or this write's own limit, would be another error.
    let outcome = wait.await;
    assert!(matches!(outcome, Err(StoreError::Conflict)), "{outcome:?}");
    still.run("ROLLBACK").await;
    assert_eq!(number(&db, 10).await.count, 1);
}

type Linked = (i64, String, i64, Option<String>, String, Vec<u8>, Vec<u8>);

async fn rows(db: &Fixture) -> Vec<Linked> {
    let text = "SELECT seq, id, time, organization_id, kind, body_hash, hash FROM events \
                WHERE seq IS NOT NULL ORDER BY seq";
    macro_rules! read {
        ($conn:expr) => {
            sqlx::query(text)
                .fetch_all($conn)
                .await
                .unwrap()
                .iter()
                .map(|row| {
                    (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4), row.get(5), row.get(6))
                })
                .collect()
        };
    }
    match &mut db.direct().await {
        Direct::Sqlite(conn) => read!(conn),
        Direct::Postgres(conn) => read!(conn),
    }
}

/// Each link is of the one before it and of its own row, and the head is the last.
async fn check_links(db: &Fixture) -> i64 {
    let mut before = links::GENESIS.to_vec();
    let mut count = 0;
    for (seq, id, time, organization, kind, body_hash, hash) in rows(db).await {
        count += 1;
        assert_eq!(seq, count);
        let place = Place {
            seq,
            id: &id,
            time: hardpoint_domain::time::Timestamp::from_micros(time),
            organization_id: organization.as_deref(),
            kind: &kind,
            body_hash: &body_hash,
        };
        assert_eq!(links::link(&before, &place).as_slice(), hash, "at {seq}");
        before = hash;
    }
    let head = chain::head(&mut db.store.read().await.unwrap()).await.unwrap();
    assert_eq!((head.seq, head.hash), (count, before));
    count
}

async fn events_get_dense_numbers_and_links(db: Fixture) {
    assert_eq!(number(&db, 10).await, chain::Numbered { count: 0, head: 0 });
    append(&db, 0..7).await;
    assert!(chain::is_waiting(&mut db.store.read().await.unwrap()).await.unwrap());
    assert_eq!(number(&db, 5).await, chain::Numbered { count: 5, head: 5 });
    assert_eq!(number(&db, 5).await, chain::Numbered { count: 2, head: 7 });
    assert!(!chain::is_waiting(&mut db.store.read().await.unwrap()).await.unwrap());
    assert_eq!(check_links(&db).await, 7);
    let ids: Vec<String> = rows(&db).await.into_iter().map(|row| row.1).collect();
    assert_eq!(ids, ["evt_0", "evt_1", "evt_2", "evt_3", "evt_4", "evt_5", "evt_6"], "oldest first");
}

/// Two hosts number while both append: no place is given twice, and none left out.
async fn sequencers_take_turns(db: Fixture) {
    let twin = db.twin().await;
    let host = async |db: &Fixture, first: i64| {
        for round in 0..10 {
            append(db, first + round * 5..first + round * 5 + 5).await;
            // Others are in the way for a moment, on one or the other database.
            number(db, 7).await;
        }
    };
    tokio::join!(host(&db, 0), host(&twin, 1_000));
    while number(&db, 100).await.count > 0 {}
    assert_eq!(check_links(&db).await, 100);
}

async fn the_log_is_read_from_a_place_on(db: Fixture) {
    append(&db, 0..6).await;
    number(&db, 4).await;
    let ids = async |organization: Option<&str>, seq: i64, limit: u32| {
        let mut conn = db.store.read().await.unwrap();
        let found = events::after(&mut conn, organization, seq, limit).await.unwrap();
        found.into_iter().map(|(seq, stored)| format!("{seq} {}", stored.event.id)).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, 0, 2).await, ["1 evt_0", "2 evt_1"]);
    assert_eq!(ids(None, 2, 10).await, ["3 evt_2", "4 evt_3"], "the others are not numbered yet");
    assert_eq!(ids(Some("org_1"), 0, 10).await, ["1 evt_0", "3 evt_2"]);
    db.direct().await.run("UPDATE events SET body = NULL WHERE seq = 3").await;
    assert_eq!(ids(None, 1, 10).await, ["2 evt_1", "4 evt_3"], "what was purged is left out");
    let mut conn = db.store.read().await.unwrap();
    assert!(events::get(&mut conn, "evt_2").await.unwrap().is_none());
}

async fn who_waits_is_told_of_events_alone(db: Fixture) {
    let is_told = async || tokio::time::timeout(Duration::from_secs(5), db.store.appended()).await.is_ok();
    append(&db, 0..3).await;
    assert!(is_told().await);
    db.organization("org_9").await;
    // The bell would have been rung before the write was answered.
    let told = futures_util::FutureExt::now_or_never(db.store.appended());
    assert!(told.is_none(), "no event was appended");
    let undone = db.store.write(Lane::Request, |tx| {
        Box::pin(async move {
            tx.append(&event("evt_9", None, 9), &[]).await?;
            Err::<(), _>(hardpoint_store::StoreError::Conflict)
        })
    });
    assert!(undone.await.is_err());
    assert!(futures_util::FutureExt::now_or_never(db.store.appended()).is_none(), "nothing was committed");
}

async fn events_of_before_the_chain_get_their_places_too(db: Fixture) {
    append(&db, 0..3).await;
    let forget = "UPDATE events SET body_hash = NULL, actor_id = NULL, target_id = NULL, request_id = NULL";
    db.direct().await.run(forget).await;
    number(&db, 10).await;
    assert_eq!(check_links(&db).await, 3);
    let stored = events::get(&mut db.store.read().await.unwrap(), "evt_1").await.unwrap().unwrap();
    assert_eq!(rows(&db).await[1].5, links::body_hash(&stored.body));
    assert_eq!(stored.event.time, at(0));
    let described = "SELECT COUNT(*) FROM events WHERE actor_id = 'key_1' AND target_id = 'openai' \
                     AND request_id = 'req_1'";
    assert_eq!(db.direct().await.number(described).await, 3);
}
