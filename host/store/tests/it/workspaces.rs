use hardpoint_store::workspaces::{self, Workspace};
use hardpoint_store::{Lane, StoreError, Window, keys};

use crate::support::{Fixture, at, new_key, on_both};

on_both!(
    a_workspace_comes_back_whole,
    a_name_is_taken_once_in_an_organization,
    workspaces_are_listed_newest_first,
    a_workspace_is_changed_where_it_belongs,
    a_workspace_with_keys_is_not_removed,
);

fn workspace(id: &str, organization_id: &str, name: &str) -> Workspace {
    Workspace {
        id: id.into(),
        organization_id: organization_id.into(),
        name: name.into(),
        description: "Where it runs".into(),
        created_at: at(0),
        updated_at: at(0),
    }
}

async fn create(db: &Fixture, workspace: Workspace) -> Result<(), StoreError> {
    let write =
        db.store.write(Lane::Request, |tx| Box::pin(async move { workspaces::create(tx, &workspace).await }));
    write.await
}

async fn delete(db: &Fixture, organization_id: &'static str, id: &'static str) -> Result<bool, StoreError> {
    let write = db.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            keys::unbind_archived(tx, id).await?;
            workspaces::delete(tx, organization_id, id).await
        })
    });
    write.await
}

async fn a_workspace_comes_back_whole(db: Fixture) {
    db.organization("org_1").await;
    let new = workspace("ws_1", "org_1", "Production");
    create(&db, new.clone()).await.unwrap();
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(workspaces::get(&mut conn, "org_1", "ws_1").await.unwrap(), Some(new));
    assert_eq!(workspaces::get(&mut conn, "org_2", "ws_1").await.unwrap(), None);
    let nowhere = create(&db, workspace("ws_2", "org_none", "Production")).await;
    assert!(matches!(nowhere, Err(StoreError::Dangling)), "{nowhere:?}");
}

async fn a_name_is_taken_once_in_an_organization(db: Fixture) {
    db.organization("org_1").await;
    db.organization("org_2").await;
    create(&db, workspace("ws_1", "org_1", "Production")).await.unwrap();
    create(&db, workspace("ws_2", "org_2", "Production")).await.unwrap();
    let again = create(&db, workspace("ws_3", "org_1", "Production")).await;
    assert!(matches!(again, Err(StoreError::Duplicate { .. })), "{again:?}");
    assert_eq!(db.rows("workspaces").await, 2);
}

async fn workspaces_are_listed_newest_first(db: Fixture) {
    db.organization("org_1").await;
    db.organization("org_2").await;
    for number in 0..4 {
        let new = workspace(&format!("ws_{number}"), "org_1", &format!("Team {number}"));
        create(&db, Workspace { created_at: at(number / 2), ..new }).await.unwrap();
    }
    create(&db, workspace("ws_x", "org_2", "Theirs")).await.unwrap();
    let mut conn = db.store.read().await.unwrap();
    let page = workspaces::list(&mut conn, "org_1", Window { limit: 2, offset: 1 }).await.unwrap();
    let ids: Vec<_> = page.iter().map(|found| found.id.as_str()).collect();
    assert_eq!(ids, ["ws_2", "ws_1"]);
    assert_eq!(workspaces::count(&mut conn, "org_1").await.unwrap(), 4);
}

async fn a_workspace_is_changed_where_it_belongs(db: Fixture) {
    db.organization("org_1").await;
    db.organization("org_2").await;
    create(&db, workspace("ws_1", "org_1", "Production")).await.unwrap();
    create(&db, workspace("ws_2", "org_1", "Staging")).await.unwrap();
    let changed = Workspace {
        name: "Production (Updated)".into(),
        description: String::new(),
        updated_at: at(9),
        ..workspace("ws_1", "org_1", "")
    };
    let update = |workspace: Workspace| {
        db.store
            .write(Lane::Request, move |tx| Box::pin(async move { workspaces::update(tx, &workspace).await }))
    };
    assert!(update(changed.clone()).await.unwrap());
    assert!(!update(Workspace { organization_id: "org_2".into(), ..changed.clone() }).await.unwrap());
    let taken = update(Workspace { name: "Staging".into(), ..changed.clone() }).await;
    assert!(matches!(taken, Err(StoreError::Duplicate { .. })), "{taken:?}");
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(workspaces::get(&mut conn, "org_1", "ws_1").await.unwrap(), Some(changed));
}

async fn a_workspace_with_keys_is_not_removed(db: Fixture) {
    db.organization("org_1").await;
    create(&db, workspace("ws_1", "org_1", "Production")).await.unwrap();
    let mut new = new_key("key_1", "org_1", [1; 32]);
    new.key.workspace_id = Some("ws_1".into());
    let insert = |new: keys::NewKey| {
        db.store.write(Lane::Request, move |tx| Box::pin(async move { keys::insert(tx, &new).await }))
    };
    insert(new.clone()).await.unwrap();
    insert(new_key("key_2", "org_1", [2; 32])).await.unwrap();
    let mut conn = db.store.read().await.unwrap();
    let all = Window { limit: 10, offset: 0 };
    assert_eq!(keys::list(&mut conn, "org_1", Some("ws_1"), all).await.unwrap(), [new.key]);
    assert_eq!(keys::list(&mut conn, "org_1", None, all).await.unwrap().len(), 2);
    assert_eq!(keys::count_of(&mut conn, "org_1", Some("ws_1")).await.unwrap(), 1);
    assert_eq!(keys::count_bound(&mut conn, "ws_1").await.unwrap(), 1);
    drop(conn);
    assert!(matches!(delete(&db, "org_1", "ws_1").await, Err(StoreError::Dangling)));
    let archive =
        db.store.write(Lane::Request, |tx| Box::pin(async move { keys::archive(tx, "key_1", at(5)).await }));
    assert!(archive.await.unwrap());
    assert_eq!(keys::count_bound(&mut db.store.read().await.unwrap(), "ws_1").await.unwrap(), 0);
    assert!(!delete(&db, "org_2", "ws_1").await.unwrap());
    assert!(delete(&db, "org_1", "ws_1").await.unwrap());
    let kept = keys::find(&mut db.store.read().await.unwrap(), "key_1").await.unwrap().unwrap();
    assert_eq!((kept.workspace_id, kept.archived_at), (None, Some(at(5))));
}
