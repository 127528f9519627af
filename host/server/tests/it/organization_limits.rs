//! Limits that an organisation was given in the place of its plan's, and whose limit it is that decides.

use std::time::Duration;

use hardpoint_store::events;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

const PLANS: &str = "[plans.free]\nrequests_per_minute = 10\nconcurrent = 5\n";

fn of(organization: &str) -> String {
    format!("/api/v1/orgs/{organization}/limits")
}

async fn set(app: &TestApp, body: &Value) -> Answer {
    app.ask(app.key(), Method::PUT, &of("org_stranger"), Some(body)).await
}

async fn limit_shown(app: &TestApp, key: &str) -> String {
    app.get_as(key, "/api/v1/tools").await.header("x-ratelimit-limit").to_owned()
}

/// A set of limits with these members, all others null.
fn set_of(members: &Value) -> Value {
    let names = [
        "requests_per_minute",
        "requests_per_hour",
        "requests_per_day",
        "concurrent_requests",
        "completions_per_minute",
        "completions_per_day",
        "concurrent_completions",
        "tokens_per_minute",
    ];
    names.into_iter().map(|name| (name.to_owned(), members[name].clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_gives_an_organisation_limits_of_its_own() {
    let app = TestApp::with(PLANS, &[]).await;
    let key = app.stranger_on("free", None).await;
    assert_eq!(limit_shown(&app, &key).await, "10");
    let lower = json!({"requests_per_minute": 3, "tokens_per_minute": 1_000});
    let told = set(&app, &lower).await.expect(200);
    assert_eq!(
        told,
        json!({
            "organization_id": "org_stranger", "plan": "free", "own": set_of(&lower),
            "limits": set_of(&json!({"requests_per_minute": 3, "tokens_per_minute": 1_000, "concurrent_requests": 5})),
        })
    );
    assert_eq!(app.get(&of("org_stranger")).await.expect(200), told);
    assert_eq!(limit_shown(&app, &key).await, "3");
    set(&app, &json!({"requests_per_minute": 30, "requests_per_hour": null})).await.expect(200);
    assert_eq!(limit_shown(&app, &key).await, "30");
    set(&app, &json!({})).await.expect(200);
    assert_eq!(limit_shown(&app, &key).await, "10");
    // The same again is no change.
    set(&app, &json!({})).await.expect(200);
    let mut conn = app.app().store.read().await.unwrap();
    let all = events::list(&mut conn, Some("org_stranger"), None, 100).await.unwrap();
    let all = all
        .into_iter()
        .map(|stored| stored.event)
        .filter(|event| event.kind == "organization.limits_changed");
    let changes: Vec<_> = all.map(|event| json!([event.before, event.after])).collect();
    let higher = json!({"requests_per_minute": 30});
    let expected = [json!([higher, {}]), json!([lower, higher]), json!([{}, lower])];
    assert!(changes == expected || changes.iter().rev().eq(expected.iter()), "{changes:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_limit_is_refused_and_named() {
    let app = TestApp::with(PLANS, &[]).await;
    let key = app.stranger_on("free", None).await;
    for (body, field) in [
        (json!({"requests_per_minute": 0}), "requests_per_minute"),
        (json!({"tokens_per_minute": 1_000_000_001_u64}), "tokens_per_minute"),
        (json!({"concurrent_requests": -1}), "concurrent_requests"),
        (json!({"requests_per_week": 1}), "requests_per_week"),
    ] {
        assert_eq!(set(&app, &body).await.expect(400)["error"]["details"]["field"], field);
    }
    let mine = app.ask(&key, Method::PUT, &of("org_stranger"), Some(&json!({}))).await;
    assert_eq!(
        (mine.status.as_u16(), app.get_as(&key, &of("org_stranger")).await.status.as_u16()),
        (403, 403)
    );
    for unknown in ["org_none", "org_00000000000000000000000000000000"] {
        app.get(&of(unknown)).await.expect(404);
        app.ask(app.key(), Method::PUT, &of(unknown), Some(&json!({}))).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tightest_decides_and_is_told() {
    let app = TestApp::with(PLANS, &[]).await;
    let key = app.stranger_on("free", Some(7)).await;
    let deciding = async || {
        let found = app.get_as(&key, "/api/v1/limits").await.expect(200);
        assert_eq!(found["key"]["requests_per_minute"], 7);
        (found["tightest"].clone(), found["organization"].clone())
    };
    let at_once = json!({"name": "concurrent_requests", "limit": 5, "set_by": "plan"});
    let minute =
        |limit: u64, set_by: &str| json!({"name": "requests_per_minute", "limit": limit, "set_by": set_by});
    let (tightest, organization) = deciding().await;
    assert_eq!(tightest, json!([minute(7, "key"), at_once]));
    assert_eq!(organization, set_of(&json!({"requests_per_minute": 10, "concurrent_requests": 5})));
    assert_eq!(limit_shown(&app, &key).await, "7");
    set(&app, &json!({"requests_per_minute": 6})).await.expect(200);
    assert_eq!(deciding().await.0, json!([minute(6, "organization"), at_once]));
    assert_eq!(limit_shown(&app, &key).await, "6");
    // The organisation's is for all of its keys, this one's for itself.
    set(&app, &json!({"requests_per_minute": 100})).await.expect(200);
    let (tightest, organization) = deciding().await;
    assert_eq!(tightest, json!([minute(7, "key"), at_once]));
    assert_eq!(organization["requests_per_minute"], 100);
    // What operators change while hosts run is told too.
    app.ask(app.key(), Method::PUT, "/api/v1/configs", Some(&json!({"plans": {"free": {"concurrent": 1}}})))
        .await
        .expect(200);
    assert_eq!(deciding().await.0[1]["limit"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_changes_holds_in_the_minute_it_changes_in() {
    let app = TestApp::with(PLANS, &[]).await;
    let key = app.stranger_on("free", None).await;
    let answered = async |count: usize| {
        let mut answered = 0;
        for _ in 0..count {
            answered += usize::from(app.get_as(&key, "/api/v1/tools").await.status == 200);
        }
        answered
    };
    assert_eq!(answered(12).await, 10);
    set(&app, &json!({"requests_per_minute": 14})).await.expect(200);
    assert_eq!(answered(12).await, 4);
    set(&app, &json!({"requests_per_minute": 5})).await.expect(200);
    assert_eq!(answered(2).await, 0);
    app.clock().advance(Duration::from_secs(60));
    assert_eq!(answered(12).await, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_host_knows_within_a_second() {
    let Some(hosts) = TestApp::pair(PLANS, &[]).await else { return };
    let key = hosts[0].stranger_on("free", None).await;
    assert_eq!(limit_shown(&hosts[1], &key).await, "10");
    set(&hosts[0], &json!({"requests_per_minute": 4})).await.expect(200);
    assert_eq!(limit_shown(&hosts[0], &key).await, "4");
    hosts[1].clock().advance(Duration::from_secs(1));
    assert_eq!(limit_shown(&hosts[1], &key).await, "4");
}
