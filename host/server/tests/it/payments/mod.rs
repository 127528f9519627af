//! Payments: what is asked of a provider, which of its notices are taken, and what follows from them, in whichever
//! order they come.

mod notices;
mod pages;
mod refunds;
mod subscriptions;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::{Json, Router};
use hardpoint_domain::event::Event;
use hardpoint_domain::money::Credits;
use hardpoint_server::service::accounts::{Accounts, Principal};
use hardpoint_store::{Lane, credits, events, leases, organizations};
use hmac::{Hmac, KeyInit, Mac};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::support::{Answer, Tenant, TestApp};

const SECRET: &str = "whsec_test";
const FIFTY: i64 = 50_000_000;

/// What is asked for, and what lets its answer go.
type Held = (String, Arc<Notify>);

/// What a provider has, by path. It knows nothing of its documents: the black-box tests have one that does.
#[derive(Clone)]
struct Shelf {
    address: String,
    objects: Arc<Mutex<BTreeMap<String, Value>>>,
    /// What was asked for.
    asked: Arc<Mutex<Vec<String>>>,
    /// The next to come is answered with what is there then, once this is notified.
    hold_next: Arc<Mutex<Option<Arc<Notify>>>>,
    /// The same for the next to ask for this.
    hold_path: Arc<Mutex<Option<Held>>>,
}

impl Shelf {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let shelf = Self {
            address: listener.local_addr().unwrap().to_string(),
            objects: Arc::default(),
            asked: Arc::default(),
            hold_next: Arc::default(),
            hold_path: Arc::default(),
        };
        let router = Router::new().fallback(Self::answer).with_state(shelf.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        shelf
    }

    async fn answer(State(shelf): State<Self>, request: axum::extract::Request) -> impl IntoResponse {
        let path = request.uri().path().to_owned();
        let found = shelf.objects.lock().unwrap().get(&path).cloned();
        let of_path =
            shelf.hold_path.lock().unwrap().take_if(|(held, _)| *held == path).map(|(_, held)| held);
        let held = of_path.or_else(|| shelf.hold_next.lock().unwrap().take());
        shelf.asked.lock().unwrap().push(path);
        if let Some(held) = held {
            held.notified().await;
        }
        match found {
            Some(found) => (StatusCode::OK, Json(found)),
            None => (StatusCode::NOT_FOUND, Json(json!({"error": {"code": "resource_missing"}}))),
        }
    }

    fn put(&self, path: &str, object: Value) {
        self.objects.lock().unwrap().insert(format!("/v1/{path}"), object);
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    /// A checkout of one thing that is paid.
    fn checkout(&self, id: &str, organization: &str, price: &str) -> Value {
        let session = json!({
            "id": id, "object": "checkout.session", "mode": "payment", "payment_status": "paid",
            "customer": null, "client_reference_id": organization, "metadata": {},
            "payment_intent": format!("pi_{id}"), "subscription": null,
            "line_items": {"object": "list", "has_more": false, "data": [{"quantity": 1, "price": {"id": price}}]},
        });
        self.put(&format!("checkout/sessions/{id}"), session.clone());
        session
    }

    /// What went back of the only payment: refunds and disputes, each with its status.
    fn went_back(&self, session: &str, refunds: &[(i64, &str)], disputes: &[(i64, &str)]) {
        let list = |all: &[(i64, &str)]| {
            let of = |(amount, status): &(i64, &str)| json!({"amount": amount, "status": status});
            json!({"object": "list", "has_more": false, "data": all.iter().map(of).collect::<Vec<_>>()})
        };
        let payment = format!("payment_intents/pi_{session}");
        self.put(&payment, json!({"object": "payment_intent", "amount_received": 4_500}));
        self.put("refunds", list(refunds));
        self.put("disputes", list(disputes));
    }

    fn subscription(&self, id: &str, organization: &str, price: &str, status: &str) {
        let subscription = json!({
            "id": id, "object": "subscription", "status": status, "customer": "cus_1",
            "metadata": {"organization_id": organization},
            "items": {"object": "list", "has_more": false, "data": [{"quantity": 1, "price": {"id": price}}]},
        });
        self.put(&format!("subscriptions/{id}"), subscription);
    }
}

/// A host that sells, and an organisation on `free`.
async fn scene() -> (TestApp, Shelf, Tenant) {
    let shelf = Shelf::start().await;
    let toml = format!(
        r#"
        [egress]
        allow_internal = ["{0}"]
        [billing.stripe]
        address = "http://{0}"
        api_key = {{ value = "sk_test_1" }}
        webhook_secret = {{ value = "{SECRET}" }}
        success_url = "https://app.example.com/paid"
        allowed_origins = ["https://app.example.com"]
        prices = [
            {{ id = "price_pro", plan = "professional" }},
            {{ id = "price_std", plan = "standard" }},
            {{ id = "price_50", credits = 50 }},
        ]
        [plans.free]
        credits = 0
        "#,
        shelf.address
    );
    let app = TestApp::with(&toml, &[]).await;
    let tenant = app.tenant("Payers").await;
    Accounts::of(app.app()).set_plan(&Principal::Cli, &tenant.organization, "free").await.unwrap();
    (app, shelf, tenant)
}

fn signed(seconds: i64, body: &str, secret: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{seconds}.{body}").as_bytes());
    let hex: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={seconds},v1={hex}")
}

fn seconds(app: &TestApp) -> i64 {
    app.app().clock.now().seconds()
}

async fn send(app: &TestApp, body: &str, signature: Option<&str>) -> Answer {
    let mut request =
        Request::post("/api/v1/billing/webhook").header("content-type", "application/json; charset=utf-8");
    if let Some(signature) = signature {
        request = request.header("Stripe-Signature", signature);
    }
    app.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

fn event(id: &str, kind: &str, object: Value) -> String {
    json!({"id": id, "object": "event", "type": kind, "created": 1, "data": {"object": object}}).to_string()
}

/// Sends a notice, signed; what became of it.
async fn notify(app: &TestApp, id: &str, kind: &str, object: Value) -> String {
    let body = event(id, kind, object);
    let answer = send(app, &body, Some(&signed(seconds(app), &body, SECRET))).await.expect(200);
    assert_eq!(answer["received"], true);
    answer["outcome"].as_str().unwrap().to_owned()
}

async fn available(app: &TestApp, organization: &str) -> i64 {
    let found = credits::get(&mut app.app().store.read().await.unwrap(), organization).await.unwrap();
    found.map_or(0, |found| found.account.available.micros())
}

async fn plan(app: &TestApp, organization: &str) -> String {
    organizations::get(&mut app.app().store.read().await.unwrap(), organization).await.unwrap().unwrap().plan
}

/// Events of payments, oldest first.
async fn told(app: &TestApp) -> Vec<Event> {
    let all = events::list(&mut app.app().store.read().await.unwrap(), None, None, 200).await.unwrap();
    let mut all: Vec<Event> = all.into_iter().map(|stored| stored.event).collect();
    all.retain(|event| event.actor.kind == "payment_provider");
    all.reverse();
    all
}

async fn kinds(app: &TestApp) -> Vec<String> {
    told(app).await.into_iter().map(|event| event.kind).collect()
}

/// The members of the last event of a kind.
async fn last(app: &TestApp, kind: &str) -> Value {
    let told = told(app).await;
    told.into_iter().rev().find(|event| event.kind == kind).expect(kind).after.unwrap()
}
