use hardpoint_domain::knowledge::fairness::Desk;
use hardpoint_domain::knowledge::ingestion::Next;
use hardpoint_domain::knowledge::state::State;
use hardpoint_store::StoreError;
use hardpoint_store::knowledge::changes::{self, Kind};
use hardpoint_store::knowledge::documents::{self, Published};
use hardpoint_store::knowledge::ingestions as jobs;
use hardpoint_store::knowledge::{passages, vectors};

use super::{
    LEASE, chunk, claim, claim_at, get, indexed, keep, new_document, page, prepare, publish, read_claimed,
    some_vectors, stage, takes, upload, written,
};
use crate::support::{Fixture, at, on_both};

on_both!(
    nothing_is_seen_before_it_is_published,
    only_what_was_counted_is_published,
    what_was_staged_is_read_back,
    a_new_edition_takes_the_place_of_the_old_one_at_once,
    vectors_follow_in_order,
    what_is_read_is_read_to_its_end,
    what_nobody_could_read_is_told,
    text_with_a_nul_is_refused,
    changes_are_dense_and_in_order,
    old_changes_are_forgotten,
    an_undone_change_gives_its_number_back,
);

async fn head(db: &Fixture) -> changes::Head {
    changes::head(&mut db.store.read().await.unwrap()).await.unwrap()
}

async fn found(db: &Fixture, ids: &[String]) -> Vec<String> {
    let mut conn = db.store.read().await.unwrap();
    let found = passages::by_ids(&mut conn, "kb-1", ids).await.unwrap();
    found.into_iter().map(|passage| passage.chunk.id).collect()
}

async fn nothing_is_seen_before_it_is_published(db: Fixture) {
    prepare(&db).await;
    upload(&db, new_document("doc-1", "kb-1", "a", 0)).await.unwrap();
    let claim = claim(&db, "a").await.unwrap();
    assert_eq!((claim.is_reading(), claim.edition, claim.attempt, claim.lapses), (true, 1, 0, 0));
    let chunks: Vec<_> = (0..3).map(|ordinal| chunk(&claim, ordinal)).collect();
    let ids: Vec<_> = chunks.iter().map(|chunk| chunk.id.clone()).collect();
    assert!(stage(&db, &claim, vec![page(1, "text")], chunks).await.unwrap());
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(found(&db, &ids).await, [""; 0]);
    assert_eq!(documents::published(&mut conn, "kb-1", "", 10).await.unwrap(), []);
    assert_eq!((head(&db).await.seq, get(&db, "doc-1").await.unwrap().state), (0, State::Processing));

    assert_eq!(publish(&db, &claim, 1, 3).await.unwrap(), Some(1));
    assert_eq!(found(&db, &ids).await, ids);
    assert_eq!(head(&db).await.seq, 1);
    let published = documents::published(&mut conn, "kb-1", "", 10).await.unwrap();
    let expected = Published { id: "doc-1".into(), edition: 1, chunk_count: 3 };
    assert_eq!(published, [expected]);
    assert_eq!(documents::published(&mut conn, "kb-1", "doc-1", 10).await.unwrap(), []);
    let document = get(&db, "doc-1").await.unwrap();
    assert_eq!((document.state, document.indexed_at), (State::Indexed, Some(at(1))));
    assert_eq!((document.page_count, document.chunk_count, document.embedded), (1, 3, 0));
    assert_eq!((document.title.as_deref(), document.edition), (Some("A title"), 1));
    assert_eq!(publish(&db, &claim, 1, 3).await.unwrap(), None, "once");
    assert!(!stage(&db, &claim, vec![page(2, "more")], vec![]).await.unwrap());
}

