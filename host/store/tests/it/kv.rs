use hardpoint_store::kv::{self, MAX_BYTES, MAX_KEY, MAX_KEYS, MAX_VALUE, Namespace, Usage};
use hardpoint_store::{Lane, StoreError};

use crate::support::{Fixture, on_both};

on_both!(
    values_come_back,
    namespaces_are_apart,
    keys_come_in_byte_order,
    keys_go_on_after_the_last,
    sizes_are_bounded,
    a_namespace_holds_so_many_bytes,
    a_namespace_holds_so_many_keys,
    racing_writers_cannot_pass_the_quota,
);

fn namespace() -> Namespace {
    Namespace { binding: "notes".into(), organization_id: "org_1".into() }
}

async fn set(db: &Fixture, key: &str, value: &[u8]) -> Result<(), StoreError> {
    let (key, value) = (key.to_owned(), value.to_vec());
    db.store
        .write(Lane::Request, |tx| Box::pin(async move { kv::set(tx, &namespace(), &key, &value).await }))
        .await
}

async fn get(db: &Fixture, key: &str) -> Option<Vec<u8>> {
    kv::get(&mut db.store.read().await.unwrap(), &namespace(), key).await.unwrap()
}

async fn usage(db: &Fixture) -> Usage {
    kv::usage(&mut db.store.read().await.unwrap(), &namespace()).await.unwrap()
}

async fn keys(db: &Fixture, prefix: &str, after: Option<&str>) -> Vec<String> {
    kv::keys(&mut db.store.read().await.unwrap(), &namespace(), prefix, after).await.unwrap()
}

/// Puts what a quota test needs straight into the tables: through the store it would take a while.
async fn fill(db: &Fixture, keys: i64, bytes: i64) {
    let usage = format!(
        "INSERT INTO kv_usage (binding, organization_id, keys, bytes) VALUES ('notes', 'org_1', {keys}, {bytes})"
    );
    db.direct().await.run(&usage).await;
}

async fn values_come_back(db: Fixture) {
    assert_eq!(get(&db, "a").await, None);
    set(&db, "a", b"\0\xff one").await.unwrap();
    assert_eq!(get(&db, "a").await.as_deref(), Some(&b"\0\xff one"[..]));
    set(&db, "a", b"").await.unwrap();
    assert_eq!(get(&db, "a").await.as_deref(), Some(&b""[..]));
    assert_eq!(usage(&db).await, Usage { keys: 1, bytes: 1 });
    let delete = || {
        db.store.write(Lane::Request, |tx| Box::pin(async move { kv::delete(tx, &namespace(), "a").await }))
    };
    assert!(delete().await.unwrap());
    assert!(!delete().await.unwrap());
    assert_eq!(get(&db, "a").await, None);
    assert_eq!(usage(&db).await, Usage::default());
    assert!(matches!(set(&db, "a\0b", b"").await, Err(StoreError::InvalidText)));
}

async fn namespaces_are_apart(db: Fixture) {
    set(&db, "a", b"mine").await.unwrap();
    let mut conn = db.store.read().await.unwrap();
    for (binding, organization) in [("notes", "org_2"), ("other", "org_1")] {
        let theirs = Namespace { binding: binding.into(), organization_id: organization.into() };
        assert_eq!(kv::get(&mut conn, &theirs, "a").await.unwrap(), None);
        assert_eq!(kv::keys(&mut conn, &theirs, "", None).await.unwrap(), [""; 0]);
        assert_eq!(kv::usage(&mut conn, &theirs).await.unwrap(), Usage::default());
    }
}

async fn keys_come_in_byte_order(db: Fixture) {
    let in_order =
        ["", "A", "B", "_", "a", "a!", "aB", "aa", "aé", "a\u{FFFD}", "a\u{10FFFF}z", "b", "é", "☃", "🦀"];
    for key in in_order.iter().rev() {
        set(&db, key, b"x").await.unwrap();
    }
    assert!(in_order.is_sorted(), "the order of bytes");
    assert_eq!(keys(&db, "", None).await, in_order);
    assert_eq!(keys(&db, "a", None).await, &in_order[4..11]);
    assert_eq!(keys(&db, "a\u{10FFFF}", None).await, &in_order[10..11]);
    assert_eq!(keys(&db, "zz", None).await, [""; 0]);
}

async fn keys_go_on_after_the_last(db: Fixture) {
    for number in 0..7 {
        set(&db, &format!("k{number}"), b"").await.unwrap();
    }
    set(&db, "z", b"").await.unwrap();
    assert_eq!(keys(&db, "k", Some("k4")).await, ["k5", "k6"]);
    assert_eq!(keys(&db, "k", Some("k44")).await, ["k5", "k6"]);
    assert_eq!(keys(&db, "k", Some("a")).await.len(), 7, "`after` before the prefix leaves nothing out");
    assert_eq!(keys(&db, "k", Some("l")).await, [""; 0]);
}

async fn sizes_are_bounded(db: Fixture) {
    set(&db, &"k".repeat(MAX_KEY), &vec![0; MAX_VALUE]).await.unwrap();
    let outcome = set(&db, &"k".repeat(MAX_KEY + 1), b"").await;
    assert!(matches!(outcome, Err(StoreError::Quota(_))), "{outcome:?}");
    let outcome = set(&db, "k", &vec![0; MAX_VALUE + 1]).await;
    assert!(matches!(outcome, Err(StoreError::Quota(_))), "{outcome:?}");
}

async fn a_namespace_holds_so_many_bytes(db: Fixture) {
    fill(&db, 10, MAX_BYTES - 10).await;
    set(&db, "12345", b"67890").await.unwrap();
    assert!(matches!(set(&db, "1", b"").await, Err(StoreError::Quota(_))));
    assert!(matches!(set(&db, "12345", b"67890!").await, Err(StoreError::Quota(_))));
    assert_eq!(get(&db, "12345").await.as_deref(), Some(&b"67890"[..]), "what is there stays");
    set(&db, "12345", b"6789").await.unwrap();
    set(&db, "1", b"").await.unwrap();
    assert_eq!(usage(&db).await, Usage { keys: 12, bytes: MAX_BYTES });
}

async fn a_namespace_holds_so_many_keys(db: Fixture) {
    fill(&db, MAX_KEYS - 1, 0).await;
    set(&db, "last", b"").await.unwrap();
    assert!(matches!(set(&db, "more", b"").await, Err(StoreError::Quota(_))));
    set(&db, "last", b"again").await.unwrap();
}

async fn racing_writers_cannot_pass_the_quota(db: Fixture) {
    fill(&db, MAX_KEYS - 10, 0).await;
    let other = db.twin().await;
    let races = (0..40).map(|number| {
        let db = if number % 2 == 0 { &db } else { &other };
        async move { set(db, &format!("k{number}"), b"v").await }
    });
    let outcomes = futures_util::future::join_all(races).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 10, "{outcomes:?}");
    assert_eq!(usage(&db).await.keys, MAX_KEYS);
    assert_eq!(db.rows("kv").await, 10);
}
