//! Payments: what is asked of a provider, which of its notices are taken, and what follows from them, in whichever
//! order they come.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::{Json, Router};
use hardpoint_domain::event::Event;
use hardpoint_server::service::accounts::{Accounts, Principal};
use hardpoint_store::{credits, events, organizations};
use hmac::{Hmac, KeyInit, Mac};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::support::{Answer, Tenant, TestApp};

const SECRET: &str = "whsec_test";
const FIFTY: i64 = 50_000_000;

/// What a provider has, by path. It knows nothing of its documents: the black-box tests have one that does.
#[derive(Clone)]
struct Shelf {
    address: String,
    objects: Arc<Mutex<BTreeMap<String, Value>>>,
    /// What was asked for.
    asked: Arc<Mutex<Vec<String>>>,
    /// The next to come is answered with what is there then, once this is notified.
    hold_next: Arc<Mutex<Option<Arc<Notify>>>>,
}

impl Shelf {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let shelf = Self {
            address: listener.local_addr().unwrap().to_string(),
            objects: Arc::default(),
            asked: Arc::default(),
            hold_next: Arc::default(),
        };
        let router = Router::new().fallback(Self::answer).with_state(shelf.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        shelf
    }

    async fn answer(State(shelf): State<Self>, request: axum::extract::Request) -> impl IntoResponse {
        let path = request.uri().path().to_owned();
        let found = shelf.objects.lock().unwrap().get(&path).cloned();
        let held = shelf.hold_next.lock().unwrap().take();
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

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_nothing_is_sold() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Payers").await;
    for (path, body) in [
        ("/api/v1/billing/checkout", json!({"planKey": "professional"})),
        ("/api/v1/billing/portal", json!({})),
        ("/api/v1/billing/webhook", json!({"id": "evt_1"})),
    ] {
        let answer = app.post_as(&tenant.key, path, &body).await.expect(503);
        assert_eq!(answer["error"]["type"], "billing_provider_not_configured", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_bought_has_to_be_for_sale_and_lead_somewhere_allowed() {
    let (app, shelf, tenant) = scene().await;
    let plan = |more: Value| {
        let mut body = json!({"planKey": "professional"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (body, status, field) in [
        (json!({}), 400, "planKey"),
        (json!({"planKey": "professional", "credits": 50}), 400, "planKey"),
        (json!({"planKey": "professional", "seats": 3}), 400, "seats"),
        (json!({"planKey": "enterprise"}), 422, "planKey"),
        (json!({"planKey": "gold"}), 422, "planKey"),
        (json!({"credits": 51}), 422, "credits"),
        (json!({"credits": -50}), 422, "credits"),
        (json!({"credits": i64::MAX}), 422, "credits"),
        (json!({"priceId": "price_1"}), 422, "priceId"),
        (plan(json!({"successUrl": "https://evil.example/"})), 422, "successUrl"),
        (plan(json!({"cancelUrl": "https://app.example.com.evil.example/"})), 422, "cancelUrl"),
        (plan(json!({"cancelUrl": "https://app.example.com:8443/"})), 422, "cancelUrl"),
        (plan(json!({"cancelUrl": "https://you@app.example.com/"})), 400, "cancelUrl"),
        (plan(json!({"successUrl": "javascript:alert(1)"})), 400, "successUrl"),
    ] {
        let answer = app.post_as(&tenant.key, "/api/v1/billing/checkout", &body).await.expect(status);
        assert_eq!(answer["error"]["details"]["field"], field, "{body}: {answer}");
    }
    let body = json!({"returnUrl": "https://evil.example/"});
    app.post_as(&tenant.key, "/api/v1/billing/portal", &body).await.expect(422);
    let member = app.key_of(hardpoint_store::keys::Role::Member).await;
    app.post_as(&member, "/api/v1/billing/checkout", &json!({"credits": 50})).await.expect(403);
    let test = json!({"livemode": false, "scopes": ["write:billing"]});
    let test = app.post_as(&tenant.key, "/api/v1/api_keys", &test).await.expect(201);
    let test = test["key"].as_str().unwrap();
    app.post_as(test, "/api/v1/billing/checkout", &json!({"credits": 50})).await.expect(403);
    assert_eq!(shelf.asked(), 0);
    // It is not there: what the provider says is for the log, and the key for nobody.
    let answer = app.post_as(&tenant.key, "/api/v1/billing/checkout", &json!({"credits": 50})).await;
    assert_eq!(answer.expect(502)["error"]["type"], "billing_provider_refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_opened_for_a_customer_who_is_kept() {
    let (app, shelf, tenant) = scene().await;
    shelf.put("customers", json!({"id": "cus_7"}));
    shelf.put("checkout/sessions", json!({"id": "cs_1", "url": "https://checkout.example/cs_1"}));
    shelf.put("billing_portal/sessions", json!({"id": "bps_1", "url": "https://billing.example/bps_1"}));
    let opened =
        app.post_as(&tenant.key, "/api/v1/billing/checkout", &json!({"credits": 50})).await.expect(200);
    assert_eq!(opened, json!({"id": "cs_1", "url": "https://checkout.example/cs_1"}));
    let body = json!({"returnUrl": "https://app.example.com/x"});
    let opened = app.post_as(&tenant.key, "/api/v1/billing/portal", &body).await.expect(200);
    assert_eq!(opened["id"], "bps_1");
    let asked = shelf.asked.lock().unwrap().clone();
    assert_eq!(asked, ["/v1/customers", "/v1/checkout/sessions", "/v1/billing_portal/sessions"]);
    let all =
        events::list(&mut app.app().store.read().await.unwrap(), Some(&tenant.organization), None, 3).await;
    let kinds: Vec<_> = all.unwrap().into_iter().rev().map(|stored| stored.event.kind).collect();
    assert_eq!(kinds, ["billing.customer_created", "billing.checkout_started", "billing.portal_opened"]);
    // Who has a subscription changes that one.
    shelf.subscription("sub_1", &tenant.organization, "price_std", "active");
    let id = json!({"id": "sub_1"});
    assert_eq!(notify(&app, "evt_1", "customer.subscription.created", id).await, "done");
    let again =
        app.post_as(&tenant.key, "/api/v1/billing/checkout", &json!({"planKey": "professional"})).await;
    assert_eq!(again.expect(409)["error"]["type"], "subscription_exists");
    app.post_as(&tenant.key, "/api/v1/billing/checkout", &json!({"credits": 50})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_signed_is_taken() {
    let (app, shelf, tenant) = scene().await;
    let session = shelf.checkout("cs_1", &tenant.organization, "price_50");
    let body = event("evt_1", "checkout.session.completed", session);
    let now = seconds(&app);
    for signature in [
        None,
        Some(String::new()),
        Some("t=1,v1=00".to_owned()),
        Some(signed(now, &body, "whsec_other")),
        Some(signed(now, &format!("{body} "), SECRET)),
        Some(signed(now - 302, &body, SECRET)),
        Some(signed(now + 302, &body, SECRET)),
        Some(signed(now, &body, SECRET).replace("v1=", "v0=")),
    ] {
        let answer = send(&app, &body, signature.as_deref()).await.expect(401);
        assert_eq!(answer["error"]["type"], "invalid_signature", "{signature:?}");
    }
    // What was overheard is worth nothing five minutes later.
    let overheard = signed(now, &body, SECRET);
    app.clock().advance(Duration::from_secs(302));
    send(&app, &body, Some(&overheard)).await.expect(401);
    assert_eq!((shelf.asked(), available(&app, &tenant.organization).await), (0, 0));
    // Signed, and still nothing that can be taken.
    for (body, status) in [
        ("[]".to_owned(), 400),
        ("{}".to_owned(), 400),
        (event("../evt", "charge.refunded", json!({})), 400),
        (event("evt_1", "customer.subscription.created", json!({"id": "../customers"})), 400),
        (event("evt_1", "checkout.session.completed", json!({})), 400),
        (event("evt_1", "charge.refunded", json!({"amount": "x"})), 400),
        (event("evt_1", "customer.subscription.updated", json!({"id": "sub_of_another_account"})), 502),
        (" ".repeat((1 << 20) + 1), 413),
    ] {
        let answer = send(&app, &body, Some(&signed(seconds(&app), &body, SECRET))).await;
        assert_eq!(answer.status, status, "{body:.80}: {}", answer.text());
    }
    assert_eq!(notify(&app, "evt_2", "invoice.paid", json!({"id": "in_1"})).await, "ignored");
    assert!(kinds(&app).await.is_empty());
    // While the secret is replaced there are two signatures.
    let now = seconds(&app);
    let (old, new) = (signed(now, &body, "whsec_old"), signed(now, &body, SECRET));
    let both = format!("{old},{}", new.split_once(',').unwrap().1);
    assert_eq!(send(&app, &body, Some(&both)).await.expect(200)["outcome"], "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn credits_are_booked_once_and_only_when_they_are_paid() {
    let (app, shelf, tenant) = scene().await;
    let organization = &tenant.organization;
    let mut session = shelf.checkout("cs_1", organization, "price_50");
    session["payment_status"] = json!("unpaid");
    shelf.put("checkout/sessions/cs_1", session.clone());
    let (completed, paid) = ("checkout.session.completed", "checkout.session.async_payment_succeeded");
    assert_eq!(notify(&app, "evt_1", completed, session.clone()).await, "ignored");
    assert_eq!(available(&app, organization).await, 0);
    session["payment_status"] = json!("paid");
    shelf.put("checkout/sessions/cs_1", session.clone());
    assert_eq!(notify(&app, "evt_2", paid, session.clone()).await, "done");
    assert_eq!(available(&app, organization).await, FIFTY);
    // The same notice, and another of the same payment.
    let asked = shelf.asked();
    assert_eq!(notify(&app, "evt_2", paid, session.clone()).await, "known");
    assert_eq!(shelf.asked(), asked);
    assert_eq!(notify(&app, "evt_1", completed, session).await, "known");
    assert_eq!(available(&app, organization).await, FIFTY);
    assert_eq!(kinds(&app).await, ["billing.credits_purchased"]);
    let about = last(&app, "billing.credits_purchased").await;
    assert_eq!(
        about,
        json!({
            "session": "cs_1", "prices": ["price_50"], "notice": "evt_2", "transfer": "pay:pi_cs_1",
            "amount_micro_credits": FIFTY,
        })
    );
    let books = Accounts::of(app.app())
        .books(&Principal::Cli, Some(organization), hardpoint_store::Window { limit: 10, offset: 0 })
        .await
        .unwrap();
    assert_eq!(books.1.iter().map(|(_, sum)| sum.micros()).sum::<i64>(), 0);
    assert_eq!(books.0[0].transfer_id, "pay:pi_cs_1");
    // Twice the same, of two packs.
    let mut session = shelf.checkout("cs_2", organization, "price_50");
    session["line_items"]["data"][0]["quantity"] = json!(2);
    shelf.put("checkout/sessions/cs_2", session.clone());
    assert_eq!(notify(&app, "evt_3", completed, session).await, "done");
    assert_eq!(available(&app, organization).await, 3 * FIFTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_nothing_here_is_told_to_operators_and_may_come_again() {
    let (app, shelf, tenant) = scene().await;
    let completed = "checkout.session.completed";
    let never = format!("org_{}", "0".repeat(32));
    let session = shelf.checkout("cs_1", &never, "price_50");
    assert_eq!(notify(&app, "evt_1", completed, session.clone()).await, "unmatched");
    assert_eq!(notify(&app, "evt_1", completed, session).await, "unmatched");
    let session = shelf.checkout("cs_2", &tenant.organization, "price_of_something_else");
    assert_eq!(notify(&app, "evt_2", completed, session).await, "unmatched");
    let mut session = shelf.checkout("cs_3", &tenant.organization, "price_50");
    session["payment_status"] = json!("no_payment_required");
    shelf.put("checkout/sessions/cs_3", session.clone());
    assert_eq!(notify(&app, "evt_3", completed, session).await, "unmatched");
    shelf.subscription("sub_1", &tenant.organization, "price_of_something_else", "active");
    let id = json!({"id": "sub_1"});
    assert_eq!(notify(&app, "evt_4", "customer.subscription.created", id).await, "unmatched");
    let told = told(&app).await;
    let reasons: Vec<_> = told.iter().map(|event| event.after.as_ref().unwrap()["reason"].clone()).collect();
    assert_eq!(reasons, ["unknown_organization", "unknown_price", "nothing_was_paid", "unknown_price"]);
    assert!(told.iter().all(|event| event.kind == "billing.payment_unmatched"));
    let of: Vec<_> = told.iter().map(|event| event.organization_id.as_deref()).collect();
    let whose = Some(tenant.organization.as_str());
    assert_eq!(of, [None, whose, None, whose]);
    assert_eq!(
        (available(&app, &tenant.organization).await, plan(&app, &tenant.organization).await),
        (0, "free".into())
    );
    // Somebody has seen to it, and has it sent again.
    let session = shelf.checkout("cs_2", &tenant.organization, "price_50");
    assert_eq!(notify(&app, "evt_2", completed, session).await, "done");
    assert_eq!(available(&app, &tenant.organization).await, FIFTY);
}

fn charge(session: &str, refunded: i64) -> Value {
    json!({
        "id": format!("ch_{session}"), "object": "charge", "payment_intent": format!("pi_{session}"),
        "amount": 4_500, "amount_refunded": refunded, "currency": "usd",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_takes_back_its_share() {
    let (app, shelf, tenant) = scene().await;
    let organization = &tenant.organization;
    let session = shelf.checkout("cs_1", organization, "price_50");
    notify(&app, "evt_1", "checkout.session.completed", session).await;
    assert_eq!(notify(&app, "evt_2", "charge.refunded", charge("cs_1", 1_500)).await, "done");
    assert_eq!(available(&app, organization).await, FIFTY - 16_666_666);
    // The last and the one before change places.
    assert_eq!(notify(&app, "evt_4", "charge.refunded", charge("cs_1", 4_500)).await, "done");
    assert_eq!(available(&app, organization).await, 0);
    assert_eq!(notify(&app, "evt_3", "charge.refunded", charge("cs_1", 3_000)).await, "done");
    assert_eq!(notify(&app, "evt_2", "charge.refunded", charge("cs_1", 1_500)).await, "known");
    assert_eq!(available(&app, organization).await, 0);
    let taken = "billing.credits_taken_back";
    assert_eq!(kinds(&app).await, ["billing.credits_purchased", taken, taken]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_comes_first_is_not_forgotten() {
    let (app, shelf, tenant) = scene().await;
    let organization = &tenant.organization;
    let session = shelf.checkout("cs_1", organization, "price_50");
    assert_eq!(notify(&app, "evt_2", "charge.refunded", charge("cs_1", 4_500)).await, "unmatched");
    assert_eq!(notify(&app, "evt_1", "checkout.session.completed", session).await, "done");
    assert_eq!(available(&app, organization).await, 0);
    let (unmatched, bought) = ("billing.payment_unmatched", "billing.credits_purchased");
    assert_eq!(kinds(&app).await, [unmatched, bought, "billing.credits_taken_back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_before_its_refund_is_told() {
    let (app, shelf, tenant) = scene().await;
    let organization = &tenant.organization;
    let session = shelf.checkout("cs_1", organization, "price_50");
    notify(&app, "evt_1", "checkout.session.completed", session).await;
    let body = json!({"organizationId": organization, "amountCents": -3_000, "reason": "spent"});
    app.post("/api/v1/billing/credits", &body).await.expect(200);
    assert_eq!(notify(&app, "evt_2", "charge.refunded", charge("cs_1", 4_500)).await, "done");
    assert_eq!(available(&app, organization).await, 0);
    assert_eq!(last(&app, "billing.credits_taken_back").await["amount_micro_credits"], 20_000_000);
    assert_eq!(last(&app, "billing.refund_uncovered").await["amount_micro_credits"], 30_000_000);
    // Nothing is left of it to be taken: what comes in later is another payment's.
    let session = shelf.checkout("cs_2", organization, "price_50");
    notify(&app, "evt_3", "checkout.session.completed", session).await;
    assert_eq!(notify(&app, "evt_4", "charge.refunded", charge("cs_1", 4_500)).await, "done");
    assert_eq!(available(&app, organization).await, FIFTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_gives_its_plan_as_long_as_it_is_paid() {
    let (app, shelf, tenant) = scene().await;
    let organization = &tenant.organization;
    let mut count = 0;
    for (id, price, status, outcome, expected) in [
        ("sub_1", "price_std", "incomplete", "ignored", "free"),
        ("sub_1", "price_std", "active", "done", "standard"),
        ("sub_1", "price_std", "past_due", "done", "standard"),
        // Changed on the provider's page.
        ("sub_1", "price_pro", "active", "done", "professional"),
        // A second one is no more than the larger one.
        ("sub_2", "price_std", "active", "done", "professional"),
        ("sub_1", "price_pro", "canceled", "done", "standard"),
        // To something that is not sold here: as it was.
        ("sub_2", "price_1", "active", "unmatched", "standard"),
        ("sub_2", "price_1", "unpaid", "done", "free"),
        ("sub_2", "price_std", "active", "done", "standard"),
    ] {
        count += 1;
        shelf.subscription(id, organization, price, status);
        let kind = "customer.subscription.updated";
        let became = notify(&app, &format!("evt_{count}"), kind, json!({"id": id})).await;
        assert_eq!(
            (became.as_str(), plan(&app, organization).await.as_str()),
            (outcome, expected),
            "{count}"
        );
    }
    // What an operator chose meanwhile stays when it ends.
    Accounts::of(app.app()).set_plan(&Principal::Cli, organization, "enterprise").await.unwrap();
    shelf.subscription("sub_2", organization, "price_std", "canceled");
    notify(&app, "evt_last", "customer.subscription.deleted", json!({"id": "sub_2"})).await;
    assert_eq!(plan(&app, organization).await, "enterprise");
    let changed = last(&app, "organization.plan_changed").await;
    assert_eq!((&changed["plan"], &changed["subscription"]), (&json!("standard"), &json!("sub_2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_notices_of_a_subscription_change_nothing() {
    let (app, shelf, tenant) = scene().await;
    let organization = &tenant.organization;
    shelf.subscription("sub_1", organization, "price_pro", "canceled");
    assert_eq!(notify(&app, "evt_3", "customer.subscription.deleted", json!({"id": "sub_1"})).await, "done");
    for id in ["evt_1", "evt_2"] {
        let told = json!({"id": "sub_1", "status": "active"});
        assert_eq!(notify(&app, id, "customer.subscription.updated", told).await, "done");
    }
    assert_eq!(plan(&app, organization).await, "free");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_overtaken_is_asked_for_again() {
    let (app, shelf, tenant) = scene().await;
    let (app, organization) = (Arc::new(app), tenant.organization.clone());
    let id = json!({"id": "sub_1"});
    shelf.subscription("sub_1", &organization, "price_pro", "active");
    assert_eq!(notify(&app, "evt_1", "customer.subscription.created", id.clone()).await, "done");
    // The answer to the first one is on its way while the second overtakes it.
    let held = Arc::new(Notify::new());
    *shelf.hold_next.lock().unwrap() = Some(Arc::clone(&held));
    let asked = shelf.asked();
    let first = tokio::spawn({
        let (app, id) = (Arc::clone(&app), id.clone());
        async move { notify(&app, "evt_2", "customer.subscription.updated", id).await }
    });
    while shelf.asked() == asked {
        tokio::task::yield_now().await;
    }
    shelf.subscription("sub_1", &organization, "price_pro", "canceled");
    assert_eq!(notify(&app, "evt_3", "customer.subscription.deleted", id).await, "done");
    assert_eq!(plan(&app, &organization).await, "free");
    held.notify_one();
    assert_eq!(first.await.unwrap(), "done");
    assert_eq!((shelf.asked(), plan(&app, &organization).await), (asked + 3, "free".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_found_wherever_they_are_kept() {
    let shelf = Shelf::start().await;
    let toml = format!(
        r#"
        [egress]
        allow_internal = ["{0}"]
        [secrets.stripe]
        value = "sk_test_1"
        audience = "https://api.stripe.com"
        [billing.stripe]
        address = "http://{0}"
        api_key = {{ secret = "stripe" }}
        webhook_secret = {{ secret = "nowhere" }}
        success_url = "https://app.example.com/paid"
        prices = [{{ id = "price_50", credits = 50 }}]
        "#,
        shelf.address
    );
    let app = TestApp::with(&toml, &[]).await;
    let tenant = app.tenant("Payers").await;
    // It may be sent to its audience alone, and this is somebody else.
    let answer =
        app.post_as(&tenant.key, "/api/v1/billing/checkout", &json!({"credits": 50})).await.expect(502);
    assert_eq!(answer["error"]["type"], "billing_provider_unreachable");
    assert_eq!(shelf.asked(), 0);
    let answer = send(&app, "{}", Some("t=1,v1=00")).await.expect(503);
    assert_eq!(answer["error"]["type"], "billing_provider_not_configured");
    let shown = app.ask(app.key(), Method::GET, "/api/v1/configs", None).await;
    assert!(!shown.text().contains("sk_test_1"), "{}", shown.text());
}
