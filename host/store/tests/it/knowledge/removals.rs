use std::path::Path;

use hardpoint_domain::id::BindingName;
use hardpoint_store::Engine;
use hardpoint_store::blobs::{BlobKey, Found};
use hardpoint_store::knowledge::changes;
use hardpoint_store::knowledge::documents;
use hardpoint_store::knowledge::ingestions as jobs;
use hardpoint_store::knowledge::passages::{Chunk, Page};
use hardpoint_store::knowledge::questions;
use hardpoint_store::knowledge::removals::{self, Kind, Removal, Wiped};
use hardpoint_store::knowledge::{bases, vectors};

use super::{
    LEASE, announce, chunk, claim, claim_at, indexed, keep, make_base, new_base, new_document, page, prepare,
    publish, read_claimed, stage, upload, written,
};
use crate::support::{Fixture, at, on_both};

on_both!(
    a_knowledge_base_is_gone_from_the_disk,
    a_document_is_wiped_out_alone,
    what_an_edition_left_is_wiped_out,
    what_a_lapsed_reading_left_is_wiped_out,
    a_lapsed_removal_is_anothers,
    hosts_tell_how_far_they_have_come,
    who_waits_for_a_retriever_is_passed_over,
);

/// Wipes out everything that is due, as hosts do it; in how many rounds.
pub(super) async fn wipe_all(db: &Fixture, seconds: i64, batch: u32) -> usize {
    let mut rounds = 0;
    loop {
        let claimed = written!(db, |tx| removals::claim(tx, "wiping", 3, &[], at(seconds), LEASE)).unwrap();
        if claimed.is_empty() {
            return rounds;
        }
        for removal in claimed {
            loop {
                rounds += 1;
                assert!(rounds < 10_000);
                match wipe(db, &removal, "wiping", batch).await {
                    Wiped::More => {}
                    Wiped::Waiting => {
                        let id = removal.id.clone();
                        // Others come first: its place in the queue is behind theirs.
                        let released = written!(db, |tx| removals::release(tx, &id, "wiping", at(seconds)));
                        assert!(released.unwrap());
                        break;
                    }
                    Wiped::All => {
                        if let Some(document) = removal.blob_of() {
                            let key = BlobKey::document(document).unwrap();
                            db.store.blobs().delete(&key).await.unwrap();
                        }
                        let id = removal.id.clone();
                        let done = written!(db, |tx| removals::complete(tx, &id, "wiping"));
                        assert!(done.unwrap());
                        break;
                    }
                    Wiped::Lost => panic!("{removal:?}"),
                }
            }
        }
    }
}

async fn wipe(db: &Fixture, removal: &Removal, claim_id: &str, batch: u32) -> Wiped {
    let (removal, claim_id) = (removal.clone(), claim_id.to_owned());
    written!(db, |tx| removals::wipe(tx, &removal, &claim_id, batch, at(3))).unwrap()
}

const CANARY: &str = "canary-7f3a9c51e2d84b60";

