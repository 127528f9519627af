use hardpoint_domain::knowledge::settings::{Chunking, Sharing};
use hardpoint_store::StoreError;
use hardpoint_store::knowledge::bases::{self, Contents};
use hardpoint_store::knowledge::documents;

use super::{ALL, claim, indexed, keep, make_base, minilm, new_base, new_document, prepare, upload, written};
use crate::support::{Fixture, at, on_both};

on_both!(
    it_is_read_back_as_it_was_kept,
    a_workspace_sees_what_is_shared_with_it,
    there_is_one_default,
    what_is_removed_is_not_there,
    it_tells_how_much_is_in_it,
);

async fn it_is_read_back_as_it_was_kept(db: Fixture) {
    db.organization("org_1").await;
    make_base(&db, new_base("kb-1", "org_1")).await.unwrap();
    let mut conn = db.store.read().await.unwrap();
    let mut kept = bases::get(&mut conn, "org_1", "kb-1").await.unwrap().unwrap();
    let made = new_base("kb-1", "org_1");
    assert_eq!((&kept.settings, kept.is_default, kept.created_at), (&made.settings, false, at(0)));
    let current = kept.current.clone().unwrap();
    assert_eq!((current.number, current.embedder), (1, minilm()));
    assert_eq!(kept.next, None);
    assert_eq!(bases::get(&mut conn, "org_2", "kb-1").await.unwrap(), None, "another's is not there");

    let settings = &mut kept.settings;
    settings.name = "Manuals \"☃\"".into();
    settings.chunking = Chunking { tokens: 64, overlap: 0 };
    settings.similarity_threshold = 0.1;
    settings.fallback = Some("Ask a colleague.".into());
    settings.sharing = Sharing::Workspaces(["ws_1".into(), "ws_\"2".into()].into());
    kept.updated_at = at(5);
    let changed = kept.clone();
    assert!(written!(db, |tx| bases::update(tx, &changed)).unwrap());
    assert_eq!(bases::get(&mut conn, "org_1", "kb-1").await.unwrap(), Some(kept.clone()));
    kept.organization_id = "org_2".into();
    assert!(!written!(db, |tx| bases::update(tx, &kept)).unwrap());
    let nobodys = new_base("kb-2", "org_2");
    assert!(matches!(make_base(&db, nobodys).await, Err(StoreError::Dangling)));
}

async fn a_workspace_sees_what_is_shared_with_it(db: Fixture) {
    db.organization("org_1").await;
    db.organization("org_2").await;
    let shared = |id: &str, workspaces: &[&str]| {
        let mut new = new_base(id, "org_1");
        new.settings.sharing = Sharing::Workspaces(workspaces.iter().map(|id| (*id).to_owned()).collect());
        new
    };
    for new in [
        new_base("kb-1", "org_1"),
        shared("kb-2", &["ws_1"]),
        shared("kb-3", &["ws_2", "ws_1"]),
        new_base("kb-4", "org_2"),
    ] {
        make_base(&db, new).await.unwrap();
    }
    for (number, base) in [(1, "kb-1"), (2, "kb-2"), (3, "kb-3")] {
        upload(&db, new_document(&format!("doc-{number}"), base, "a", number)).await.unwrap();
    }
    let mut conn = db.store.read().await.unwrap();
    for (workspace, expected) in [
        (None, vec!["kb-3", "kb-2", "kb-1"]),
        (Some("ws_1"), vec!["kb-3", "kb-2", "kb-1"]),
        (Some("ws_2"), vec!["kb-3", "kb-1"]),
        (Some("ws_"), vec!["kb-1"]),
    ] {
        let seen = bases::list(&mut conn, "org_1", workspace, ALL).await.unwrap();
        let ids: Vec<_> = seen.iter().map(|base| base.id.as_str()).collect();
        assert_eq!(ids, expected, "{workspace:?}");
        assert!(seen.iter().all(|base| base.settings.sharing.admits(workspace)), "the domain agrees");
        let count = bases::count(&mut conn, "org_1", workspace).await.unwrap();
        assert_eq!(count as usize, expected.len());
        let documents = documents::list_of_organization(&mut conn, "org_1", workspace, ALL).await.unwrap();
        let of: Vec<_> = documents.iter().map(|document| document.knowledge_base_id.as_str()).collect();
        assert_eq!(of, expected, "{workspace:?}");
        let count = documents::count_of_organization(&mut conn, "org_1", workspace).await.unwrap();
        assert_eq!(count as usize, expected.len());
    }
}

