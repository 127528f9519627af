//! Knowledge bases whose vectors a model of `/models` makes, over HTTP and through `openai`: what is asked for them, what
//! they cost and whom, and what follows where there are none.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use hardpoint_domain::knowledge::score::Calibration;
use hardpoint_server::service::accounts::{Accounts, Principal};
use hardpoint_store::keys::Role;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::documents::form;
use crate::exports::axum_serve;
use crate::knowledge::{id, key, put};
use crate::support::{Tenant, TestApp, shipped};

const BASES: &str = "/api/v1/knowledge";
const PATIENCE: Duration = Duration::from_secs(60);
/// Micro-credits for a token.
const PRICE: i64 = 1_000;

/// An answer in the place of vectors.
#[derive(Clone, Copy)]
enum Trouble {
    /// 429, with so many seconds to wait.
    Limited(u64),
    /// A status.
    Status(u16),
    /// Vectors with one number more.
    Longer,
}

/// OpenAI's `/v1/embeddings`: a vector counts words that mean something, and each model has a length for the rest.
#[derive(Clone)]
struct Double {
    seen: Arc<Mutex<Vec<Value>>>,
    troubles: Arc<Mutex<VecDeque<Trouble>>>,
    /// Whether `beta` answers; it alone is in trouble.
    open: watch::Sender<bool>,
}

impl Double {
    async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let double = Self { seen: Arc::default(), troubles: Arc::default(), open: watch::Sender::new(true) };
        let router = Router::new().route("/v1/embeddings", post(answer)).with_state(double.clone());
        tokio::spawn(async move { axum_serve(listener, router).await });
        (double, address)
    }

    fn is_in_trouble(&self, trouble: Trouble) {
        self.troubles.lock().unwrap().push_back(trouble);
    }

    fn seen(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }
}

async fn answer(State(double): State<Double>, Json(asked): Json<Value>) -> Response {
    double.seen.lock().unwrap().push(asked.clone());
    if asked["model"] == "beta" {
        double.open.subscribe().wait_for(|open| *open).await.unwrap();
    }
    let is_beta = asked["model"] == "beta";
    let trouble = is_beta.then(|| double.troubles.lock().unwrap().pop_front()).flatten();
    let error = json!({ "error": { "message": "as the test has it", "type": "server_error" } });
    let more: &[f32] = match trouble {
        Some(Trouble::Limited(seconds)) => {
            let wait = [("retry-after", seconds.to_string())];
            return (StatusCode::TOO_MANY_REQUESTS, wait, Json(error)).into_response();
        }
        Some(Trouble::Status(status)) => {
            return (StatusCode::from_u16(status).unwrap(), Json(error)).into_response();
        }
        Some(Trouble::Longer) => &[0.0],
        None => &[],
    };
    let texts: Vec<&str> = match &asked["input"] {
        Value::String(text) => vec![text],
        texts => texts.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect(),
    };
    let model = asked["model"].as_str().unwrap();
    let data: Vec<Value> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = [vector(model, text), more.to_vec()].concat();
            json!({ "object": "embedding", "index": index, "embedding": vector })
        })
        .collect();
    let tokens: usize = texts.iter().map(|text| tokens(text)).sum();
    let usage = json!({ "prompt_tokens": tokens, "total_tokens": tokens });
    Json(json!({ "object": "list", "data": data, "model": model, "usage": usage })).into_response()
}

fn tokens(text: &str) -> usize {
    text.split_whitespace().count()
}

fn vector(model: &str, text: &str) -> Vec<f32> {
    let count = |word: &str| text.to_lowercase().matches(word).count() as f32;
    vec![count("shoe"), count("whale"), if model == "alpha" { 1.0 } else { 0.5 }]
}

/// What a passage is worth for a question, by a model whose cut-off is this.
fn score(model: &str, cut_off: f64, question: &str, passage: &str) -> f64 {
    let (a, b) = (vector(model, question), vector(model, passage));
    let product = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum() };
    let cosine = product(&a, &b) / (product(&a, &a) * product(&b, &b)).sqrt();
    Calibration::new(cut_off).unwrap().similarity(cosine)
}