/// The files under a folder that have the canary in them.
fn with_canary(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(with_canary(&path));
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        if bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()) {
            found.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

/// Puts a document into a knowledge base that has a text in all that is kept of it, with its vectors.
async fn plant(db: &Fixture, id: &str, base: &str, text: &str, chunks: u32) {
    let key = BlobKey::document(id).unwrap();
    let mut new = new_document(id, base, id, 0);
    new.filename = format!("{text} {id}.pdf");
    super::announce(db, &new).await;
    db.store.blobs().put(&key, format!("the bytes: {text}").into_bytes().into()).await.unwrap();
    written!(db, |tx| documents::upload(tx, &new)).unwrap().unwrap();
    let reading = claim(db, "reading").await.unwrap();
    assert_eq!(reading.document_id, id);
    // Long ones, so that they fill pages of the database and those that overflow them.
    let long = |number: u32| {
        format!("{number} {}", format!("{text} {number} ").repeat(1 + number as usize % 9 * 30))
    };
    for number in 0..chunks {
        let page = Page { title: Some(long(number)), text: long(number), ..page(number + 1, "") };
        let chunk = Chunk {
            text: long(number),
            embedded_text: Some(long(number)),
            metadata: Some(format!("{{\"section\":\"{text}\"}}")),
            ..chunk(&reading, number)
        };
        assert!(stage(db, &reading, vec![page], vec![chunk]).await.unwrap());
    }
    let edition =
        hardpoint_store::knowledge::publish::Edition { title: Some(text.into()), pages: chunks, chunks };
    let held = reading.clone();
    let published =
        written!(db, |tx| hardpoint_store::knowledge::publish::publish(tx, &held, &edition, at(1)));
    assert!(published.unwrap().is_some());
    let mut embedding = claim(db, "embedding").await.unwrap();
    let vectors = vec![text.as_bytes().to_vec(); chunks as usize];
    let kept = written!(db, |tx| vectors::keep(tx, &mut embedding, &vectors, at(2)));
    assert!(kept.unwrap().unwrap().is_complete);
}

/// As who scrubs does it: who reads may be in the way for a moment.
async fn scrub(db: &Fixture) {
    for _ in 0..100 {
        if db.store.scrub().await.unwrap() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("somebody reads on and on");
}

async fn a_knowledge_base_is_gone_from_the_disk(db: Fixture) {
    prepare(&db).await;
    make_base(&db, new_base("kb-2", "org_1")).await.unwrap();
    // In turns, so that what goes and what stays lie side by side.
    for number in 0..8 {
        plant(&db, &format!("doc-a{number}"), "kb-1", CANARY, 40).await;
        plant(&db, &format!("doc-b{number}"), "kb-2", "what stays", 40).await;
    }
    let is_sqlite = db.store.engine() == Engine::Sqlite;
    if is_sqlite {
        scrub(&db).await;
        let planted = with_canary(&db.config.data);
        assert!(
            planted.contains(&"hardpoint.db".to_owned()) && planted.contains(&"doc-a0".to_owned()),
            "{planted:?}"
        );
    }
    let seq = written!(db, |tx| bases::remove(tx, "org_1", "kb-1", at(3))).unwrap().unwrap();
    let rounds = wipe_all(&db, 3, 25).await;
    assert!(rounds > 8 * 3 * 2, "in batches: {rounds}");
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(removals::count_of_base(&mut conn, "kb-1").await.unwrap(), 0);
    for (table, rows) in [
        ("knowledge_bases", 1),
        ("documents", 8),
        ("pages", 320),
        ("chunks", 320),
        ("vectors", 320),
        ("vector_coverage", 8),
        ("removals", 0),
        ("ingestions", 0),
    ] {
        assert_eq!(db.rows(table).await, rows, "{table}");
    }
    assert_eq!(documents::count(&mut conn, "kb-2").await.unwrap(), 8);
    let gone = db.store.blobs().get(&BlobKey::document("doc-a0").unwrap(), 35).await.unwrap();
    assert_eq!(gone, Found::Nothing);
    let there = BlobKey::document("doc-b0").unwrap();
    assert_eq!(&db.store.blobs().read(&there, 4, 5).await.unwrap()[..], b"bytes");
    assert!(seq > 0);
    drop(conn);
    if is_sqlite {
        scrub(&db).await;
        assert_eq!(with_canary(&db.config.data), [""; 0]);
    }
}

async fn a_document_is_wiped_out_alone(db: Fixture) {
    prepare(&db).await;
    for id in ["doc-1", "doc-2"] {
        indexed(&db, id, 3).await;
        let mut embedding = claim(&db, "a").await.unwrap();
        keep(&db, &mut embedding, 3).await.unwrap().unwrap();
    }
    let asked = questions::Question {
        id: "q-1".into(),
        time: at(0),
        organization_id: "org_1".into(),
        workspace_id: None,
        knowledge_base_id: None,
        question: "a".into(),
        is_answered: true,
        is_fallback: false,
        confidence: None,
        duration: LEASE,
        prompt_tokens: 0,
        completion_tokens: 0,
        sources: vec!["doc-1".into(), "doc-2".into()],
    };
    written!(db, |tx| questions::record(tx, &asked)).unwrap();
    // A reading of it is under way, and what it writes is wiped out too.
    written!(db, |tx| documents::read_again(tx, "org_1", "doc-1", at(3))).unwrap();
    let reading = claim_at(&db, "b", 3).await.unwrap();
    assert!(stage(&db, &reading, vec![page(1, "a")], vec![chunk(&reading, 0)]).await.unwrap());
    written!(db, |tx| documents::remove(tx, "org_1", "doc-1", at(3))).unwrap().unwrap();
    assert!(!stage(&db, &reading, vec![page(2, "a")], vec![]).await.unwrap(), "its jobs are ended");
    assert_eq!(publish(&db, &reading, 1, 1).await.unwrap(), None);
    wipe_all(&db, 3, 2).await;
    for (table, rows) in [
        ("documents", 1),
        ("pages", 1),
        ("chunks", 3),
        ("vectors", 3),
        ("vector_coverage", 1),
        ("question_sources", 1),
    ] {
        assert_eq!(db.rows(table).await, rows, "{table}");
    }
}

async fn what_an_edition_left_is_wiped_out(db: Fixture) {
    prepare(&db).await;
    indexed(&db, "doc-1", 3).await;
    let mut embedding = claim(&db, "a").await.unwrap();
    keep(&db, &mut embedding, 3).await.unwrap().unwrap();
    assert_eq!(wipe_all(&db, 3, 10).await, 0, "there is nothing to wipe out yet");
    written!(db, |tx| documents::read_again(tx, "org_1", "doc-1", at(3))).unwrap();
    let reading = claim_at(&db, "b", 3).await.unwrap();
    assert_eq!(wipe_all(&db, 3, 10).await, 0, "what can be found stays");
    read_claimed(&db, &reading, 2).await;
    wipe_all(&db, 3, 10).await;
    assert_eq!((db.rows("chunks").await, db.rows("pages").await, db.rows("vectors").await), (2, 1, 0));
    assert_eq!(db.rows("vector_coverage").await, 0);
}

async fn what_a_lapsed_reading_left_is_wiped_out(db: Fixture) {
    prepare(&db).await;
    upload(&db, new_document("doc-1", "kb-1", "a", 0)).await.unwrap();
    let first = claim(&db, "a").await.unwrap();
    assert!(stage(&db, &first, vec![page(1, "a")], vec![chunk(&first, 0)]).await.unwrap());
    let second = claim_at(&db, "b", 40).await.unwrap();
    assert_eq!((second.edition, second.lapses), (2, 1));
    assert!(!stage(&db, &first, vec![page(2, "a")], vec![]).await.unwrap());
    read_claimed(&db, &second, 4).await;
    wipe_all(&db, 40, 10).await;
    assert_eq!((db.rows("chunks").await, db.rows("pages").await), (4, 1));
    // What is being read anew, and is then asked for once more, leaves nothing either.
    for time in [41, 42] {
        written!(db, |tx| documents::read_again(tx, "org_1", "doc-1", at(time))).unwrap();
        let reading = loop {
            let claim = claim_at(&db, "c", time).await.unwrap();
            if claim.is_reading() {
                break claim;
            }
            written!(db, |tx| jobs::release(tx, &claim, at(1_000))).unwrap();
        };
        assert!(stage(&db, &reading, vec![page(1, "a")], vec![chunk(&reading, 0)]).await.unwrap());
        if time == 42 {
            assert_eq!(reading.edition, 4);
            assert!(publish(&db, &reading, 1, 1).await.unwrap().is_some());
        }
    }
    wipe_all(&db, 42, 10).await;
    assert_eq!((db.rows("chunks").await, db.rows("pages").await), (1, 1));
}

async fn a_lapsed_removal_is_anothers(db: Fixture) {
    prepare(&db).await;
    indexed(&db, "doc-1", 3).await;
    written!(db, |tx| documents::remove(tx, "org_1", "doc-1", at(3))).unwrap().unwrap();
    let claim = async |name: &'static str, time| {
        written!(db, |tx| removals::claim(tx, name, 9, &[], at(time), LEASE)).unwrap()
    };
    assert!(claim("a", 2).await.is_empty(), "not before it is due");
    let first = claim("a", 3).await.remove(0);
    assert_eq!((first.kind, first.blob_of()), (Kind::Document, Some("doc-1")));
    assert_eq!(wipe(&db, &first, "a", 1).await, Wiped::More);
    assert!(claim("b", 32).await.is_empty());
    assert!(written!(db, |tx| removals::renew(tx, "doc-1", "a", at(10), LEASE)).unwrap());
    assert!(claim("b", 39).await.is_empty());
    let second = claim("b", 40).await.remove(0);
    assert_eq!(wipe(&db, &first, "a", 1).await, Wiped::Lost);
    assert!(!written!(db, |tx| removals::complete(tx, "doc-1", "a")).unwrap());
    assert!(!written!(db, |tx| removals::release(tx, "doc-1", "a", at(50))).unwrap());
    assert!(!written!(db, |tx| removals::renew(tx, "doc-1", "a", at(50), LEASE)).unwrap());
    written!(db, |tx| removals::release_all(tx)).unwrap();
    assert_eq!(wipe(&db, &second, "b", 1).await, Wiped::Lost, "a host that started ended all claims");
    wipe_all(&db, 40, 1).await;
    assert_eq!((db.rows("documents").await, db.rows("chunks").await, db.rows("removals").await), (0, 0, 0));
}

async fn hosts_tell_how_far_they_have_come(db: Fixture) {
    prepare(&db).await;
    indexed(&db, "doc-1", 1).await;
    let seq = written!(db, |tx| documents::remove(tx, "org_1", "doc-1", at(3))).unwrap().unwrap();
    let follow = async |host: &'static str, seq, time| {
        written!(db, |tx| changes::follow(tx, host, seq, at(time))).unwrap();
    };
    let is_forgotten = async |seen_after| {
        removals::is_forgotten(&mut db.store.read().await.unwrap(), seq, at(seen_after)).await.unwrap()
    };
    assert!(is_forgotten(0).await, "there is no host");
    follow("host 1", seq, 10).await;
    follow("host 2", seq - 1, 20).await;
    assert!(!is_forgotten(0).await);
    assert!(is_forgotten(20).await, "who was not seen for long is not waited for");
    follow("host 2", seq, 21).await;
    assert!(is_forgotten(0).await);
    let followers = changes::followers(&mut db.store.read().await.unwrap()).await.unwrap();
    let told: Vec<_> = followers.iter().map(|one| (one.host_id.as_str(), one.seq, one.seen_at)).collect();
    assert_eq!(told, [("host 1", seq, at(10)), ("host 2", seq, at(21))]);
    assert_eq!(written!(db, |tx| changes::unfollow(tx, at(10))).unwrap(), 1);
}

