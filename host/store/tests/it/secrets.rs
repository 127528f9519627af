use hardpoint_store::secrets::{self, PLATFORM, Secret};
use hardpoint_store::settings::{self, Setting};
use hardpoint_store::{Lane, revision};

use crate::support::{Fixture, at, on_both};

on_both!(
    a_secret_takes_its_namesakes_place,
    what_was_changed_meanwhile_is_not_sealed_anew,
    settings_are_kept
);

fn secret(owner: &str, name: &str, sealed: &[u8], seconds: i64) -> Secret {
    Secret {
        owner: owner.into(),
        name: name.into(),
        audience: Some("https://a.example".into()),
        key_id: "mk_1".into(),
        sealed: sealed.into(),
        updated_by: "cli".into(),
        created_at: at(seconds),
        updated_at: at(seconds),
    }
}

async fn put(db: &Fixture, secret: &Secret) {
    let secret = secret.clone();
    let write = db.store.write(Lane::Request, |tx| Box::pin(async move { secrets::put(tx, &secret).await }));
    write.await.unwrap();
}

async fn a_secret_takes_its_namesakes_place(db: Fixture) {
    let before = revision(&mut db.store.read().await.unwrap()).await.unwrap();
    put(&db, &secret(PLATFORM, "b", b"1", 1)).await;
    put(&db, &secret(PLATFORM, "a", b"\0\xff", 2)).await;
    put(&db, &secret("org_1", "a", b"theirs", 3)).await;
    let later = Secret { audience: None, ..secret(PLATFORM, "b", b"2", 9) };
    put(&db, &later).await;
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(revision(&mut conn).await.unwrap(), before + 3, "hosts must learn of the platform's");
    let ours = secrets::list(&mut conn, PLATFORM).await.unwrap();
    let expected = [secret(PLATFORM, "a", b"\0\xff", 2), Secret { created_at: at(1), ..later }];
    assert_eq!(ours, expected);
    assert_eq!(secrets::get(&mut conn, "org_1", "a").await.unwrap().unwrap().sealed, b"theirs");
    assert_eq!(secrets::get(&mut conn, "org_1", "b").await.unwrap(), None);
    let mut walked = Vec::new();
    let (mut owner, mut name) = (String::new(), String::new());
    while let Some(next) = secrets::after(&mut conn, &owner, &name, 1).await.unwrap().pop() {
        walked.push(format!("{}/{}", next.owner, next.name));
        (owner, name) = (next.owner, next.name);
    }
    assert_eq!(walked, ["org_1/a", "platform/a", "platform/b"]);
    drop(conn);
    let delete = || {
        db.store.write(Lane::Request, |tx| Box::pin(async move { secrets::delete(tx, PLATFORM, "a").await }))
    };
    assert_eq!((delete().await.unwrap(), delete().await.unwrap()), (true, false));
}

async fn what_was_changed_meanwhile_is_not_sealed_anew(db: Fixture) {
    let first = secret(PLATFORM, "a", b"1", 1);
    put(&db, &first).await;
    let reseal = |read: Secret, sealed: &'static [u8]| {
        db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { secrets::reseal(tx, &read, "mk_2", sealed).await })
        })
    };
    assert!(reseal(first.clone(), b"again").await.unwrap());
    assert!(!reseal(first, b"late").await.unwrap());
    let found = secrets::get(&mut db.store.read().await.unwrap(), PLATFORM, "a").await.unwrap().unwrap();
    assert_eq!((found.key_id.as_str(), found.sealed.as_slice()), ("mk_2", b"again".as_slice()));
    assert_eq!(found.updated_at, at(1));
}

async fn settings_are_kept(db: Fixture) {
    let said = |name: &str, value: &str| Setting {
        name: name.into(),
        value: value.into(),
        updated_by: "key_1".into(),
        updated_at: at(5),
    };
    for setting in [said("log.level", "\"info\""), said("a", "1"), said("log.level", "\"debug\"")] {
        let write =
            db.store.write(Lane::Request, |tx| Box::pin(async move { settings::put(tx, &setting).await }));
        write.await.unwrap();
    }
    let all = settings::list(&mut db.store.read().await.unwrap()).await.unwrap();
    assert_eq!(all, [said("a", "1"), said("log.level", "\"debug\"")]);
    let delete =
        || db.store.write(Lane::Request, |tx| Box::pin(async move { settings::delete(tx, "a").await }));
    assert_eq!((delete().await.unwrap(), delete().await.unwrap()), (true, false));
}