fn config(address: &str) -> String {
    format!(
        r#"
[egress]
allow_internal = ["{address}"]
[completions]
attempts = 1
[plans.professional]
credits = 0
[secrets.double]
value = "sk-double"
audience = "http://{address}"
[bindings.hybrid]
plugin = "hybrid"
[bindings.hybrid.grant]
index = true
embed = true
[bindings.upstream]
plugin = "openai"
settings = {{ base_url = "http://{address}/v1" }}
secrets = {{ api_key = "double" }}
[bindings.upstream.grant]
http = ["POST http://{address}/v1"]
secrets = ["api_key"]
[[models]]
id = "alpha"
binding = "upstream"
capabilities = ["embeddings"]
prices = {{ input = 1_000_000_000 }}
[[models]]
id = "beta"
binding = "upstream"
capabilities = ["embeddings"]
dimensions = 3
relevant_cosine = 0.8
[[models]]
id = "extractive"
binding = "extractive"
capabilities = ["chat"]
prices = {{ input = 1_000_000_000, output = 1_000_000_000 }}
"#
    )
}

fn plugins() -> Vec<(&'static str, bytes::Bytes)> {
    let names = [("hybrid.wasm", "hybrid"), ("openai.wasm", "openai"), ("extractive.wasm", "extractive")];
    names.map(|(file, name)| (file, shipped(name))).to_vec()
}

/// A host, a customer that pays beforehand, and what it asks.
struct Scene {
    double: Double,
    app: TestApp,
    customer: Tenant,
}

async fn scene(cents: i64) -> Scene {
    let (double, address) = Double::start().await;
    let app = TestApp::with(&config(&address), &plugins()).await;
    let customer = app.tenant("customer").await;
    let accounts = Accounts::of(app.app());
    accounts.set_plan(&Principal::Cli, &customer.organization, "professional").await.unwrap();
    let scene = Scene { double, app, customer };
    if cents > 0 {
        scene.credit(cents).await;
    }
    scene
}

impl Scene {
    async fn credit(&self, cents: i64) {
        let body =
            json!({"organizationId": self.customer.organization, "amountCents": cents, "reason": "a test"});
        self.app.post("/api/v1/billing/credits", &body).await.expect(200);
    }

    async fn base(&self, embedder: Value) -> String {
        let wanted = json!({ "name": "Handbook", "embedder": embedder });
        id(&self.app.post_as(&self.customer.key, BASES, &wanted).await.expect(201))
    }

    async fn shown(&self, base: &str) -> Value {
        self.app.get_as(&self.customer.key, &format!("{BASES}/{base}")).await.expect(200)
    }

    async fn upload(&self, base: &str, name: &str, text: &str) -> String {
        upload(&self.app, &self.customer.key, base, name, text).await
    }

    async fn document(&self, document: &str) -> Value {
        let path = format!("/api/v1/documents/{document}");
        self.app.get_as(&self.customer.key, &path).await.expect(200)
    }

    /// A document once it is as it is to be.
    async fn until(&self, document: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        until(&self.app, &self.customer.key, document, is_so).await
    }

    async fn embedded(&self, document: &str) {
        self.until(document, |it| it["status"] == "indexed" && it["coverage"]["share"] == 1.0).await;
    }

    async fn found(&self, base: &str, query: &str) -> Vec<Value> {
        found(&self.app, &self.customer.key, base, query).await
    }

    /// Requests and what they cost, by the model.
    async fn used(&self, model: &str) -> (i64, i64) {
        let path = "/api/v1/usage?group_by=model";
        let usage = self.app.get_as(&self.customer.key, path).await.expect(200);
        let found = usage["data"].as_array().unwrap().iter().find(|one| one["model"] == model);
        let number = |name: &str| found.map_or(0, |one| one[name].as_i64().unwrap());
        (number("requests"), number("charge_micro_credits"))
    }
}

async fn upload(app: &TestApp, key: &str, base: &str, name: &str, text: &str) -> String {
    let path = format!("{BASES}/{base}/documents");
    let sent = app.send(form(app, key, &path, &[("file", Some(name), text.as_bytes())])).await;
    assert!(sent.status.is_success(), "{}", sent.text());
    let told = sent.json();
    id(told["data"].get(0).unwrap_or(&told))
}

