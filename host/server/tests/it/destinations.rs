//! `/siem/destinations`: making and changing them, whose they are, and what is delivered.

use std::time::Duration;

use hardpoint_domain::destination::Progress;
use hardpoint_domain::seal::MasterKey;
use hardpoint_domain::time::{Clock, Timestamp};
use hardpoint_server::service::accounts::{Accounts, Principal};
use hardpoint_server::system::SystemRng;
use hardpoint_server::worker::sequencer::number_all;
use hardpoint_store::dead_letters::{self, DeadLetter};
use hardpoint_store::destinations::{self, Advance, Present};
use hardpoint_store::events::{self, StoredEvent};
use hardpoint_store::{Lane, secrets};
use http::Method;
use serde_json::{Value, json};

use crate::exports::{Double, config};
use crate::support::{Answer, TestApp, fixture, repacked};

const ALL: &str = "/api/v1/siem/destinations";

/// How long a delivery may take: nothing wakes a test when it is over.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host whose exporter `elsewhere` may send to this address, and that keeps secrets.
async fn app(address: &str) -> TestApp {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), MasterKey::generate(&SystemRng).reveal()).unwrap();
    // First: a table of the other text is its last.
    let toml = format!("[secrets]\nmaster_key_file = \"{}\"\n{}", file.path().display(), config(address));
    let app = TestApp::with(&toml, &[("elsewhere.wasm", fixture("elsewhere"))]).await;
    let digest = app.plugin("elsewhere").await["digest"].clone();
    app.post("/api/v1/plugins/elsewhere/approve", &json!({"digest": digest})).await.expect(200);
    number_all(app.app()).await.unwrap();
    app
}

async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited for {what}"))
}

fn wanted(name: &str) -> Value {
    json!({"name": name, "exporter": "elsewhere"})
}

fn id(made: &Value) -> String {
    made["id"].as_str().unwrap().to_owned()
}

