use hardpoint_store::grants::{self, Grant};
use hardpoint_store::{Lane, StoreError, enablement, revision};

use crate::support::{Fixture, at, on_both};

on_both!(a_grant_replaces_the_one_before, a_revoked_grant_is_gone, plugins_are_switched_per_organization);

fn grant(binding: &str, fingerprint: &str) -> Grant {
    Grant {
        binding: binding.into(),
        plugin_id: "openai".into(),
        permissions: r#"{"http":[]}"#.into(),
        fingerprint: fingerprint.into(),
        granted_by: "key_1".into(),
        granted_at: at(4),
    }
}

async fn put(db: &Fixture, grant: Grant) {
    db.store.write(Lane::Request, |tx| Box::pin(async move { grants::put(tx, &grant).await })).await.unwrap();
}

async fn a_grant_replaces_the_one_before(db: Fixture) {
    let before = revision(&mut db.store.read().await.unwrap()).await.unwrap();
    for (binding, fingerprint) in [("b", "sha256:1"), ("a", "sha256:2"), ("b", "sha256:3")] {
        put(&db, grant(binding, fingerprint)).await;
    }
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(grants::list(&mut conn).await.unwrap(), [grant("a", "sha256:2"), grant("b", "sha256:3")]);
    assert_eq!(grants::get(&mut conn, "b").await.unwrap(), Some(grant("b", "sha256:3")));
    assert_eq!(revision(&mut conn).await.unwrap(), before + 3);
}

async fn a_revoked_grant_is_gone(db: Fixture) {
    put(&db, grant("a", "sha256:1")).await;
    let revoke =
        || db.store.write(Lane::Request, |tx| Box::pin(async move { grants::revoke(tx, "a").await }));
    assert!(revoke().await.unwrap());
    assert!(!revoke().await.unwrap());
    assert_eq!(grants::get(&mut db.store.read().await.unwrap(), "a").await.unwrap(), None);
}

async fn plugins_are_switched_per_organization(db: Fixture) {
    db.organization("org_1").await;
    let put = |organization: &'static str, enabled: bool| {
        db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { enablement::put(tx, organization, "calculator", enabled).await })
        })
    };
    assert!(matches!(put("org_none", true).await, Err(StoreError::Dangling)));
    let read =
        async || enablement::get(&mut db.store.read().await.unwrap(), "org_1", "calculator").await.unwrap();
    assert_eq!(read().await, None);
    put("org_1", false).await.unwrap();
    assert_eq!(read().await, Some(false));
    put("org_1", true).await.unwrap();
    assert_eq!(read().await, Some(true));
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(enablement::list(&mut conn).await.unwrap().len(), 1);
    assert_eq!(enablement::list_of(&mut conn, "org_1").await.unwrap().len(), 1);
    assert_eq!(enablement::list_of(&mut conn, "org_2").await.unwrap(), []);
    let cleared = db
        .store
        .write(Lane::Request, |tx| {
            Box::pin(async move { enablement::clear(tx, "org_1", "calculator").await })
        })
        .await;
    assert!(cleared.unwrap());
    assert_eq!(read().await, None);
}
