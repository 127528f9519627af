//! `/webhook_endpoints`, and what arrives.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use hardpoint_domain::webhook::answer::Outcome;
use hardpoint_domain::webhook::breaker::{Breaker, THRESHOLD};
use hardpoint_server::service::webhooks::round::Round;
use hardpoint_server::service::webhooks::send::Tried;
use hardpoint_server::state::App;
use hardpoint_server::worker::sequencer::number_all;
use hardpoint_store::outbox::{Attempt, Delivery, State};
use hardpoint_store::{Lane, events, retention, webhooks};
use http::{HeaderMap, Method, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::support::{Answer, TestApp};

pub(crate) const ENDPOINTS: &str = "/api/v1/webhook_endpoints";
/// How long a test waits for what should come at once.
const PATIENCE: Duration = Duration::from_secs(60);

/// A receiver on the loopback address, which answers what it is told to, and 204 then.
struct Receiver {
    port: u16,
    answers: Arc<Mutex<VecDeque<Response<Body>>>>,
    arrived: mpsc::UnboundedReceiver<(HeaderMap, Bytes)>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers: Arc<Mutex<VecDeque<Response<Body>>>> = Arc::default();
        let (sender, arrived) = mpsc::unbounded_channel();
        let scripted = answers.clone();
        let service = Router::new().fallback(move |headers: HeaderMap, body: Bytes| async move {
            let _ = sender.send((headers, body));
            let next = scripted.lock().unwrap().pop_front();
            next.unwrap_or_else(|| Response::builder().status(204).body(Body::empty()).unwrap())
        });
        tokio::spawn(crate::exports::axum_serve(listener, service));
        Self { port, answers, arrived }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// The configuration of a host that may send to it.
    fn allowed(&self) -> String {
        format!("[egress]\nallow_internal_webhooks = [\"127.0.0.1:{}\"]\n", self.port)
    }

    async fn host(&self) -> TestApp {
        TestApp::with(&self.allowed(), &[]).await
    }

    fn answer(&self, status: u16, headers: &[(&str, &str)]) {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        self.answers.lock().unwrap().push_back(response.body(Body::empty()).unwrap());
    }

    async fn next(&mut self) -> (HeaderMap, Value) {
        let next = tokio::time::timeout(PATIENCE, self.arrived.recv()).await;
        let (headers, body) = next.expect("it comes").unwrap();
        (headers, serde_json::from_slice(&body).unwrap())
    }
}

pub(crate) async fn put(app: &TestApp, path: &str, body: &Value) -> Answer {
    app.send(app.request(Method::PUT, path, Some(body))).await
}

/// Makes an endpoint; its path and secret.
pub(crate) async fn endpoint(app: &TestApp, url: &str, events: &[&str]) -> (String, String) {
    let made = app.post(ENDPOINTS, &json!({"url": url, "events": events})).await.expect(201);
    (
        format!("{ENDPOINTS}/{}", made["id"].as_str().unwrap()),
        made["signingSecret"].as_str().unwrap().to_owned(),
    )
}

pub(crate) async fn invite(app: &TestApp, email: &str) -> Value {
    app.post("/api/v1/users", &json!({"email": email, "role": "member"})).await.expect(201)
}

/// The newest delivery to an endpoint, once it is as far as this.
async fn newest(app: &TestApp, endpoint: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let asked = async {
        loop {
            let page = app.get(&format!("{endpoint}/deliveries")).await.expect(200);
            if is_so(&page["data"][0]) {
                return page["data"][0].clone();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("it comes so far")
}

/// The events of a kind.
pub(crate) async fn told(app: &TestApp, kind: &str) -> Vec<hardpoint_domain::event::Event> {
    let mut conn = app.app().store.read().await.unwrap();
    let all = events::list(&mut conn, None, None, 1_000).await.unwrap();
    all.into_iter().map(|stored| stored.event).filter(|event| event.kind == kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_arrives_signed() {
    let mut receiver = Receiver::start().await;
    let app = receiver.host().await;
    let (one, secret) = endpoint(&app, &receiver.url(), &["user.*"]).await;
    let user = invite(&app, "ann@example.com").await;
    let (headers, body) = receiver.next().await;
    assert_eq!(body["event"], "user.created");
    assert_eq!((&body["data"]["user_id"], &body["data"]["email"]), (&user["id"], &user["email"]));
    let event = &told(&app, "user.created").await[0];
    assert_eq!(body["timestamp"], event.time.to_rfc3339());
    assert_eq!(headers["webhook-id"], event.id.as_str());
    for name in ["x-secureai-signature", "x-hardpoint-signature", "webhook-signature", "webhook-timestamp"] {
        assert!(headers.contains_key(name), "{name}");
    }
    assert!(secret.starts_with("whsec_"));
    let delivery = newest(&app, &one, |one| one["state"] == "delivered").await;
    assert_eq!((&delivery["webhook_id"], &delivery["event"]), (&json!(event.id), &json!("user.created")));
    assert_eq!((&delivery["attempts"][0]["status"], &delivery["attempt_count"]), (&json!(204), &json!(1)));
    let same = app.get(&format!("{one}/deliveries/{}", delivery["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(same, delivery);
    assert_eq!(app.get(&format!("{one}/deliveries?state=dead")).await.expect(200)["total"], 0);
    // What it is not subscribed to, and what happens to itself, it is not told.
    put(&app, &one, &json!({"description": "mine"})).await.expect(200);
    assert_eq!(app.get(&format!("{one}/deliveries")).await.expect(200)["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_when_it_is_due() {
    let mut receiver = Receiver::start().await;
    let app = receiver.host().await;
    let (one, _) = endpoint(&app, &receiver.url(), &["user.created"]).await;
    receiver.answer(302, &[("location", "http://127.0.0.1:1/")]);
    receiver.answer(503, &[("retry-after", "100")]);
    invite(&app, "ann@example.com").await;
    let (first, _) = receiver.next().await;
    let waiting = newest(&app, &one, |one| one["attempts"][0]["status"] == 302).await;
    assert_eq!((&waiting["state"], &waiting["last_error"]), (&json!("pending"), &json!("it answered 302")));
    app.clock().advance(Duration::from_secs(6));
    let (second, _) = receiver.next().await;
    assert_eq!(first["webhook-id"], second["webhook-id"]);
    newest(&app, &one, |one| one["attempts"][1]["status"] == 503).await;
    // At thirty seconds it would be due; the endpoint asked for more than that.
    let due = newest(&app, &one, |one| one["state"] == "pending").await["next_attempt_at"].clone();
    let now = hardpoint_domain::time::Timestamp::parse(due.as_str().unwrap()).unwrap();
    let accepted = told(&app, "user.created").await[0].time;
    let offset = now.since(accepted).as_secs();
    assert!((100..=112).contains(&offset), "{offset}");
    app.clock().advance(Duration::from_secs(120));
    receiver.next().await;
    newest(&app, &one, |one| one["state"] == "delivered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_gone_is_switched_off_and_gets_the_rest_later() {
    let mut receiver = Receiver::start().await;
    let app = receiver.host().await;
    let (one, _) = endpoint(&app, &receiver.url(), &["user.created"]).await;
    receiver.answer(410, &[]);
    invite(&app, "ann@example.com").await;
    receiver.next().await;
    newest(&app, &one, |one| one["attempt_count"] == 1 && one["last_error"] != Value::Null).await;
    let off = app.get(&one).await.expect(200);
    assert_eq!((&off["enabled"], &off["disabled_reason"]), (&json!(false), &json!("it answered 410")));
    let disabled = &told(&app, "webhook_endpoint.disabled").await[0];
    let origin = format!("http://127.0.0.1:{}/…", receiver.port);
    assert_eq!(disabled.after.as_ref().unwrap()["url"], *origin, "who knows its path may send there");
    invite(&app, "bob@example.com").await;
    assert_eq!(app.get(&format!("{one}/deliveries")).await.expect(200)["total"], 1, "nothing more is queued");
    let on = put(&app, &one, &json!({"enabled": true})).await.expect(200);
    assert_eq!((&on["status"], &on["disabled_reason"]), (&json!("active"), &Value::Null));
    app.clock().advance(Duration::from_secs(60));
    assert_eq!(receiver.next().await.1["data"]["email"], "ann@example.com");
}

/// An attempt that is under way when the address changes was at the old one.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_address_answers_is_no_news_of_the_new_one() {
    let mut receiver = Receiver::start().await;
    let old = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = old.local_addr().unwrap();
    let allowed = json!([at.to_string(), format!("127.0.0.1:{}", receiver.port)]);
    let app = TestApp::with(&format!("[egress]\nallow_internal_webhooks = {allowed}\n"), &[]).await;
    let (one, _) = endpoint(&app, &format!("http://{at}/hook"), &["user.created"]).await;
    invite(&app, "ann@example.com").await;
    let (mut connection, _) = tokio::time::timeout(PATIENCE, old.accept()).await.expect("it comes").unwrap();
    let mut request = [0; 4_096];
    assert!(connection.read(&mut request).await.unwrap() > 0);
    put(&app, &one, &json!({"url": receiver.url()})).await.expect(200);
    connection.write_all(b"HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    newest(&app, &one, |one| one["attempts"][0]["status"] == 410).await;
    let endpoint = app.get(&one).await.expect(200);
    assert_eq!((&endpoint["enabled"], &endpoint["consecutive_failures"]), (&json!(true), &json!(0)));
    assert_eq!(told(&app, "webhook_endpoint.disabled").await.len(), 0);
    app.clock().advance(Duration::from_secs(60));
    assert_eq!(receiver.next().await.1["data"]["email"], "ann@example.com");
    newest(&app, &one, |one| one["state"] == "delivered").await;
}

/// What an attempt came to, at a delivery that nobody has claimed.
fn unclaimed(app: &TestApp, endpoint_id: &str, url: &str, outcome: Outcome) -> Tried {
    let now = app.app().clock.now();
    let delivery = Delivery {
        id: format!("dlv_{}", "0".repeat(32)),
        event_id: "evt_1".into(),
        destination: endpoint_id.into(),
        kind: "user.created".into(),
        created_at: now,
        state: State::Open,
        accepted_at: now,
        due_at: now,
        attempt: 1,
        claim_id: Some("claim_lapsed".into()),
        lease_until: Some(now),
        ended_at: None,
        last_error: None,
        attempts: Vec::new(),
    };
    let attempt = Attempt { at: now, status: None, error: Some("?".into()), duration_ms: 1 };
    let url = url.into();
    Tried { delivery, attempt, outcome, retry_after: None, is_refused: true, is_lost: false, url }
}

/// A host that was frozen while it had deliveries under way moves nothing once another has claimed them: neither does it
/// switch the endpoint off, nor close the breaker of one that fails.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_the_claim_says_nothing_of_the_endpoint() {
    let app = TestApp::start().await;
    let url = "https://example.com/";
    let (one, _) = endpoint(&app, url, &["billing.refund_uncovered"]).await;
    let endpoint_id = one.rsplit('/').next().unwrap().to_owned();
    let App { clock, rng, post, store, .. } = &**app.app();
    let after = async |outcomes: &[Outcome]| {
        let tried = outcomes.iter().map(|outcome| unclaimed(&app, &endpoint_id, url, *outcome)).collect();
        let (endpoint_id, now, rng, post) = (endpoint_id.clone(), clock.now(), rng.clone(), post.clone());
        let round =
            Round { endpoint_id, tried, unsent: Vec::new(), room: 0, judged: Some(now), now, rng, post };
        store.write(Lane::Bulk, |tx| Box::pin(round.run(tx))).await.unwrap();
        let shown = app.get(&one).await.expect(200);
        (shown["status"].clone(), shown["consecutive_failures"].clone())
    };
    use Outcome::{Delivered, Failed, Gone};
    assert_eq!(after(&[Failed, Failed, Failed, Failed, Failed, Gone]).await, (json!("active"), json!(0)));
    for kind in ["webhook_endpoint.disabled", "webhook.refused"] {
        assert_eq!(told(&app, kind).await.len(), 0, "{kind}");
    }
    let (id, mut breaker) = (endpoint_id.clone(), Breaker::default());
    (0..THRESHOLD).for_each(|_| breaker.failed(clock.now(), 0.5));
    let fails = store
        .write(Lane::Bulk, move |tx| Box::pin(async move { webhooks::set_health(tx, &id, &breaker).await }));
    fails.await.unwrap();
    assert_eq!(after(&[Delivered]).await, (json!("failing"), json!(5)));
}

/// A delivery whose body was purged meanwhile is over, and the endpoint in good health.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_purged_is_given_up_without_blame() {
    let mut receiver = Receiver::start().await;
    let app = receiver.host().await;
    let (one, _) = endpoint(&app, &receiver.url(), &["user.created"]).await;
    receiver.answer(500, &[]);
    invite(&app, "ann@example.com").await;
    receiver.next().await;
    newest(&app, &one, |one| one["last_error"] != Value::Null).await;
    number_all(app.app()).await.unwrap();
    let organization = told(&app, "user.created").await[0].organization_id.clone().unwrap();
    let before = app.app().clock.now().plus(Duration::from_secs(1));
    let write = app.app().store.write(Lane::Bulk, move |tx| {
        Box::pin(async move { retention::purge(tx, &organization, before, 1_000).await })
    });
    assert!(write.await.unwrap().count > 0);
    app.clock().advance(Duration::from_secs(6));
    let dead = newest(&app, &one, |one| one["state"] == "dead").await;
    assert_eq!(
        (&dead["attempt_count"], &dead["last_error"]),
        (&json!(2), &json!("the event's body was purged"))
    );
    assert_eq!(app.get(&one).await.expect(200)["consecutive_failures"], 1, "the answer of before");
    assert!(receiver.arrived.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_replayed_under_the_same_id() {
    let mut receiver = Receiver::start().await;
    let app = receiver.host().await;
    let (one, _) = endpoint(&app, &receiver.url(), &["user.created"]).await;
    for _ in 0..3 {
        receiver.answer(500, &[]);
    }
    invite(&app, "ann@example.com").await;
    let (first, _) = receiver.next().await;
    newest(&app, &one, |one| one["last_error"] != Value::Null).await;
    // What was missed is not made up for; the last one is still made, and then it is over.
    app.clock().advance(Duration::from_secs(70 * 3_600));
    receiver.next().await;
    newest(&app, &one, |one| one["attempt_count"] == 2 && one["attempts"][1]["status"] == 500).await;
    app.clock().advance(Duration::from_secs(3 * 3_600 + 1_200));
    receiver.next().await;
    let dead = newest(&app, &one, |one| one["state"] == "dead").await;
    assert_eq!((&dead["attempt_count"], &dead["next_attempt_at"]), (&json!(3), &Value::Null));
    let lost = &told(&app, "webhook_endpoint.dead_lettered").await[0];
    let about = lost.after.as_ref().unwrap();
    assert_eq!((&about["count"], &about["delivery_id"]), (&json!(1), &dead["id"]));
    assert_eq!(about["url"], *format!("http://127.0.0.1:{}/…", receiver.port));
    assert_eq!((&about["event"], &about["reason"]), (&json!("user.created"), &json!("it answered 500")));
    let replay = format!("{one}/deliveries/{}/replay", dead["id"].as_str().unwrap());
    app.post(&replay, &json!({})).await.expect(202);
    assert_eq!(receiver.next().await.0["webhook-id"], first["webhook-id"]);
    newest(&app, &one, |one| one["state"] == "delivered").await;
    // What was delivered is sent again on request, by its id alone.
    let since = app.post(&format!("{one}/replay?since=2020-01-01"), &json!({})).await.expect(202);
    assert_eq!(since["replayed"], 0);
    app.post(&replay, &json!({})).await.expect(202);
    receiver.next().await;
    let replayed = told(&app, "webhook.replayed").await;
    let counts: Vec<_> =
        replayed.iter().map(|event| event.after.as_ref().unwrap()["count"].clone()).collect();
    assert_eq!(counts, [Value::Null, json!(0), Value::Null]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_its_next_attempt_is_sent_when_it_is_asked_for() {
    let mut receiver = Receiver::start().await;
    let app = receiver.host().await;
    let (one, _) = endpoint(&app, &receiver.url(), &["user.created"]).await;
    receiver.answer(500, &[]);
    invite(&app, "ann@example.com").await;
    let (first, _) = receiver.next().await;
    let waits = newest(&app, &one, |one| one["last_error"] != Value::Null).await;
    let replay = format!("{one}/deliveries/{}/replay", waits["id"].as_str().unwrap());
    let asked = app.post(&replay, &json!({})).await.expect(202);
    assert!(asked["next_attempt_at"].as_str() < waits["next_attempt_at"].as_str(), "{asked} {waits}");
    assert_eq!(receiver.next().await.0["webhook-id"], first["webhook-id"]);
    let made = newest(&app, &one, |one| one["state"] == "delivered").await;
    assert_eq!(made["attempt_count"], 2);
    assert_eq!(told(&app, "webhook.replayed").await.len(), 1);
}

/// An endpoint that has failed is probed, and its first success brings all that waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_follows_the_first_success() {
    let mut receiver = Receiver::start().await;
    let app = receiver.host().await;
    let (one, _) = endpoint(&app, &receiver.url(), &["user.created"]).await;
    for _ in 0..8 {
        receiver.answer(500, &[]);
    }
    for number in 0..8 {
        invite(&app, &format!("user{number}@example.com")).await;
        receiver.next().await;
        newest(&app, &one, |one| one["last_error"] != Value::Null).await;
        if app.get(&one).await.expect(200)["status"] == "failing" {
            break;
        }
    }
    let failing = app.get(&one).await.expect(200);
    assert_eq!((&failing["status"], &failing["consecutive_failures"]), (&json!("failing"), &json!(5)));
    receiver.answers.lock().unwrap().clear();
    invite(&app, "late@example.com").await;
    let ids = async |count| {
        let page = app.get(&format!("{one}/deliveries?state=pending")).await.expect(200);
        assert_eq!(page["total"], count, "{page}");
    };
    ids(6).await;
    app.clock().advance(Duration::from_secs(133));
    for _ in 0..6 {
        receiver.next().await;
    }
    newest(&app, &one, |one| one["state"] == "delivered").await;
    assert_eq!(app.get(&one).await.expect(200)["status"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_cannot_be_looked_up_is_a_failure() {
    let app = TestApp::with("", &[]).await;
    let host = "nobody.invalid";
    let (one, _) = endpoint(&app, &format!("https://{host}/hook"), &["user.created"]).await;
    invite(&app, "ann@example.com").await;
    let failed = newest(&app, &one, |one| one["last_error"] != Value::Null).await;
    assert!(failed["last_error"].as_str().unwrap().contains(host), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Acme").await;
    let make = async |body: Value| {
        let made = app.post_as(&tenant.key, "/api/v1/api_keys", &body).await.expect(201);
        made["key"].as_str().unwrap().to_owned()
    };
    let member = make(json!({"role": "member"})).await;
    let test = make(json!({"role": "admin", "livemode": false})).await;
    let scoped = make(json!({"role": "admin", "scopes": ["read:webhooks"]})).await;
    let wanted = json!({"url": "https://example.com/"});
    for (key, read, write) in [(&member, 403, 403), (&test, 200, 403), (&scoped, 200, 403)] {
        app.get_as(key, ENDPOINTS).await.expect(read);
        app.post_as(key, ENDPOINTS, &wanted).await.expect(write);
    }
    app.post_as(&tenant.key, ENDPOINTS, &wanted).await.expect(201);
    // An operator makes one for another organisation.
    let body = json!({"url": "https://example.com/", "organization_id": tenant.organization});
    let made = app.post(ENDPOINTS, &body).await.expect(201);
    assert_eq!(app.get_as(&tenant.key, ENDPOINTS).await.expect(200)["data"][0]["id"], made["id"]);
}

/// Without a master key only the host that made an endpoint can sign for it: others leave its deliveries alone.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_host_alone_can_sign_it_sends() {
    let mut receiver = Receiver::start().await;
    let Some([first, second]) = TestApp::pair(&receiver.allowed(), &[]).await else { return };
    let (one, _) = endpoint(&first, &receiver.url(), &["user.created"]).await;
    for number in 0..5 {
        invite(&second, &format!("user{number}@example.com")).await;
        receiver.next().await;
        let delivery = newest(&second, &one, |one| one["state"] == "delivered").await;
        assert_eq!(delivery["attempt_count"], 1);
    }
    assert!(receiver.arrived.try_recv().is_err(), "each once");
}

/// What became of one endpoint the others are told: that it is gone, and what it never got.
#[tokio::test(flavor = "multi_thread")]
async fn the_others_are_told_who_is_gone_and_what_was_lost() {
    const TOLD: &[&str] = &["webhook_endpoint.disabled", "webhook_endpoint.dead_lettered"];
    let (mut gone, mut other) = (Receiver::start().await, Receiver::start().await);
    let ports = [gone.port, other.port].map(|port| format!("127.0.0.1:{port}"));
    let app = TestApp::with(&format!("[egress]\nallow_internal_webhooks = {ports:?}\n"), &[]).await;
    let (one, _) = endpoint(&app, &gone.url(), &["user.created"]).await;
    let (two, _) = endpoint(&app, &other.url(), TOLD).await;
    gone.answer(410, &[]);
    invite(&app, "ann@example.com").await;
    gone.next().await;
    let (_, body) = other.next().await;
    assert_eq!((&body["event"], &body["data"]["reason"]), (&json!(TOLD[0]), &json!("it answered 410")));
    assert!(one.ends_with(body["data"]["webhook_endpoint_id"].as_str().unwrap()), "{body}");

    newest(&app, &two, |newest| newest["state"] == "delivered").await;

    // What waits for it when its time is over is lost.
    other.answer(500, &[]);
    app.clock().advance(Duration::from_secs(75 * 3_600));
    let app = app.restart().await;
    let (_, body) = other.next().await;
    assert_eq!((&body["event"], &body["data"]["count"]), (&json!(TOLD[1]), &json!(1)), "{body}");
    assert!(one.ends_with(body["data"]["webhook_endpoint_id"].as_str().unwrap()), "{body}");
    newest(&app, &two, |newest| newest["last_error"] == "it answered 500").await;

    // Where that is lost too, nobody is told: they would tell each other for ever.
    put(&app, &two, &json!({"enabled": false})).await.expect(200);
    app.clock().advance(Duration::from_secs(75 * 3_600));
    let app = app.restart().await;
    newest(&app, &two, |newest| newest["state"] == "dead").await;
    assert_eq!(told(&app, TOLD[1]).await.len(), 1);
}
