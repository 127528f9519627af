//! Knowledge bases: what is in them, how it comes there, and that it is gone when it is to be.

mod bases;
mod conversations;
mod documents;
mod editions;
mod generations;
mod ingestions;
mod kill;
mod removals;

use std::time::Duration;

use hardpoint_domain::id::BindingName;
use hardpoint_domain::knowledge::fairness::Desk;
use hardpoint_domain::knowledge::settings::{Embedder, Settings};
use hardpoint_store::StoreError;
use hardpoint_store::knowledge::bases::NewKnowledgeBase;
use hardpoint_store::knowledge::documents::{Document, NewDocument, Uploaded};
use hardpoint_store::knowledge::ingestions::{self as jobs, Claim, Takes};
use hardpoint_store::knowledge::passages::{Chunk, Page};
use hardpoint_store::knowledge::publish::{self, Edition};
use hardpoint_store::knowledge::{bases as store_bases, documents as store_documents, passages, vectors};

use crate::support::{Fixture, at};

pub(crate) const COUNT: usize = bases::COUNT
    + conversations::COUNT
    + documents::COUNT
    + editions::COUNT
    + generations::COUNT
    + ingestions::COUNT
    + kill::COUNT
    + removals::COUNT;

const LEASE: Duration = Duration::from_secs(30);
const ALL: hardpoint_store::Window = hardpoint_store::Window { limit: 100, offset: 0 };

/// Runs one write on a fixture's store.
macro_rules! written {
    ($db:expr, |$tx:ident| $write:expr) => {
        $db.store
            .write(hardpoint_store::Lane::Request, move |$tx| Box::pin(async move { $write.await }))
            .await
    };
}
use written;

fn minilm() -> Embedder {
    Embedder { model: "all-MiniLM-L6-v2".into(), dimensions: 384 }
}

/// Those that the vectors of these tests are of.
fn models() -> [String; 2] {
    ["all-MiniLM-L6-v2", "text-embedding-3-small"].map(str::to_owned)
}

/// All that these tests have to do.
fn takes() -> Takes {
    Takes { readings: true, models: models().into(), except: Vec::new() }
}

fn new_base(id: &str, organization: &str) -> NewKnowledgeBase {
    NewKnowledgeBase {
        id: id.into(),
        organization_id: organization.into(),
        is_default: false,
        settings: Settings::new(format!("{id}'s name"), BindingName::parse("hybrid").unwrap()),
        embedder: Some(minilm()),
        created_by: "key_1".into(),
        now: at(0),
    }
}

async fn make_base(db: &Fixture, new: NewKnowledgeBase) -> Result<(), StoreError> {
    written!(db, |tx| store_bases::create(tx, &new))
}

/// An organisation `org_1` with a knowledge base `kb-1`.
async fn prepare(db: &Fixture) {
    db.organization("org_1").await;
    make_base(db, new_base("kb-1", "org_1")).await.unwrap();
}

fn new_document(id: &str, base: &str, bytes: &str, seconds: i64) -> NewDocument {
    let mut digest = [0; 32];
    digest[..bytes.len()].copy_from_slice(bytes.as_bytes());
    NewDocument {
        id: id.into(),
        knowledge_base_id: base.into(),
        filename: format!("{id} ☃.pdf"),
        media_type: Some("application/pdf".into()),
        size: bytes.len() as u64,
        digest,
        created_by: "key_1".into(),
        now: at(seconds),
    }
}

async fn announce(db: &Fixture, new: &NewDocument) {
    let (base, id, now) = (new.knowledge_base_id.clone(), new.id.clone(), new.now);
    written!(db, |tx| store_documents::announce(tx, &base, &id, now)).unwrap();
}

async fn upload(db: &Fixture, new: NewDocument) -> Option<Uploaded> {
    announce(db, &new).await;
    written!(db, |tx| store_documents::upload(tx, &new)).unwrap()
}

