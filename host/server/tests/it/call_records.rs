//! One record a request, what is in it, and of which requests there is none.

use std::time::Duration;

use axum::body::Body;
use hardpoint_domain::time::Clock;
use hardpoint_server::worker::forgetting;
use hardpoint_store::Lane;
use hardpoint_store::call_records::{self, CallRecord, Filter, Outcome};
use hardpoint_store::keys::Role;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::json;

use crate::support::{TestApp, fixture};

const MODEL: &str = "[[models]]\nid = \"m\"\nbinding = \"hostile-model\"\n[completions]\nattempts = 1\n";

async fn records(app: &TestApp) -> Vec<CallRecord> {
    let mut conn = app.app().store.read().await.unwrap();
    call_records::list(&mut conn, Filter::All, None, 100).await.unwrap()
}

fn says(text: &str, stream: bool) -> serde_json::Value {
    json!({"model": "m", "stream": stream, "messages": [{"role": "user", "content": text}]})
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_answers_are_recorded_before_they_are_given() {
    let app = TestApp::start().await;
    let good = app.get("/api/v1/models").await;
    let bad = app.get("/v1/plugins/nobody").await;
    let nowhere = app.get("/api/v1/nowhere").await;
    let mut found = records(&app).await;
    found.reverse();
    let ids: Vec<&str> = found.iter().map(|record| record.request_id.as_str()).collect();
    assert_eq!(ids, [good.header("request-id"), bad.header("request-id")]);
    let [good, bad] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((good.method.as_str(), good.route.as_str(), good.status), ("GET", "/api/v1/models", 200));
    assert_eq!((good.outcome, good.error_type.as_deref(), good.streamed), (Outcome::Completed, None, false));
    assert!(good.key_id.as_ref().unwrap().starts_with("key_") && good.organization_id.is_some());
    assert_eq!(good.bytes_sent, app.get("/api/v1/models").await.body.len() as u64);
    assert_eq!((bad.route.as_str(), bad.status), ("/v1/plugins/{id}", 404));
    assert_eq!((bad.outcome, bad.error_type.as_deref()), (Outcome::Failed, Some("not_found")));
    assert_eq!(bad.error_message.as_deref(), Some("There is no plugin `nobody`."));
    // Strangers leave no record, nor does what is nowhere: both cost nothing to send.
    assert_eq!(nowhere.status, 404);
    app.send(Request::get("/api/v1/models").body(Body::empty()).unwrap()).await;
    assert_eq!(records(&app).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_sends_keeps_no_record_from_being_written() {
    let app = TestApp::start().await;
    app.get(&format!("/api/v1/models/a%00b%1b{}", "x".repeat(1_000))).await.expect(404);
    let found = records(&app).await;
    let message = found[0].error_message.as_deref().unwrap();
    assert!(message.contains("a b x") && message.len() <= 300, "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_is_recorded_with_what_served_it() {
    let app = TestApp::with(MODEL, &[("m.wasm", fixture("hostile-model"))]).await;
    app.post("/v1/chat/completions", &says("be good", false)).await.expect(200);
    app.post("/v1/chat/completions", &says("be good", true)).await;
    let found = records(&app).await;
    for record in &found {
        assert_eq!((record.model.as_deref(), record.binding.as_deref()), (Some("m"), Some("hostile-model")));
        assert_eq!((record.plugin.as_deref(), record.outcome), (Some("hostile-model"), Outcome::Completed));
    }
    let streamed: Vec<_> = found.iter().filter(|record| record.streamed).collect();
    assert_eq!((found.len(), streamed.len()), (2, 1));
    assert!(streamed[0].deltas > 0 && streamed[0].bytes_sent > 0, "{streamed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_is_recorded_as_failed() {
    let app = TestApp::with(MODEL, &[("m.wasm", fixture("hostile-model"))]).await;
    let answer = app.post("/v1/chat/completions", &says("spin after text", true)).await;
    assert!(answer.text().contains("\"error\"") && !answer.text().contains("[DONE]"), "{}", answer.text());
    let found = records(&app).await;
    assert_eq!((found[0].status, found[0].outcome), (200, Outcome::Failed));
    assert_eq!(found[0].error_type.as_deref(), Some("plugin_failed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_recorded_as_cancelled() {
    let app = TestApp::with(MODEL, &[("m.wasm", fixture("hostile-model"))]).await;
    let request = app.request(Method::POST, "/v1/chat/completions", Some(&says("text for ever", true)));
    let mut response = app.begin(request).await;
    assert!(response.body_mut().frame().await.is_some());
    drop(response);
    app.app().calls.flush().await;
    let found = records(&app).await;
    assert_eq!((found[0].status, found[0].outcome), (200, Outcome::Cancelled));
    assert!(found[0].streamed && found[0].bytes_sent > 0, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_the_record_waits_for_room_takes_nothing_away() {
    use std::task::{Context, Waker};
    let app = TestApp::start().await;
    app.get("/api/v1/models").await;
    let sample = records(&app).await.remove(0);
    let shared = app.app().clone();
    let caller = {
        let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
        let keep = seen.clone();
        let layer = hardpoint_server::middleware::entry::Entry {
            app: shared.clone(),
            access: hardpoint_server::middleware::entry::Access::Key,
            bodies: hardpoint_server::middleware::entry::Bodies::Json,
        };
        let handler = move |caller: hardpoint_server::caller::Caller| async move {
            *keep.lock().unwrap() = Some(caller);
        };
        let router = axum::Router::new()
            .route("/who", axum::routing::get(handler))
            .layer(axum::middleware::from_fn_with_state(layer, hardpoint_server::middleware::entry::entry));
        tower::ServiceExt::oneshot(router, app.request(Method::GET, "/who", None)).await.unwrap();
        seen.lock().unwrap().take().unwrap()
    };
    // While one writes, nothing else is written, and the recorder's queue fills.
    let (open, gate) = tokio::sync::oneshot::channel::<()>();
    let (begun, begins) = tokio::sync::oneshot::channel::<()>();
    let store = shared.store.clone();
    let writer = tokio::spawn(async move {
        let write = store.write(hardpoint_store::Lane::Request, move |_| {
            Box::pin(async move {
                let _ = begun.send(());
                let _ = gate.await;
                Ok(())
            })
        });
        write.await
    });
    begins.await.unwrap();
    let mut context = Context::from_waker(Waker::noop());
    let mut waiting = Vec::new();
    for number in 0..5_000 {
        let (id, calls) = (format!("call_{number}"), shared.calls.clone());
        let record = CallRecord { id, request_id: format!("req_{number}"), ..sample.clone() };
        let mut future = Box::pin(tokio::task::unconstrained(async move { calls.record(record).await }));
        assert!(future.as_mut().poll(&mut context).is_pending());
        waiting.push(future);
    }
    let facts = hardpoint_server::call::Facts {
        method: "GET".into(),
        route: "/left".into(),
        status: 200,
        caller: Some(caller),
        started: sample.time,
        ..Default::default()
    };
    let note = hardpoint_server::call::CallNote::open(shared.clone(), "req_left".into(), facts);
    let mut leaving = Box::pin(tokio::task::unconstrained(async move { note.commit().await }));
    assert!(leaving.as_mut().poll(&mut context).is_pending());
    drop(leaving);
    drop(waiting);
    open.send(()).unwrap();
    writer.await.unwrap().unwrap();
    shared.calls.flush().await;
    let mut conn = shared.store.read().await.unwrap();
    let found = call_records::list(&mut conn, Filter::All, None, 10_000).await.unwrap();
    assert!(found.iter().any(|record| record.route == "/left"));
}

/// How many records there are of each status, the lowest first.
async fn by_status(app: &TestApp) -> Vec<(u16, usize)> {
    app.app().calls.flush().await;
    let mut counts = std::collections::BTreeMap::new();
    let mut conn = app.app().store.read().await.unwrap();
    for record in call_records::list(&mut conn, Filter::All, None, 1_000).await.unwrap() {
        *counts.entry(record.status).or_default() += 1;
    }
    counts.into_iter().collect()
}

/// What is refused at the door counts against no limit; a key's owner could send any number of such requests.
#[tokio::test(flavor = "multi_thread")]
async fn many_that_are_turned_away_leave_few_records() {
    let app = TestApp::start().await;
    let key = app.stranger_on("free", Some(3)).await;
    for _ in 0..40 {
        app.get_as(&key, "/api/v1/models/none").await;
    }
    // What was let in leaves its record, however it was answered.
    assert_eq!(by_status(&app).await, [(404, 3), (429, 10)]);
    // A role that is too little, and what a plan does not include, are the same to the disk.
    let viewer = app.key_of(Role::Viewer).await;
    for _ in 0..40 {
        app.get_as(&viewer, "/api/v1/plugins").await.expect(403);
    }
    assert_eq!(by_status(&app).await, [(403, 10), (404, 3), (429, 10)]);
    // How many there were is told together, at the end at the latest.
    let app = app.restart().await;
    let mut conn = app.app().store.read().await.unwrap();
    let all = hardpoint_store::events::list(&mut conn, None, None, 20).await.unwrap();
    let refused = all.iter().filter(|stored| stored.event.kind == "request.refused");
    let mut counts: Vec<_> =
        refused.map(|stored| stored.event.after.as_ref().unwrap()["count"].as_u64().unwrap()).collect();
    counts.sort_unstable();
    assert_eq!(counts, [37, 40]);
}

/// They count against limits, where there are any; so they may leave as many records, whatever became of them.
#[tokio::test(flavor = "multi_thread")]
async fn all_that_were_let_in_leave_records() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Acme").await;
    let test = json!({"role": "admin", "livemode": false});
    let test = app.post_as(&tenant.key, "/api/v1/api_keys", &test).await.expect(201);
    for _ in 0..15 {
        let invited = json!({"email": "ann@example.com"});
        app.post_as(test["key"].as_str().unwrap(), "/api/v1/users", &invited).await.expect(403);
    }
    assert_eq!(by_status(&app).await, [(201, 1), (403, 15)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_forgotten_after_a_month() {
    const DAY: Duration = Duration::from_secs(86_400);
    let app = TestApp::start().await;
    app.get("/api/v1/models").await;
    let sample = records(&app).await.remove(0);
    let (now, mut old) = (app.clock().now(), Vec::new());
    for number in 0..600 {
        let (id, time) = (format!("call_{number}"), now.minus(31 * DAY));
        old.push(CallRecord { id, time, status: if number < 10 { 200 } else { 429 }, ..sample.clone() });
    }
    for (number, days) in [(600, 29), (601, 0)] {
        let (id, time) = (format!("call_{number}"), now.minus(days * DAY));
        old.push(CallRecord { id, time, status: 429, ..sample.clone() });
    }
    let write = app
        .app()
        .store
        .write(Lane::Request, move |tx| Box::pin(async move { call_records::insert(tx, &old).await }));
    write.await.unwrap();
    forgetting::forget_refused(app.app(), app.clock().now()).await.unwrap();
    assert_eq!(by_status(&app).await, [(200, 11), (429, 2)]);
    app.clock().advance(2 * DAY);
    forgetting::forget_refused(app.app(), app.clock().now()).await.unwrap();
    assert_eq!(by_status(&app).await, [(200, 11), (429, 1)]);
}
