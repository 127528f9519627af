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
use crate::knowledge::{id, key};
use crate::support::{Tenant, TestApp, shipped};

pub(crate) const BASES: &str = "/api/v1/knowledge";
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Micro-credits for a token.
const PRICE: i64 = 1_000;

/// An answer in the place of vectors.
#[derive(Clone, Copy)]
pub(crate) enum Trouble {
    /// 429, with so many seconds to wait.
    Limited(u64),
    /// A status.
    Status(u16),
    /// Vectors with one number more.
    Longer,
}

/// OpenAI's `/v1/embeddings`: a vector counts words that mean something, and each model has a length for the rest.
#[derive(Clone)]
pub(crate) struct Double {
    seen: Arc<Mutex<Vec<Value>>>,
    troubles: Arc<Mutex<VecDeque<Trouble>>>,
    /// Whether `beta` answers; it alone is in trouble.
    pub(crate) open: watch::Sender<bool>,
    /// Whether questions that ask for patience are answered.
    pub(crate) patience: watch::Sender<bool>,
}

impl Double {
    pub(crate) async fn start() -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (open, patience) = (watch::Sender::new(true), watch::Sender::new(true));
        let double = Self { seen: Arc::default(), troubles: Arc::default(), open, patience };
        let router = Router::new().route("/v1/embeddings", post(answer)).with_state(double.clone());
        tokio::spawn(async move { axum_serve(listener, router).await });
        (double, address)
    }

    pub(crate) fn is_in_trouble(&self, trouble: Trouble) {
        self.troubles.lock().unwrap().push_back(trouble);
    }

    pub(crate) fn seen(&self) -> Vec<Value> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until a model was asked for such a text so often.
    pub(crate) async fn is_asked(&self, model: &str, text: &str, times: usize) {
        let is_it = |asked: &&Value| asked["model"] == model && asked["input"].to_string().contains(text);
        let asked = async {
            while self.seen().iter().filter(is_it).count() < times {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asked).await.expect("it is asked for");
    }
}

