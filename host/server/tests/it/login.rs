//! `/admin/auth`: PINs by mail, and the sessions that come of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Body;
use hardpoint_server::middleware::entry::Peer;
use hardpoint_store::events::{self, StoredEvent};
use http::{Method, Request, header};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::support::{Answer, Tenant, TestApp};

const ASK: &str = "/api/v1/admin/auth/request-pin";
const TRY: &str = "/api/v1/admin/auth/verify-pin";
const OUT: &str = "/api/v1/admin/auth/logout";
const USERS: &str = "/api/v1/users";

/// Somebody without a credential, from this address.
async fn post_from(app: &TestApp, ip: &str, path: &str, body: &Value) -> Answer {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    request.extensions_mut().insert(Peer(ip.parse().unwrap()));
    app.send(request).await
}

async fn post(app: &TestApp, path: &str, body: &Value) -> Answer {
    post_from(app, "192.0.2.1", path, body).await
}

/// Mails that were written for an address, by file name.
fn mails(app: &TestApp, to: &str) -> BTreeMap<String, String> {
    let Ok(folder) = std::fs::read_dir(app.folder().join("data/mail")) else { return BTreeMap::new() };
    let paths = folder.map(|entry| entry.unwrap().path());
    let whole = paths.filter(|path| path.extension().is_some_and(|extension| extension == "eml"));
    let texts =
        whole.filter_map(|path| Some((path.display().to_string(), std::fs::read_to_string(path).ok()?)));
    texts.filter(|(_, text)| text.contains(&format!("To: {to}"))).collect()
}