async fn who_waits_for_a_retriever_is_passed_over(db: Fixture) {
    prepare(&db).await;
    let mut other = new_base("kb-2", "org_1");
    other.settings.retriever = BindingName::parse("outside").unwrap();
    make_base(&db, other).await.unwrap();
    for (id, base) in [("doc-1", "kb-2"), ("doc-2", "kb-2"), ("doc-3", "kb-1")] {
        upload(&db, new_document(id, base, id, 0)).await.unwrap();
        written!(db, |tx| documents::remove(tx, "org_1", id, at(1))).unwrap().unwrap();
    }
    let never = new_document("doc-4", "kb-2", "doc-4", 2);
    announce(&db, &never).await;
    written!(db, |tx| documents::withdraw(tx, "doc-4", at(2))).unwrap();
    let claim = async |name: &'static str, busy: &[&str]| {
        let busy: Vec<String> = busy.iter().map(|name| (*name).to_owned()).collect();
        let claimed = written!(db, |tx| removals::claim(tx, name, 1, &busy, at(2), LEASE)).unwrap();
        claimed.into_iter().next().map(|removal| (removal.id, removal.retriever))
    };
    let of = |id: &str, retriever: Option<&str>| Some((id.to_owned(), retriever.map(str::to_owned)));
    assert_eq!(claim("a", &["none such"]).await, of("doc-1", Some("outside")), "the oldest");
    assert_eq!(claim("b", &["outside"]).await, of("doc-3", Some("hybrid")));
    // Bytes that were never kept are nobody's to forget.
    assert_eq!(claim("c", &["outside", "hybrid"]).await, of("doc-4", None));
    assert_eq!(claim("d", &["outside", "hybrid"]).await, None);
    assert_eq!(claim("e", &[]).await, of("doc-2", Some("outside")));
}
