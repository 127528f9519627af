use hardpoint_store::keys::Role;
use hardpoint_store::logins::{self, Challenge, NewSession};
use hardpoint_store::users::{self, State, User};
use hardpoint_store::{Lane, StoreError};

use crate::support::{Fixture, at, on_both};

on_both!(
    a_challenge_takes_so_many_attempts_and_one_use,
    a_session_is_its_users,
    counts_are_of_a_window,
    what_has_ended_is_forgotten,
    users_of_an_address,
);

fn user(id: &str, organization_id: &str, email: &str) -> User {
    User {
        id: id.into(),
        organization_id: organization_id.into(),
        email: email.into(),
        name: String::new(),
        role: Role::Admin,
        state: State::Active,
        created_at: at(1),
        updated_at: at(1),
    }
}

async fn create(db: &Fixture, user: User) {
    let write = db.store.write(Lane::Request, |tx| Box::pin(async move { users::create(tx, &user).await }));
    write.await.unwrap();
}

async fn challenge(db: &Fixture, hash: &[u8], user_id: Option<&str>) -> Result<(), StoreError> {
    let new = Challenge {
        hash: hash.into(),
        user_id: user_id.map(Into::into),
        pin_hash: b"pin".into(),
        expires_at: at(300),
    };
    db.store.write(Lane::Request, |tx| Box::pin(async move { logins::challenge(tx, &new).await })).await
}

async fn attempt(db: &Fixture, hash: &'static [u8], seconds: i64) -> Option<Challenge> {
    let write = db.store.write(Lane::Request, move |tx| {
        Box::pin(async move { logins::attempt(tx, hash, 5, at(seconds)).await })
    });
    write.await.unwrap()
}

async fn a_challenge_takes_so_many_attempts_and_one_use(db: Fixture) {
    db.organization("org_1").await;
    create(&db, user("user_1", "org_1", "a@b.cd")).await;
    challenge(&db, b"one", Some("user_1")).await.unwrap();
    challenge(&db, b"nobody", None).await.unwrap();
    assert!(matches!(challenge(&db, b"one", None).await, Err(StoreError::Duplicate { .. })));
    assert!(matches!(challenge(&db, b"x", Some("user_9")).await, Err(StoreError::Dangling)));
    // All at once: not one of them too many.
    let tries = (0..12).map(|_| attempt(&db, b"one", 10));
    let let_through: Vec<_> = futures_util::future::join_all(tries).await.into_iter().flatten().collect();
    assert_eq!(let_through.len(), 5);
    assert_eq!(let_through[0].user_id.as_deref(), Some("user_1"));
    assert_eq!(attempt(&db, b"nobody", 299).await.unwrap().user_id, None);
    assert_eq!(attempt(&db, b"nobody", 300).await, None, "it has ended");
    let take =
        || db.store.write(Lane::Request, |tx| Box::pin(async move { logins::take(tx, b"nobody").await }));
    assert_eq!((take().await.unwrap(), take().await.unwrap()), (true, false));
    assert_eq!(attempt(&db, b"nobody", 10).await, None);
}

async fn begin(db: &Fixture, number: u8, user_id: &str, end: i64) {
    let new = NewSession {
        hash: [number; 32],
        id: format!("ses_{number}"),
        user_id: user_id.into(),
        created_at: at(1),
        expires_at: at(end),
    };
    let write = db.store.write(Lane::Request, |tx| Box::pin(async move { logins::begin(tx, &new).await }));
    write.await.unwrap();
}

async fn a_session_is_its_users(db: Fixture) {
    db.organization("org_1").await;
    create(&db, user("user_1", "org_1", "a@b.cd")).await;
    create(&db, user("user_2", "org_1", "c@b.cd")).await;
    for (number, user) in [(1, "user_1"), (2, "user_1"), (3, "user_2")] {
        begin(&db, number, user, 100).await;
    }
    let mut conn = db.store.read().await.unwrap();
    let found = logins::find(&mut conn, &[1; 32]).await.unwrap().unwrap();
    assert_eq!((found.session_id.as_str(), found.session_end), ("ses_1", at(100)));
    assert_eq!(found.user, user("user_1", "org_1", "a@b.cd"));
    assert_eq!(logins::find(&mut conn, &[9; 32]).await.unwrap(), None);
    drop(conn);
    let end = || db.store.write(Lane::Request, |tx| Box::pin(async move { logins::end(tx, "ses_1").await }));
    assert_eq!((end().await.unwrap(), end().await.unwrap()), (true, false));
    let all =
        db.store.write(Lane::Request, |tx| Box::pin(async move { logins::end_all(tx, "user_1").await }));
    assert_eq!(all.await.unwrap(), 1);
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(logins::find(&mut conn, &[2; 32]).await.unwrap(), None);
    assert!(logins::find(&mut conn, &[3; 32]).await.unwrap().is_some());
}

async fn counts_are_of_a_window(db: Fixture) {
    let count = |subject: &'static [u8], begin: i64| {
        db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { logins::count(tx, subject, at(begin)).await })
        })
    };
    assert_eq!((count(b"a", 0).await.unwrap(), count(b"a", 0).await.unwrap()), (1, 2));
    assert_eq!((count(b"b", 0).await.unwrap(), count(b"a", 900).await.unwrap()), (1, 1));
}

async fn what_has_ended_is_forgotten(db: Fixture) {
    db.organization("org_1").await;
    create(&db, user("user_1", "org_1", "a@b.cd")).await;
    challenge(&db, b"one", Some("user_1")).await.unwrap();
    begin(&db, 1, "user_1", 100).await;
    begin(&db, 2, "user_1", 400).await;
    let write = db.store.write(Lane::Request, |tx| {
        Box::pin(async move {
            logins::count(tx, b"a", at(0)).await?;
            logins::count(tx, b"a", at(50)).await?;
            logins::forget(tx, at(300), at(0)).await
        })
    });
    write.await.unwrap();
    let left =
        [db.rows("login_challenges").await, db.rows("sessions").await, db.rows("login_throttles").await];
    assert_eq!(left, [0, 1, 1]);
}

async fn users_of_an_address(db: Fixture) {
    db.organization("org_1").await;
    db.organization("org_2").await;
    create(&db, User { created_at: at(5), ..user("user_1", "org_1", "a@b.cd") }).await;
    create(&db, user("user_2", "org_2", "a@b.cd")).await;
    create(&db, user("user_3", "org_2", "c@b.cd")).await;
    let found = users::of_address(&mut db.store.read().await.unwrap(), "a@b.cd").await.unwrap();
    assert_eq!(found.iter().map(|user| user.id.as_str()).collect::<Vec<_>>(), ["user_2", "user_1"]);
}