async fn answer(State(double): State<Double>, Json(asked): Json<Value>) -> Response {
    double.seen.lock().unwrap().push(asked.clone());
    if asked["model"] == "beta" {
        double.open.subscribe().wait_for(|open| *open).await.unwrap();
    }
    if asked["input"].to_string().contains("patience") {
        double.patience.subscribe().wait_for(|patience| *patience).await.unwrap();
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

pub(crate) fn config(address: &str) -> String {
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

pub(crate) fn plugins() -> Vec<(&'static str, bytes::Bytes)> {
    let names = [("hybrid.wasm", "hybrid"), ("openai.wasm", "openai"), ("extractive.wasm", "extractive")];
    names.map(|(file, name)| (file, shipped(name))).to_vec()
}

/// A host, a customer that pays beforehand, and what it asks.
pub(crate) struct Scene {
    pub(crate) double: Double,
    pub(crate) app: TestApp,
    pub(crate) customer: Tenant,
}

pub(crate) async fn scene(cents: i64) -> Scene {
    scene_with(cents, "").await
}

/// The same, with more of `hardpoint.toml`.
pub(crate) async fn scene_with(cents: i64, toml: &str) -> Scene {
    let (double, address) = Double::start().await;
    let app = TestApp::with(&(config(&address) + toml), &plugins()).await;
    let customer = customer(&app, "customer", cents).await;
    Scene { double, app, customer }
}

/// Who pays beforehand, and has paid so much.
async fn customer(app: &TestApp, name: &str, cents: i64) -> Tenant {
    let customer = app.tenant(name).await;
    let accounts = Accounts::of(app.app());
    accounts.set_plan(&Principal::Cli, &customer.organization, "professional").await.unwrap();
    if cents > 0 {
        credit(app, &customer, cents).await;
    }
    customer
}

async fn credit(app: &TestApp, customer: &Tenant, cents: i64) {
    let body = json!({"organizationId": customer.organization, "amountCents": cents, "reason": "a test"});
    app.post("/api/v1/billing/credits", &body).await.expect(200);
}

impl Scene {
    /// With the same host and provider, of another organisation.
    async fn beside(&self, name: &str, cents: i64) -> Tenant {
        customer(&self.app, name, cents).await
    }

    pub(crate) async fn base(&self, embedder: Value) -> String {
        base(&self.app, &self.customer, embedder).await
    }

    pub(crate) async fn shown(&self, base: &str) -> Value {
        self.app.get_as(&self.customer.key, &format!("{BASES}/{base}")).await.expect(200)
    }

    pub(crate) async fn upload(&self, base: &str, name: &str, text: &str) -> String {
        upload(&self.app, &self.customer.key, base, name, text).await
    }

    pub(crate) async fn document(&self, document: &str) -> Value {
        let path = format!("/api/v1/documents/{document}");
        self.app.get_as(&self.customer.key, &path).await.expect(200)
    }

    /// A document once it is as it is to be.
    pub(crate) async fn until(&self, document: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        until(&self.app, &self.customer.key, document, is_so).await
    }

    pub(crate) async fn embedded(&self, document: &str) {
        self.until(document, |it| it["status"] == "indexed" && it["coverage"]["share"] == 1.0).await;
    }

    pub(crate) async fn found(&self, base: &str, query: &str) -> Vec<Value> {
        found(&self.app, &self.customer.key, base, query).await
    }

    /// Requests and what they cost, by the model.
    pub(crate) async fn used(&self, model: &str) -> (i64, i64) {
        let path = "/api/v1/usage?group_by=model";
        let usage = self.app.get_as(&self.customer.key, path).await.expect(200);
        let found = usage["data"].as_array().unwrap().iter().find(|one| one["model"] == model);
        let number = |name: &str| found.map_or(0, |one| one[name].as_i64().unwrap());
        (number("requests"), number("charge_micro_credits"))
    }
}

async fn base(app: &TestApp, customer: &Tenant, embedder: Value) -> String {
    let wanted = json!({ "name": "Handbook", "embedder": embedder });
    id(&app.post_as(&customer.key, BASES, &wanted).await.expect(201))
}

pub(crate) async fn upload(app: &TestApp, key: &str, base: &str, name: &str, text: &str) -> String {
    let path = format!("{BASES}/{base}/documents");
    let sent = app.send(form(app, key, &path, &[("file", Some(name), text.as_bytes())])).await;
    assert!(sent.status.is_success(), "{}", sent.text());
    let told = sent.json();
    id(told["data"].get(0).unwrap_or(&told))
}

pub(crate) async fn until(app: &TestApp, key: &str, document: &str, is_so: impl Fn(&Value) -> bool) -> Value {
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

pub(crate) async fn found(app: &TestApp, key: &str, base: &str, query: &str) -> Vec<Value> {
    let asked =
        json!({ "query": query, "knowledge": [base], "use_hybrid": true, "similarity_threshold": 0.0 });
    let found = app.post_as(key, "/api/v1/search", &asked).await.expect(200);
    found["results"].as_array().unwrap().clone()
}

pub(crate) fn assert_score(hit: &Value, model: &str, cut_off: f64, question: &str) {
    let expected = score(model, cut_off, question, hit["text"].as_str().unwrap());
    let there = hit["similarity_score"].as_f64().unwrap();
    assert_eq!(hit["score_kind"], "semantic", "{hit}");
    // Vectors are kept in a byte a number.
    assert!((there - expected).abs() < 0.02, "{there} is not {expected}: {hit}");
}

pub(crate) const TEXT: &str = "Unworn shoes can be returned, whales can not.";
pub(crate) const QUESTION: &str = "Can shoes be returned?";

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

    credit(&scene.app, &scene.customer, 1_000).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_hangs_holds_up_nothing_that_is_done_here() {
    let scene = scene(0).await;
    scene.double.open.send_replace(false);
    for name in ["one", "another"] {
        let customer = scene.beside(name, 0).await;
        let base = base(&scene.app, &customer, json!({ "model": "beta" })).await;
        for number in 0..3 {
            let text = format!("Whale {number} sings for {name}.");
            upload(&scene.app, &customer.key, &base, &format!("{number}.txt"), &text).await;
        }
    }
    // As many as a host has at once.
    scene.double.is_asked("beta", "Whale", 2).await;
    let words = scene.base(Value::Null).await;
    let document = scene.upload(&words, "returns.txt", TEXT).await;
    scene.until(&document, |it| it["status"] == "indexed").await;
    scene.double.open.send_replace(true);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_model_does_not_do_for_one_organisation_it_does_for_others() {
    let scene = scene(1_000).await;
    let unlucky = scene.beside("unlucky", 1_000).await;
    let base_of = base(&scene.app, &unlucky, json!({ "model": "alpha", "dimensions": 7 })).await;
    let longer = upload(&scene.app, &unlucky.key, &base_of, "returns.txt", TEXT).await;
    let waits = until(&scene.app, &unlucky.key, &longer, |it| it["reason"].is_string()).await;
    let told = "vectors of 3 numbers, and 7 are wanted";
    assert!(waits["reason"].as_str().unwrap().contains(told), "{waits}");
    let base = scene.base(json!({ "model": "alpha", "dimensions": 3 })).await;
    scene.embedded(&scene.upload(&base, "returns.txt", TEXT).await).await;
    // Nor is the next of its own tried.
    let other = upload(&scene.app, &unlucky.key, &base_of, "whales.txt", "Whales sing.").await;
    until(&scene.app, &unlucky.key, &other, |it| it["status"] == "indexed").await;
    scene.embedded(&scene.upload(&base, "more.txt", "Shoes are sold.").await).await;
    let sevens = scene.double.seen().iter().filter(|asked| asked["dimensions"] == 7).count();
    assert_eq!(sevens, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_bought_once_for_all_knowledge_bases_of_a_model() {
    let scene = scene(1_000).await;
    let embedder = json!({ "model": "alpha", "dimensions": 3 });
    let bases = [scene.base(embedder.clone()).await, scene.base(embedder).await];
    for base in &bases {
        scene.embedded(&scene.upload(base, "returns.txt", TEXT).await).await;
    }
    let (requests, paid) = scene.used("alpha").await;
    let query = json!({ "query": QUESTION, "knowledge": bases, "similarity_threshold": 0.0 });
    let found = scene.app.post_as(&scene.customer.key, "/api/v1/search", &query).await.expect(200);
    assert_eq!(found["results"].as_array().unwrap().len(), 2, "{found}");
    assert_eq!(scene.used("alpha").await, (requests + 1, paid + tokens(QUESTION) as i64 * PRICE));
}
