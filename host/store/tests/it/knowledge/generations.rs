use std::time::Duration;

use hardpoint_domain::knowledge::fairness::Desk;
use hardpoint_domain::knowledge::ingestion::Next;
use hardpoint_domain::knowledge::settings::Embedder;
use hardpoint_domain::knowledge::state::State;
use hardpoint_store::knowledge::bases;
use hardpoint_store::knowledge::changes::{self, Kind};
use hardpoint_store::knowledge::documents;
use hardpoint_store::knowledge::generations;
use hardpoint_store::knowledge::ingestions::{self as jobs, Takes};
use hardpoint_store::knowledge::removals::{self, Wiped};
use hardpoint_store::knowledge::vectors;

use super::{
    LEASE, claim_at, get, indexed, keep, make_base, minilm, models, new_base, new_document, prepare,
    read_claimed, upload, written,
};
use crate::support::{Fixture, at, on_both};

on_both!(
    another_embedder_takes_the_place_at_once,
    what_was_begun_may_be_given_up,
    a_document_that_comes_meanwhile_has_both,
    nothing_takes_the_place_of_what_is_whole_where_most_was_given_up,
    whoever_goes_back_has_what_is_there,
    each_host_makes_the_vectors_of_its_own_models,
    one_organisation_is_left_out_and_no_other,
    why_vectors_were_given_up_is_told_as_long_as_they_are_wanted,
    why_vectors_wait_is_told,
);

fn other(dimensions: u32) -> Embedder {
    Embedder { model: "text-embedding-3-small".into(), dimensions }
}

async fn begin(db: &Fixture, embedder: Embedder) -> Option<bases::Generation> {
    written!(db, |tx| generations::begin(tx, "kb-1", &embedder, at(3))).unwrap()
}

async fn switch(db: &Fixture) -> Option<i64> {
    written!(db, |tx| generations::switch(tx, "kb-1", at(9))).unwrap()
}

async fn base(db: &Fixture) -> bases::KnowledgeBase {
    bases::get(&mut db.store.read().await.unwrap(), "org_1", "kb-1").await.unwrap().unwrap()
}

/// Makes all vectors that are to be made at this time.
async fn embed_all(db: &Fixture, seconds: i64) {
    while let Some(mut claim) = claim_at(db, "embedding", seconds).await {
        while !keep(db, &mut claim, 1).await.unwrap().unwrap().is_complete {}
    }
}

async fn another_embedder_takes_the_place_at_once(db: Fixture) {
    prepare(&db).await;
    for id in ["doc-1", "doc-2"] {
        indexed(&db, id, 2).await;
        embed_all(&db, 1).await;
    }
    assert_eq!(begin(&db, minilm()).await.unwrap().number, 1, "it has it");
    assert_eq!(switch(&db).await, None, "there is nothing to switch to");
    let begun = begin(&db, other(8)).await.unwrap();
    assert_eq!(begun, bases::Generation { number: 2, embedder: other(8) });
    assert_eq!(begin(&db, other(8)).await, Some(begun.clone()), "it is at it");
    assert_eq!(base(&db).await.next, Some(begun.clone()));
    let left = async || generations::left(&mut db.store.read().await.unwrap(), "kb-1", 2).await.unwrap();
    assert_eq!(left().await, 2);
    let mut one = claim_at(&db, "a", 4).await.unwrap();
    assert_eq!((one.generation, one.cursor), (2, 0));
    keep(&db, &mut one, 2).await.unwrap().unwrap();
    assert_eq!((left().await, switch(&db).await), (1, None), "not before all is made");
    let ready =
        async |after| generations::ready(&mut db.store.read().await.unwrap(), after, 10).await.unwrap();
    assert_eq!(ready("").await, [""; 0]);
    assert_eq!(get(&db, "doc-1").await.unwrap().embedded, 2, "of what is searched");
    embed_all(&db, 4).await;
    assert_eq!((ready("").await, ready("kb-1").await), (vec!["kb-1".to_owned()], vec![]));
    let seq = switch(&db).await.unwrap();
    assert_eq!(ready("").await, [""; 0]);
    let mut conn = db.store.read().await.unwrap();
    let last = changes::after(&mut conn, seq - 1, 10).await.unwrap();
    assert_eq!((last.len(), last[0].kind, last[0].generation), (1, Kind::Switched, Some(2)));
    let after = base(&db).await;
    assert_eq!((after.current, after.next), (Some(begun), None));
    assert_eq!(get(&db, "doc-1").await.unwrap().embedded, 2);
    assert_eq!(switch(&db).await, None);

    let removal = written!(db, |tx| removals::claim(tx, "r", 10, &[], at(9), LEASE)).unwrap().remove(0);
    let mut rounds = 0;
    loop {
        let removal = removal.clone();
        match written!(db, |tx| removals::wipe(tx, &removal, "r", 1, at(9))).unwrap() {
            Wiped::All => break,
            wiped => assert_eq!(wiped, Wiped::More),
        }
        rounds += 1;
    }
    assert!(rounds >= 4, "in batches");
    assert_eq!(db.rows("vectors").await, 4);
    assert_eq!(vectors::of_edition(&mut conn, "doc-1", 1, 1, 0, 10).await.unwrap(), []);
    assert_eq!(vectors::of_edition(&mut conn, "doc-1", 1, 2, 0, 10).await.unwrap().len(), 2);
}

