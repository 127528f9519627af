use hardpoint_store::keys::Role;
use hardpoint_store::users::{self, State, User};
use hardpoint_store::workspaces::{self, Workspace};
use hardpoint_store::{Lane, StoreError, Window, members};

use crate::support::{Fixture, at, on_both};

on_both!(
    an_address_is_taken_once_in_an_organization,
    users_are_listed_and_changed,
    who_is_held_is_changed_by_one_at_a_time,
    owners_beside_somebody,
    members_of_a_workspace,
);

const ALL: Window = Window { limit: 10, offset: 0 };

fn user(id: &str, organization_id: &str, email: &str) -> User {
    User {
        id: id.into(),
        organization_id: organization_id.into(),
        email: email.into(),
        name: "Ann".into(),
        role: Role::Member,
        state: State::Invited,
        created_at: at(0),
        updated_at: at(0),
    }
}

async fn create(db: &Fixture, user: User) -> Result<(), StoreError> {
    db.store.write(Lane::Request, |tx| Box::pin(async move { users::create(tx, &user).await })).await
}

async fn update(db: &Fixture, user: User) -> Result<bool, StoreError> {
    db.store.write(Lane::Request, |tx| Box::pin(async move { users::update(tx, &user).await })).await
}

async fn an_address_is_taken_once_in_an_organization(db: Fixture) {
    db.organization("org_1").await;
    db.organization("org_2").await;
    create(&db, user("user_1", "org_1", "a@b.cd")).await.unwrap();
    create(&db, user("user_2", "org_2", "a@b.cd")).await.unwrap();
    let again = create(&db, user("user_3", "org_1", "a@b.cd")).await;
    assert!(matches!(again, Err(StoreError::Duplicate { .. })), "{again:?}");
    let nowhere = create(&db, user("user_4", "org_none", "a@b.cd")).await;
    assert!(matches!(nowhere, Err(StoreError::Dangling)), "{nowhere:?}");
}

async fn users_are_listed_and_changed(db: Fixture) {
    db.organization("org_1").await;
    for number in 0..3 {
        let new = user(&format!("user_{number}"), "org_1", &format!("{number}@b.cd"));
        create(&db, User { created_at: at(number), ..new }).await.unwrap();
    }
    let changed = User {
        name: String::new(),
        role: Role::Admin,
        state: State::Deactivated,
        updated_at: at(9),
        ..user("user_0", "org_1", "0@b.cd")
    };
    assert!(update(&db, changed.clone()).await.unwrap());
    assert!(!update(&db, User { organization_id: "org_2".into(), ..changed.clone() }).await.unwrap());
    let mut conn = db.store.read().await.unwrap();
    let page = users::list(&mut conn, "org_1", Window { limit: 2, offset: 1 }).await.unwrap();
    assert_eq!(page[0].id, "user_1");
    assert_eq!(page[1], changed);
    assert_eq!(users::count(&mut conn, "org_1").await.unwrap(), 3);
    assert_eq!(users::get(&mut conn, "org_1", "user_0").await.unwrap(), Some(changed));
    assert_eq!(users::get(&mut conn, "org_2", "user_0").await.unwrap(), None);
}

async fn who_is_held_is_changed_by_one_at_a_time(db: Fixture) {
    db.organization("org_1").await;
    create(&db, User { name: String::new(), ..user("user_1", "org_1", "a@b.cd") }).await.unwrap();
    // Each writes all of what it read, and one letter more.
    let longer = || {
        db.store.write(Lane::Request, |tx| {
            Box::pin(async move {
                let found = users::hold(tx, "user_1").await?.unwrap();
                users::update(tx, &User { name: found.name.clone() + "x", ..found }).await
            })
        })
    };
    for written in futures_util::future::join_all((0..50).map(|_| longer())).await {
        assert!(written.unwrap());
    }
    let found = users::find(&mut db.store.read().await.unwrap(), "user_1").await.unwrap().unwrap();
    assert_eq!(found.name.len(), 50);
    let nobody = db.store.write(Lane::Request, |tx| Box::pin(users::hold(tx, "user_9")));
    assert_eq!(nobody.await.unwrap(), None);
}

async fn owners_beside_somebody(db: Fixture) {
    db.organization("org_1").await;
    db.organization("org_2").await;
    let owner = |id: &str, organization_id: &str| User {
        role: Role::Owner,
        ..user(id, organization_id, &format!("{id}@b.cd"))
    };
    create(&db, owner("user_1", "org_1")).await.unwrap();
    create(&db, owner("user_2", "org_1")).await.unwrap();
    create(&db, User { state: State::Deactivated, ..owner("user_3", "org_1") }).await.unwrap();
    create(&db, owner("user_4", "org_2")).await.unwrap();
    create(&db, user("user_5", "org_1", "5@b.cd")).await.unwrap();
    let mut conn = db.store.read().await.unwrap();
    for (organization, id, count) in [("org_1", "user_1", 1), ("org_1", "user_5", 2), ("org_2", "user_4", 0)]
    {
        assert_eq!(users::other_owners(&mut conn, organization, id).await.unwrap(), count, "{id}");
    }
}

async fn members_of_a_workspace(db: Fixture) {
    db.organization("org_1").await;
    let workspace = Workspace {
        id: "ws_1".into(),
        organization_id: "org_1".into(),
        name: "Production".into(),
        description: String::new(),
        created_at: at(0),
        updated_at: at(0),
    };
    let write =
        db.store.write(Lane::Request, |tx| Box::pin(async move { workspaces::create(tx, &workspace).await }));
    write.await.unwrap();
    for number in [1, 2] {
        create(&db, user(&format!("user_{number}"), "org_1", &format!("{number}@b.cd"))).await.unwrap();
    }
    let put = |user: &'static str, role, seconds| {
        db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { members::put(tx, "ws_1", user, role, at(seconds)).await })
        })
    };
    put("user_1", Role::Viewer, 1).await.unwrap();
    put("user_2", Role::Member, 2).await.unwrap();
    put("user_1", Role::Admin, 3).await.unwrap();
    assert!(matches!(put("user_9", Role::Admin, 3).await, Err(StoreError::Dangling)));
    let mut conn = db.store.read().await.unwrap();
    let found = members::list(&mut conn, "ws_1", ALL).await.unwrap();
    let shown: Vec<_> = found.iter().map(|one| (&*one.email, one.role, one.created_at)).collect();
    assert_eq!(shown, [("2@b.cd", Role::Member, at(2)), ("1@b.cd", Role::Admin, at(1))]);
    assert_eq!(members::get(&mut conn, "ws_1", "user_2").await.unwrap(), Some(found[0].clone()));
    assert_eq!(members::get(&mut conn, "ws_2", "user_2").await.unwrap(), None);
    drop(conn);
    let remove = || {
        db.store
            .write(Lane::Request, |tx| Box::pin(async move { members::remove(tx, "ws_1", "user_1").await }))
    };
    assert_eq!((remove().await.unwrap(), remove().await.unwrap()), (true, false));
    assert_eq!(members::count(&mut db.store.read().await.unwrap(), "ws_1").await.unwrap(), 1);
    let delete = || {
        db.store
            .write(Lane::Request, |tx| Box::pin(async move { workspaces::delete(tx, "org_1", "ws_1").await }))
    };
    assert!(matches!(delete().await, Err(StoreError::Dangling)), "somebody is in it");
    db.store
        .write(Lane::Request, |tx| Box::pin(async move { members::clear(tx, "ws_1").await }))
        .await
        .unwrap();
    assert!(delete().await.unwrap());
}