async fn there_is_one_default(db: Fixture) {
    db.organization("org_1").await;
    db.organization("org_2").await;
    let default = |id: &str, organization: &str| {
        let mut new = new_base(id, organization);
        new.is_default = true;
        new
    };
    make_base(&db, default("kb-1", "org_1")).await.unwrap();
    make_base(&db, default("kb-2", "org_2")).await.unwrap();
    let second = make_base(&db, default("kb-3", "org_1")).await;
    assert!(matches!(second, Err(StoreError::Duplicate { .. })), "{second:?}");
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(bases::default_of(&mut conn, "org_1").await.unwrap().unwrap().id, "kb-1");
    written!(db, |tx| bases::remove(tx, "org_1", "kb-1", at(1))).unwrap().unwrap();
    assert_eq!(bases::default_of(&mut conn, "org_1").await.unwrap(), None);
    make_base(&db, default("kb-3", "org_1")).await.unwrap();
    assert_eq!(bases::default_of(&mut conn, "org_1").await.unwrap().unwrap().id, "kb-3");
}

async fn what_is_removed_is_not_there(db: Fixture) {
    prepare(&db).await;
    indexed(&db, "doc-1", 3).await;
    upload(&db, new_document("doc-2", "kb-1", "other", 0)).await.unwrap();
    assert_eq!(written!(db, |tx| bases::remove(tx, "org_2", "kb-1", at(1))).unwrap(), None);
    assert_eq!(written!(db, |tx| bases::remove(tx, "org_1", "kb-1", at(1))).unwrap(), Some(2));
    assert_eq!(written!(db, |tx| bases::remove(tx, "org_1", "kb-1", at(1))).unwrap(), None, "once");
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(bases::get(&mut conn, "org_1", "kb-1").await.unwrap(), None);
    let removed = bases::find(&mut conn, "kb-1").await.unwrap().unwrap();
    assert_eq!(removed.removed_at, Some(at(1)), "until nothing of it is left");
    assert!(!documents::holds(&mut conn, "kb-1", "doc-9").await.unwrap());
    assert_eq!(bases::list(&mut conn, "org_1", None, ALL).await.unwrap(), []);
    assert_eq!(documents::get(&mut conn, "org_1", "doc-1").await.unwrap(), None);
    assert_eq!(documents::list_of_organization(&mut conn, "org_1", None, ALL).await.unwrap(), []);
    assert_eq!(documents::published(&mut conn, "kb-1", "", 10).await.unwrap(), []);
    assert_eq!(claim(&db, "any").await, None, "its jobs are ended");
    assert_eq!(upload(&db, new_document("doc-3", "kb-1", "third", 0)).await, None);
}

async fn it_tells_how_much_is_in_it(db: Fixture) {
    prepare(&db).await;
    let contents = async || bases::contents(&mut db.store.read().await.unwrap(), "kb-1").await.unwrap();
    assert_eq!(contents().await, Contents::default());
    indexed(&db, "doc-1", 4).await;
    let mut claim = claim(&db, "embedding").await.unwrap();
    keep(&db, &mut claim, 3).await.unwrap().unwrap();
    upload(&db, new_document("doc-2", "kb-1", "twelve bytes", 0)).await.unwrap();
    let found = contents().await;
    assert_eq!((found.documents, found.bytes), (2, 5 + 12));
    assert_eq!((found.coverage.chunks, found.coverage.embedded), (4, 3));
}