async fn what_was_begun_may_be_given_up(db: Fixture) {
    prepare(&db).await;
    indexed(&db, "doc-1", 2).await;
    embed_all(&db, 1).await;
    begin(&db, other(8)).await.unwrap();
    let mut given_up = claim_at(&db, "a", 4).await.unwrap();
    keep(&db, &mut given_up, 1).await.unwrap().unwrap();
    assert_eq!(begin(&db, other(16)).await.unwrap().number, 3);
    assert_eq!(keep(&db, &mut given_up, 1).await.unwrap(), None, "nobody wants them");
    embed_all(&db, 4).await;
    assert!(switch(&db).await.is_some());
    assert_eq!(base(&db).await.current.unwrap().embedder, other(16));
}

async fn a_document_that_comes_meanwhile_has_both(db: Fixture) {
    prepare(&db).await;
    begin(&db, other(8)).await.unwrap();
    indexed(&db, "doc-1", 1).await;
    assert_eq!(db.rows("ingestions").await, 2);
    assert_eq!(switch(&db).await, None);
    embed_all(&db, 4).await;
    assert_eq!(db.rows("vectors").await, 2);
    assert!(switch(&db).await.is_some());
}

async fn each_host_makes_the_vectors_of_its_own_models(db: Fixture) {
    prepare(&db).await;
    indexed(&db, "doc-1", 2).await;
    begin(&db, other(8)).await.unwrap();
    let [minilm, other] = models();
    assert!(!due(&db, &of(&[])).await && !due(&db, &of(&["another"])).await, "others have to");
    assert_eq!((taken(&db, of(&[])).await, taken(&db, of(&["another"])).await), (None, None));
    assert!(due(&db, &of(&[&minilm])).await && due(&db, &of(&[&other])).await);
    assert!(!due(&db, &Takes { readings: true, ..Takes::default() }).await, "it is read");
    assert_eq!(taken(&db, of(&["another", &other])).await.unwrap().generation, 2);
    assert_eq!(taken(&db, of(&[&minilm])).await.unwrap().generation, 1);
    upload(&db, new_document("doc-2", "kb-1", "b", 1)).await.unwrap();
    assert!(!due(&db, &of(&[&minilm, &other])).await, "readings have places of their own");
    assert!(due(&db, &Takes { readings: true, ..Takes::default() }).await);
}

fn of(models: &[&str]) -> Takes {
    Takes { models: models.iter().map(|model| (*model).to_owned()).collect(), ..Takes::default() }
}

async fn due(db: &Fixture, takes: &Takes) -> bool {
    jobs::is_due(&mut db.store.read().await.unwrap(), takes, at(4)).await.unwrap()
}

async fn taken(db: &Fixture, takes: Takes) -> Option<jobs::Claim> {
    written!(db, |tx| jobs::claim(tx, (&Desk::new(8), &takes), "a", at(4), LEASE)).unwrap()
}

async fn one_organisation_is_left_out_and_no_other(db: Fixture) {
    prepare(&db).await;
    db.organization("org_2").await;
    make_base(&db, new_base("kb-2", "org_2")).await.unwrap();
    for (id, base) in [("doc-1", "kb-1"), ("doc-2", "kb-2")] {
        upload(&db, new_document(id, base, id, 0)).await.unwrap();
        let reading = Takes { readings: true, ..Takes::default() };
        read_claimed(&db, &taken(&db, reading).await.unwrap(), 1).await;
    }
    let [minilm, _] = models();
    let but = |organizations: &[&str]| {
        let except = organizations.iter().map(|one| ((*one).to_owned(), minilm.clone())).collect();
        Takes { except, ..of(&[&minilm]) }
    };
    assert!(!due(&db, &but(&["org_1", "org_2"])).await);
    assert_eq!(taken(&db, but(&["org_1", "org_2"])).await, None);
    let mut other = but(&["org_1"]);
    other.except.push(("org_2".into(), "another".into()));
    assert!(due(&db, &other).await);
    assert_eq!(taken(&db, other).await.unwrap().document_id, "doc-2");
    assert_eq!(taken(&db, of(&[&minilm])).await.unwrap().document_id, "doc-1");
}

