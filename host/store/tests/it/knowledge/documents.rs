use std::collections::BTreeSet;

use futures_util::future::join_all;
use hardpoint_domain::knowledge::state::State;
use hardpoint_store::knowledge::documents::{self, Uploaded};
use hardpoint_store::knowledge::removals::{self, Kind};
use hardpoint_store::{Lane, StoreError};

use super::{
    ALL, LEASE, announce, get, indexed, make_base, new_base, new_document, prepare, upload, written,
};
use crate::support::{Fixture, at, on_both};

on_both!(
    a_thousand_uploads_of_the_same_bytes_are_one_document,
    the_same_bytes_are_one_document_in_each_knowledge_base,
    what_was_removed_may_be_uploaded_again,
    what_was_announced_and_never_kept_is_deleted,
    an_upload_that_was_not_announced_is_undone,
    lists_are_in_order,
);

async fn a_thousand_uploads_of_the_same_bytes_are_one_document(db: Fixture) {
    prepare(&db).await;
    let uploads = (0..1_000).map(|number| {
        let (store, new) = (db.store.clone(), new_document(&format!("doc-{number}"), "kb-1", "same", 0));
        tokio::spawn(async move {
            let upload = store.write(Lane::Request, move |tx| {
                Box::pin(async move {
                    documents::announce(tx, "kb-1", &new.id, new.now).await?;
                    documents::upload(tx, &new).await
                })
            });
            upload.await
        })
    });
    let mut kept = BTreeSet::new();
    let mut new = 0;
    for uploaded in join_all(uploads).await {
        // The pool of PostgreSQL may be exhausted by so many: that is said, and nothing is done.
        match uploaded.unwrap() {
            Ok(Some(Uploaded::New(document))) => {
                new += 1;
                kept.insert(document.id);
            }
            Ok(Some(Uploaded::There(document))) => {
                kept.insert(document.id);
            }
            Err(StoreError::Unavailable(_)) if db.config.url.is_some() => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((new, kept.len()), (1, 1), "{kept:?}");
    assert_eq!((db.rows("documents").await, db.rows("ingestions").await), (1, 1));
    let claimed = written!(db, |tx| removals::claim(tx, "all", 2_000, &[], at(0), LEASE)).unwrap();
    assert!(claimed.iter().all(|removal| removal.kind == Kind::Blob && !kept.contains(&removal.id)));
    assert!(claimed.len() > 300, "what the others put is deleted: {}", claimed.len());
}

async fn the_same_bytes_are_one_document_in_each_knowledge_base(db: Fixture) {
    prepare(&db).await;
    make_base(&db, new_base("kb-2", "org_1")).await.unwrap();
    let Some(Uploaded::New(first)) = upload(&db, new_document("doc-1", "kb-1", "a", 0)).await else {
        panic!()
    };
    assert_eq!((first.state, first.size, first.edition, first.embedded), (State::Processing, 1, 0, 0));
    assert_eq!(
        (first.filename.as_str(), first.media_type.as_deref()),
        ("doc-1 ☃.pdf", Some("application/pdf"))
    );
    let again = upload(&db, new_document("doc-2", "kb-1", "a", 1)).await;
    assert_eq!(again, Some(Uploaded::There(first)));
    for (id, base, bytes) in [("doc-3", "kb-2", "a"), ("doc-4", "kb-1", "b")] {
        let uploaded = upload(&db, new_document(id, base, bytes, 1)).await;
        assert!(matches!(uploaded, Some(Uploaded::New(_))), "{id}");
    }
    assert_eq!(get(&db, "doc-2").await, None);
}

async fn what_was_removed_may_be_uploaded_again(db: Fixture) {
    prepare(&db).await;
    indexed(&db, "doc-1", 2).await;
    assert_eq!(written!(db, |tx| documents::remove(tx, "org_2", "doc-1", at(1))).unwrap(), None);
    assert_eq!(written!(db, |tx| documents::remove(tx, "org_1", "doc-1", at(1))).unwrap(), Some(2));
    assert_eq!(written!(db, |tx| documents::remove(tx, "org_1", "doc-1", at(1))).unwrap(), None, "once");
    assert_eq!(get(&db, "doc-1").await, None);
    let again = upload(&db, new_document("doc-2", "kb-1", "doc-1", 2)).await;
    assert!(matches!(again, Some(Uploaded::New(_))), "{again:?}");
}

async fn what_was_announced_and_never_kept_is_deleted(db: Fixture) {
    prepare(&db).await;
    announce(&db, &new_document("doc-1", "kb-1", "a", 0)).await;
    upload(&db, new_document("doc-2", "kb-1", "b", 0)).await.unwrap();
    let due =
        async |seconds| removals::is_due(&mut db.store.read().await.unwrap(), at(seconds)).await.unwrap();
    assert!(!due(3_599).await);
    assert!(due(3_600).await);
    let claimed = written!(db, |tx| removals::claim(tx, "a", 10, &[], at(3_600), LEASE)).unwrap();
    assert_eq!(claimed.len(), 1);
    assert_eq!(claimed[0].blob_of(), Some("doc-1"));
    // Too late: its bytes may be gone by now.
    let late = new_document("doc-1", "kb-1", "a", 3_601);
    let outcome = written!(db, |tx| documents::upload(tx, &late));
    assert!(matches!(outcome, Err(StoreError::Undone(_))), "{outcome:?}");
    assert_eq!(get(&db, "doc-1").await, None);
}

async fn an_upload_that_was_not_announced_is_undone(db: Fixture) {
    prepare(&db).await;
    let new = new_document("doc-1", "kb-1", "a", 0);
    let outcome = written!(db, |tx| documents::upload(tx, &new));
    assert!(matches!(outcome, Err(StoreError::Undone(_))), "{outcome:?}");
    assert_eq!((db.rows("documents").await, db.rows("ingestions").await), (0, 0));
}

async fn lists_are_in_order(db: Fixture) {
    prepare(&db).await;
    for number in 1..=3 {
        upload(&db, new_document(&format!("doc-{number}"), "kb-1", &number.to_string(), number))
            .await
            .unwrap();
    }
    let mut conn = db.store.read().await.unwrap();
    let ids = |found: Vec<documents::Document>| found.into_iter().map(|found| found.id).collect::<Vec<_>>();
    assert_eq!(ids(documents::list(&mut conn, "kb-1", ALL).await.unwrap()), ["doc-3", "doc-2", "doc-1"]);
    let second = hardpoint_store::Window { limit: 1, offset: 1 };
    assert_eq!(ids(documents::list(&mut conn, "kb-1", second).await.unwrap()), ["doc-2"]);
    assert_eq!(documents::count(&mut conn, "kb-1").await.unwrap(), 3);
    let digest = new_document("doc-2", "kb-1", "2", 0).digest;
    assert_eq!(documents::find(&mut conn, "kb-1", &digest).await.unwrap().unwrap().id, "doc-2");
    assert_eq!(documents::find(&mut conn, "kb-2", &digest).await.unwrap(), None);
}
