//! What keys may do, and what they may make of other keys.

use std::collections::HashMap;

use hardpoint_store::keys::Role;
use http::Method;
use serde_json::{Value, json};

use crate::support::TestApp;

const KEYS: &str = "/api/v1/api_keys";

async fn make(app: &TestApp, by: &str, body: Value) -> (String, String) {
    let made = app.post_as(by, KEYS, &body).await.expect(201);
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn scopes_leave_of_the_role_what_they_name() {
    let app = TestApp::start().await;
    let admin = app.tenant("Acme").await;
    let (_, reads) =
        make(&app, &admin.key, json!({"role": "admin", "scopes": ["read:api_keys", "read:sec"]})).await;
    app.get_as(&reads, KEYS).await.expect(200);
    app.get_as(&reads, "/api/v1/me").await.expect(200);
    insta::assert_snapshot!(app.get_as(&reads, "/api/v1/org").await.shown(), @r#"
    403
    {
      "error": {
        "details": {
          "scope": "read:org"
        },
        "message": "This key lacks the scope `read:org`.",
        "type": "permission_denied"
      }
    }
    "#);
    insta::assert_snapshot!(app.get_as(&reads, "/v1/models").await.shown(), @r#"
    403
    {
      "error": {
        "code": null,
        "details": {
          "scope": "read:models"
        },
        "message": "This key lacks the scope `read:models`.",
        "param": null,
        "type": "permission_denied"
      }
    }
    "#);
    let refused = app.post_as(&reads, KEYS, &json!({})).await.expect(403);
    assert_eq!(refused["error"]["details"]["scope"], "write:api_keys");
    // Writing includes reading.
    let (_, writes) = make(&app, &admin.key, json!({"role": "admin", "scopes": ["write:api_keys"]})).await;
    app.get_as(&writes, KEYS).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_leave_to_each_what_is_theirs() {
    let app = TestApp::start().await;
    let org = app.get("/api/v1/org").await.expect(200)["id"].as_str().unwrap().to_owned();
    let workspaces = format!("/api/v1/orgs/{org}/workspaces");
    let mut keys = HashMap::new();
    for role in Role::ALL {
        keys.insert(role, app.key_of(role).await);
    }
    let (get, post) = (Method::GET, Method::POST);
    let hi = json!({"model": "none", "messages": [{"role": "user", "content": "Hi"}]});
    let export = "/api/v1/audit-logs/siem/none/export";
    for (role, method, path, body, status) in [
        (Role::Viewer, &get, "/api/v1/me", None, 200),
        (Role::Viewer, &get, "/api/v1/org", None, 200),
        (Role::Viewer, &get, &*workspaces, None, 200),
        (Role::Viewer, &get, "/api/v1/models", None, 200),
        (Role::Viewer, &post, "/api/v1/chat/completions", Some(&hi), 403),
        (Role::Viewer, &get, KEYS, None, 403),
        (Role::Member, &post, "/api/v1/chat/completions", Some(&hi), 422),
        (Role::Member, &get, KEYS, None, 200),
        (Role::Member, &post, KEYS, Some(&json!({})), 403),
        (Role::Member, &post, &*workspaces, Some(&json!({"name": "Mine"})), 403),
        (Role::Member, &post, export, Some(&json!({})), 403),
        (Role::Admin, &post, KEYS, Some(&json!({})), 201),
        (Role::Admin, &post, &*workspaces, Some(&json!({"name": "Ours"})), 201),
        (Role::Admin, &post, export, Some(&json!({})), 404),
        (Role::Owner, &get, "/api/v1/plugins", None, 403),
        (Role::Operator, &get, "/api/v1/plugins", None, 200),
    ] {
        let answer = app.ask(&keys[&role], method.clone(), path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{role} {method} {path}: {}", answer.text());
    }
    insta::assert_snapshot!(app.post_as(&keys[&Role::Member], KEYS, &json!({})).await.shown(), @r#"
    403
    {
      "error": {
        "message": "This needs the role `admin` or a higher one; this key's is `member`.",
        "type": "permission_denied"
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_a_key_that_may_do_more() {
    let app = TestApp::start().await;
    let acme = app.tenant("Acme").await;
    let workspaces = format!("/api/v1/orgs/{}/workspaces", acme.organization);
    let ws = app.post_as(&acme.key, &workspaces, &json!({"name": "One"})).await.expect(201)["id"].clone();
    let other = app.post_as(&acme.key, &workspaces, &json!({"name": "Two"})).await.expect(201)["id"].clone();
    let scoped =
        make(&app, &acme.key, json!({"role": "admin", "scopes": ["write:api_keys", "read:models"]})).await.1;
    let test = make(&app, &acme.key, json!({"role": "admin", "livemode": false})).await.1;
    let bound = make(&app, &acme.key, json!({"role": "admin", "workspace_id": ws})).await.1;
    for (by, body, field) in [
        (&acme.key, json!({"role": "owner"}), "role"),
        (&acme.key, json!({"role": "operator"}), "role"),
        (&scoped, json!({}), "scopes"),
        (&scoped, json!({"scopes": ["write:models"]}), "scopes"),
        (&test, json!({}), "livemode"),
        (&bound, json!({}), "workspace_id"),
        (&bound, json!({"workspace_id": other}), "workspace_id"),
    ] {
        let answer = app.post_as(by, KEYS, &body).await;
        assert_eq!(answer.expect(403)["error"]["details"]["field"], field, "{body}: {}", answer.text());
    }
    make(&app, &scoped, json!({"scopes": ["read:api_keys"]})).await;
    make(&app, &test, json!({"livemode": false})).await;
    make(&app, &bound, json!({"workspace_id": ws})).await;
    insta::assert_snapshot!(app.post_as(&acme.key, KEYS, &json!({"role": "owner"})).await.shown(), @r#"
    403
    {
      "error": {
        "details": {
          "field": "role"
        },
        "message": "A key passes on, renews and ends no more than it may do itself: the role `owner` is more than this key's own.",
        "type": "permission_denied"
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_renews_or_ends_a_key_that_may_do_more() {
    let app = TestApp::start().await;
    let acme = app.tenant("Acme").await;
    let whose = json!({"role": "owner", "organization_id": acme.organization});
    let (owner, text) = make(&app, app.key(), whose).await;
    let path = format!("{KEYS}/{owner}");
    app.get_as(&acme.key, &path).await.expect(200);
    for (method, path) in [
        (Method::POST, format!("{path}/rotate")),
        (Method::POST, format!("{path}/archive")),
        (Method::DELETE, path.clone()),
        (Method::DELETE, format!("{path}?revoke=true")),
    ] {
        let answer = app.ask(&acme.key, method, &path, Some(&json!({}))).await;
        assert_eq!(answer.expect(403)["error"]["details"]["field"], "role", "{path}");
    }
    app.get_as(&text, "/api/v1/me").await.expect(200);
    // Its owner may.
    let archived = app.post_as(&text, &format!("{path}/archive"), &json!({})).await.expect(200);
    assert_eq!(archived["status"], "archived");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_workspace_sees_that_workspace() {
    let app = TestApp::start().await;
    let acme = app.tenant("Acme").await;
    let workspaces = format!("/api/v1/orgs/{}/workspaces", acme.organization);
    let ws = app.post_as(&acme.key, &workspaces, &json!({"name": "One"})).await.expect(201);
    let other = app.post_as(&acme.key, &workspaces, &json!({"name": "Two"})).await.expect(201);
    let (ws, other) = (ws["id"].as_str().unwrap(), other["id"].as_str().unwrap());
    let (id, bound) = make(&app, &acme.key, json!({"role": "admin", "workspace_id": ws})).await;
    let me = app.get_as(&bound, "/api/v1/me").await.expect(200);
    assert_eq!((&me["workspace_id"], &me["api_key"]["id"]), (&json!(ws), &json!(id)));
    let listed = app.get_as(&bound, &workspaces).await.expect(200);
    assert_eq!((&listed["total"], &listed["data"][0]["id"]), (&json!(1), &json!(ws)));
    app.get_as(&bound, &format!("{workspaces}/{other}")).await.expect(404);
    let keys = app.get_as(&bound, KEYS).await.expect(200);
    assert_eq!((&keys["total"], &keys["data"][0]["id"]), (&json!(1), &json!(id)));
    app.get_as(&bound, &format!("{KEYS}/{}", acme.key_id)).await.expect(404);
    app.get_as(&bound, "/api/v1/users").await.expect(403);
    app.post_as(&bound, "/api/v1/users", &json!({"email": "a@b.cd"})).await.expect(403);
    app.post_as(&bound, &workspaces, &json!({"name": "Three"})).await.expect(403);
    let put =
        app.ask(&bound, Method::PUT, &format!("{workspaces}/{ws}"), Some(&json!({"name": "Mine"}))).await;
    put.expect(403);
    app.ask(&bound, Method::DELETE, &format!("{workspaces}/{ws}"), None).await.expect(403);
    // The money is the organisation's, and people and money are no matter of test keys.
    let test = make(&app, &acme.key, json!({"role": "admin", "livemode": false})).await.1;
    app.post_as(&test, "/api/v1/users", &json!({"email": "a@b.cd"})).await.expect(403);
    for key in [&bound, &test] {
        app.ask(key, Method::PUT, "/api/v1/billing/budget", Some(&json!({}))).await.expect(403);
        app.post_as(key, "/api/v1/billing/approvals", &json!({"maxCents": 5})).await.expect(403);
    }
}
