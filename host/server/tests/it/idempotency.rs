//! `Idempotency-Key`: carried out once, answered as often as it is asked.

use std::time::Duration;

use axum::body::Body;
use futures_util::future::join_all;
use hardpoint_domain::time::Clock;
use hardpoint_server::worker::idempotency::{bound, sweep};
use hardpoint_store::call_records::{self, CallRecord, Filter, Outcome};
use hardpoint_store::idempotency::{self, Claim};
use hardpoint_store::{Lane, keys};
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, fixture};

const USERS: &str = "/api/v1/users";
const KEYS: &str = "/api/v1/api_keys";
const COMPLETIONS: &str = "/api/v1/chat/completions";
const MODEL: &str = "[[models]]\nid = \"m\"\nbinding = \"hostile-model\"\n[completions]\nattempts = 1\n";

fn named(app: &TestApp, name: &str, path: &str, body: &Value) -> Request<Body> {
    let mut request = app.request(Method::POST, path, Some(body));
    request.headers_mut().insert("idempotency-key", name.parse().unwrap());
    request
}

async fn post(app: &TestApp, name: &str, path: &str, body: &Value) -> Answer {
    app.send(named(app, name, path, body)).await
}

fn was_replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

fn user(email: &str) -> Value {
    json!({"email": email})
}

fn says(text: &str, stream: bool) -> Value {
    json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]})
}

