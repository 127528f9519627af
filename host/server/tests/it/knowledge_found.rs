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

use hardpoint_server::service::knowledge::chat::FALLBACK;

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

#[tokio::test]
async fn a_question_is_answered_from_what_was_found_and_kept_in_its_conversation() {
    let plugins = [("hybrid.wasm", shipped("hybrid")), ("extractive.wasm", shipped("extractive"))];
    let app = TestApp::with(BINDING, &plugins).await;
    make_base(&app, KB).await;
    upload(&app, KB, DOC, "returns.md", b"# Returns\n\nUnworn shoes can be returned within thirty days.\n")
        .await;
    ended(&app, DOC).await;
    let asked = json!({ "message": "How long can shoes be returned?" });
    let answer = app.post("/api/v1/chat", &asked).await.expect(200);
    assert_eq!(answer["sources"][0]["document_filename"], "returns.md", "{answer}");
    assert_eq!(answer["fallback_triggered"], false);
    assert!(answer["message"].as_str().unwrap().contains("thirty days"), "{answer}");
    let tokens = &answer["tokens_used"];
    let (read, written) = (tokens["prompt"].as_u64().unwrap(), tokens["completion"].as_u64().unwrap());
    assert!(read > 0 && written > 0 && tokens["total"] == read + written, "{answer}");

    let again = json!({ "message": "Who won the cup?", "conversation_id": answer["conversation_id"] });
    let nothing = app.post("/api/v1/chat", &again).await.expect(200);
    assert_eq!(nothing["conversation_id"], answer["conversation_id"]);
    assert_eq!((&nothing["fallback_triggered"], &nothing["confidence"]), (&json!(true), &json!(0.0)));
    assert_eq!(nothing["message"], FALLBACK);
    assert_eq!(nothing["tokens_used"]["total"], 0, "no model was asked");

    let id = answer["conversation_id"].as_str().unwrap();
    let kept = app.get(&format!("/api/v1/chat/conversations/{id}")).await.expect(200);
    let said: Vec<&str> =
        kept["messages"].as_array().unwrap().iter().map(|said| said["content"].as_str().unwrap()).collect();
    let (first, second) = (answer["message"].as_str().unwrap(), nothing["message"].as_str().unwrap());
    assert_eq!(said, ["How long can shoes be returned?", first, "Who won the cup?", second]);
    assert_eq!(kept["messages"][1]["sources"][0]["document_id"], DOC);
    assert_eq!(app.get("/api/v1/chat/conversations").await.expect(200)["data"][0]["id"], id);

    let sums = app.get("/api/v1/analytics/dashboard").await.expect(200);
    let totals = &sums["totals"];
    assert_eq!(
        (&totals["questions"], &totals["answered"], &totals["fallbacks"]),
        (&json!(2), &json!(1), &json!(1))
    );
    assert_eq!(
        (&sums["top_sources"][0]["document_id"], &sums["by_day"][0]["questions"]),
        (&json!(DOC), &json!(2))
    );

    assert_eq!(app.delete(&format!("/api/v1/chat/conversations/{id}")).await.status, 204);
    app.get(&format!("/api/v1/chat/conversations/{id}")).await.expect(404);
    app.post("/api/v1/chat", &again).await.expect(404);
    let told = app.get("/api/v1/events?page_size=100").await.expect(200);
    let kinds: Vec<&str> = told["data"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| event["type"].as_str().filter(|kind| kind.starts_with("chat.")))
        .collect();
    assert_eq!(kinds.len(), 4, "begun, answered twice, deleted: {told}");
}

#[tokio::test]
async fn a_completion_rests_on_the_knowledge_bases_that_it_names() {
    let plugins = [("hybrid.wasm", shipped("hybrid")), ("extractive.wasm", shipped("extractive"))];
    let app = TestApp::with(BINDING, &plugins).await;
    make_base(&app, KB).await;
    upload(&app, KB, DOC, "returns.md", b"# Returns\n\nUnworn shoes can be returned within thirty days.\n")
        .await;
    ended(&app, DOC).await;
    let messages = json!([{ "role": "user", "content": "How long can shoes be returned?" }]);
    let asked = json!({ "model": "extractive", "messages": messages, "knowledge": [KB] });
    let whole = app.post("/v1/chat/completions", &asked).await.expect(200);
    assert_eq!(whole["sources"][0]["document_id"], DOC, "{whole}");
    assert!(whole["choices"][0]["message"]["content"].as_str().unwrap().contains("thirty days"), "{whole}");
    let plain = json!({ "model": "extractive", "messages": messages });
    let without = app.post("/v1/chat/completions", &plain).await.expect(200);
    assert!(without.get("sources").is_none(), "{without}");
    let unknown = json!({ "model": "extractive", "messages": messages, "knowledge": ["kb-none"] });
    app.post("/v1/chat/completions", &unknown).await.expect(404);
    let streamed = json!({ "model": "extractive", "messages": messages, "knowledge": [KB], "stream": true });
    let text = app.post("/v1/chat/completions", &streamed).await.text();
    let first: Value =
        serde_json::from_str(text.lines().next().unwrap().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(first["sources"], whole["sources"], "before the first token");
    assert_eq!(first["choices"][0]["delta"]["content"], "");
}

#[tokio::test]
async fn damaged_search_data_is_made_anew() {
    let app = host().await;
    make_base(&app, KB).await;
    upload(&app, KB, DOC, "returns.md", b"# Returns\n\nUnworn shoes can be returned within thirty days.\n")
        .await;
    ended(&app, DOC).await;
    let hits = found(&app, "shoes returned").await;
    assert_eq!(hits.len(), 1);
    let app = app
        .restart_after(|plugins| {
            // Every file of the index loses its second half.
            let mut folders = vec![plugins.parent().unwrap().join("index")];
            let mut count = 0;
            while let Some(folder) = folders.pop() {
                for entry in std::fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() {
                        folders.push(path);
                    } else if path.file_name().unwrap() != "reached" {
                        let bytes = std::fs::read(&path).unwrap();
                        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
                        count += 1;
                    }
                }
            }
            assert!(count > 3, "{count} files");
        })
        .await;
    assert_eq!(found(&app, "shoes returned").await, hits);
    // And where nothing is left of it.
    let app = app
        .restart_after(|plugins| {
            let data = plugins.parent().unwrap();
            std::fs::rename(data.join("index"), data.join("elsewhere")).unwrap();
        })
        .await;
    assert_eq!(found(&app, "shoes returned").await, hits);
}

#[tokio::test]
async fn what_cannot_be_read_is_failed_with_a_reason() {
    let app = host().await;
    make_base(&app, KB).await;
    upload(&app, KB, DOC, "broken.pdf", b"%PDF-1.7\nnothing of it is one").await;
    let read = ended(&app, DOC).await;
    assert_eq!((read.state, read.chunk_count), (State::Failed, 0));
    assert!(read.reason.is_some_and(|reason| !reason.is_empty()));
    upload(&app, KB, OTHER, "whales.txt", b"Whales sing in the night.").await;
    assert_eq!(ended(&app, OTHER).await.state, State::Indexed, "others are read all the same");
    let told = app.get("/api/v1/events?page_size=100").await.expect(200).to_string();
    assert!(told.contains("document.failed") && told.contains("document.indexed"), "{told}");
}
