use hardpoint_store::event_search::{self, Search, Text};
use hardpoint_store::events::{self, Cursor, NewDelivery};
use hardpoint_store::outbox::{self, State};
use hardpoint_store::{Lane, StoreError, Window, organizations};

use crate::support::{Fixture, at, event, on_both, organization};

on_both!(
    an_event_keeps_its_bytes,
    events_are_listed_newest_first,
    text_is_looked_for_in_a_part_of_the_log,
    an_event_and_its_deliveries_are_one,
    the_check_finds_a_publisher_outside_the_transaction,
    no_more_is_counted_than_anybody_waits_for
);

pub(crate) fn delivery(id: &str, destination: &str) -> NewDelivery {
    NewDelivery { id: id.into(), destination: destination.into(), due_at: at(0) }
}

async fn an_event_keeps_its_bytes(db: Fixture) {
    let new = event("evt_1", Some("org_1"), 0);
    let bytes = serde_json::to_vec(&new).unwrap();
    let appended = new.clone();
    db.store
        .write(Lane::Request, |tx| {
            Box::pin(async move { tx.append(&appended, &[delivery("dlv_1", "whe_1")]).await })
        })
        .await
        .unwrap();
    let mut conn = db.store.read().await.unwrap();
    let stored = events::get(&mut conn, "evt_1").await.unwrap().unwrap();
    assert_eq!((stored.event, stored.body), (new, bytes));
    let deliveries = outbox::of_event(&mut conn, "evt_1").await.unwrap();
    assert_eq!(deliveries.len(), 1);
    let first = &deliveries[0];
    assert_eq!((first.destination.as_str(), first.state, first.attempt), ("whe_1", State::Open, 0));
}

async fn events_are_listed_newest_first(db: Fixture) {
    db.store
        .write(Lane::Bulk, |tx| {
            Box::pin(async move {
                for number in 0..6 {
                    let organization = (number % 2 == 0).then_some("org_1");
                    tx.append(&event(&format!("evt_{number}"), organization, number / 2), &[]).await?;
                }
                Ok(())
            })
        })
        .await
        .unwrap();
    let ids = async |organization: Option<&str>, before: Option<&Cursor>, limit: u32| {
        let mut conn = db.store.read().await.unwrap();
        let page = events::list(&mut conn, organization, before, limit).await.unwrap();
        page.into_iter().map(|stored| stored.event.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(None, None, 4).await, ["evt_5", "evt_4", "evt_3", "evt_2"]);
    let cursor = Cursor { time: at(1), id: "evt_2".into() };
    assert_eq!(ids(None, Some(&cursor), 4).await, ["evt_1", "evt_0"]);
    assert_eq!(ids(Some("org_1"), None, 4).await, ["evt_4", "evt_2", "evt_0"]);
}

/// Of twelve events the odd ones have the text; one search looks through five.
async fn text_is_looked_for_in_a_part_of_the_log(db: Fixture) {
    let write = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move {
            for number in 0..12_i64 {
                let mut event = event(&format!("evt_{number:02}"), Some("org_1"), number);
                event.request_id = Some("req_1".into());
                event.after = (number % 2 == 1).then(|| serde_json::json!({ "label": "Spare Key" }));
                tx.append(&event, &[]).await?;
            }
            Ok(())
        })
    });
    write.await.unwrap();
    let everywhere = Search { text: Some(Text { wanted: "spare KEY".into(), most: 5 }), ..Search::default() };
    let of_organization = Search { organization_id: Some("org_1".into()), ..everywhere.clone() };
    let of_target = Search { target: Some("openai".into()), ..everywhere.clone() };
    let of_actor = Search { actor: Some("key_1".into()), ..everywhere.clone() };
    let of_request = Search { request_id: Some("req_1".into()), ..everywhere.clone() };
    let window = Window { limit: 10, offset: 0 };
    for search in [everywhere, of_organization, of_target, of_actor, of_request] {
        let mut conn = db.store.read().await.unwrap();
        assert_eq!(event_search::count(&mut conn, &search).await.unwrap(), 3, "11, 9 and 7");
        let (mut before, mut found) = (None, Vec::new());
        for pages in 1.. {
            let page = event_search::page(&mut conn, &search, before.as_ref(), window).await.unwrap();
            found.push(page.into_iter().map(|found| found.event.id).collect::<Vec<_>>());
            before = event_search::looked_to(&mut conn, &search, before.as_ref()).await.unwrap();
            assert!(pages <= 3);
            if before.is_none() {
                break;
            }
        }
        assert_eq!(found, [vec!["evt_11", "evt_09", "evt_07"], vec!["evt_05", "evt_03"], vec!["evt_01"]]);
        let second = Window { limit: 1, offset: 1 };
        let page = event_search::page(&mut conn, &search, None, second).await.unwrap();
        assert_eq!(page[0].event.id, "evt_09");
        let seen = Search { text: Some(Text { wanted: "spare key".into(), most: 12 }), ..search };
        assert_eq!(event_search::looked_to(&mut conn, &seen, None).await.unwrap(), None, "all there are");
    }
}