fn kinds(double: &Double) -> Vec<String> {
    double.bodies().iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

/// Waits until a destination has been told all that has happened.
async fn at_the_end(app: &TestApp, id: &str) -> Value {
    // What has no number yet counts as nothing to wait for.
    number_all(app.app()).await.unwrap();
    until("the end of the log", || async {
        let shown = app.get(&format!("{ALL}/{id}")).await.expect(200);
        (shown["lag"]["events"] == 0).then_some(shown)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_from_then_on_is_delivered() {
    let (double, address) = Double::start().await;
    let app = app(&address).await;
    let tenant = app.tenant("Acme").await;
    // What happened before has its place, so that all else is from then on.
    number_all(app.app()).await.unwrap();
    let made = app.post_as(&tenant.key, ALL, &wanted("team")).await.expect(201);
    assert_eq!((&made["organization_id"], &made["state"]), (&json!(tenant.organization), &json!("active")));
    app.post_as(&tenant.key, "/api/v1/api_keys", &json!({"label": "theirs"})).await.expect(201);
    app.post("/api/v1/api_keys", &json!({"label": "the platform's"})).await.expect(201);
    let shown = until("two events", || async {
        let shown = app.get_as(&tenant.key, &format!("{ALL}/{}", id(&made))).await.expect(200);
        (shown["delivered"] == 2).then_some(shown)
    })
    .await;
    assert_eq!(kinds(&double), ["siem_destination.created", "key.created"], "{shown}");
    let body = &double.bodies()[1];
    assert_eq!(
        (&body["organization_id"], &body["after"]["label"]),
        (&json!(tenant.organization), &json!("theirs"))
    );
    assert_eq!((&shown["dead_letters"], &shown["last_error"]), (&json!(0), &Value::Null));

    // Paused, nothing leaves; resumed, what happened meanwhile does.
    let one = format!("{ALL}/{}", id(&made));
    let paused = app.post_as(&tenant.key, &format!("{one}/pause"), &json!({})).await.expect(200);
    assert_eq!(paused["state"], "paused");
    app.post_as(&tenant.key, "/api/v1/api_keys", &json!({})).await.expect(201);
    let waiting = until("events to wait", || async {
        let shown = app.get_as(&tenant.key, &one).await.expect(200);
        (shown["lag"]["events"] == 2).then_some(shown)
    });
    assert_eq!(waiting.await["delivered"], 2);
    app.post_as(&tenant.key, &format!("{one}/resume"), &json!({})).await.expect(200);
    at_the_end(&app, &id(&made)).await;
    let expected = ["siem_destination.paused", "key.created", "siem_destination.resumed"];
    assert_eq!(kinds(&double)[2..], expected);

    // From the beginning again: what was before the destination was made is the organisation's too.
    let before = double.bodies().len();
    let replayed =
        app.post_as(&tenant.key, &format!("{one}/replay"), &json!({"cursor": 0})).await.expect(200);
    assert!(replayed["lag"]["events"].as_i64().unwrap() > 5, "{replayed}");
    at_the_end(&app, &id(&made)).await;
    let again = &double.bodies()[before..];
    assert!(again.iter().all(|event| event["organization_id"] == json!(tenant.organization)));
    assert_eq!(again.iter().filter(|event| event["kind"] == "siem_destination.created").count(), 1);
    for (body, status) in [
        (json!({}), 400),
        (json!({"cursor": 1, "since": "2026-01-01"}), 400),
        (json!({"cursor": -1}), 400),
        (json!({"since": "yesterday"}), 400),
        (json!({"cursor": 1_000_000}), 422),
        (json!({"from": 1}), 400),
    ] {
        let answer = app.post_as(&tenant.key, &format!("{one}/replay"), &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
    }
}

/// What somebody asked for again does not wait for the end of the log, nor the log for the end of that.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_and_what_is_asked_for_again_take_turns() {
    let (double, address) = Double::start().await;
    let app = app(&address).await;
    let id = id(&app.post(ALL, &wanted("team")).await.expect(201));
    at_the_end(&app, &id).await;
    app.post(&format!("{ALL}/{id}/pause"), &json!({})).await.expect(200);
    let (store, now) = (&app.app().store, app.app().clock.now());
    let old = events::after(&mut store.read().await.unwrap(), None, 0, 3).await.unwrap();
    let letter = |(seq, stored): &(i64, StoredEvent)| DeadLetter {
        destination_id: id.clone(),
        event_id: stored.event.id.clone(),
        seq: *seq,
        kind: stored.event.kind.clone(),
        reason: "not taken".to_owned(),
        state: dead_letters::State::Again,
        attempt: 0,
        created_at: now,
        due_at: now,
    };
    let letters: Vec<DeadLetter> = old.iter().map(letter).collect();
    let asked: Vec<String> = letters.iter().map(|letter| letter.event_id.clone()).collect();
    let write = store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            for letter in &letters {
                dead_letters::put(tx, letter).await?;
            }
            Ok(())
        })
    });
    write.await.unwrap();
    let before = double.bodies().len();
    app.post(&format!("{ALL}/{id}/resume"), &json!({})).await.expect(200);
    until("the log and the letters", || async {
        let shown = at_the_end(&app, &id).await;
        (shown["dead_letters"] == 0).then_some(())
    })
    .await;
    let bodies = double.bodies();
    let place = |wanted: &dyn Fn(&Value) -> bool| bodies[before..].iter().position(wanted).unwrap();
    let of = |id: &String| place(&|event| event["id"] == json!(id));
    let paused = place(&|event| event["kind"] == "siem_destination.paused");
    assert_eq!((of(&asked[0]), paused), (0, 1), "one of them, then the log");
    assert!(of(&asked[1]) > paused && of(&asked[2]) > of(&asked[1]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_for_waits_for_no_attempt() {
    let (_double, address) = Double::start().await;
    let app = app(&address).await;
    // The host itself leaves it alone.
    app.app().drift.note(Timestamp::from_micros(0), Timestamp::from_micros(i64::MAX));
    let one = id(&app.post(ALL, &wanted("all")).await.expect(201));
    let (store, now) = (&app.app().store, app.clock().now());
    let failed = one.clone();
    let write = store.write(Lane::Bulk, move |tx| {
        Box::pin(async move {
            let present = Present::at(now, PATIENCE, PATIENCE);
            destinations::claim(tx, std::slice::from_ref(&failed), "claim_1", present, PATIENCE).await?;
            let held = destinations::get(tx, &failed).await?.unwrap();
            let attempt = Advance {
                progress: Progress { failures: 1, ..held.progress() },
                saved: None,
                delivered: 0,
                error: None,
                parked: None,
                is_slow: false,
                now,
            };
            destinations::advance(tx, &failed, "claim_1", &attempt).await?;
            destinations::release(tx, &failed, "claim_1", Some(now.plus(PATIENCE))).await
        })
    });
    assert!(write.await.unwrap());
    let next = async || app.get(&format!("{ALL}/{one}")).await.expect(200)["next_attempt_at"].clone();
    assert_eq!(next().await, now.plus(PATIENCE).to_rfc3339());
    let asked = one.clone();
    let write = store.write(Lane::Bulk, |tx| Box::pin(async move { destinations::wake(tx, &asked).await }));
    write.await.unwrap();
    assert_eq!(next().await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_kinds_that_were_named() {
    let (double, address) = Double::start().await;
    let app = app(&address).await;
    let mut body = wanted("keys");
    body["events"] = json!(["key.*"]);
    let made = app.post(ALL, &body).await.expect(201);
    assert_eq!(made["organization_id"], Value::Null, "of an operator who names none");
    let tenant = app.tenant("Acme").await;
    app.post_as(&tenant.key, "/api/v1/api_keys", &json!({})).await.expect(201);
    at_the_end(&app, &id(&made)).await;
    assert_eq!(kinds(&double), ["key.created", "key.created"]);
}

/// Whoever asked for a test may leave before it is over: something was sent all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_an_event_before_anything_is_sent() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let app = app(&silent.local_addr().unwrap().to_string()).await;
    let mut body = wanted("team");
    body["events"] = json!(["none.of.these"]);
    let made = app.post(ALL, &body).await.expect(201);
    let path = format!("{ALL}/{}/test", id(&made));
    let no_options = json!({});
    let connection = tokio::select! {
        answer = app.post(&path, &no_options) => panic!("nobody answers it: {}", answer.text()),
        connection = silent.accept() => connection.unwrap(),
    };
    let mut conn = app.app().store.read().await.unwrap();
    let all = events::list(&mut conn, None, None, 100).await.unwrap();
    let tested =
        all.iter().find(|stored| stored.event.kind == "siem_destination.tested").expect("it is told");
    assert_eq!(tested.event.target.id, id(&made));
    drop(connection);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_tells_what_became_of_it() {
    let (double, address) = Double::start().await;
    let app = app(&address).await;
    let mut body = wanted("team");
    body["events"] = json!(["none.of.these"]);
    let made = app.post(ALL, &body).await.expect(201);
    let test = format!("{ALL}/{}/test", id(&made));
    let tried = app.post(&test, &json!({})).await.expect(200);
    assert_eq!((&tried["delivered"], &tried["reason"]), (&json!(true), &Value::Null));
    assert_eq!((&double.bodies()[0]["id"], double.bodies().len()), (&tried["event_id"], 1));
    let refusing = json!({"options": {"url": format!("http://{address}/refuse")}});
    let refused = app.ask(app.key(), Method::PUT, &format!("{ALL}/{}", id(&made)), Some(&refusing)).await;
    assert_eq!(refused.status, 422, "not below what was granted: {}", refused.text());
    let missing = json!({"options": {"url": format!("http://{address}/in/missing")}});
    app.ask(app.key(), Method::PUT, &format!("{ALL}/{}", id(&made)), Some(&missing)).await.expect(200);
    let tried = app.post(&test, &json!({})).await.expect(200);
    assert_eq!((&tried["delivered"], &tried["reason"]), (&json!(false), &json!("answered 404")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_lets_nobody_in_is_parked_and_loses_nothing() {
    let (double, address) = Double::start().await;
    let app = app(&address).await;
    let mut body = wanted("team");
    body["options"] = json!({"url": format!("http://{address}/in/missing")});
    let made = app.post(ALL, &body).await.expect(201);
    let one = format!("{ALL}/{}", id(&made));
    let parked = until("it to be parked", || async {
        let shown = app.get(&one).await.expect(200);
        (shown["state"] == "parked").then_some(shown)
    })
    .await;
    assert_eq!((&parked["reason"], &parked["dead_letters"]), (&json!("answered 404"), &json!(0)));
    let mended = json!({"options": {"url": format!("http://{address}/in")}});
    app.ask(app.key(), Method::PUT, &one, Some(&mended)).await.expect(200);
    app.post(&format!("{one}/resume"), &json!({})).await.expect(200);
    at_the_end(&app, &id(&made)).await;
    let expected = [
        "siem_destination.created",
        "siem_destination.parked",
        "siem_destination.updated",
        "siem_destination.resumed",
    ];
    assert_eq!(kinds(&double), expected);
}

/// It would fail for as long as it stands.
#[tokio::test(flavor = "multi_thread")]
async fn a_destination_without_an_address_is_none() {
    let manifest = "id = \"elsewhere\"\nversion = \"1.0.0\"\nkind = \"exporter\"\ndescription = \"x\"\n\
                    [batch]\nmax_events = 10\nmax_bytes = 1000\n[[http]]\nhost = \"{settings.url}\"\n\
                    [settings]\ntype = \"object\"\n[settings.properties.url]\ntype = \"string\"\n";
    let app = TestApp::with("", &[("elsewhere.wasm", repacked("elsewhere", manifest))]).await;
    let refused = app.post(ALL, &wanted("team")).await;
    assert!(refused.text().contains("'url' is required"), "{}", refused.text());
    assert_eq!(refused.expect(422)["error"]["details"]["field"], "url");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_sealed_and_stay_with_their_address() {
    let (double, address) = Double::start().await;
    let app = app(&address).await;
    let mut body = wanted("team");
    body["options"] = json!({"authenticated": true, "token": "canary-token-0123"});
    let answer = app.post(ALL, &body).await;
    assert!(!answer.text().contains("canary-token"), "{}", answer.text());
    let made = answer.expect(201);
    assert_eq!(made["options"], json!({"authenticated": true}));
    at_the_end(&app, &id(&made)).await;
    assert_eq!(double.token().as_deref(), Some("canary-token-0123"));

    // Neither the store nor any event has it in clear.
    let mut conn = app.app().store.read().await.unwrap();
    let kept = secrets::list(&mut conn, &id(&made)).await.unwrap();
    assert_eq!((kept.len(), kept[0].audience.as_deref()), (1, Some(format!("http://{address}").as_str())));
    let log = events::list(&mut conn, None, None, 1_000).await.unwrap();
    assert!(log.iter().all(|event| !String::from_utf8_lossy(&event.body).contains("canary-token")));
    drop(conn);

    // Another address asks for it again, and who only has the destination cannot send it elsewhere.
    let one = format!("{ALL}/{}", id(&made));
    let elsewhere = json!({"options": {"authenticated": true, "url": "https://evil.example/in"}});
    let refused = app.ask(app.key(), Method::PUT, &one, Some(&elsewhere)).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("send it again"), "{}", refused.text());
    let renewed = json!({"options": {"authenticated": true, "token": "canary-token-4567"}});
    app.ask(app.key(), Method::PUT, &one, Some(&renewed)).await.expect(200);
    at_the_end(&app, &id(&made)).await;
    assert_eq!(double.token().as_deref(), Some("canary-token-4567"));

    // Null takes it away; what was configured takes its place.
    let without = json!({"options": {"authenticated": true, "token": null}});
    app.ask(app.key(), Method::PUT, &one, Some(&without)).await.expect(200);
    at_the_end(&app, &id(&made)).await;
    assert_eq!(double.token().as_deref(), Some("configured-token"));
    let mut conn = app.app().store.read().await.unwrap();
    assert_eq!(secrets::list(&mut conn, &id(&made)).await.unwrap(), []);
    drop(conn);
    app.ask(app.key(), Method::PUT, &one, Some(&renewed)).await.expect(200);

    // It goes with the destination.
    assert_eq!(app.delete(&one).await.status, 204);
    assert_eq!(app.get(&one).await.status, 404);
    let mut conn = app.app().store.read().await.unwrap();
    assert_eq!(secrets::list(&mut conn, &id(&made)).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_named() {
    let (_, address) = Double::start().await;
    let app = app(&address).await;
    let with = |name: &str, value: Value| {
        let mut body = wanted("team");
        body[name] = value;
        body
    };
    for (body, status, field) in [
        (with("name", json!(" ")), 400, "name"),
        (with("exporter", json!("nobody")), 422, "exporter"),
        (with("events", json!(["a\u{7}b"])), 400, "events[0]"),
        (with("events", json!(["*", "key*"])), 400, "events[1]"),
        (with("events", json!(["Key.Created"])), 400, "events[0]"),
        (with("events", json!(["user**"])), 400, "events[0]"),
        (with("options", json!({"colour": "red"})), 400, "colour"),
        (with("options", json!({"token": 7})), 400, "token"),
        (with("options", json!({"url": "https://other.example/in"})), 422, "token"),
        (with("destination", json!("x")), 400, "destination"),
    ] {
        let answer = app.post(ALL, &body).await;
        assert_eq!(answer.status, status, "{body}: {}", answer.text());
        let told = answer.json()["error"]["details"]["field"].as_str().unwrap_or_default().to_owned();
        assert!(told.contains(field), "{body}: {}", answer.text());
    }
    app.post(ALL, &wanted("team")).await.expect(201);
    assert_eq!(app.post(ALL, &wanted("team")).await.status, 409);
    let tenant = app.tenant("Acme").await;
    for number in 0..50 {
        let mut paused = wanted(&format!("team {number}"));
        paused["events"] = json!(["none.of_these"]);
        app.post_as(&tenant.key, ALL, &paused).await.expect(201);
    }
    let refused = app.post_as(&tenant.key, ALL, &wanted("one more")).await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    app.post(ALL, &wanted("another's")).await.expect(201);
}

/// Of two changes at once neither undoes the other, and each tells what it changed.
#[tokio::test(flavor = "multi_thread")]
async fn changes_at_once_are_both_made() {
    let (_, address) = Double::start().await;
    let app = app(&address).await;
    let made = app.post(ALL, &wanted("team")).await.expect(201);
    let one = format!("{ALL}/{}", id(&made));
    for round in 0..20 {
        let (name, kind) = (format!("team {round}"), format!("key.number_{round}"));
        let (named, filtered) = (json!({"name": name}), json!({"events": [kind]}));
        let put = |body| app.ask(app.key(), Method::PUT, &one, Some(body));
        let (named, filtered) = tokio::join!(put(&named), put(&filtered));
        for changed in [named, filtered] {
            assert_eq!(changed.status, 200, "{}", changed.text());
        }
        let shown = app.get(&one).await.expect(200);
        assert_eq!((&shown["name"], &shown["events"]), (&json!(name), &json!([kind])), "{round}");
    }
    let mut conn = app.app().store.read().await.unwrap();
    let log = events::list(&mut conn, None, None, 1_000).await.unwrap();
    let mut changes: Vec<_> = log.into_iter().map(|stored| stored.event).collect();
    changes.retain(|event| event.kind == "siem_destination.updated");
    assert_eq!(changes.len(), 40);
    for event in changes {
        let (before, after) = (event.before.unwrap(), event.after.unwrap());
        let differs = |field: &str| before[field] != after[field];
        assert!(differs("name") != differs("events"), "{before} {after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_is_not_there() {
    let (_, address) = Double::start().await;
    let app = app(&address).await;
    let (mine, theirs) = (app.tenant("Mine").await, app.tenant("Theirs").await);
    let made = app.post_as(&theirs.key, ALL, &wanted("team")).await.expect(201);
    let platform = app.post(ALL, &wanted("all")).await.expect(201);
    let shown = |answer: &Answer, id: &str| answer.text().replace(id, "…");
    for of in [id(&made), id(&platform)] {
        let nobody = format!("dst_{}", "0".repeat(32));
        for (method, path, body) in [
            (Method::GET, "", None),
            (Method::PUT, "", Some(json!({"name": "mine"}))),
            (Method::DELETE, "", None),
            (Method::POST, "/pause", None),
            (Method::POST, "/resume", None),
            (Method::POST, "/test", None),
            (Method::POST, "/replay", Some(json!({"cursor": 0}))),
            (Method::GET, "/dead-letters", None),
            (Method::POST, "/dead-letters/replay", Some(json!({}))),
        ] {
            let ask = async |id: &str| {
                let path = format!("{ALL}/{id}{path}");
                app.ask(&mine.key, method.clone(), &path, body.as_ref()).await
            };
            let (there, not_there) = (ask(&of).await, ask(&nobody).await);
            assert_eq!(there.status, 404, "{method} {path}: {}", there.text());
            assert_eq!(shown(&there, &of), shown(&not_there, &nobody));
        }
    }
    let listed = app.get_as(&mine.key, ALL).await.expect(200);
    assert_eq!((&listed["total"], &listed["data"]), (&json!(0), &json!([])));
    assert_eq!(
        app.get_as(&mine.key, &format!("{ALL}?organization_id={}", theirs.organization)).await.status,
        404
    );
    let mut body = wanted("for them");
    body["organization_id"] = json!(theirs.organization);
    assert_eq!(app.post_as(&mine.key, ALL, &body).await.status, 404);
    // Operators see all of them.
    assert_eq!(app.get(ALL).await.expect(200)["total"], 2);
    app.post(ALL, &body).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn not_every_plan_includes_it_and_no_test_key_has_any() {
    let (_, address) = Double::start().await;
    let app = app(&address).await;
    let free = app.stranger_on("free", None).await;
    for (method, body) in [(Method::GET, None), (Method::POST, Some(wanted("team")))] {
        let refused = app.ask(&free, method, ALL, body.as_ref()).await;
        assert_eq!(refused.status, 402, "{}", refused.text());
        assert_eq!(refused.json()["error"], "plan_limit_exceeded");
    }
    let test = json!({"role": "admin", "livemode": false});
    let test = app.post("/api/v1/api_keys", &test).await.expect(201)["key"].clone();
    let refused = app.post_as(test.as_str().unwrap(), ALL, &wanted("team")).await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    let member = app.key_of(hardpoint_store::keys::Role::Member).await;
    assert_eq!(app.get_as(&member, ALL).await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_leaves_nothing_out() {
    let (double, address) = Double::start().await;
    let app = app(&address).await;
    let made = app.post(ALL, &wanted("all")).await.expect(201);
    let one = format!("{ALL}/{}", id(&made));
    at_the_end(&app, &id(&made)).await;
    app.post(&format!("{one}/pause"), &json!({})).await.expect(200);
    app.post("/api/v1/api_keys", &json!({"label": "meanwhile"})).await.expect(201);
    number_all(app.app()).await.unwrap();
    let shown = app.get(&one).await.expect(200);
    let end = shown["cursor"].as_i64().unwrap() + shown["lag"]["events"].as_i64().unwrap();
    for since in [json!({"cursor": end}), json!({"since": "2100-01-01"})] {
        let refused = app.post(&format!("{one}/replay"), &since).await;
        assert_eq!(refused.status, 422, "{since}: {}", refused.text());
        assert_eq!(app.get(&one).await.expect(200)["cursor"], shown["cursor"]);
    }
    app.post(&format!("{one}/resume"), &json!({})).await.expect(200);
    at_the_end(&app, &id(&made)).await;
    assert!(double.bodies().iter().any(|event| event["after"]["label"] == "meanwhile"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_without_it_parks_it_and_drops_nothing() {
    let (double, address) = Double::start().await;
    let app = app(&address).await;
    let tenant = app.tenant("Acme").await;
    number_all(app.app()).await.unwrap();
    let made = app.post_as(&tenant.key, ALL, &wanted("team")).await.expect(201);
    // The platform's is on no plan.
    let platform = app.post(ALL, &wanted("all")).await.expect(201);
    at_the_end(&app, &id(&made)).await;
    let accounts = Accounts::of(app.app());
    let plan = async |plan| {
        accounts.set_plan(&Principal::Cli, &tenant.organization, plan).await.unwrap();
        // A key is looked up anew after a second.
        app.clock().advance(Duration::from_secs(2));
    };
    plan("free").await;
    let one = format!("{ALL}/{}", id(&made));
    let parked = until("it to be parked", || async {
        let shown = app.get(&one).await.expect(200);
        (shown["state"] == "parked").then_some(shown)
    })
    .await;
    assert!(parked["reason"].as_str().unwrap().contains("`siem_export`"), "{parked}");
    assert_eq!(app.post_as(&tenant.key, &format!("{one}/resume"), &json!({})).await.status, 402);
    // The platform's is not parked, and goes on.
    at_the_end(&app, &id(&platform)).await;

    plan("enterprise").await;
    app.post_as(&tenant.key, &format!("{one}/resume"), &json!({})).await.expect(200);
    at_the_end(&app, &id(&made)).await;
    let platform = at_the_end(&app, &id(&platform)).await;
    assert_eq!((&platform["state"], &platform["dead_letters"]), (&json!("active"), &json!(0)));
    let all = kinds(&double);
    for kind in ["siem_destination.parked", "organization.plan_changed", "siem_destination.resumed"] {
        let times = all.iter().filter(|found| *found == kind).count();
        let happened = if kind == "organization.plan_changed" { 2 } else { 1 };
        assert_eq!(times, 2 * happened, "to each destination: {all:?}");
    }
}

/// Collectors are often told apart, and let in, by what stands in the path.
#[tokio::test(flavor = "multi_thread")]
async fn what_lets_send_to_a_collector_is_in_no_event() {
    let (_, address) = Double::start().await;
    let app = app(&address).await;
    let options = |secret: &str| json!({"url": format!("http://{address}/in/{secret}")});
    let mut body = wanted("team");
    body["options"] = options("s3cret");
    let one = format!("{ALL}/{}", id(&app.post(ALL, &body).await.expect(201)));
    let change = async |body: Value| app.ask(app.key(), Method::PUT, &one, Some(&body)).await.expect(200);
    let changed = change(json!({"options": options("an0ther")})).await;
    assert_eq!(changed["options"], options("an0ther"), "its administrators see it");
    change(json!({"name": "another"})).await;
    app.ask(app.key(), Method::DELETE, &one, None).await;
    let mut conn = app.app().store.read().await.unwrap();
    let all = events::list(&mut conn, None, None, 1_000).await.unwrap();
    let verbs = ["created", "updated", "deleted"].map(|verb| format!("siem_destination.{verb}"));
    let told: Vec<_> =
        all.iter().map(|stored| &stored.event).filter(|event| verbs.contains(&event.kind)).collect();
    assert_eq!(told.len(), 4);
    for event in &told {
        let text = serde_json::to_string(event).unwrap();
        assert!(!text.contains("s3cret") && !text.contains("an0ther"), "{text}");
        assert!(text.contains(&format!("\"http://{address}/…\"")), "{text}");
    }
    let is_told = |event: &&&hardpoint_domain::event::Event| {
        event.after.as_ref().is_some_and(|after| after["options_changed"] == true)
    };
    assert_eq!(told.iter().filter(is_told).count(), 1);
}
