//! What a plan includes: features, seats and keys.

use futures_util::future::join_all;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

const USERS: &str = "/api/v1/users";
const KEYS: &str = "/api/v1/api_keys";

async fn invite(app: &TestApp, key: &str, number: usize) -> Answer {
    app.post_as(key, USERS, &json!({"email": format!("{number}@example.com")})).await
}

fn statuses(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plan_does_not_include_is_refused_under_every_name() {
    let app = TestApp::start().await;
    let key = app.stranger_on("free", None).await;
    for path in ["/api/v1/audit-logs/siem/datadog/export", "/v1/audit-logs/siem/none/export"] {
        let refused = app.post_as(&key, path, &json!({})).await;
        assert_eq!(
            refused.expect(402),
            json!({
                "error": "plan_limit_exceeded",
                "message": "Your current plan (free) does not include siem_export. Upgrade to professional or higher.",
                "code": "SIEM_EXPORT_REQUIRES_UPGRADE",
                "required_plan": "professional",
                "upgrade_url": "/billing",
            }),
            "{path}"
        );
    }
    // Who may not do it at all is told that, and operators are on no plan.
    let member = app.key_of(hardpoint_store::keys::Role::Member).await;
    app.post_as(&member, "/api/v1/audit-logs/siem/none/export", &json!({})).await.expect(403);
    app.post("/api/v1/audit-logs/siem/none/export", &json!({})).await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feature_is_there_where_the_plan_says_so() {
    let toml = "[server]\nupgrade_url = \"https://pay.example/\"\n\n\
                [plans.free]\nfeatures = [\"siem_export\"]\n\n[plans.enterprise]\nfeatures = []\n";
    let app = TestApp::with(toml, &[]).await;
    let key = app.stranger_on("free", None).await;
    let path = "/api/v1/audit-logs/siem/none/export";
    app.post_as(&key, path, &json!({})).await.expect(404);
    let poor = app.tenant("Poor").await;
    let refused = app.post_as(&poor.key, path, &json!({})).await.expect(402);
    assert_eq!(
        (&refused["upgrade_url"], &refused["required_plan"]),
        (&json!("https://pay.example/"), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_invited_at_once_as_many_come_as_there_are_seats() {
    let app = TestApp::with("[plans.free]\nseats = 5\n", &[]).await;
    let key = app.stranger_on("free", None).await;
    let answers = join_all((0..1_000).map(|number| invite(&app, &key, number))).await;
    assert_eq!((statuses(&answers, 201), statuses(&answers, 402)), (5, 995));
    let refused = answers.iter().find(|answer| answer.status == 402).unwrap().json();
    assert_eq!(
        refused,
        json!({
            "error": "plan_limit_exceeded",
            "message": "Your current plan (free) includes 5 seats, and all of them are in use. Upgrade to starter or higher.",
            "code": "SEATS_REQUIRES_UPGRADE",
            "required_plan": "starter",
            "current_usage": {"current": 5, "max": 5},
            "upgrade_url": "/billing",
        })
    );
    assert_eq!(app.get_as(&key, USERS).await.expect(200)["total"], 5);
    // Nobody else's seats are taken by that, and an operator is not held back.
    let other = app.tenant("Other").await;
    invite(&app, &other.key, 1).await.expect(201);
    app.post(&format!("{USERS}?organization_id=org_stranger"), &json!({"email": "one@more.example"}))
        .await
        .expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_deactivated_has_no_seat_and_needs_one_to_come_back() {
    let app = TestApp::with("[plans.free]\nseats = 2\n", &[]).await;
    let key = app.stranger_on("free", None).await;
    let first = invite(&app, &key, 1).await.expect(201);
    invite(&app, &key, 2).await.expect(201);
    let one = format!("{USERS}/{}", first["id"].as_str().unwrap());
    let post = async |what: &str| app.post_as(&key, &format!("{one}/{what}"), &json!({})).await;
    // Who has a seat keeps it.
    post("activate").await.expect(200);
    post("deactivate").await.expect(200);
    invite(&app, &key, 3).await.expect(201);
    let refused = post("activate").await.expect(402);
    assert_eq!(refused["current_usage"], json!({"current": 2, "max": 2}));
    let renamed = app.ask(&key, Method::PUT, &one, Some(&json!({"name": "Gone"}))).await.expect(200);
    assert_eq!(renamed["status"], "deactivated");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_counted_while_they_are_good() {
    let app = TestApp::with("[plans.free]\napi_keys = 4\n", &[]).await;
    // The key that asks is one of them.
    let key = app.stranger_on("free", None).await;
    let body = json!({"role": "member"});
    let answers = join_all((0..100).map(|_| app.post_as(&key, KEYS, &body))).await;
    assert_eq!((statuses(&answers, 201), statuses(&answers, 402)), (3, 97));
    let refused = answers.iter().find(|answer| answer.status == 402).unwrap().json();
    assert_eq!(
        (&refused["code"], &refused["current_usage"]["max"]),
        (&json!("API_KEYS_REQUIRES_UPGRADE"), &json!(4))
    );
    let made = answers.iter().find(|answer| answer.status == 201).unwrap().json();
    let one = format!("{KEYS}/{}", made["id"].as_str().unwrap());
    // One for one there is room.
    app.post_as(&key, &format!("{one}/rotate"), &json!({})).await.expect(201);
    app.post_as(&key, KEYS, &body).await.expect(402);
    let live = async || {
        let listed = app.get_as(&key, &format!("{KEYS}?page_size=100")).await.expect(200);
        listed["data"].as_array().unwrap().iter().filter(|key| key["status"] == "live").count()
    };
    assert_eq!(live().await, 4);
    // One that is renewed may live on, but no chain of them.
    let others = answers.iter().filter(|answer| answer.status == 201).skip(1);
    let others: Vec<_> =
        others.map(|made| format!("{KEYS}/{}", made.json()["id"].as_str().unwrap())).collect();
    let rotate = async |one: &str| {
        let body = json!({"overlap": 86_400});
        app.post_as(&key, &format!("{one}/rotate"), &body).await
    };
    let renewed = rotate(&others[0]).await.expect(201);
    let refused = rotate(&others[1]).await.expect(402);
    assert_eq!(refused["current_usage"]["max"], 4);
    rotate(&format!("{KEYS}/{}", renewed["id"].as_str().unwrap())).await.expect(402);
    assert_eq!(live().await, 5);
    app.post_as(&key, &format!("{}/rotate", others[1]), &json!({})).await.expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_plan_is_listed_with_what_it_includes() {
    let app = TestApp::with("[plans.free]\nseats = 7\n", &[]).await;
    let key = app.stranger_on("free", None).await;
    let listed = app.get_as(&key, "/api/v1/tiers").await.expect(200);
    let ids: Vec<_> = listed["data"].as_array().unwrap().iter().map(|tier| tier["id"].clone()).collect();
    assert_eq!(ids, ["free", "standard", "professional", "enterprise"]);
    assert_eq!(
        listed["data"][0],
        json!({
            "id": "free",
            "requests_per_minute": null, "requests_per_hour": null, "requests_per_day": null,
            "concurrent_requests": null,
            "completions_per_minute": null, "completions_per_day": null, "concurrent_completions": null,
            "tokens_per_minute": null,
            "seats": 7, "api_keys": null, "features": [], "credits": 1, "audit_retention_days": 365,
        })
    );
    let professional = &listed["data"][2];
    assert_eq!((&professional["requests_per_minute"], &professional["seats"]), (&json!(120), &json!(50)));
    assert!(professional["features"].as_array().unwrap().contains(&json!("siem_export")));
}
