use hardpoint_store::bindings::{self, Binding};
use hardpoint_store::grants::{self, Grant};
use hardpoint_store::{Lane, StoreError, enablement, revision};

use crate::support::{Fixture, at, on_both};

on_both!(
    a_grant_replaces_the_one_before,
    a_revoked_grant_is_gone,
    plugins_are_switched_per_organization,
    a_binding_replaces_the_one_of_its_name,
);

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
    let cleared = db
        .store
        .write(Lane::Request, |tx| {
            Box::pin(async move { enablement::clear(tx, "org_1", "calculator").await })
        })
        .await;
    assert!(cleared.unwrap());
    assert_eq!(read().await, None);
    for enabled in [false, true, false] {
        let write = db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { enablement::put_openness(tx, "calculator", enabled).await })
        });
        write.await.unwrap();
    }
    let openness = enablement::openness(&mut db.store.read().await.unwrap()).await.unwrap();
    let said: Vec<_> = openness.iter().map(|said| (said.plugin_id.as_str(), said.enabled)).collect();
    assert_eq!(said, [("calculator", false)]);
}

async fn a_binding_replaces_the_one_of_its_name(db: Fixture) {
    let binding = |name: &str, settings: &str| Binding {
        name: name.into(),
        plugin_id: "openai".into(),
        settings: settings.into(),
        secrets: "{}".into(),
        updated_by: "key_1".into(),
        updated_at: at(4),
    };
    let before = revision(&mut db.store.read().await.unwrap()).await.unwrap();
    for put in [binding("b", "{}"), binding("a", "{}"), binding("b", r#"{"depth":2}"#)] {
        let write =
            db.store.write(Lane::Request, |tx| Box::pin(async move { bindings::put(tx, &put).await }));
        write.await.unwrap();
    }
    let remove =
        || db.store.write(Lane::Request, |tx| Box::pin(async move { bindings::remove(tx, "a").await }));
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(
        bindings::list(&mut conn).await.unwrap(),
        [binding("a", "{}"), binding("b", r#"{"depth":2}"#)]
    );
    drop(conn);
    assert!(remove().await.unwrap());
    assert!(!remove().await.unwrap());
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(bindings::get(&mut conn, "a").await.unwrap(), None);
    assert_eq!(bindings::get(&mut conn, "b").await.unwrap(), Some(binding("b", r#"{"depth":2}"#)));
    assert_eq!(revision(&mut conn).await.unwrap(), before + 5);
}