async fn only_what_was_counted_is_published(db: Fixture) {
    prepare(&db).await;
    upload(&db, new_document("doc-1", "kb-1", "a", 0)).await.unwrap();
    let claim = claim(&db, "a").await.unwrap();
    assert!(
        stage(&db, &claim, vec![page(1, "text")], vec![chunk(&claim, 0), chunk(&claim, 2)]).await.unwrap()
    );
    for (pages, chunks) in [(1, 1), (1, 2), (1, 3), (2, 2), (0, 2)] {
        let outcome = publish(&db, &claim, pages, chunks).await;
        assert!(matches!(outcome, Err(StoreError::InvalidValue(_))), "{pages} {chunks}: {outcome:?}");
    }
    let again = stage(&db, &claim, vec![], vec![chunk(&claim, 2)]).await;
    assert!(matches!(again, Err(StoreError::Duplicate { .. })), "{again:?}");
    assert!(stage(&db, &claim, vec![], vec![chunk(&claim, 1)]).await.unwrap());
    assert_eq!(publish(&db, &claim, 1, 3).await.unwrap(), Some(1));
}

async fn what_was_staged_is_read_back(db: Fixture) {
    prepare(&db).await;
    upload(&db, new_document("doc-1", "kb-1", "a", 0)).await.unwrap();
    let claim = claim(&db, "a").await.unwrap();
    let pages = vec![page(1, "één ☃ \"quoted\" \\u0000"), passages::Page { title: None, ..page(2, "") }];
    let chunks: Vec<_> = (0..5).map(|ordinal| chunk(&claim, ordinal)).collect();
    assert!(stage(&db, &claim, pages.clone(), chunks.clone()).await.unwrap());
    assert_eq!(publish(&db, &claim, 2, 5).await.unwrap(), Some(1));
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(passages::pages(&mut conn, "doc-1", 1, 0, 10).await.unwrap(), pages);
    assert_eq!(passages::pages(&mut conn, "doc-1", 1, 1, 10).await.unwrap(), pages[1..]);
    assert_eq!(passages::chunks(&mut conn, "doc-1", 1, 0, 10).await.unwrap(), chunks);
    assert_eq!(passages::chunks(&mut conn, "doc-1", 1, 2, 2).await.unwrap(), chunks[2..4]);
    assert_eq!(passages::chunks(&mut conn, "doc-1", 2, 0, 10).await.unwrap(), []);
    let asked = [chunks[3].id.clone(), "none".into(), chunks[0].id.clone()];
    let passages = passages::by_ids(&mut conn, "kb-1", &asked).await.unwrap();
    assert_eq!(passages.iter().map(|passage| &passage.chunk).collect::<Vec<_>>(), [&chunks[3], &chunks[0]]);
    let first = &passages[0];
    assert_eq!((first.filename.as_str(), first.document_id.as_str()), ("doc-1 ☃.pdf", "doc-1"));
    assert_eq!(
        (first.document_title.as_deref(), first.page_title.as_deref()),
        (Some("A title"), Some("Page 1"))
    );
    assert_eq!(passages::by_ids(&mut conn, "kb-2", &asked).await.unwrap(), [], "another knowledge base's");
    let too_many = (0..129).map(|ordinal| chunk(&claim, ordinal)).collect();
    assert!(matches!(stage(&db, &claim, vec![], too_many).await, Err(StoreError::InvalidValue(_))));
}

async fn a_new_edition_takes_the_place_of_the_old_one_at_once(db: Fixture) {
    prepare(&db).await;
    indexed(&db, "doc-1", 2).await;
    let mut embedding = claim(&db, "embedding").await.unwrap();
    keep(&db, &mut embedding, 1).await.unwrap().unwrap();
    assert!(!written!(db, |tx| documents::read_again(tx, "org_2", "doc-1", at(3))).unwrap());
    assert!(written!(db, |tx| documents::read_again(tx, "org_1", "doc-1", at(3))).unwrap());
    let old: Vec<String> = (0..2).map(|ordinal| format!("doc-1-1-{ordinal:06}")).collect();
    let new: Vec<String> = (0..3).map(|ordinal| format!("doc-1-2-{ordinal:06}")).collect();
    let document = get(&db, "doc-1").await.unwrap();
    assert_eq!((document.state, document.edition, document.chunk_count), (State::Processing, 1, 2));
    assert_eq!(found(&db, &old).await, old, "found until the new one is there");
    let reading = claim_at(&db, "b", 3).await.unwrap();
    assert_eq!((reading.generation, reading.edition), (0, 2));
    assert_eq!(read_claimed(&db, &reading, 3).await, 3);
    assert_eq!((found(&db, &old).await, found(&db, &new).await), (vec![], new));
    assert_eq!(keep(&db, &mut embedding, 1).await.unwrap(), None, "nobody wants vectors of the old one");
    let again = claim_at(&db, "c", 4).await.unwrap();
    assert_eq!((again.generation, again.edition, again.cursor), (1, 2, 0));
    assert_eq!(get(&db, "doc-1").await.unwrap().embedded, 0, "of the new edition");
}

