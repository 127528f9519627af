//! Requests that are refused, as the audit log has them.

use std::time::Duration;

use axum::body::Body;
use hardpoint_runtime::egress::{Holder, Refused, Watch};
use hardpoint_server::worker::refusals::{self, EgressRefusals};
use hardpoint_server::worker::{retention, sequencer};
use hardpoint_store::events;
use hardpoint_store::testing::damage;
use http::{Request, header};
use serde_json::{Value, json};

use crate::audit_log::{LOG, sql};
use crate::support::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn who_is_refused_is_in_the_log() {
    let app = TestApp::start().await;
    let request = Request::get("/api/v1/me").header(header::AUTHORIZATION, "Bearer hp_live_no");
    assert_eq!(app.send(request.body(Body::empty()).unwrap()).await.status, 401);
    let app = app.restart().await;
    let told = app.get(&format!("{LOG}?action=request.refused")).await.expect(200);
    assert_eq!(
        (&told["data"][0]["outcome"], &told["data"][0]["after"]["status"]),
        (&json!("refused"), &json!(401))
    );
}

/// What is refused while connections end is counted after the worker's last round.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_to_the_very_end_is_in_the_log() {
    let app = TestApp::start().await;
    let refuse = |app: &TestApp, last: u8| {
        let ip = Some([192, 0, 2, last].into());
        app.app().refusals.note(401, "authentication_error", ip, None, app.app().clock.now());
    };
    let known = async |app: &TestApp| {
        let mut conn = app.app().store.read().await.unwrap();
        let all = events::list(&mut conn, None, None, 1_000).await.unwrap();
        let refused = all.into_iter().filter(|stored| stored.event.kind == "request.refused");
        refused.filter_map(|stored| stored.event.source_ip).collect::<Vec<_>>()
    };
    refuse(&app, 1);
    app.app().stop.stop();
    let last_round = async {
        while known(&app).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), last_round).await.unwrap();
    refuse(&app, 2);
    let app = app.restart().await;
    let mut refused = known(&app).await;
    refused.sort();
    assert_eq!(refused, ["192.0.2.1", "192.0.2.2"]);
}

/// A store that is away for a moment, or is full in the midst of it, loses none of what was counted.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_could_not_be_written_down_are_counted_on() {
    let app = TestApp::start().await;
    let counted = EgressRefusals { refusals: app.app().refusals.clone(), clock: app.app().clock.clone() };
    let holder = Holder { binding: "one", plugin: "prober", declared: None };
    let refuse = |number: usize| {
        let (organization, origin) = (format!("org_{}", number % 2), format!("https://host-{number}"));
        counted.refused(&Refused { holder, organization: Some(&organization), origin: &origin });
    };
    sql(&app, damage::REFUSED_EVENTS).await;
    (0..120).for_each(refuse);
    refusals::write(app.app()).await.unwrap_err();
    let told = async || {
        let mut conn = app.app().store.read().await.unwrap();
        let all = hardpoint_store::events::list(&mut conn, None, None, 1_000).await.unwrap();
        let refused =
            all.into_iter().map(|stored| stored.event).filter(|event| event.kind == "egress.refused");
        refused.map(|event| event.after.unwrap()["count"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(told().await, [1; 50]);
    sql(&app, damage::EVENTS_AGAIN).await;
    refuse(119);
    refusals::write(app.app()).await.unwrap();
    let told = told().await;
    assert_eq!((told.len(), told.iter().sum::<u64>()), (if told.contains(&2) { 120 } else { 121 }, 121));
}

/// What strangers cause is the platform's, which keeps its events: all but this.
#[tokio::test(flavor = "multi_thread")]
async fn what_strangers_caused_is_purged_after_a_month() {
    let app = TestApp::start().await;
    let request = Request::get("/api/v1/me").header(header::AUTHORIZATION, "Bearer hp_live_no");
    assert_eq!(app.send(request.body(Body::empty()).unwrap()).await.status, 401);
    let member = app.key_of(hardpoint_store::keys::Role::Member).await;
    assert_eq!(app.get_as(&member, LOG).await.status, 403);
    refusals::write(app.app()).await.unwrap();
    sequencer::number_all(app.app()).await.unwrap();
    let told = async |kind: &str| {
        let page = app.get(&format!("{LOG}?action={kind}")).await.expect(200);
        page["data"].as_array().unwrap().clone()
    };
    app.clock().advance(Duration::from_secs(29 * 86_400));
    retention::purge_all(app.app()).await.unwrap();
    assert_eq!(told("request.refused").await.len(), 2);
    app.clock().advance(Duration::from_secs(2 * 86_400));
    retention::purge_all(app.app()).await.unwrap();
    let left = told("request.refused").await;
    assert_eq!((left.len(), left[0]["organization_id"].is_string()), (1, true), "an organisation's stays");
    let purged = &told("audit_log.purged").await[0];
    assert_eq!((&purged["organization_id"], &purged["after"]["count"]), (&Value::Null, &json!(1)));
    sequencer::number_all(app.app()).await.unwrap();
    let checked = app.get("/api/v1/audit-logs/integrity").await.expect(200);
    assert_eq!(checked["intact"], true, "{checked:#}");
}