/// Nobody waits for all of a long log to be counted.
async fn no_more_is_counted_than_anybody_waits_for(db: Fixture) {
    let write = db.store.write(Lane::Bulk, |tx| {
        Box::pin(async move { tx.append(&event("evt_first", Some("org_1"), 0), &[]).await })
    });
    write.await.unwrap();
    let many = "INSERT INTO events (id, time, organization_id, kind, body, target_id) \
                WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10050) \
                SELECT 'evt_' || n, n, 'org_1', 'key.created', (SELECT body FROM events), \
                CASE WHEN n <= 7 THEN 'key_1' END FROM numbers";
    db.direct().await.run(many).await;
    let mut conn = db.store.read().await.unwrap();
    let of_organization = Search { organization_id: Some("org_1".into()), ..Search::default() };
    let of_target = Search { target: Some("key_1".into()), ..of_organization.clone() };
    for (search, expected) in
        [(Search::default(), event_search::COUNTED), (of_organization, event_search::COUNTED), (of_target, 7)]
    {
        assert_eq!(event_search::count(&mut conn, &search).await.unwrap(), expected, "{search:?}");
    }
}

/// How a state change and its event may be published, in a test that breaks off in between.
#[derive(Clone, Copy, Debug)]
enum Publisher {
    /// As it must be: `tx.append` in the transaction of the change.
    Inside,
    /// As it must not be: the change first, its event in a second transaction.
    Afterwards,
    /// As it must not be either: event first, its deliveries in a second transaction.
    DeliveriesAfterwards,
}

/// Makes an organisation and breaks off while its event is published (the delivery's id is taken).
/// Answers how many of the three rows, organisation, event, delivery, came to be.
async fn broken_off(db: &Fixture, publisher: Publisher) -> i64 {
    db.store
        .write(Lane::Request, |tx| {
            Box::pin(
                async move { tx.append(&event("evt_0", None, 0), &[delivery("dlv_taken", "whe_1")]).await },
            )
        })
        .await
        .unwrap();
    let change = organization("org_1");
    let (first, second) = match publisher {
        Publisher::Inside => {
            let all = db.store.write(Lane::Request, |tx| {
                Box::pin(async move {
                    organizations::create(tx, &change).await?;
                    tx.append(&event("evt_1", None, 0), &[delivery("dlv_taken", "whe_1")]).await
                })
            });
            (Ok(()), all.await)
        }
        Publisher::Afterwards => {
            let first = db
                .store
                .write(Lane::Request, |tx| Box::pin(async move { organizations::create(tx, &change).await }));
            let second = db.store.write(Lane::Request, |tx| {
                Box::pin(async move {
                    tx.append(&event("evt_1", None, 0), &[delivery("dlv_taken", "whe_1")]).await
                })
            });
            (first.await, second.await)
        }
        Publisher::DeliveriesAfterwards => {
            let first = db.store.write(Lane::Request, |tx| {
                Box::pin(async move {
                    organizations::create(tx, &change).await?;
                    tx.append(&event("evt_1", None, 0), &[]).await
                })
            });
            let second = db.store.write(Lane::Request, |tx| {
                Box::pin(async move {
                    let insert = "INSERT INTO outbox (id, event_id, destination, kind, created_at, state, \
                                  accepted_at, due_at, attempt, attempts) \
                                  VALUES ('dlv_taken', 'evt_1', 'whe_1', 'a', 0, 'open', 0, 0, 0, '[]')";
                    hardpoint_store::testing::raw(tx, insert).await
                })
            });
            (first.await, second.await)
        }
    };
    first.unwrap();
    assert!(matches!(second, Err(StoreError::Duplicate { .. })), "{second:?}");
    db.rows("organizations").await + db.rows("events").await + db.rows("outbox").await - 2
}

async fn an_event_and_its_deliveries_are_one(db: Fixture) {
    assert_eq!(broken_off(&db, Publisher::Inside).await, 0);
}

/// The test of the test: with the mechanism switched off it finds what was left behind.
async fn the_check_finds_a_publisher_outside_the_transaction(db: Fixture) {
    assert_eq!(broken_off(&db, Publisher::Afterwards).await, 1);
    db.direct().await.run("DELETE FROM organizations; DELETE FROM outbox; DELETE FROM events").await;
    assert_eq!(broken_off(&db, Publisher::DeliveriesAfterwards).await, 2);
}