async fn get(db: &Fixture, id: &str) -> Option<Document> {
    store_documents::get(&mut db.store.read().await.unwrap(), "org_1", id).await.unwrap()
}

/// Claims the next job; the name is that of the claim.
async fn claim_at(db: &Fixture, name: &str, seconds: i64) -> Option<Claim> {
    let name = name.to_owned();
    written!(db, |tx| jobs::claim(tx, (&Desk::new(8), &takes()), &name, at(seconds), LEASE)).unwrap()
}

/// When everything is due that was uploaded, and what follows when it was read.
async fn claim(db: &Fixture, name: &str) -> Option<Claim> {
    claim_at(db, name, 1).await
}

fn page(number: u32, text: &str) -> Page {
    Page { number, title: Some(format!("Page {number}")), text: text.into() }
}

/// A chunk of an edition, on the first page.
fn chunk(claim: &Claim, ordinal: u32) -> Chunk {
    Chunk {
        id: format!("{}-{}-{ordinal:06}", claim.document_id, claim.edition),
        ordinal,
        text: format!("\"chunk\" {ordinal} ☃ of edition {}", claim.edition),
        embedded_text: ordinal.is_multiple_of(2).then(|| format!("heading: chunk {ordinal}")),
        first_page: 1,
        last_page: 1,
        begins_at: ordinal * 10,
        ends_at: ordinal * 10 + 9,
        metadata: (ordinal == 0).then(|| r#"{"section":"a"}"#.into()),
    }
}

async fn stage(
    db: &Fixture,
    claim: &Claim,
    pages: Vec<Page>,
    chunks: Vec<Chunk>,
) -> Result<bool, StoreError> {
    let claim = claim.clone();
    written!(db, |tx| passages::stage(tx, &claim, &pages, &chunks))
}

async fn publish(db: &Fixture, claim: &Claim, pages: u32, chunks: u32) -> Result<Option<i64>, StoreError> {
    let (claim, edition) = (claim.clone(), Edition { title: Some("A title".into()), pages, chunks });
    written!(db, |tx| publish::publish(tx, &claim, &edition, at(1)))
}

/// Reads what was claimed, as a page and so many chunks, and publishes it; the change's number.
async fn read_claimed(db: &Fixture, claim: &Claim, chunks: u32) -> i64 {
    assert!(claim.is_reading(), "{claim:?}");
    assert!(stage(db, claim, vec![page(1, "text of the page")], vec![]).await.unwrap());
    for first in (0..chunks).step_by(100) {
        let batch = (first..chunks.min(first + 100)).map(|ordinal| chunk(claim, ordinal)).collect();
        assert!(stage(db, claim, vec![], batch).await.unwrap());
    }
    publish(db, claim, 1, chunks).await.unwrap().unwrap()
}

/// Uploads a document to `kb-1` and reads it.
async fn indexed(db: &Fixture, id: &str, chunks: u32) -> i64 {
    upload(db, new_document(id, "kb-1", id, 0)).await.unwrap();
    let claim = claim(db, "reading").await.unwrap();
    assert_eq!(claim.document_id, id);
    read_claimed(db, &claim, chunks).await
}

/// So many vectors, each telling which it is.
fn some_vectors(first: i64, count: i64) -> Vec<Vec<u8>> {
    (first..first + count).map(|ordinal| vec![0, 0xff, ordinal as u8, 7]).collect()
}

/// Keeps the next vectors under a claim.
async fn keep(db: &Fixture, claim: &mut Claim, count: i64) -> Result<Option<vectors::Kept>, StoreError> {
    let (mut held, vectors) = (claim.clone(), some_vectors(claim.cursor, count));
    let written = written!(db, |tx| async {
        let kept = vectors::keep(tx, &mut held, &vectors, at(2)).await?;
        Ok((kept, held))
    });
    let (kept, held) = written?;
    *claim = held;
    Ok(kept)
}
