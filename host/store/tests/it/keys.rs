use hardpoint_domain::time::Timestamp;
use hardpoint_store::{Lane, StoreError, Window, keys, organizations};

use crate::support::{Fixture, at, new_key, on_both, organization};

on_both!(
    organization_is_made_once,
    organizations_are_listed_and_change_plans,
    a_key_is_found_by_its_hash,
    a_hash_is_taken_once,
    an_unknown_organization_is_refused,
    archiving_is_for_good,
    an_end_is_only_given_to_keys_that_are_good,
    a_deleted_key_is_gone,
    keys_are_listed_newest_first,
    last_use_only_moves_forward,
    nul_is_refused,
);

async fn insert(db: &Fixture, key: keys::NewKey) -> Result<(), StoreError> {
    db.store.write(Lane::Request, |tx| Box::pin(async move { keys::insert(tx, &key).await })).await
}

async fn organization_is_made_once(db: Fixture) {
    db.organization("org_1").await;
    let again = organization("org_1");
    let outcome = db
        .store
        .write(Lane::Request, |tx| Box::pin(async move { organizations::create(tx, &again).await }))
        .await;
    assert!(matches!(outcome, Err(StoreError::Duplicate { .. })), "{outcome:?}");
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(organizations::get(&mut conn, "org_1").await.unwrap(), Some(organization("org_1")));
    assert_eq!(organizations::get(&mut conn, "org_2").await.unwrap(), None);
}

async fn a_key_is_found_by_its_hash(db: Fixture) {
    db.organization("org_1").await;
    let new = new_key("key_1", "org_1", [7; 32]);
    insert(&db, new.clone()).await.unwrap();
    let mut conn = db.store.read().await.unwrap();
    let found = keys::find_by_hash(&mut conn, &[7; 32]).await.unwrap().unwrap();
    assert_eq!(found.key, new.key);
    assert_eq!((found.organization_name.as_str(), found.plan.as_str()), ("org_1, Inc.", "free"));
    assert_eq!(keys::find_by_hash(&mut conn, &[8; 32]).await.unwrap(), None);
    assert_eq!(keys::find(&mut conn, "key_1").await.unwrap(), Some(new.key));
    assert_eq!(keys::find(&mut conn, "key_2").await.unwrap(), None);
}

async fn a_hash_is_taken_once(db: Fixture) {
    db.organization("org_1").await;
    insert(&db, new_key("key_1", "org_1", [7; 32])).await.unwrap();
    let outcome = insert(&db, new_key("key_2", "org_1", [7; 32])).await;
    assert!(matches!(outcome, Err(StoreError::Duplicate { .. })), "{outcome:?}");
}

async fn an_unknown_organization_is_refused(db: Fixture) {
    let outcome = insert(&db, new_key("key_1", "org_none", [7; 32])).await;
    assert!(matches!(outcome, Err(StoreError::Dangling)), "{outcome:?}");
}

async fn archiving_is_for_good(db: Fixture) {
    db.organization("org_1").await;
    insert(&db, new_key("key_1", "org_1", [7; 32])).await.unwrap();
    let mut answers = Vec::new();
    for (id, seconds) in [("key_2", 10), ("key_1", 20), ("key_1", 30)] {
        let archive = db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { keys::archive(tx, id, at(seconds)).await })
        });
        answers.push(archive.await.unwrap());
    }
    assert_eq!(answers, [false, true, false]);
    let found = keys::find_by_hash(&mut db.store.read().await.unwrap(), &[7; 32]).await.unwrap().unwrap();
    assert_eq!(found.key.archived_at, Some(at(20)));
}

async fn end(db: &Fixture, end: Timestamp, now: Timestamp) -> bool {
    let write = db
        .store
        .write(Lane::Request, move |tx| Box::pin(async move { keys::end(tx, "key_1", end, now).await }));
    write.await.unwrap()
}

