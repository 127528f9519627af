//! `/api_keys`: the life of a key.

use std::time::Duration;

use hardpoint_domain::key::KeyText;
use hardpoint_store::events;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

const KEYS: &str = "/api/v1/api_keys";

/// A new key: its id and its text.
async fn make(app: &TestApp, body: &Value) -> (String, String) {
    let made = app.post(KEYS, body).await.expect(201);
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

async fn shown(app: &TestApp, id: &str) -> Value {
    app.get(&format!("{KEYS}/{id}")).await.expect(200)
}

async fn archive(app: &TestApp, id: &str) -> Answer {
    app.post(&format!("{KEYS}/{id}/archive"), &json!({})).await
}

async fn is_good(app: &TestApp, key: &str) -> bool {
    app.get_as(key, "/api/v1/me").await.status == 200
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_shown_once() {
    let app = TestApp::start().await;
    // As SEC API documents it.
    let made =
        app.post(KEYS, &json!({"label": "CI pipeline", "scopes": ["read:sec"], "livemode": true})).await;
    insta::assert_snapshot!(made.shown(), @r#"
    201
    {
      "archived_at": null,
      "created_at": "…",
      "expires_at": null,
      "hint": "…",
      "id": "key_…",
      "key": "…",
      "label": "CI pipeline",
      "last_used_at": null,
      "livemode": true,
      "name": "CI pipeline",
      "organization_id": "org_…",
      "rate_limit_per_hour": 1000,
      "rate_limit_per_minute": 60,
      "role": "member",
      "scopes": [
        "read:sec"
      ],
      "status": "live",
      "workspace_id": null
    }
    "#);
    let made = made.json();
    let text = made["key"].as_str().unwrap();
    assert!(text.starts_with("hp_live_") && KeyText::parse(text).is_ok(), "{text}");
    let mut record = made.clone();
    record.as_object_mut().unwrap().remove("key");
    let id = made["id"].as_str().unwrap();
    assert_eq!(shown(&app, id).await, record);
    let listed = app.get(KEYS).await;
    assert_eq!(listed.json()["data"][0], record);
    assert!(!listed.text().contains(text));

    let (_, test) = make(&app, &json!({"name": "Sandbox", "livemode": false})).await;
    assert!(test.starts_with("hp_test_"), "{test}");
    let bare =
        app.post(KEYS, &json!({"rate_limit_per_minute": null, "rate_limit_per_hour": 5})).await.expect(201);
    assert_eq!((&bare["label"], &bare["name"]), (&Value::Null, &Value::Null));
    assert_eq!((&bare["rate_limit_per_minute"], &bare["rate_limit_per_hour"]), (&Value::Null, &json!(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_in_pages() {
    let app = TestApp::start().await;
    for number in 0..27 {
        make(&app, &json!({"label": format!("number {number}")})).await;
    }
    let first = app.get(KEYS).await.expect(200);
    assert_eq!((&first["total"], &first["page"], &first["page_size"]), (&json!(28), &json!(1), &json!(25)));
    assert_eq!(
        (first["data"].as_array().unwrap().len(), &first["data"][0]["label"]),
        (25, &json!("number 26"))
    );
    let last = app.get(&format!("{KEYS}?page=3&page_size=10")).await.expect(200);
    let labels: Vec<_> = last["data"].as_array().unwrap().iter().map(|key| &key["label"]).collect();
    assert_eq!(labels.len(), 8);
    assert_eq!(*labels[7], json!("First operator key"));
    let beyond = app.get(&format!("{KEYS}?page=18446744073709551615&page_size=100")).await.expect(200);
    assert_eq!((&beyond["data"], &beyond["total"]), (&json!([]), &json!(28)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_never_used_is_deleted_and_not_archived() {
    let app = TestApp::start().await;
    let (id, key) = make(&app, &json!({})).await;
    insta::assert_snapshot!(archive(&app, &id).await.shown(), @r#"
    409
    {
      "error": {
        "message": "This API key has no call history and cannot be archived. Delete it instead.",
        "type": "conflict"
      }
    }
    "#);
    let path = format!("{KEYS}/{id}");
    assert_eq!(app.delete(&path).await.status, 204);
    assert_eq!(app.get(&path).await.status, 404);
    assert_eq!(app.delete(&path).await.status, 404);
    assert!(!is_good(&app, &key).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_used_is_archived_and_not_deleted() {
    let app = TestApp::start().await;
    let (id, key) = make(&app, &json!({})).await;
    assert!(is_good(&app, &key).await);
    let path = format!("{KEYS}/{id}");
    let kept = app.delete(&path).await.expect(409);
    assert_eq!(
        kept["error"]["message"],
        "This API key has call history and cannot be deleted. Archive it instead."
    );
    assert!(is_good(&app, &key).await);
    let archived = archive(&app, &id).await.expect(200);
    assert_eq!(archived["status"], "archived");
    assert!(!is_good(&app, &key).await, "at once on this host");
    assert_eq!(
        archive(&app, &id).await.expect(200)["archived_at"],
        archived["archived_at"],
        "once and for all"
    );
    let calls = app.get(&format!("{path}/calls")).await.expect(200);
    assert_eq!(calls["total"], 2, "its history stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn revoking_archives_used_or_not() {
    let app = TestApp::start().await;
    for used in [true, false] {
        let (id, key) = make(&app, &json!({})).await;
        assert!(!used || is_good(&app, &key).await);
        let path = format!("{KEYS}/{id}?revoke=true");
        assert_eq!(app.delete(&path).await.status, 204);
        assert_eq!(app.delete(&path).await.status, 204);
        assert!(!is_good(&app, &key).await);
        assert_eq!(shown(&app, &id).await["status"], "archived");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_lives_on_for_the_overlap() {
    let app = TestApp::start().await;
    let body = json!({"label": "CI", "scopes": ["read:models"], "rate_limit_per_minute": 7});
    let (id, old) = make(&app, &body).await;
    let rotated = app.post(&format!("{KEYS}/{id}/rotate"), &json!({"overlap": 60})).await.expect(201);
    let new = rotated["key"].as_str().unwrap();
    for member in ["label", "scopes", "role", "rate_limit_per_minute", "rate_limit_per_hour", "expires_at"] {
        assert_eq!(rotated[member], shown(&app, rotated["id"].as_str().unwrap()).await[member], "{member}");
    }
    assert_eq!((&rotated["label"], &rotated["rate_limit_per_minute"]), (&json!("CI"), &json!(7)));
    assert_eq!((&rotated["previous"]["id"], &rotated["previous"]["status"]), (&json!(id), &json!("live")));
    assert!(is_good(&app, &old).await && is_good(&app, new).await);
    app.clock().advance(Duration::from_secs(59));
    assert!(is_good(&app, &old).await);
    app.clock().advance(Duration::from_secs(1));
    assert!(!is_good(&app, &old).await && is_good(&app, new).await);
    assert_eq!(shown(&app, &id).await["status"], "expired");
    let again = app.post(&format!("{KEYS}/{id}/rotate"), &json!({})).await;
    assert_eq!(again.status, 409, "{}", again.text());

    // Without an overlap, and without a body.
    let next = rotated["id"].as_str().unwrap();
    let last = app.send(app.request(Method::POST, &format!("{KEYS}/{next}/rotate"), None)).await.expect(201);
    assert!(!is_good(&app, new).await && is_good(&app, last["key"].as_str().unwrap()).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rotating_never_makes_a_key_live_longer() {
    let app = TestApp::start().await;
    // The clock starts at 2023-11-14T22:13:20Z.
    let (id, _) = make(&app, &json!({"expires_at": "2023-11-14T23:00:00Z"})).await;
    let path = format!("{KEYS}/{id}/rotate");
    let rotated = app.post(&path, &json!({"overlap": 86400, "expires_at": "2024-01-01"})).await.expect(201);
    assert_eq!(rotated["previous"]["expires_at"], "2023-11-14T23:00:00.000000Z");
    assert_eq!(rotated["expires_at"], "2024-01-01T00:00:00.000000Z");
    let (id, _) = make(&app, &json!({"expires_at": "2023-11-14T23:00:00Z"})).await;
    let inherits = app.post(&format!("{KEYS}/{id}/rotate"), &json!({})).await.expect(201);
    assert_eq!(inherits["expires_at"], "2023-11-14T23:00:00.000000Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_ends_when_it_was_said_to() {
    let app = TestApp::start().await;
    let (id, key) = make(&app, &json!({"expires_at": "2023-11-14T22:13:21.500Z"})).await;
    assert!(is_good(&app, &key).await);
    app.clock().advance(Duration::from_millis(1_400));
    assert!(is_good(&app, &key).await);
    app.clock().advance(Duration::from_millis(100));
    assert!(!is_good(&app, &key).await, "although it was good a moment ago");
    assert_eq!(shown(&app, &id).await["status"], "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_with_a_key() {
    let app = TestApp::start().await;
    let (id, key) = make(&app, &json!({"scopes": ["read:models"]})).await;
    assert_eq!(shown(&app, &id).await["last_used_at"], Value::Null);
    let good = app.get_as(&key, "/api/v1/models").await;
    app.get_as(&key, "/v1/models/nothing").await.expect(404);
    app.get_as(&key, "/api/v1/tools").await.expect(403);
    let calls = app.get(&format!("{KEYS}/{id}/calls?page_size=2")).await.expect(200);
    assert_eq!((&calls["total"], calls["data"].as_array().unwrap().len()), (&json!(3), 2));
    let oldest = app.get(&format!("{KEYS}/{id}/calls?page_size=2&page=2")).await.expect(200);
    let oldest = &oldest["data"][0];
    assert_eq!((&oldest["method"], &oldest["endpoint"]), (&json!("GET"), &json!("/api/v1/models")));
    assert_eq!((&oldest["status"], &oldest["error"]), (&json!(200), &Value::Null));
    assert_eq!(oldest["request_id"], good.header("request-id"));
    let newest = &calls["data"][0];
    assert_eq!((&newest["status"], &newest["error_type"]), (&json!(403), &json!("permission_denied")));
    assert_eq!(newest["error"], "This key lacks the scope `read:tools`.");

    let usage = app.get(&format!("{KEYS}/{id}/usage?range=24h")).await.expect(200);
    assert_eq!((&usage["granularity"], usage["data"].as_array().unwrap().len()), (&json!("hour"), 25));
    let used =
        json!({"requests": 3, "failed": 2, "input_tokens": 0, "cached_input_tokens": 0, "output_tokens": 0});
    assert_eq!(usage["total"], used);
    assert_eq!(usage["data"][24]["requests"], 3);
    assert_eq!(usage["data"][24]["start"], "2023-11-14T22:00:00.000000Z");
    let month = app.get(&format!("{KEYS}/{id}/usage?range=2023-10-01,2023-12-01&granularity=month")).await;
    let month = month.expect(200);
    assert_eq!((&month["data"][0]["requests"], &month["data"][1]["requests"]), (&json!(0), &json!(3)));
    let before = app.get(&format!("{KEYS}/{id}/usage?range=2023-10-01,2023-11-01")).await.expect(200);
    assert_eq!(before["total"]["requests"], 0);
    for (query, field) in [
        ("range=week", "range"),
        ("range=2024-01-01,2023-01-01", "range"),
        ("range=7d&granularity=minute", "granularity"),
        ("range=3000d&granularity=hour", "granularity"),
    ] {
        let answer = app.get(&format!("{KEYS}/{id}/usage?{query}")).await;
        assert_eq!(answer.expect(400)["error"]["details"]["field"], field, "{query}");
    }

    // Noted in memory, and written down in time.
    let used_at = shown(&app, &id).await["last_used_at"].clone();
    assert!(used_at.as_str().unwrap().starts_with("2023-11-14T22:13:20"), "{used_at}");
    let app = app.restart().await;
    assert_eq!(shown(&app, &id).await["last_used_at"], used_at);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_leaves_an_event_without_a_secret() {
    let app = TestApp::start().await;
    let (unused, first) = make(&app, &json!({"label": "one"})).await;
    app.delete(&format!("{KEYS}/{unused}")).await;
    let (id, second) = make(&app, &json!({"label": "two"})).await;
    let rotated = app.post(&format!("{KEYS}/{id}/rotate"), &json!({"overlap": 60})).await.expect(201);
    let third = rotated["key"].as_str().unwrap().to_owned();
    is_good(&app, &second).await;
    archive(&app, &id).await.expect(200);
    archive(&app, &id).await.expect(200);
    let stored = events::list(&mut app.app().store.read().await.unwrap(), None, None, 100).await.unwrap();
    let of_keys: Vec<_> =
        stored.iter().rev().filter(|one| one.event.kind.starts_with("key.")).skip(1).collect();
    let mut told: Vec<_> =
        of_keys.iter().map(|one| (one.event.kind.as_str(), one.event.target.id.as_str())).collect();
    let new = rotated["id"].as_str().unwrap();
    let mut expected = [
        ("key.created", &*unused),
        ("key.deleted", &*unused),
        ("key.created", &*id),
        ("key.rotated", &*id),
        ("key.created", new),
        ("key.archived", &*id),
    ];
    // Two are of one moment.
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
    for one in of_keys {
        assert!(one.event.organization_id.is_some() && one.event.request_id.is_some(), "{one:?}");
        let body = String::from_utf8(one.body.clone()).unwrap();
        for text in [&first, &second, &third] {
            assert!(!body.contains(&text[8..20]), "{body}");
        }
    }
}
