use std::time::Duration;

use hardpoint_domain::webhook::breaker::Breaker;
use hardpoint_store::webhooks::{self, Endpoint, Health};
use hardpoint_store::{Lane, StoreError, Window, outbox};

use crate::support::{Fixture, at, event, on_both};

on_both!(
    an_endpoint_keeps_what_it_is,
    an_event_is_queued_for_those_who_take_it,
    an_event_is_queued_once,
    who_has_work_is_found,
    who_queued_something_is_told_after_the_commit,
);

fn endpoint(id: &str, organization: &str, events: &[&str]) -> Endpoint {
    Endpoint {
        id: id.into(),
        organization_id: organization.into(),
        url: "https://example.com/hook".into(),
        description: String::new(),
        events: events.iter().map(|&one| one.to_owned()).collect(),
        is_enabled: true,
        disabled_reason: None,
        previous_until: None,
        health: Health::default(),
        created_at: at(0),
        updated_at: at(0),
    }
}

async fn create(db: &Fixture, endpoint: &Endpoint) {
    let new = endpoint.clone();
    let write = db.store.write(Lane::Request, |tx| Box::pin(async move { webhooks::create(tx, &new).await }));
    write.await.unwrap();
}

async fn append(db: &Fixture, id: &str, organization: Option<&str>, seconds: i64) -> Result<(), StoreError> {
    let event = event(id, organization, seconds);
    db.store.write(Lane::Request, |tx| Box::pin(async move { tx.append(&event, &[]).await })).await
}

async fn destinations(db: &Fixture, event_id: &str) -> Vec<String> {
    let mut conn = db.store.read().await.unwrap();
    let mut all: Vec<_> = outbox::of_event(&mut conn, event_id)
        .await
        .unwrap()
        .into_iter()
        .map(|delivery| delivery.destination)
        .collect();
    all.sort();
    all
}

async fn an_endpoint_keeps_what_it_is(db: Fixture) {
    db.organization("org_1").await;
    let first = endpoint("whe_1", "org_1", &["user.*", "key.created"]);
    create(&db, &first).await;
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(webhooks::get(&mut conn, "whe_1").await.unwrap(), Some(first.clone()));
    drop(conn);
    let changed = Endpoint {
        url: "https://example.com/other".into(),
        is_enabled: false,
        disabled_reason: Some("410".into()),
        previous_until: Some(at(9)),
        updated_at: at(3),
        ..first
    };
    let breaker = Breaker { failures: 7, probe_at: Some(at(5)), recovered_at: Some(at(6)) };
    let new = changed.clone();
    let write = db.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            webhooks::set_health(tx, "whe_1", &breaker).await?;
            assert_eq!(Breaker::from(&webhooks::hold(tx, "whe_1").await?.unwrap().health), breaker);
            webhooks::update(tx, &new).await
        })
    });
    assert!(write.await.unwrap());
    let mut conn = db.store.read().await.unwrap();
    let read = webhooks::list(&mut conn, "org_1", Window { limit: 10, offset: 0 }).await.unwrap();
    assert_eq!(read.len(), 1);
    assert_eq!(Breaker::from(&read[0].health), breaker);
    assert_eq!(Endpoint { health: Health::default(), ..read[0].clone() }, changed);
    assert_eq!(webhooks::count(&mut conn, "org_2").await.unwrap(), 0);
    drop(conn);
    let delete =
        || db.store.write(Lane::Request, |tx| Box::pin(async move { webhooks::delete(tx, "whe_1").await }));
    assert_eq!((delete().await.unwrap(), delete().await.unwrap()), (true, false));
}

async fn an_event_is_queued_for_those_who_take_it(db: Fixture) {
    db.organization("org_1").await;
    db.organization("org_2").await;
    let kind = event("evt_0", None, 0).kind;
    create(&db, &endpoint("whe_all", "org_1", &["*"])).await;
    create(&db, &endpoint("whe_kind", "org_1", &[&kind])).await;
    create(&db, &endpoint("whe_else", "org_1", &["nothing.like_this"])).await;
    create(&db, &endpoint("whe_other", "org_2", &["*"])).await;
    create(&db, &Endpoint { is_enabled: false, ..endpoint("whe_off", "org_1", &["*"]) }).await;
    append(&db, "evt_1", Some("org_1"), 5).await.unwrap();
    append(&db, "evt_2", None, 5).await.unwrap();
    assert_eq!(destinations(&db, "evt_1").await, ["whe_all", "whe_kind"]);
    assert_eq!(destinations(&db, "evt_2").await, [""; 0]);
    let mut conn = db.store.read().await.unwrap();
    let queued = outbox::of_event(&mut conn, "evt_1").await.unwrap().remove(0);
    assert_eq!((queued.kind, queued.created_at, queued.due_at), (kind, at(5), at(5)));
}