/// A mail to an address that is none of those that were there before.
async fn mail(app: &TestApp, to: &str, before: &BTreeMap<String, String>) -> String {
    let begun = Instant::now();
    loop {
        let mut found = mails(app, to);
        found.retain(|name, _| !before.contains_key(name));
        if let Some((_, text)) = found.pop_first() {
            return text;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "no mail to {to} came");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until no mail waits any more.
async fn all_sent(app: &TestApp) {
    let begun = Instant::now();
    loop {
        let mut conn = app.app().store.read().await.unwrap();
        if hardpoint_store::mails::count(&mut conn).await.unwrap() == 0 {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "mail still waits");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn pin_in(mail: &str) -> String {
    let at = mail.find("Your PIN is ").unwrap_or_else(|| panic!("no PIN: {mail}")) + 12;
    mail[at..at + 6].to_owned()
}

/// An organisation with somebody in it who was invited, and read about it.
pub async fn invited(app: &TestApp, email: &str, role: &str) -> (Tenant, String) {
    let acme = app.tenant("Acme").await;
    let body = json!({"email": email, "role": role});
    let whose = format!("{USERS}?organization_id={}", acme.organization);
    let user = app.post(&whose, &body).await.expect(201);
    mail(app, email, &BTreeMap::new()).await;
    (acme, user["id"].as_str().unwrap().to_owned())
}

/// Asks for a PIN and reads it.
async fn asked(app: &TestApp, email: &str) -> (Value, String) {
    let before = mails(app, email);
    let asked = post(app, ASK, &json!({"email": email})).await.expect(200);
    (asked["challenge_id"].clone(), pin_in(&mail(app, email, &before).await))
}

/// Logs in; the session's token.
pub async fn logged_in(app: &TestApp, email: &str) -> String {
    let (challenge, pin) = asked(app, email).await;
    let body = json!({"email": email, "challenge_id": challenge, "pin": pin});
    post(app, TRY, &body).await.expect(200)["session_token"].as_str().unwrap().to_owned()
}

async fn kinds(app: &TestApp) -> Vec<StoredEvent> {
    events::list(&mut app.app().store.read().await.unwrap(), None, None, 100).await.unwrap()
}

fn another(pin: &str) -> String {
    format!("{:06}", (pin.parse::<u32>().unwrap() + 1) % 1_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_by_a_pin_and_out_again() {
    let app = TestApp::start().await;
    let (acme, user) = invited(&app, "ann@example.com", "admin").await;
    let before = mails(&app, "ann@example.com");
    let letter = before.values().next().unwrap();
    assert!(
        letter.contains("Subject: You are invited to Acme") && letter.contains("Message-ID: <mail_"),
        "{letter}"
    );

    // The address in any case; the answer has the documented members and no other.
    let answer = post(&app, ASK, &json!({"email": "Ann@Example.com"})).await.expect(200);
    let names: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(names, ["challenge_id", "delivery", "expires_at"]);
    assert_eq!((&answer["delivery"], answer["challenge_id"].as_str().unwrap().len()), (&json!("email"), 36));
    let letter = mail(&app, "ann@example.com", &before).await;
    let pin = pin_in(&letter);
    assert!(!letter[..letter.find("\r\n\r\n").unwrap()].contains(&pin), "no header has the PIN");

    let body = json!({"email": "ann@example.com", "challenge_id": answer["challenge_id"], "pin": pin});
    let session = post(&app, TRY, &body).await.expect(200);
    let names: Vec<&String> = session.as_object().unwrap().keys().collect();
    assert_eq!(names, ["email", "expires_at", "session_token"]);
    let token = session["session_token"].as_str().unwrap();
    assert!(token.starts_with("adm_"), "{token}");

    let me = app.get_as(token, "/api/v1/me").await.expect(200);
    assert_eq!((&me["type"], &me["id"], &me["role"]), (&json!("user"), &json!(user), &json!("admin")));
    assert_eq!((&me["user"]["status"], me.get("api_key")), (&json!("active"), None));
    assert_eq!(me["organization"]["id"], acme.organization.as_str());
    // It does what the role may, and is the actor of it.
    app.get_as(token, USERS).await.expect(200);
    app.get_as(token, "/api/v1/plugins").await.expect(403);
    let made = app.post_as(token, "/api/v1/api_keys", &json!({"label": "mine"})).await.expect(201);
    let created = kinds(&app).await.into_iter().find(|one| one.event.target.id == made["id"]).unwrap().event;
    assert_eq!((created.actor.kind.as_str(), created.actor.id.as_deref()), ("user", Some(user.as_str())));
    assert_eq!(created.actor.name.as_deref(), Some("ann@example.com"));

    assert_eq!(app.ask(token, Method::POST, OUT, None).await.status, 204);
    app.get_as(token, "/api/v1/me").await.expect(401);
    assert_eq!(app.post(OUT, &json!({})).await.status, 403, "a key does not log out");
    let kinds: Vec<_> = kinds(&app).await.into_iter().rev().map(|one| one.event.kind).collect();
    for kind in ["user.created", "user.activated", "session.created", "session.ended"] {
        assert!(kinds.iter().any(|found| found == kind), "{kind}: {kinds:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pin_is_good_once_for_five_minutes_and_five_attempts() {
    let app = TestApp::start().await;
    let email = "ann@example.com";
    invited(&app, email, "admin").await;
    let attempt = async |challenge: &Value, pin: &str| {
        post(&app, TRY, &json!({"email": email, "challenge_id": challenge, "pin": pin})).await.status.as_u16()
    };
    // Five wrong ones, and the right one is none.
    let (challenge, pin) = asked(&app, email).await;
    for _ in 0..5 {
        assert_eq!(attempt(&challenge, &another(&pin)).await, 401);
    }
    assert_eq!(attempt(&challenge, &pin).await, 401);
    // The fifth may be right, and then it is used.
    let (challenge, pin) = asked(&app, email).await;
    for _ in 0..4 {
        assert_eq!(attempt(&challenge, &another(&pin)).await, 401);
    }
    assert_eq!((attempt(&challenge, &pin).await, attempt(&challenge, &pin).await), (200, 401));
    // Many at once get in once.
    let (challenge, pin) = asked(&app, email).await;
    let tries = futures_util::future::join_all((0..20).map(|_| attempt(&challenge, &pin))).await;
    assert_eq!(tries.iter().filter(|status| **status == 200).count(), 1, "{tries:?}");
    // A PIN is its challenge's and its address's.
    let (challenge, pin) = asked(&app, email).await;
    let other = json!("cf4b26f1-3b34-4c8f-b4c4-dccb0c1828b0");
    assert_eq!(attempt(&other, &pin).await, 401);
    let body = json!({"email": "x@example.com", "challenge_id": challenge, "pin": pin});
    assert_eq!(post(&app, TRY, &body).await.status, 401);
    app.clock().advance(Duration::from_secs(301));
    assert_eq!(attempt(&challenge, &pin).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_learns_who_has_an_address() {
    let app = TestApp::start().await;
    invited(&app, "ann@example.com", "member").await;
    let before = mails(&app, "ann@example.com");
    let mut shapes = BTreeSet::new();
    for email in ["ann@example.com", "nobody@example.com"] {
        let answer = post(&app, ASK, &json!({"email": email})).await;
        let names: Vec<String> = answer.expect(200).as_object().unwrap().keys().cloned().collect();
        let challenge = answer.json()["challenge_id"].clone();
        let wrong = json!({"email": email, "challenge_id": challenge, "pin": "000000"});
        let refused = post(&app, TRY, &wrong).await;
        shapes.insert((answer.body.len(), names, refused.status.as_u16(), refused.text()));
    }
    assert_eq!(shapes.len(), 1, "{shapes:?}");
    mail(&app, "ann@example.com", &before).await;
    all_sent(&app).await;
    assert!(mails(&app, "nobody@example.com").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_leads_other_peoples_people_to_themselves() {
    let app = TestApp::start().await;
    let email = "ann@example.com";
    let (acme, _) = invited(&app, email, "member").await;
    app.clock().advance(Duration::from_secs(1));
    let evil = app.tenant("Evil").await;
    let invite = async |organization: &str, email: &str, role: &str| {
        let body = json!({"email": email, "role": role});
        app.post(&format!("{USERS}?organization_id={organization}"), &body).await.expect(201)
    };
    invite(&evil.organization, "evil@example.com", "owner").await;
    let theirs = invite(&evil.organization, email, "owner").await;
    let log_in = async |organization: Option<&str>| {
        all_sent(&app).await;
        let before = mails(&app, email);
        let mut body = json!({"email": email});
        if let Some(organization) = organization {
            body["organization_id"] = json!(organization);
        }
        let asked = post(&app, ASK, &body).await.expect(200);
        let pin = pin_in(&mail(&app, email, &before).await);
        let body = json!({"email": email, "challenge_id": asked["challenge_id"], "pin": pin});
        let token = post(&app, TRY, &body).await.expect(200)["session_token"].as_str().unwrap().to_owned();
        app.get_as(&token, "/api/v1/me").await.expect(200)["organization"]["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(log_in(None).await, acme.organization);
    // Who means the other one says so, and who is somewhere else gets nothing.
    assert_eq!(log_in(Some(&evil.organization)).await, evil.organization);
    assert_eq!(log_in(None).await, acme.organization);
    // Nor does who was sent away there, at the next turn of the address.
    let one = format!("{USERS}/{}", theirs["id"].as_str().unwrap());
    app.post(&format!("{one}/deactivate?organization_id={}", evil.organization), &json!({}))
        .await
        .expect(200);
    app.clock().advance(Duration::from_secs(900));
    let before = mails(&app, email);
    for elsewhere in ["org_none", "", &app.tenant("Other").await.organization, &evil.organization] {
        post(&app, ASK, &json!({"email": email, "organization_id": elsewhere})).await.expect(200);
    }
    all_sent(&app).await;
    assert_eq!(mails(&app, email).len(), before.len());
    app.clock().advance(Duration::from_secs(900));
    let refused = post(&app, ASK, &json!({"email": email, "organization_id": 7})).await.expect(400);
    assert_eq!(refused["error"]["details"]["field"], "organization_id");
    // Operators come first: only they make operators.
    let own = app.get("/api/v1/org").await.expect(200);
    invite(own["id"].as_str().unwrap(), email, "operator").await;
    assert_eq!(log_in(None).await, own["id"].as_str().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_and_trying_have_their_pace() {
    let app = TestApp::start().await;
    let ask = async |ip: &str, email: &str| post_from(&app, ip, ASK, &json!({"email": email})).await;
    // An address, from wherever; whether or not anybody has it.
    for n in 0..5 {
        ask(&format!("198.51.{n}.1"), "nobody@example.com").await.expect(200);
    }
    let refused = ask("198.51.9.1", "NOBODY@example.com").await;
    assert_eq!(refused.expect(429)["error"]["type"], "rate_limit_exceeded");
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=900).contains(&wait), "{wait}");
    // A client that waits exactly that long is let in; a restart does not help.
    let app = app.restart().await;
    let ask = async |ip: &str, email: &str| post_from(&app, ip, ASK, &json!({"email": email})).await;
    ask("198.51.10.1", "nobody@example.com").await.expect(429);
    app.clock().advance(Duration::from_secs(wait));
    ask("198.51.10.1", "nobody@example.com").await.expect(200);
    // A network, for whatever address.
    for n in 0..30 {
        ask(&format!("2001:db8:1:2::{n:x}"), &format!("a{n}@example.com")).await.expect(200);
    }
    ask("2001:db8:1:2:ffff::1", "b@example.com").await.expect(429);
    ask("2001:db8:1:3::1", "b@example.com").await.expect(200);
    // Whoever has many small ones has them in a larger one.
    for n in 31..120 {
        ask(&format!("2001:db8:1:{n:x}::1"), &format!("c{n}@example.com")).await.expect(200);
    }
    ask("2001:db8:1:ffff::1", "d@example.com").await.expect(429);
    ask("2001:db8:2::1", "d@example.com").await.expect(200);
    // Attempts of a network.
    let guess = json!({"email": "a@example.com", "challenge_id": "cf4b26f1-3b34-4c8f-b4c4-dccb0c1828b0", "pin": "123456"});
    for _ in 0..60 {
        post_from(&app, "203.0.113.5", TRY, &guess).await.expect(401);
    }
    post_from(&app, "203.0.113.99", TRY, &guess).await.expect(429);
    post_from(&app, "203.0.114.99", TRY, &guess).await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_what_its_user_is() {
    let app = TestApp::start().await;
    let email = "ann@example.com";
    let (acme, user) = invited(&app, email, "admin").await;
    let whose = format!("?organization_id={}", acme.organization);
    let token = logged_in(&app, email).await;
    app.get_as(&token, USERS).await.expect(200);
    let member = json!({"role": "member"});
    app.ask(app.key(), Method::PUT, &format!("{USERS}/{user}{whose}"), Some(&member)).await.expect(200);
    app.get_as(&token, USERS).await.expect(403);
    app.get_as(&token, "/api/v1/models").await.expect(200);
    // Who is let in again logs in again.
    app.post(&format!("{USERS}/{user}/deactivate{whose}"), &json!({})).await.expect(200);
    app.get_as(&token, "/api/v1/me").await.expect(401);
    app.post(&format!("{USERS}/{user}/activate{whose}"), &json!({})).await.expect(200);
    app.get_as(&token, "/api/v1/me").await.expect(401);
    // A session ends however much it is used.
    let token = logged_in(&app, email).await;
    app.clock().advance(Duration::from_secs(7 * 3_600 - 60));
    app.get_as(&token, "/api/v1/me").await.expect(200);
    app.clock().advance(Duration::from_secs(61));
    app.get_as(&token, "/api/v1/me").await.expect(401);
    // What is no token is not looked for.
    app.get_as(&format!("{token}x"), "/api/v1/me").await.expect(401);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_deactivated_gets_no_pin_and_none_that_was_sent_is_good() {
    let app = TestApp::start().await;
    let email = "ann@example.com";
    let (acme, user) = invited(&app, email, "admin").await;
    let (challenge, pin) = asked(&app, email).await;
    let whose = format!("?organization_id={}", acme.organization);
    app.post(&format!("{USERS}/{user}/deactivate{whose}"), &json!({})).await.expect(200);
    let body = json!({"email": email, "challenge_id": challenge, "pin": pin});
    post(&app, TRY, &body).await.expect(401);
    post(&app, ASK, &json!({"email": email})).await.expect(200);
    all_sent(&app).await;
    assert_eq!(mails(&app, email).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_fields_are_named() {
    let app = TestApp::start().await;
    let challenge = "cf4b26f1-3b34-4c8f-b4c4-dccb0c1828b0";
    let good = json!({"email": "a@b.cd", "challenge_id": challenge, "pin": "123456"});
    for (field, value) in [
        ("email", json!("a@b.cd\r\nBcc: x@y.zz")),
        ("email", json!(7)),
        ("email", Value::Null),
        ("challenge_id", json!("x")),
        ("challenge_id", json!("' OR 1=1 --")),
        ("pin", json!(123_456)),
        ("pin", json!("12345")),
        ("pin", json!("１２３４５６")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let refused = post(&app, TRY, &body).await;
        assert_eq!(refused.expect(400)["error"]["details"]["field"], field, "{body}");
        if field == "email" {
            assert_eq!(post(&app, ASK, &body).await.expect(400)["error"]["details"]["field"], field);
        }
    }
    let missing = post(&app, ASK, &json!({})).await.expect(400);
    assert_eq!(missing["error"]["details"]["field"], "email");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_together() {
    let app = TestApp::start().await;
    let email = "ann@example.com";
    let (acme, user) = invited(&app, email, "admin").await;
    let (challenge, pin) = asked(&app, email).await;
    for _ in 0..3 {
        let body = json!({"email": email, "challenge_id": challenge, "pin": another(&pin)});
        post(&app, TRY, &body).await.expect(401);
    }
    let app = app.restart().await;
    let told: Vec<_> = kinds(&app).await.into_iter().filter(|one| one.event.kind == "login.failed").collect();
    assert_eq!(told.len(), 1);
    let event = &told[0].event;
    assert_eq!(
        (event.target.id.as_str(), event.organization_id.as_deref()),
        (user.as_str(), Some(&*acme.organization))
    );
    assert_eq!(event.after.as_ref().unwrap()["count"], 3);
    assert_eq!(event.source_ip.as_deref(), Some("192.0.2.1"));
}