async fn until(app: &TestApp, key: &str, document: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let path = format!("/api/v1/documents/{document}");
    let mut latest = Value::Null;
    let asked = async {
        loop {
            latest = app.get_as(key, &path).await.expect(200);
            if is_so(&latest) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, asked).await.is_ok();
    assert!(in_time, "it never is so: {latest}");
    latest
}

async fn found(app: &TestApp, key: &str, base: &str, query: &str) -> Vec<Value> {
    let asked =
        json!({ "query": query, "knowledge": [base], "use_hybrid": true, "similarity_threshold": 0.0 });
    let found = app.post_as(key, "/api/v1/search", &asked).await.expect(200);
    found["results"].as_array().unwrap().clone()
}

fn assert_score(hit: &Value, model: &str, cut_off: f64, question: &str) {
    let expected = score(model, cut_off, question, hit["text"].as_str().unwrap());
    let there = hit["similarity_score"].as_f64().unwrap();
    assert_eq!(hit["score_kind"], "semantic", "{hit}");
    // Vectors are kept in a byte a number.
    assert!((there - expected).abs() < 0.02, "{there} is not {expected}: {hit}");
}

const TEXT: &str = "Unworn shoes can be returned, whales can not.";
const QUESTION: &str = "Can shoes be returned?";

#[tokio::test(flavor = "multi_thread")]
async fn vectors_of_documents_and_of_questions_are_charged_as_embeddings_are() {
    let scene = scene(1_000).await;
    let unsaid = json!({ "name": "Handbook", "embedder": { "model": "alpha" } });
    let refused = scene.app.post_as(&scene.customer.key, BASES, &unsaid).await.expect(422);
    assert_eq!(refused["error"]["details"]["field"], "embedder.dimensions", "{refused}");
    let chats = json!({ "name": "Handbook", "embedder": { "model": "extractive", "dimensions": 3 } });
    let refused = scene.app.post_as(&scene.customer.key, BASES, &chats).await.expect(422);
    assert!(refused["error"]["message"].as_str().unwrap().contains("`alpha`, `beta`"), "{refused}");

    let base = scene.base(json!({ "model": "alpha", "dimensions": 3 })).await;
    let document = scene.upload(&base, "returns.txt", TEXT).await;
    scene.embedded(&document).await;
    let seen = scene.double.seen();
    assert_eq!((seen.len(), &seen[0]["dimensions"]), (1, &json!(3)), "not the model's own: it is asked for");
    let read = tokens(seen[0]["input"][0].as_str().or(seen[0]["input"].as_str()).unwrap()) as i64;
    assert_eq!(scene.used("alpha").await, (1, read * PRICE));

    let hits = scene.found(&base, QUESTION).await;
    assert_score(&hits[0], "alpha", 0.30, QUESTION);
    let asked = tokens(QUESTION) as i64;
    assert_eq!(scene.used("alpha").await, (2, (read + asked) * PRICE), "within the search's own record");

    let message = json!({ "message": QUESTION, "knowledge": [base], "model": "extractive" });
    let answered = scene.app.post_as(&scene.customer.key, "/api/v1/chat", &message).await.expect(200);
    assert_eq!(answered["fallback_triggered"], false, "{answered}");
    let written = answered["tokens_used"]["total"].as_i64().unwrap();
    let both = (written + asked) * PRICE;
    assert_eq!(scene.used("extractive").await, (1, both), "both models in one record");
    let messages = json!([{ "role": "user", "content": QUESTION }]);
    let message = json!({ "messages": messages, "knowledge": [base], "model": "extractive" });
    let path = "/v1/chat/completions";
    let answered = scene.app.post_as(&scene.customer.key, path, &message).await.expect(200);
    let written = answered["usage"]["total_tokens"].as_i64().unwrap();
    assert_eq!(scene.used("extractive").await, (2, both + (written + asked) * PRICE));

    let test_key = key(&scene.app, &scene.customer, None, Role::Admin, false).await;
    let query = json!({ "query": QUESTION, "knowledge": [base] });
    scene.app.post_as(&test_key, "/api/v1/search", &query).await.expect(403);
    let named = json!({ "name": "Mine", "embedder": { "model": "beta" } });
    scene.app.post_as(&test_key, BASES, &named).await.expect(403);
    let sent =
        form(&scene.app, &test_key, &format!("{BASES}/{base}/documents"), &[("file", Some("a.txt"), b"a")]);
    assert_eq!(scene.app.send(sent).await.status, 403);
    assert_eq!(scene.double.seen().len(), 4, "a test key's texts leave for nowhere");
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_wait_for_money() {
    let scene = scene(0).await;
    let base = scene.base(json!({ "model": "alpha", "dimensions": 3 })).await;
    let document = scene.upload(&base, "returns.txt", TEXT).await;
    let waits = scene.until(&document, |it| it["reason"].is_string()).await;
    assert_eq!(waits["status"], "indexed");
    assert!(waits["reason"].as_str().unwrap().contains("wait for credits"), "{waits}");
    let hits = scene.found(&base, QUESTION).await;
    assert_eq!(
        (hits.len(), &hits[0]["score_kind"]),
        (1, &json!("lexical")),
        "by its words meanwhile, for nothing"
    );
    assert_eq!(scene.double.seen().len(), 0);
    assert_eq!(scene.used("alpha").await, (0, 0));

    scene.credit(1_000).await;
    scene.app.clock().advance(Duration::from_secs(30));
    scene.embedded(&document).await;
    assert_eq!(scene.document(&document).await["reason"], Value::Null);
    assert_score(&scene.found(&base, QUESTION).await[0], "alpha", 0.30, QUESTION);

    let budget = json!({ "spendCapCents": 0 });
    scene
        .app
        .ask(&scene.customer.key, Method::PUT, "/api/v1/billing/budget", Some(&budget))
        .await
        .expect(200);
    let before = scene.double.seen().len();
    let query = json!({ "query": QUESTION, "knowledge": [base] });
    let refused = scene.app.post_as(&scene.customer.key, "/api/v1/search", &query).await.expect(402);
    assert_eq!(refused["error"], "spend_cap_exceeded", "{refused}");
    assert_eq!(scene.double.seen().len(), before, "nothing is asked for that nobody pays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_fails_with_is_told_and_tried_again() {
    let scene = scene(1_000).await;
    let base = scene.base(json!({ "model": "beta" })).await;
    scene.double.is_in_trouble(Trouble::Limited(100));
    scene.double.is_in_trouble(Trouble::Status(500));
    scene.double.is_in_trouble(Trouble::Longer);
    let document = scene.upload(&base, "returns.txt", TEXT).await;
    let waits = scene.until(&document, |it| it["reason"].is_string()).await;
    assert!(waits["reason"].as_str().unwrap().contains("as the test has it"), "{waits}");
    assert_eq!(scene.double.seen()[0].get("dimensions"), None, "the model's own length is not asked for");
    // Another one does not knock at a door that is shut.
    let other = scene.upload(&base, "whales.txt", "Whales sing.").await;
    scene.until(&other, |it| it["status"] == "indexed").await;
    scene.app.clock().advance(Duration::from_secs(60));
    // Nor does it hold up what another model makes.
    let elsewhere = scene.base(json!({ "model": "alpha", "dimensions": 3 })).await;
    scene.embedded(&scene.upload(&elsewhere, "returns.txt", TEXT).await).await;
    let asked = scene.double.seen().iter().filter(|asked| asked["model"] == "beta").count();
    assert_eq!(asked, 1, "Retry-After is waited for");
    scene.app.clock().advance(Duration::from_secs(60));
    // Both are tried; one meets the 500, the other vectors of another length.
    let reasons = async || {
        let both = [scene.document(&document).await, scene.document(&other).await];
        both.map(|it| it["reason"].as_str().unwrap_or_default().to_owned())
    };
    let long = "vectors of 4 numbers, and 3 are wanted";
    let told = async {
        while !reasons().await.iter().any(|reason| reason.contains(long)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("the length is told");
    let made = async {
        let share = async |id: &str| scene.document(id).await["coverage"]["share"] == 1.0;
        while !(share(&document).await && share(&other).await) {
            scene.app.clock().advance(Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(PATIENCE, made).await.expect("vectors of both in the end");
    assert_eq!(reasons().await, ["", ""]);
    let hits = scene.found(&base, QUESTION).await;
    assert_score(&hits[0], "beta", 0.8, QUESTION);

    scene.double.is_in_trouble(Trouble::Longer);
    let query = json!({ "query": QUESTION, "knowledge": [base] });
    let refused = scene.app.post_as(&scene.customer.key, "/api/v1/search", &query).await.expect(422);
    assert!(refused["message"].as_str().unwrap().contains(long), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_model_takes_the_place_of_the_one_before_at_once() {
    let scene = scene(1_000).await;
    let base = scene.base(json!({ "model": "alpha", "dimensions": 3 })).await;
    let first = scene.upload(&base, "returns.txt", TEXT).await;
    let second = scene.upload(&base, "whales.txt", "Whales sing.").await;
    scene.embedded(&first).await;
    scene.embedded(&second).await;

    scene.double.open.send_replace(false);
    let change = json!({ "embedder": { "model": "beta" } });
    let one = format!("{BASES}/{base}");
    put(&scene.app, &scene.customer.key, &one, &change).await.expect(200);
    let waiting = async {
        while !scene.double.seen().iter().any(|asked| asked["model"] == "beta") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("new vectors are asked for");
    let shown = scene.shown(&base).await;
    assert_eq!(
        (&shown["embedder"]["model"], &shown["next_embedder"]["model"]),
        (&json!("alpha"), &json!("beta"))
    );
    assert_score(&scene.found(&base, QUESTION).await[0], "alpha", 0.30, QUESTION);

    scene.double.open.send_replace(true);
    let switched = async {
        while scene.shown(&base).await["next_embedder"] != Value::Null {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, switched).await.expect("the new vectors are searched");
    assert_eq!(scene.shown(&base).await["embedder"], json!({ "model": "beta", "dimensions": 3 }));
    assert_score(&scene.found(&base, QUESTION).await[0], "beta", 0.8, QUESTION);
    let paid = scene.used("alpha").await;

    // And back.
    let change = json!({ "embedder": { "model": "alpha", "dimensions": 3 } });
    put(&scene.app, &scene.customer.key, &one, &change).await.expect(200);
    let switched = async {
        while scene.shown(&base).await["next_embedder"] != Value::Null {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, switched).await.expect("the first model's are searched again");
    assert!(scene.used("alpha").await.0 >= paid.0 + 2, "made anew, and paid for");
    assert_score(&scene.found(&base, QUESTION).await[0], "alpha", 0.30, QUESTION);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_indexed_at_one_host_is_found_by_the_very_next_search_at_another() {
    let (_double, address) = Double::start().await;
    let Some([one, other]) = TestApp::pair(&config(&address), &plugins()).await else { return };
    let wanted = json!({ "name": "Handbook", "embedder": { "model": "beta" } });
    let base = id(&one.post(BASES, &wanted).await.expect(201));
    for number in 0..5 {
        let text = format!("Marker{number} stands beside shoes.");
        let document = upload(&one, one.key(), &base, &format!("{number}.txt"), &text).await;
        until(&one, one.key(), &document, |it| it["status"] == "indexed").await;
        let asked = format!("marker{number}");
        let hits = found(&other, other.key(), &base, &asked).await;
        assert!(hits.iter().any(|hit| hit["document_id"] == document), "{asked}: {hits:?}");
        until(&other, other.key(), &document, |it| it["coverage"]["share"] == 1.0).await;
        let hits = found(&other, other.key(), &base, &asked).await;
        assert!(
            hits.iter().all(|hit| hit["score_kind"] == "semantic"),
            "its vectors are there too: {hits:?}"
        );
        let gone = format!("{BASES}/{base}/documents/{document}");
        assert_eq!(other.delete(&gone).await.status, 204);
        assert_eq!(
            found(&one, one.key(), &base, &asked).await,
            [] as [Value; 0],
            "and gone by the very next"
        );
    }
}