async fn an_end_is_only_given_to_keys_that_are_good(db: Fixture) {
    db.organization("org_1").await;
    let mut new = new_key("key_1", "org_1", [7; 32]);
    new.key.expires_at = None;
    insert(&db, new).await.unwrap();
    assert!(end(&db, at(100), at(0)).await);
    assert!(end(&db, at(50), at(99)).await);
    assert!(!end(&db, at(200), at(50)).await, "it ended at that moment");
    let found = keys::find(&mut db.store.read().await.unwrap(), "key_1").await.unwrap().unwrap();
    assert_eq!(found.expires_at, Some(at(50)));
    let archive =
        db.store.write(Lane::Request, |tx| Box::pin(async move { keys::archive(tx, "key_1", at(10)).await }));
    assert!(archive.await.unwrap());
    assert!(!end(&db, at(300), at(20)).await, "it is archived");
}

async fn a_deleted_key_is_gone(db: Fixture) {
    db.organization("org_1").await;
    for number in [1, 2] {
        insert(&db, new_key(&format!("key_{number}"), "org_1", [number; 32])).await.unwrap();
    }
    let delete =
        || db.store.write(Lane::Request, |tx| Box::pin(async move { keys::delete(tx, "key_1").await }));
    assert!(delete().await.unwrap());
    assert!(!delete().await.unwrap());
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(keys::find_by_hash(&mut conn, &[1; 32]).await.unwrap(), None);
    assert!(keys::find_by_hash(&mut conn, &[2; 32]).await.unwrap().is_some());
}

async fn organizations_are_listed_and_change_plans(db: Fixture) {
    for id in ["org_1", "org_2", "org_3"] {
        db.organization(id).await;
    }
    let set = |id: &'static str| {
        db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { organizations::set_plan(tx, id, "professional").await })
        })
    };
    assert_eq!((set("org_2").await.unwrap(), set("org_9").await.unwrap()), (true, false));
    let mut conn = db.store.read().await.unwrap();
    let page = organizations::list(&mut conn, Window { limit: 2, offset: 1 }).await.unwrap();
    let shown: Vec<_> = page.iter().map(|found| (found.id.as_str(), found.plan.as_str())).collect();
    assert_eq!(shown, [("org_2", "professional"), ("org_1", "free")]);
    assert_eq!(organizations::count(&mut conn).await.unwrap(), 3);
}

async fn keys_are_listed_newest_first(db: Fixture) {
    db.organization("org_1").await;
    db.organization("org_2").await;
    assert_eq!(keys::count(&mut db.store.read().await.unwrap()).await.unwrap(), 0);
    for number in 0..5_u8 {
        let mut new = new_key(&format!("key_{number}"), "org_1", [number; 32]);
        new.key.created_at = at(i64::from(number));
        insert(&db, new).await.unwrap();
    }
    insert(&db, new_key("key_x", "org_2", [99; 32])).await.unwrap();
    let mut conn = db.store.read().await.unwrap();
    let page = keys::list(&mut conn, "org_1", None, Window { limit: 3, offset: 1 }).await.unwrap();
    let ids: Vec<_> = page.iter().map(|key| key.id.as_str()).collect();
    assert_eq!(ids, ["key_3", "key_2", "key_1"]);
    assert_eq!(keys::count(&mut conn).await.unwrap(), 6);
    assert_eq!(keys::count_of(&mut conn, "org_1", None).await.unwrap(), 5);
}

async fn last_use_only_moves_forward(db: Fixture) {
    db.organization("org_1").await;
    insert(&db, new_key("key_1", "org_1", [7; 32])).await.unwrap();
    for seconds in [50, 40, 60, 55] {
        db.store
            .write(Lane::Bulk, move |tx| Box::pin(async move { keys::touch(tx, "key_1", at(seconds)).await }))
            .await
            .unwrap();
    }
    let found = keys::find(&mut db.store.read().await.unwrap(), "key_1").await.unwrap().unwrap();
    assert_eq!(found.last_used_at, Some(at(60)));
}

async fn nul_is_refused(db: Fixture) {
    let mut bad = organization("org_1");
    bad.name = "a\0b".into();
    let outcome = db
        .store
        .write(Lane::Request, |tx| Box::pin(async move { organizations::create(tx, &bad).await }))
        .await;
    assert!(matches!(outcome, Err(StoreError::InvalidText)), "{outcome:?}");
    let outcome = organizations::get(&mut db.store.read().await.unwrap(), "org\0").await;
    assert!(matches!(outcome, Err(StoreError::InvalidText)), "{outcome:?}");
    assert_eq!(db.rows("organizations").await, 0);
}
