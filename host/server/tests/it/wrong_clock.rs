//! What a host leaves alone whose clock is far from the database's: what it ended by that clock would be gone for all.

use std::time::Duration;

use axum::body::Body;
use hardpoint_domain::time::{Clock, Timestamp};
use hardpoint_server::worker::idempotency::sweep;
use hardpoint_server::worker::{forgetting, refusals, retention, sequencer};
use hardpoint_store::call_records::{self, CallRecord, Filter};
use hardpoint_store::idempotency::{self, Claim};
use hardpoint_store::mails::{self, NewMail};
use hardpoint_store::testing::{damage, raw};
use hardpoint_store::{Lane, Store};
use http::{Request, header};

use crate::support::TestApp;

const HOUR: Duration = Duration::from_secs(3_600);

/// So far off, or not at all.
fn is_off(app: &TestApp, is_off: bool) {
    let database = if is_off { Timestamp::from_micros(i64::MAX) } else { Timestamp::from_micros(0) };
    app.app().drift.note(Timestamp::from_micros(0), database);
}

/// A mail that this host does not send, since it is sealed for another, and that is too late in an hour.
async fn mail(app: &TestApp) {
    let now = app.clock().now();
    let mail = NewMail {
        id: "mail_1".into(),
        key_id: "another's".into(),
        sealed: vec![1],
        is_addressed: true,
        due_at: now,
        expires_at: now.plus(HOUR),
    };
    let write =
        app.app().store.write(Lane::Bulk, |tx| Box::pin(async move { mails::insert(tx, &mail).await }));
    write.await.unwrap();
}

async fn mails_of(store: &Store) -> i64 {
    mails::count(&mut store.read().await.unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mail_is_given_up_by_a_clock_that_is_far_off() {
    let app = TestApp::start().await;
    let store = &app.app().store;
    mail(&app).await;
    is_off(&app, true);
    app.clock().advance(2 * HOUR);
    forgetting::forget_all(app.app()).await.unwrap();
    assert_eq!(mails_of(store).await, 1);
    is_off(&app, false);
    forgetting::forget_all(app.app()).await.unwrap();
    assert_eq!(mails_of(store).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_event_is_purged_by_a_clock_that_is_far_off() {
    let app = TestApp::start().await;
    let request = Request::get("/api/v1/me").header(header::AUTHORIZATION, "Bearer hp_live_no");
    app.send(request.body(Body::empty()).unwrap()).await.expect(401);
    refusals::write(app.app()).await.unwrap();
    sequencer::number_all(app.app()).await.unwrap();
    let refused = async || {
        let page = app.get("/api/v1/audit-logs?action=request.refused").await.expect(200);
        page["data"].as_array().unwrap().len()
    };
    is_off(&app, true);
    app.clock().advance(31 * 24 * HOUR);
    retention::purge_all(app.app()).await.unwrap();
    assert_eq!(refused().await, 1);
    is_off(&app, false);
    retention::purge_all(app.app()).await.unwrap();
    assert_eq!(refused().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_name_of_a_request_is_freed_by_a_clock_that_is_far_off() {
    let app = TestApp::start().await;
    let mine = app.tenant("Mine").await;
    let now = app.clock().now();
    let claim = Claim {
        id: "req_1".into(),
        organization_id: mine.organization.clone(),
        key_id: mine.key_id.clone(),
        name: "one".into(),
        fingerprint: [7; 32],
        lease_until: now,
        expires_at: now.plus(HOUR),
    };
    let write = app
        .app()
        .store
        .write(Lane::Request, move |tx| Box::pin(async move { idempotency::claim(tx, &claim, now).await }));
    assert!(write.await.unwrap());
    // Whoever asks by a clock that is right.
    let is_known = async || {
        let mut conn = app.app().store.read().await.unwrap();
        idempotency::find(&mut conn, &mine.organization, &mine.key_id, "one", now).await.unwrap().is_some()
    };
    is_off(&app, true);
    app.clock().advance(2 * HOUR);
    sweep(app.app()).await.unwrap();
    assert!(is_known().await);
    is_off(&app, false);
    sweep(app.app()).await.unwrap();
    assert!(!is_known().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_forgotten_keeps_nothing_else() {
    let app = TestApp::start().await;
    app.get("/api/v1/models").await.expect(200);
    let records = async || {
        let mut conn = app.app().store.read().await.unwrap();
        call_records::list(&mut conn, Filter::All, None, 100).await.unwrap()
    };
    let now = app.clock().now();
    let sample = records().await.remove(0);
    let time = now.minus(31 * 24 * HOUR);
    let refused = [CallRecord { id: "call_1".into(), time, status: 429, ..sample }];
    let store = &app.app().store;
    let write =
        store.write(Lane::Bulk, move |tx| Box::pin(async move { call_records::insert(tx, &refused).await }));
    write.await.unwrap();
    mail(&app).await;
    let write = store.write(Lane::Bulk, |tx| Box::pin(async move { raw(tx, damage::KEPT_MAILS).await }));
    write.await.unwrap();
    app.clock().advance(2 * HOUR);
    forgetting::forget_all(app.app()).await.unwrap_err();
    assert_eq!((mails_of(store).await, records().await.len()), (1, 1));
}