async fn records(app: &TestApp) -> Vec<CallRecord> {
    let mut conn = app.app().store.read().await.unwrap();
    let mut found = call_records::list(&mut conn, Filter::All, None, 100).await.unwrap();
    found.reverse();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_again_is_answered_and_not_done_again() {
    let app = TestApp::start().await;
    let first = post(&app, "one", USERS, &user("ann@example.com")).await;
    assert!(first.status == 201 && !was_replayed(&first), "{}", first.text());
    // Under the other mount it is the same route.
    for path in [USERS, "/v1/users"] {
        let again = post(&app, "one", path, &user("ann@example.com")).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert!(was_replayed(&again));
        assert_eq!(again.header("content-type"), first.header("content-type"));
        assert_ne!(again.header("request-id"), first.header("request-id"));
    }
    assert_eq!(app.get(USERS).await.expect(200)["total"], 1);
    // Each is a request, with a record of its own.
    let statuses: Vec<u16> = records(&app).await.iter().map(|record| record.status).collect();
    assert_eq!(statuses, [201, 201, 201, 200]);
    // Without a name it is another request.
    app.post(USERS, &user("ann@example.com")).await.expect(409);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_means_one_request_of_one_key() {
    let app = TestApp::start().await;
    post(&app, "one", USERS, &user("ann@example.com")).await.expect(201);
    for (path, body) in [
        (USERS, user("bob@example.com")),
        (KEYS, user("ann@example.com")),
        ("/api/v1/users?organization_id=org_none", user("ann@example.com")),
    ] {
        let refused = post(&app, "one", path, &body).await;
        let error = refused.expect(422);
        assert_eq!(error["error"]["details"]["field"], "Idempotency-Key", "{path}");
    }
    // A stranger's request of the same name, to the same route, with the same body, is the stranger's.
    let stranger = app.stranger().await;
    let mut theirs = named(&app, "one", USERS, &user("ann@example.com"));
    theirs.headers_mut().insert("authorization", format!("Bearer {stranger}").parse().unwrap());
    let theirs = app.send(theirs).await;
    assert!(theirs.status == 201 && !was_replayed(&theirs), "{}", theirs.text());
    assert_eq!(theirs.json()["organization_id"], "org_stranger");
    // And who has no key is not asked for a name.
    let nobody = Request::post(USERS).header("idempotency-key", "one").body(Body::empty()).unwrap();
    app.send(nobody).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_none() {
    let app = TestApp::start().await;
    for name in ["", "a\tb", "☃", &"x".repeat(256)] {
        let mut request = app.request(Method::POST, USERS, Some(&user("ann@example.com")));
        let value = http::HeaderValue::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().insert("idempotency-key", value);
        let error = app.send(request).await.expect(400);
        assert_eq!(error["error"]["details"]["field"], "Idempotency-Key", "{name:?}");
    }
    let mut twice = named(&app, "one", USERS, &user("ann@example.com"));
    twice.headers_mut().append("idempotency-key", "two".parse().unwrap());
    app.send(twice).await.expect(400);
    assert_eq!(app.get(USERS).await.expect(200)["total"], 0);
    let longest = "x".repeat(255);
    post(&app, &longest, USERS, &user("ann@example.com")).await.expect(201);
    assert!(was_replayed(&post(&app, &longest, USERS, &user("ann@example.com")).await));
    // Other methods do what they do once in any case, and look at no name.
    let mut get = app.request(Method::GET, USERS, None);
    get.headers_mut().insert("idempotency-key", "".parse().unwrap());
    app.send(get).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_at_once_one_is_carried_out() {
    let app = TestApp::start().await;
    let body = json!({"label": "one"});
    let answers = join_all((0..1_000).map(|_| post(&app, "one", KEYS, &body))).await;
    let first = answers.iter().filter(|answer| answer.status == 201 && !was_replayed(answer)).count();
    assert_eq!(first, 1);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        let error = answer.expect(409);
        assert_eq!(error["error"]["type"], "request_in_progress");
        assert_eq!(answer.header("retry-after"), "1");
    }
    // The first operator's, and the one.
    assert_eq!(app.get(KEYS).await.expect(200)["total"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_no_answer_to_keep() {
    let app = TestApp::with(MODEL, &[("m.wasm", fixture("hostile-model"))]).await;
    let failed = post(&app, "one", COMPLETIONS, &says("fail", false)).await;
    assert_eq!(failed.status, 502, "{}", failed.text());
    // The name is free: for the same request, and for one that mends what was wrong.
    let failed = post(&app, "one", COMPLETIONS, &says("fail", false)).await;
    assert!(failed.status == 502 && !was_replayed(&failed));
    post(&app, "one", USERS, &json!({"email": 7})).await.expect(400);
    post(&app, "one", USERS, &user("ann@example.com")).await.expect(201);
    post(&app, "two", USERS, &user("ann@example.com")).await.expect(409);
    post(&app, "two", USERS, &user("bob@example.com")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_in_the_first_answer_alone() {
    let app = TestApp::start().await;
    let body = json!({"label": "CI"});
    let made = post(&app, "one", KEYS, &body).await.expect(201);
    let text = made["key"].as_str().unwrap();
    let again = post(&app, "one", KEYS, &body).await;
    assert!(was_replayed(&again) && !again.text().contains(text), "{}", again.text());
    let again = again.expect(201);
    assert_eq!((&again["id"], &again["key"], &again["hint"]), (&made["id"], &Value::Null, &made["hint"]));
    assert!(again["notice"].as_str().unwrap().contains("rotate"));

    let rotate = format!("{KEYS}/{}/rotate", made["id"].as_str().unwrap());
    let rotated = post(&app, "two", &rotate, &json!({})).await.expect(201);
    let other = rotated["key"].as_str().unwrap();
    let again = post(&app, "two", &rotate, &json!({})).await;
    assert!(was_replayed(&again) && !again.text().contains(other));
    assert_eq!(again.json()["previous"]["id"], made["id"]);

    // Neither lies anywhere on the disk.
    let (folder, texts) = (app.folder().join("data"), [text.to_owned(), other.to_owned()]);
    let app = app.restart().await;
    for file in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(bytes) = std::fs::read(&file) else { continue };
        for text in &texts {
            let lies = bytes.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(!lies, "{} holds a key", file.display());
        }
    }
    assert!(was_replayed(&post(&app, "one", KEYS, &body).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_is_given_again_as_it_was_whole_or_streamed() {
    let app = TestApp::with(MODEL, &[("m.wasm", fixture("hostile-model"))]).await;
    for (name, stream, kind) in [("whole", false, "application/json"), ("stream", true, "text/event-stream")]
    {
        let first = post(&app, name, COMPLETIONS, &says("be good!", stream)).await;
        let again = post(&app, name, COMPLETIONS, &says("be good!", stream)).await;
        assert_eq!((again.status.as_u16(), &again.body), (200, &first.body), "{}", again.text());
        assert!(!was_replayed(&first) && was_replayed(&again));
        assert_eq!((again.header("content-type"), first.header("content-type")), (kind, kind));
        assert_eq!(again.header("hardpoint-plugin"), "hostile-model@0.1.0");
    }
    let tokens: Vec<bool> = records(&app).await.iter().map(|record| record.output_tokens > 0).collect();
    assert_eq!(tokens, [true, false, true, false], "each was done once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_left_comes_again_for_its_answer() {
    let app = TestApp::with(MODEL, &[("m.wasm", fixture("hostile-model"))]).await;
    let whole = app.post(COMPLETIONS, &says("be good!", true)).await;
    // Gone before the first byte, and gone while nobody reads on.
    drop(app.begin(named(&app, "one", COMPLETIONS, &says("be good!", true))).await);
    app.app().claims.idle().await;
    let answer = post(&app, "one", COMPLETIONS, &says("be good!", true)).await;
    assert!(was_replayed(&answer) && answer.text().ends_with("data: [DONE]\n\n"), "{}", answer.text());
    assert_eq!(answer.text().matches("data: ").count(), whole.text().matches("data: ").count());
    let first = &records(&app).await[1];
    assert_eq!((first.outcome, first.status, first.streamed), (Outcome::Completed, 200, true));
    // Without a name it is as ever.
    drop(app.begin(app.request(Method::POST, COMPLETIONS, Some(&says("text for ever", true)))).await);
    let last = records(&app).await.pop().unwrap();
    assert_eq!(last.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_long_is_not_kept() {
    let app = TestApp::with(MODEL, &[("m.wasm", fixture("hostile-model"))]).await;
    let body = says("text for ever", true);
    let mut stream = app.begin(named(&app, "one", COMPLETIONS, &body)).await;
    stream.body_mut().frame().await.unwrap().unwrap();
    let meanwhile = post(&app, "one", COMPLETIONS, &body).await.expect(409);
    assert_eq!(meanwhile["error"]["type"], "request_in_progress");
    drop(stream);
    // Nobody could have the rest of it: it ends.
    app.app().claims.idle().await;
    let again = post(&app, "one", COMPLETIONS, &body).await.expect(409);
    assert_eq!(again["error"]["type"], "answer_not_kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_lost_with_its_host_is_not_done_again() {
    let app = TestApp::start().await;
    let body = user("ann@example.com");
    // As a host leaves it that is gone.
    post(&app, "one", USERS, &body).await.expect(201);
    let hash = hardpoint_domain::key::KeyText::parse(app.key()).unwrap().hash();
    let key =
        keys::find_by_hash(&mut app.app().store.read().await.unwrap(), &hash).await.unwrap().unwrap().key;
    let mut conn = app.app().store.read().await.unwrap();
    let known = idempotency::find(&mut conn, &key.organization_id, &key.id, "one", app.clock().now());
    let fingerprint = known.await.unwrap().unwrap().fingerprint.try_into().unwrap();
    drop(conn);
    let now = app.clock().now();
    let claim = Claim {
        id: "req_lost".into(),
        organization_id: key.organization_id,
        key_id: key.id,
        name: "lost".into(),
        fingerprint,
        lease_until: now.plus(Duration::from_secs(30)),
        expires_at: now.plus(Duration::from_secs(86_400)),
    };
    let write = app
        .app()
        .store
        .write(Lane::Request, move |tx| Box::pin(async move { idempotency::claim(tx, &claim, now).await }));
    assert!(write.await.unwrap());
    let running = post(&app, "lost", USERS, &body).await.expect(409);
    assert_eq!(running["error"]["type"], "request_in_progress");
    app.clock().advance(Duration::from_secs(30));
    let lost = post(&app, "lost", USERS, &body).await.expect(409);
    assert_eq!(lost["error"]["type"], "outcome_unknown");
    post(&app, "lost", USERS, &user("bob@example.com")).await.expect(422);
    assert_eq!(app.get(USERS).await.expect(200)["total"], 1);
    app.clock().advance(Duration::from_secs(86_400));
    post(&app, "lost", USERS, &user("bob@example.com")).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_later_a_name_is_free_and_nothing_is_left_of_it() {
    let app = TestApp::start().await;
    for number in 0..25 {
        post(&app, &number.to_string(), USERS, &user(&format!("{number}@example.com"))).await.expect(201);
    }
    app.clock().advance(Duration::from_secs(86_399));
    assert!(was_replayed(&post(&app, "24", USERS, &user("24@example.com")).await));
    sweep(app.app()).await.unwrap();
    assert!(was_replayed(&post(&app, "24", USERS, &user("24@example.com")).await));
    app.clock().advance(Duration::from_secs(2));
    post(&app, "24", USERS, &user("other@example.com")).await.expect(201);
    sweep(app.app()).await.unwrap();
    post(&app, "3", USERS, &user("3@example.com")).await.expect(409);
    assert!(was_replayed(&post(&app, "24", USERS, &user("other@example.com")).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_of_an_organisation_is_bounded() {
    let app = TestApp::start().await;
    let stranger = app.stranger().await;
    let mut theirs = named(&app, "one", USERS, &user("ann@example.com"));
    theirs.headers_mut().insert("authorization", format!("Bearer {stranger}").parse().unwrap());
    app.send(theirs).await.expect(201);
    let ask = async |number: usize| {
        post(&app, &number.to_string(), USERS, &user(&format!("{number}@example.com"))).await
    };
    for number in 0..50 {
        ask(number).await.expect(201);
        app.clock().advance(Duration::from_millis(1));
    }
    // Room for some ten answers: the newest stay.
    let size = ask(0).await.body.len() as i64 + 50;
    bound(app.app(), 10 * size).await.unwrap();
    let gone = ask(0).await.expect(409);
    assert_eq!(gone["error"]["type"], "answer_not_kept");
    let mut kept = Vec::new();
    for number in 0..50 {
        kept.push(was_replayed(&ask(number).await));
    }
    let count = kept.iter().filter(|kept| **kept).count();
    assert!((8..=10).contains(&count), "{count}");
    assert!(kept[50 - count..].iter().all(|kept| *kept), "{kept:?}");
    assert_eq!(app.get(USERS).await.expect(200)["total"], 50, "none is done again");
    // Others are others.
    let mut theirs = named(&app, "one", USERS, &user("ann@example.com"));
    theirs.headers_mut().insert("authorization", format!("Bearer {stranger}").parse().unwrap());
    assert!(was_replayed(&app.send(theirs).await));
}