async fn vectors_follow_in_order(db: Fixture) {
    prepare(&db).await;
    indexed(&db, "doc-1", 5).await;
    let mut first = claim(&db, "a").await.unwrap();
    assert_eq!((first.generation, first.edition, first.cursor), (1, 1, 0));
    let mut twin = first.clone();
    let kept = keep(&db, &mut first, 2).await.unwrap().unwrap();
    assert_eq!((kept.seq, kept.is_complete, first.cursor), (2, false, 2));
    assert_eq!(keep(&db, &mut twin, 2).await.unwrap(), None, "from the cursor on alone");
    assert_eq!(get(&db, "doc-1").await.unwrap().embedded, 2);
    assert!(
        matches!(keep(&db, &mut first, 4).await, Err(StoreError::InvalidValue(_))),
        "more than there are"
    );
    assert!(matches!(keep(&db, &mut first, 0).await, Err(StoreError::InvalidValue(_))));
    assert!(written!(db, |tx| jobs::give_up_place(tx, &first, at(5))).unwrap());
    assert_eq!(claim_at(&db, "b", 4).await, None);
    let mut second = claim_at(&db, "b", 5).await.unwrap();
    assert_eq!((second.cursor, second.lapses), (2, 0));
    let kept = keep(&db, &mut second, 3).await.unwrap().unwrap();
    assert_eq!((kept.seq, kept.is_complete), (3, true));
    assert_eq!(claim_at(&db, "c", 60).await, None, "the job is ended");
    assert_eq!(get(&db, "doc-1").await.unwrap().embedded, 5);
    let mut conn = db.store.read().await.unwrap();
    let all = vectors::of_edition(&mut conn, "doc-1", 1, 1, 0, 10).await.unwrap();
    assert_eq!(all.iter().map(|kept| kept.ordinal).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    let bytes: Vec<_> = all.iter().map(|kept| kept.vector.clone()).collect();
    assert_eq!(bytes, some_vectors(0, 5));
    let some = vectors::of_edition(&mut conn, "doc-1", 1, 1, 3, 1).await.unwrap();
    assert_eq!(some, all[3..4]);
    let asked = ["doc-1-1-000004".to_owned(), "none".into(), "doc-1-1-000001".into()];
    let by_ids = vectors::by_ids(&mut conn, "kb-1", 1, &asked).await.unwrap();
    let expected = [4, 1].map(|at| (format!("doc-1-1-{at:06}"), bytes[at].clone()));
    assert_eq!(by_ids, expected);
    assert_eq!(vectors::by_ids(&mut conn, "kb-1", 2, &asked).await.unwrap(), []);
}

async fn what_is_read_is_read_to_its_end(db: Fixture) {
    prepare(&db).await;
    // Nobody had said how far it was, or somebody had; and one without a page is one thing.
    for (id, told, pages, end) in
        [("doc-1", None, 2, 2), ("doc-2", Some((3, 7)), 2, 7), ("doc-3", None, 0, 1)]
    {
        upload(&db, new_document(id, "kb-1", id, 0)).await.unwrap();
        let first = claim(&db, id).await.unwrap();
        if let Some(progress) = told {
            let held = first.clone();
            assert!(written!(db, |tx| jobs::progress(tx, &held, progress, None, at(1))).unwrap());
        }
        assert!(
            stage(&db, &first, (1..=pages).map(|number| page(number, "text")).collect(), vec![])
                .await
                .unwrap()
        );
        publish(&db, &first, pages, 0).await.unwrap().unwrap();
        let document = get(&db, id).await.unwrap();
        assert_eq!((document.done, document.total), (end, end), "{id}");
    }
}

async fn what_nobody_could_read_is_told(db: Fixture) {
    prepare(&db).await;
    upload(&db, new_document("doc-1", "kb-1", "a", 0)).await.unwrap();
    let first = claim(&db, "a").await.unwrap();
    assert!(written!(db, |tx| jobs::progress(tx, &first, (3, 7), Some("Its title"), at(1))).unwrap());
    let document = get(&db, "doc-1").await.unwrap();
    assert_eq!((document.done, document.total, document.title.as_deref()), (3, 7, Some("Its title")));
    let first = claim_held(&db, "doc-1", "a").await;
    let fail = async |claim: jobs::Claim, next| {
        written!(db, |tx| jobs::fail(tx, &claim, "it is encrypted", next, at(2))).unwrap()
    };
    assert!(fail(first.clone(), Next::Again(std::time::Duration::from_secs(5))).await);
    assert!(!fail(first, Next::GiveUp).await, "the claim no longer counts");
    assert_eq!(get(&db, "doc-1").await.unwrap().state, State::Processing);
    assert_eq!(claim_at(&db, "b", 6).await, None);
    let second = claim_at(&db, "b", 7).await.unwrap();
    assert_eq!((second.attempt, second.lapses, second.edition), (1, 0, 2));
    assert!(fail(second, Next::GiveUp).await);
    let document = get(&db, "doc-1").await.unwrap();
    assert_eq!((document.state, document.reason.as_deref()), (State::Failed, Some("it is encrypted")));
    assert_eq!(claim_at(&db, "c", 1_000).await, None);

    // It is tried again when somebody asks for it, and what can be found then is found whatever comes.
    assert!(written!(db, |tx| documents::read_again(tx, "org_1", "doc-1", at(1_000))).unwrap());
    assert_eq!(get(&db, "doc-1").await.unwrap().reason, None);
    let third = claim_at(&db, "d", 1_000).await.unwrap();
    assert_eq!(third.edition, 3, "no number is given twice");
    read_claimed(&db, &third, 1).await;
    assert!(written!(db, |tx| documents::read_again(tx, "org_1", "doc-1", at(1_001))).unwrap());
    let embedding = claim_at(&db, "e", 1_001).await.unwrap();
    let reading = claim_at(&db, "f", 1_001).await.unwrap();
    let (embedding, reading) = if reading.is_reading() { (embedding, reading) } else { (reading, embedding) };
    assert_eq!((embedding.generation, reading.edition), (1, 4));
    assert!(fail(reading, Next::GiveUp).await);
    let document = get(&db, "doc-1").await.unwrap();
    assert_eq!((document.state, document.edition), (State::Indexed, 3));
    assert_eq!(document.reason.as_deref(), Some("it is encrypted"));
    assert!(fail(embedding, Next::GiveUp).await);
    assert_eq!(get(&db, "doc-1").await.unwrap().state, State::Indexed, "full text finds it all the same");
}

/// The claim of this name on a document's reading, as another part of the same host knows it.
async fn claim_held(db: &Fixture, document: &str, name: &str) -> jobs::Claim {
    let text =
        format!("SELECT edition FROM ingestions WHERE document_id = '{document}' AND claim_id = '{name}'");
    jobs::Claim {
        id: format!("{document}:0"),
        claim_id: name.into(),
        organization_id: "org_1".into(),
        knowledge_base_id: "kb-1".into(),
        document_id: document.into(),
        generation: 0,
        edition: db.direct().await.number(&text).await,
        cursor: 0,
        is_large: false,
        attempt: 0,
        lapses: 0,
    }
}

async fn text_with_a_nul_is_refused(db: Fixture) {
    prepare(&db).await;
    upload(&db, new_document("doc-1", "kb-1", "a", 0)).await.unwrap();
    let claim = claim(&db, "a").await.unwrap();
    let bad = passages::Chunk { text: "a\0b".into(), ..chunk(&claim, 0) };
    assert!(matches!(stage(&db, &claim, vec![], vec![bad]).await, Err(StoreError::InvalidText)));
    let bad = passages::Chunk { embedded_text: Some("a\0".into()), ..chunk(&claim, 0) };
    assert!(matches!(stage(&db, &claim, vec![], vec![bad]).await, Err(StoreError::InvalidText)));
    assert!(matches!(stage(&db, &claim, vec![page(1, "\0")], vec![]).await, Err(StoreError::InvalidText)));
    assert_eq!((db.rows("chunks").await, db.rows("pages").await), (0, 0));
}

async fn changes_are_dense_and_in_order(db: Fixture) {
    prepare(&db).await;
    const DOCUMENTS: usize = 12;
    let mut claims = Vec::new();
    for number in 0..DOCUMENTS {
        let id = format!("doc-{number:02}");
        upload(&db, new_document(&id, "kb-1", &id, 0)).await.unwrap();
        let name = format!("claim {number}");
        let claim = written!(db, |tx| jobs::claim(tx, (&Desk::new(99), &takes()), &name, at(0), LEASE));
        let claim = claim.unwrap().unwrap();
        assert!(stage(&db, &claim, vec![page(1, "a")], vec![chunk(&claim, 0)]).await.unwrap());
        claims.push(claim);
    }
    // A reader that follows while all publish at once must meet each number in its turn.
    let follower = {
        let store = db.store.clone();
        tokio::spawn(async move {
            let mut seen = Vec::new();
            while seen.len() < DOCUMENTS {
                let last = seen.last().copied().unwrap_or(0);
                let mut conn = store.read().await.unwrap();
                let found = changes::after(&mut conn, last, 100).await.unwrap();
                seen.extend(found.iter().map(|change| change.seq));
            }
            seen
        })
    };
    let publishing = claims.iter().map(|claim| publish(&db, claim, 1, 1));
    for published in futures_util::future::join_all(publishing).await {
        assert!(published.unwrap().is_some());
    }
    let seen = follower.await.unwrap();
    assert_eq!(seen, (1..=DOCUMENTS as i64).collect::<Vec<_>>());
    assert_eq!(head(&db).await.seq, DOCUMENTS as i64);
    let mut conn = db.store.read().await.unwrap();
    let first = &changes::after(&mut conn, 0, 1).await.unwrap()[0];
    assert_eq!((first.kind, first.edition, first.count), (Kind::Published, Some(1), Some(1)));
    assert_eq!(first.knowledge_base_id, "kb-1");
}

async fn old_changes_are_forgotten(db: Fixture) {
    prepare(&db).await;
    for number in 1..=4 {
        let id = format!("doc-{number}");
        upload(&db, new_document(&id, "kb-1", &id, 0)).await.unwrap();
        written!(db, |tx| documents::remove(tx, "org_1", &id, at(number))).unwrap().unwrap();
    }
    let forget = async |until, batch| written!(db, |tx| changes::forget(tx, at(until), batch)).unwrap();
    let after = async |seq| {
        let found = changes::after(&mut db.store.read().await.unwrap(), seq, 10).await.unwrap();
        found.iter().map(|change| change.seq).collect::<Vec<_>>()
    };
    assert_eq!((forget(0, 10).await, head(&db).await.forgotten), (0, 0));
    assert_eq!((forget(3, 2).await, head(&db).await.forgotten), (2, 2));
    assert_eq!(after(0).await, [3, 4]);
    assert_eq!((forget(3, 10).await, head(&db).await.forgotten), (1, 3));
    assert_eq!((forget(9, 10).await, head(&db).await.forgotten), (1, 4));
    assert_eq!((after(0).await, head(&db).await.seq), (vec![], 4));
}

async fn an_undone_change_gives_its_number_back(db: Fixture) {
    prepare(&db).await;
    for id in ["doc-1", "doc-2"] {
        upload(&db, new_document(id, "kb-1", id, 0)).await.unwrap();
    }
    let undone: Result<(), StoreError> = written!(db, |tx| async {
        assert_eq!(documents::remove(tx, "org_1", "doc-1", at(1)).await?, Some(1));
        Err(StoreError::Undone("on purpose"))
    });
    assert!(undone.is_err());
    assert_eq!((head(&db).await.seq, get(&db, "doc-1").await.is_some()), (0, true));
    assert_eq!(written!(db, |tx| documents::remove(tx, "org_1", "doc-2", at(1))).unwrap(), Some(1));
}