async fn an_event_is_queued_once(db: Fixture) {
    db.organization("org_1").await;
    create(&db, &endpoint("whe_1", "org_1", &["*"])).await;
    append(&db, "evt_1", Some("org_1"), 0).await.unwrap();
    let again = append(&db, "evt_1", Some("org_1"), 0).await;
    assert!(matches!(again, Err(StoreError::Duplicate { .. })), "{again:?}");
    assert_eq!(destinations(&db, "evt_1").await, ["whe_1"]);
}

async fn who_has_work_is_found(db: Fixture) {
    db.organization("org_1").await;
    for id in ["whe_1", "whe_2", "whe_3"] {
        create(&db, &endpoint(id, "org_1", &["*"])).await;
    }
    append(&db, "evt_1", Some("org_1"), 10).await.unwrap();
    let with_work = async |seconds| {
        let mut conn = db.store.read().await.unwrap();
        webhooks::with_work(&mut conn, at(seconds), Duration::from_secs(30)).await.unwrap()
    };
    assert_eq!(with_work(9).await, [""; 0], "not due yet");
    assert_eq!(with_work(10).await, ["whe_1", "whe_2", "whe_3"]);
    let write = db.store.write(Lane::Request, |tx| {
        Box::pin(async move {
            let open = |probe_at| Breaker { failures: 5, probe_at: Some(at(probe_at)), recovered_at: None };
            webhooks::set_health(tx, "whe_2", &open(100)).await?;
            let lease = Duration::from_secs(30);
            outbox::claim(tx, "whe_3", "c1", 10, at(10), lease).await.map(drop)
        })
    });
    write.await.unwrap();
    assert_eq!(with_work(10).await, ["whe_1"], "the second's breaker is open, the third's is claimed");
    assert_eq!(with_work(40).await, ["whe_1", "whe_3"]);
    assert_eq!(with_work(100).await, ["whe_1", "whe_2", "whe_3"]);
    let write = db.store.write(Lane::Request, |tx| {
        Box::pin(async move {
            let ahead = Breaker { failures: 5, probe_at: Some(at(7_200)), recovered_at: None };
            webhooks::set_health(tx, "whe_2", &ahead).await
        })
    });
    write.await.unwrap();
    assert_eq!(with_work(40).await, ["whe_1", "whe_2", "whe_3"], "no host puts a probe off for two hours");
    let ahead = db.store.write(Lane::Request, |tx| {
        Box::pin(async move {
            let lease = Duration::from_secs(30);
            outbox::claim(tx, "whe_1", "c2", 10, at(7_200), lease).await.map(|claimed| claimed.len())
        })
    });
    assert_eq!(ahead.await.unwrap(), 1);
    assert_eq!(with_work(40).await, ["whe_1", "whe_2", "whe_3"], "nor holds a claim for two hours");
}

async fn who_queued_something_is_told_after_the_commit(db: Fixture) {
    db.organization("org_1").await;
    create(&db, &endpoint("whe_1", "org_1", &["*"])).await;
    let failed = db.store.write(Lane::Request, |tx| {
        Box::pin(async move {
            tx.append(&event("evt_1", Some("org_1"), 0), &[]).await?;
            Err::<(), _>(StoreError::Undone("a test"))
        })
    });
    failed.await.unwrap_err();
    append(&db, "evt_2", None, 0).await.unwrap();
    let told = db.store.told().next();
    let nothing = tokio::time::timeout(Duration::ZERO, told).await;
    assert!(nothing.is_err(), "nothing was queued: {nothing:?}");
    append(&db, "evt_3", Some("org_1"), 0).await.unwrap();
    assert_eq!(db.store.told().next().await.into_iter().collect::<Vec<_>>(), ["whe_1"]);
    assert_eq!(destinations(&db, "evt_3").await, ["whe_1"], "it is there by then");
}