/// Gives up the vectors of whatever document is next.
async fn give_up(db: &Fixture, takes: Takes) -> String {
    let claim = taken(db, takes).await.unwrap();
    let document = claim.document_id.clone();
    assert!(written!(db, |tx| jobs::fail(tx, &claim, "it was refused", Next::GiveUp, at(4))).unwrap());
    document
}

async fn nothing_takes_the_place_of_what_is_whole_where_most_was_given_up(db: Fixture) {
    prepare(&db).await;
    for id in ["doc-1", "doc-2", "doc-3"] {
        indexed(&db, id, 1).await;
        embed_all(&db, 1).await;
    }
    begin(&db, other(8)).await.unwrap();
    let [_, model] = models();
    for _ in 0..2 {
        give_up(&db, of(&[&model])).await;
    }
    embed_all(&db, 4).await;
    assert_eq!(switch(&db).await, None, "one has its new vectors, and three have the old ones");
    assert_eq!(base(&db).await.current.unwrap().embedder, minilm());
    assert_eq!(get(&db, "doc-1").await.unwrap().reason.as_deref(), Some("it was refused"));
    // Read anew, one of them has its vectors made after all.
    assert!(written!(db, |tx| documents::read_again(tx, "org_1", "doc-1", at(4))).unwrap());
    read_claimed(&db, &claim_at(&db, "b", 4).await.unwrap(), 1).await;
    embed_all(&db, 4).await;
    assert_eq!(get(&db, "doc-1").await.unwrap().reason, None);
    assert!(switch(&db).await.is_some(), "most have them");
    assert_eq!(get(&db, "doc-2").await.unwrap().reason.as_deref(), Some("it was refused"));
}

async fn whoever_goes_back_has_what_is_there(db: Fixture) {
    prepare(&db).await;
    indexed(&db, "doc-1", 2).await;
    embed_all(&db, 1).await;
    let before = base(&db).await.current.unwrap();
    begin(&db, other(8)).await.unwrap();
    let mut given_up = claim_at(&db, "a", 4).await.unwrap();
    keep(&db, &mut given_up, 1).await.unwrap().unwrap();
    assert_eq!(begin(&db, minilm()).await, Some(before.clone()));
    let after = base(&db).await;
    assert_eq!((after.current, after.next), (Some(before), None));
    assert_eq!(keep(&db, &mut given_up, 1).await.unwrap(), None, "nobody wants them");
    assert_eq!(db.rows("ingestions").await, 0, "and there is nothing to make anew");
    let last = changes::after(&mut db.store.read().await.unwrap(), 0, 100).await.unwrap().pop().unwrap();
    assert_eq!((last.kind, last.generation), (Kind::Switched, Some(1)), "hosts let go of what was begun");
    assert_eq!(begin(&db, other(8)).await.unwrap().number, 3, "no number is given twice");
}

async fn why_vectors_were_given_up_is_told_as_long_as_they_are_wanted(db: Fixture) {
    prepare(&db).await;
    indexed(&db, "doc-1", 2).await;
    let [minilm, _] = models();
    give_up(&db, of(&[&minilm])).await;
    let document = get(&db, "doc-1").await.unwrap();
    assert_eq!((document.state, document.reason.as_deref()), (State::Indexed, Some("it was refused")));
    begin(&db, other(8)).await.unwrap();
    embed_all(&db, 4).await;
    assert!(get(&db, "doc-1").await.unwrap().reason.is_some(), "it is searched without them still");
    switch(&db).await.unwrap();
    let document = get(&db, "doc-1").await.unwrap();
    assert_eq!((document.embedded, document.reason), (2, None));
}

async fn why_vectors_wait_is_told(db: Fixture) {
    prepare(&db).await;
    indexed(&db, "doc-1", 2).await;
    let first = claim_at(&db, "a", 1).await.unwrap();
    let again = Next::Again(Duration::from_secs(5));
    assert!(written!(db, |tx| jobs::fail(tx, &first, "no money", again, at(1))).unwrap());
    let waits = get(&db, "doc-1").await.unwrap();
    assert_eq!((waits.state, waits.reason.as_deref()), (State::Indexed, Some("no money")));
    let mut second = claim_at(&db, "b", 6).await.unwrap();
    assert_eq!(second.attempt, 1);
    keep(&db, &mut second, 1).await.unwrap().unwrap();
    assert_eq!(get(&db, "doc-1").await.unwrap().reason, None, "it goes on");
}
