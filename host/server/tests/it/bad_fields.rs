//! What endpoints for keys and workspaces do not take: a documented 4xx that names the field, never a 500.

use http::Method;
use serde_json::{Value, json};

use crate::support::TestApp;

const KEYS: &str = "/api/v1/api_keys";

/// Fails unless it is answered with this status, and the error names this field.
async fn refused(app: &TestApp, method: &Method, path: &str, body: &Value, status: u16, field: &str) {
    let answer = app.send(app.request(method.clone(), path, Some(body))).await;
    let shown: String = body.to_string().chars().take(100).collect();
    let error = answer.expect(status);
    assert_eq!(error["error"]["details"]["field"], field, "{method} {path} {shown}: {}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_a_new_key() {
    let app = TestApp::start().await;
    let many: Vec<String> = (0..101).map(|number| format!("read:r{number}")).collect();
    for (body, status, field) in [
        (json!({"label": 7}), 400, "label"),
        (json!({"label": "x".repeat(201)}), 400, "label"),
        (json!({"label": "a\0b"}), 400, "label"),
        (json!({"name": "a\r\nX-Admin: yes"}), 400, "name"),
        (json!({"label": "one", "name": "other"}), 400, "name"),
        (json!({"role": "king"}), 400, "role"),
        (json!({"role": null}), 400, "role"),
        (json!({"scopes": "read:models"}), 400, "scopes"),
        (json!({"scopes": ["read:models", 7]}), 400, "scopes[1]"),
        (json!({"scopes": ["read:models", "models"]}), 400, "scopes[1]"),
        (json!({"scopes": ["read:\0"]}), 400, "scopes[0]"),
        (json!({"scopes": many}), 400, "scopes"),
        (json!({"livemode": "yes"}), 400, "livemode"),
        (json!({"workspace_id": 7}), 400, "workspace_id"),
        (json!({"workspace_id": "ws_none"}), 422, "workspace_id"),
        (json!({"workspace_id": "ws_1\0"}), 422, "workspace_id"),
        (json!({"workspace_id": "x' OR '1'='1"}), 422, "workspace_id"),
        (json!({"expires_at": "tomorrow"}), 400, "expires_at"),
        (json!({"expires_at": 1_900_000_000}), 400, "expires_at"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), 422, "expires_at"),
        (json!({"rate_limit_per_minute": 0}), 400, "rate_limit_per_minute"),
        (json!({"rate_limit_per_minute": "60"}), 400, "rate_limit_per_minute"),
        (json!({"rate_limit_per_hour": -1}), 400, "rate_limit_per_hour"),
        (json!({"rate_limit_per_hour": 1e30}), 400, "rate_limit_per_hour"),
        (json!({"scope": ["read:models"]}), 400, "scope"),
    ] {
        refused(&app, &Method::POST, KEYS, &body, status, field).await;
    }
    // Text for people may be anything else.
    let odd = json!({"label": "Robert'); DROP TABLE api_keys;-- ☃ \"$1\" <script>"});
    let made = app.post(KEYS, &odd).await.expect(201);
    assert_eq!(made["label"], odd["label"]);
    assert_eq!(app.get(KEYS).await.expect(200)["total"], 2);
    app.post(KEYS, &json!({"organization_id": "org_none"})).await.expect(404);
    app.post(KEYS, &json!({"organization_id": "org_\0"})).await.expect(404);
    app.post(KEYS, &json!([])).await.expect(400);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_other_requests() {
    let app = TestApp::start().await;
    let org = app.get("/api/v1/org").await.expect(200)["id"].as_str().unwrap().to_owned();
    let all = format!("/api/v1/orgs/{org}/workspaces");
    let ws = app.post(&all, &json!({"name": "One"})).await.expect(201)["id"].as_str().unwrap().to_owned();
    let one = format!("{all}/{ws}");
    for (body, field) in [
        (json!({"name": 7}), "name"),
        (json!({"name": " "}), "name"),
        (json!({"name": "x".repeat(101)}), "name"),
        (json!({"name": "a\0b"}), "name"),
        (json!({"name": "a\r\nb"}), "name"),
        (json!({"name": "ok", "description": "x".repeat(1_001)}), "description"),
        (json!({"name": "ok", "description": "a\0b"}), "description"),
        (json!({"name": "ok", "description": []}), "description"),
        (json!({"name": "ok", "colour": "red"}), "colour"),
    ] {
        refused(&app, &Method::POST, &all, &body, 400, field).await;
        refused(&app, &Method::PUT, &one, &body, 400, field).await;
    }
    refused(&app, &Method::POST, &all, &json!({"description": "nameless"}), 400, "name").await;
    let lines = app.post(&all, &json!({"name": "Two", "description": "a\n\tb"})).await.expect(201);
    assert_eq!(lines["description"], "a\n\tb");

    let id = app.post(KEYS, &json!({})).await.expect(201)["id"].as_str().unwrap().to_owned();
    let rotate = format!("{KEYS}/{id}/rotate");
    for (body, status, field) in [
        (json!({"overlap": -1}), 400, "overlap"),
        (json!({"overlap": 2_592_001}), 400, "overlap"),
        (json!({"overlap": "1h"}), 400, "overlap"),
        (json!({"overlap_seconds": 60}), 400, "overlap_seconds"),
        (json!({"expires_at": "soon"}), 400, "expires_at"),
        (json!({"expires_at": "2020-01-01"}), 422, "expires_at"),
    ] {
        refused(&app, &Method::POST, &rotate, &body, status, field).await;
    }
    for (path, field) in [
        (format!("{KEYS}?page=0"), "page"),
        (format!("{KEYS}?page_size=101"), "page_size"),
        (format!("{KEYS}?page=one"), "page"),
        (format!("{all}?page_size=0"), "page_size"),
        (format!("{KEYS}/{id}/calls?page=-1"), "page"),
        (format!("{KEYS}/{id}/usage?range=a,b"), "range"),
        (format!("{KEYS}/{id}/usage?range=%00"), "range"),
        (format!("{KEYS}/%ff"), "id"),
        (format!("{all}/%ff"), "id"),
    ] {
        let answer = app.get(&path).await;
        assert_eq!(answer.expect(400)["error"]["details"]["field"], field, "{path}");
    }
    let revoke = app.delete(&format!("{KEYS}/{id}?revoke=maybe")).await;
    assert_eq!(revoke.expect(400)["error"]["details"]["field"], "revoke");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_query_must_be_is_told_in_words() {
    let app = TestApp::start().await;
    for (query, parameter, must) in [
        ("api_keys?page=-1", "page", "must be a whole number in its range"),
        ("api_keys?page=", "page", "must be a whole number in its range"),
        ("audit-logs?limit=99999999999999999999", "limit", "must be a whole number in its range"),
        ("events?page=1&page=2", "page", "is there twice"),
        ("events?format=xml", "format", "must be 'json' or 'ocsf'"),
        ("events?kind=call", "kind", "must be 'event'"),
        ("events/export?format=xml", "format", "must be one of 'json', 'ndjson', 'ocsf'"),
    ] {
        let told = app.get(&format!("/api/v1/{query}")).await.expect(400)["error"].clone();
        assert_eq!(told["details"]["field"], parameter, "{query}: {told}");
        assert_eq!(told["message"], format!("The '{parameter}' parameter {must}."), "{query}");
    }
    app.get("/api/v1/api_keys?nobody_knows=this").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_are_nobodys() {
    let app = TestApp::start().await;
    let org = app.get("/api/v1/org").await.expect(200)["id"].as_str().unwrap().to_owned();
    let long = "x".repeat(5_000);
    for id in [
        "none",
        "key_none",
        "ws_none",
        "key_%00",
        "ws_%00",
        "..%2f..",
        "1'%20OR%20'1'='1",
        "%E2%98%83",
        &long,
    ] {
        for path in [
            format!("{KEYS}/{id}"),
            format!("{KEYS}/{id}/calls"),
            format!("{KEYS}/{id}/usage"),
            format!("/api/v1/orgs/{id}/workspaces"),
            format!("/api/v1/orgs/{org}/workspaces/{id}"),
        ] {
            let error = app.get(&path).await.expect(404);
            assert!(error.to_string().len() < 400, "{error}");
        }
        app.delete(&format!("{KEYS}/{id}")).await.expect(404);
        app.delete(&format!("{KEYS}/{id}?revoke=true")).await.expect(404);
        app.post(&format!("{KEYS}/{id}/archive"), &json!({})).await.expect(404);
        app.post(&format!("{KEYS}/{id}/rotate"), &json!({})).await.expect(404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_end() {
    let app = TestApp::start().await;
    let nested = format!("{{\"label\": {}1{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    let mut request = app.request(Method::POST, KEYS, Some(&json!({})));
    *request.body_mut() = nested.into();
    app.send(request).await.expect(400);
    let mut request = app.request(Method::POST, KEYS, Some(&json!({})));
    *request.body_mut() = format!("{{\"label\": \"{}\"}}", "x".repeat(11_000_000)).into();
    app.send(request).await.expect(413);
}
