//! What a host leaves alone whose clock is far from the database's: what it ended by that clock would be gone for all.

use std::time::Duration;

use axum::body::Body;
use hardpoint_domain::time::{Clock, Timestamp};
use hardpoint_server::worker::{forgetting, refusals, retention, sequencer};
use hardpoint_store::mails::{self, NewMail};
use hardpoint_store::{Lane, Store};
use http::{Request, header};

use crate::support::TestApp;

const HOUR: Duration = Duration::from_secs(3_600);

/// So far off, or not at all.
fn is_off(app: &TestApp, is_off: bool) {
    let database = if is_off { Timestamp::from_micros(i64::MAX) } else { Timestamp::from_micros(0) };
    app.app().drift.note(Timestamp::from_micros(0), database);
}

async fn mails_of(store: &Store) -> i64 {
    mails::count(&mut store.read().await.unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mail_is_given_up_by_a_clock_that_is_far_off() {
    let app = TestApp::start().await;
    let (store, now) = (&app.app().store, app.clock().now());
    // Sealed for another host: this one does not send it.
    let mail = NewMail {
        id: "mail_1".into(),
        key_id: "another's".into(),
        sealed: vec![1],
        is_addressed: true,
        due_at: now,
        expires_at: now.plus(HOUR),
    };
    store.write(Lane::Bulk, |tx| Box::pin(async move { mails::insert(tx, &mail).await })).await.unwrap();
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
