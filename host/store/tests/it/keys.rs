use hardpoint_store::{Lane, StoreError, keys, organizations};

use crate::support::{Fixture, at, new_key, on_both, organization};

on_both!(
    organization_is_made_once,
    a_key_is_found_by_its_hash,
    a_hash_is_taken_once,
    an_unknown_organization_is_refused,
    archiving_is_for_good,
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
    assert_eq!(keys::get(&mut conn, "org_1", "key_1").await.unwrap(), Some(new.key));
    assert_eq!(keys::get(&mut conn, "org_2", "key_1").await.unwrap(), None);
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
    for (organization, seconds) in [("org_2", 10), ("org_1", 20), ("org_1", 30)] {
        let archive = db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { keys::archive(tx, organization, "key_1", at(seconds)).await })
        });
        answers.push(archive.await.unwrap());
    }
    assert_eq!(answers, [false, true, false]);
    let found = keys::find_by_hash(&mut db.store.read().await.unwrap(), &[7; 32]).await.unwrap().unwrap();
    assert_eq!(found.key.archived_at, Some(at(20)));
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
    let page = keys::list(&mut conn, "org_1", 3, 1).await.unwrap();
    let ids: Vec<_> = page.iter().map(|key| key.id.as_str()).collect();
    assert_eq!(ids, ["key_3", "key_2", "key_1"]);
    assert_eq!(keys::count(&mut conn).await.unwrap(), 6);
    assert_eq!(keys::count_of(&mut conn, "org_1").await.unwrap(), 5);
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
    let found = keys::get(&mut db.store.read().await.unwrap(), "org_1", "key_1").await.unwrap().unwrap();
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
