//! Documents on their way in: read by the retriever that is shipped, found by the very next search, and gone when they
//! are to be.

use std::time::Duration;

use hardpoint_domain::id::BindingName;
use hardpoint_domain::knowledge::settings::Settings;
use hardpoint_domain::knowledge::state::State;
use hardpoint_store::Lane;
use hardpoint_store::blobs::BlobKey;
use hardpoint_store::knowledge::bases::{self, NewKnowledgeBase};
use hardpoint_store::knowledge::documents::{self, Document, NewDocument, Uploaded};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{TestApp, shipped};

const PATIENCE: Duration = Duration::from_secs(60);

const BINDING: &str =
    "[bindings.hybrid]\nplugin = \"hybrid\"\n[bindings.hybrid.grant]\nindex = true\nembed = true\n";

async fn host() -> TestApp {
    TestApp::with(BINDING, &[("hybrid.wasm", shipped("hybrid"))]).await
}

async fn organization(app: &TestApp) -> String {
    app.get("/api/v1/org").await.expect(200)["id"].as_str().unwrap().to_owned()
}

async fn make_base(app: &TestApp, id: &str) {
    let organization_id = organization(app).await;
    let new = NewKnowledgeBase {
        id: id.to_owned(),
        organization_id,
        is_default: true,
        settings: Settings::new("Handbook", BindingName::parse("hybrid").unwrap()),
        embedder: app.app().knowledge.local_embedder(),
        created_by: "key_1".into(),
        now: app.app().clock.now(),
    };
    let write = app
        .app()
        .store
        .write(Lane::Request, move |tx| Box::pin(async move { bases::create(tx, &new).await }));
    write.await.unwrap();
}

async fn upload(app: &TestApp, base: &str, id: &str, filename: &str, bytes: &[u8]) {
    let store = &app.app().store;
    let new = NewDocument {
        id: id.to_owned(),
        knowledge_base_id: base.to_owned(),
        filename: filename.to_owned(),
        media_type: None,
        size: bytes.len() as u64,
        digest: Sha256::digest(bytes).into(),
        created_by: "key_1".into(),
        now: app.app().clock.now(),
    };
    let (base, now) = (new.knowledge_base_id.clone(), new.now);
    let announced = id.to_owned();
    let write = store.write(Lane::Request, move |tx| {
        Box::pin(async move { documents::announce(tx, &base, &announced, now).await })
    });
    write.await.unwrap();
    store.blobs().put(&BlobKey::document(id).unwrap(), bytes.to_vec().into()).await.unwrap();
    let write =
        store.write(Lane::Request, move |tx| Box::pin(async move { documents::upload(tx, &new).await }));
    assert!(matches!(write.await.unwrap(), Some(Uploaded::New(_))));
    app.app().knowledge.ring();
}

async fn document(app: &TestApp, id: &str) -> Document {
    let organization = organization(app).await;
    documents::get(&mut app.app().store.read().await.unwrap(), &organization, id).await.unwrap().unwrap()
}

async fn ended(app: &TestApp, id: &str) -> Document {
    let waiting = async {
        loop {
            let document = document(app, id).await;
            if document.state != State::Processing {
                return document;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("read in time")
}

async fn found(app: &TestApp, query: &str) -> Vec<Value> {
    let found = app.post("/api/v1/search", &json!({ "query": query, "use_hybrid": true })).await.expect(200);
    found["results"].as_array().unwrap().clone()
}

const KB: &str = "kb-019aa000000070008000000000000001";
const DOC: &str = "doc-019aa000000070008000000000000002";
const OTHER: &str = "doc-019aa000000070008000000000000003";

#[tokio::test]
async fn what_is_indexed_is_found_by_the_very_next_search() {
    let app = host().await;
    make_base(&app, KB).await;
    assert_eq!(found(&app, "whales").await, [] as [Value; 0]);
    upload(&app, KB, DOC, "returns.md", b"# Returns\n\nUnworn shoes can be returned within thirty days.\n")
        .await;
    let read = ended(&app, DOC).await;
    assert_eq!((read.state, read.page_count, read.chunk_count), (State::Indexed, 1, 1), "{read:?}");
    let hits = found(&app, "shoes returned").await;
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert_eq!(hits[0]["document_filename"], "returns.md");
    assert_eq!(hits[0]["page"], 1);
    assert_eq!(hits[0]["score_kind"], "lexical", "no model is loaded");
    let app = app.restart().await;
    assert_eq!(found(&app, "shoes returned").await, hits);
    upload(&app, KB, OTHER, "whales.txt", b"Whales sing in the night.").await;
    ended(&app, OTHER).await;
    assert_eq!(found(&app, "Do whales sing?").await[0]["document_id"], OTHER);
}
