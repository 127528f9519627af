//! What somebody is in a workspace counts there, and nowhere else.

use http::Method;
use serde_json::{Value, json};

use crate::login::{invited, logged_in};
use crate::support::{Tenant, TestApp};

const KEYS: &str = "/api/v1/api_keys";

/// An organisation with two workspaces, and somebody who only looks in it.
struct Scene {
    app: TestApp,
    acme: Tenant,
    user: String,
    session: String,
    workspaces: [String; 2],
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let (acme, user) = invited(&app, "ann@example.com", "viewer").await;
        let session = logged_in(&app, "ann@example.com").await;
        let all = format!("/api/v1/orgs/{}/workspaces", acme.organization);
        let mut workspaces = [String::new(), String::new()];
        for (at, name) in ["Lab", "Shop"].iter().enumerate() {
            let made = app.post_as(&acme.key, &all, &json!({"name": name})).await.expect(201);
            workspaces[at] = made["id"].as_str().unwrap().to_owned();
        }
        Self { app, acme, user, session, workspaces }
    }

    fn path(&self, of: usize) -> String {
        format!("/api/v1/orgs/{}/workspaces/{}", self.acme.organization, self.workspaces[of])
    }

    /// The administrator of the organisation lets her be this in the first workspace.
    async fn is_there(&self, role: &str) {
        self.is_in(0, role).await;
    }

    /// Or in one of both.
    async fn is_in(&self, of: usize, role: &str) {
        let path = format!("{}/members/{}", self.path(of), self.user);
        self.app.ask(&self.acme.key, Method::PUT, &path, Some(&json!({"role": role}))).await.expect(200);
    }

    /// Asks with her session; the status.
    async fn status(&self, method: Method, path: &str, body: Option<Value>) -> u16 {
        self.app.ask(&self.session, method, path, body.as_ref()).await.status.as_u16()
    }

    /// A key of a workspace, made by the administrator of the organisation.
    async fn key_of(&self, of: usize) -> String {
        let body = json!({"workspace_id": self.workspaces[of], "role": "member"});
        let made = self.app.post_as(&self.acme.key, KEYS, &body).await.expect(201);
        made["id"].as_str().unwrap().to_owned()
    }

    /// Asks for a key with her session: bound to one of the workspaces, or to none.
    async fn makes_key(&self, of: Option<usize>, role: &str) -> u16 {
        let mut body = json!({"role": role});
        if let Some(of) = of {
            body["workspace_id"] = json!(self.workspaces[of]);
        }
        self.status(Method::POST, KEYS, Some(body)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_administers_a_workspace_administers_nothing_else() {
    let scene = Scene::new().await;
    let (lab, shop) = (scene.path(0), scene.path(1));
    let named = || Some(json!({"description": "hers"}));
    assert_eq!(scene.status(Method::PUT, &lab, named()).await, 403);
    scene.is_there("admin").await;
    assert_eq!(scene.status(Method::PUT, &lab, named()).await, 200);
    assert_eq!(scene.status(Method::PUT, &shop, named()).await, 403);
    // That there are workspaces is the organisation's.
    assert_eq!(scene.status(Method::DELETE, &lab, None).await, 403);
    let all = format!("/api/v1/orgs/{}/workspaces", scene.acme.organization);
    assert_eq!(scene.status(Method::POST, &all, Some(json!({"name": "Third"}))).await, 403);
    let member = |of: &str| format!("{of}/members/{}", scene.user);
    let role = || Some(json!({"role": "member"}));
    assert_eq!(scene.status(Method::PUT, &member(&shop), role()).await, 403);
    assert_eq!(scene.status(Method::DELETE, &member(&shop), None).await, 403);
    for (method, path, body) in [
        (Method::GET, "/api/v1/users", None),
        (Method::PUT, "/api/v1/billing/budget", Some(json!({}))),
        (Method::POST, "/api/v1/billing/checkout", Some(json!({"credits": 50}))),
        (Method::POST, "/api/v1/chat/completions", Some(json!({"model": "extractive", "messages": []}))),
    ] {
        assert_eq!(scene.status(method, path, body).await, 403, "{path}");
    }
    // Others of other organisations are not there.
    let other = scene.app.tenant("Other").await;
    let theirs = format!("/api/v1/orgs/{}/workspaces/{}", other.organization, scene.workspaces[0]);
    assert_eq!(scene.status(Method::PUT, &theirs, named()).await, 404);
    // She may make herself less, and is that at once.
    assert_eq!(scene.status(Method::PUT, &member(&lab), role()).await, 200);
    assert_eq!(scene.status(Method::PUT, &lab, named()).await, 403);
    // Or nothing at all.
    scene.is_there("admin").await;
    assert_eq!(scene.status(Method::PUT, &lab, named()).await, 200);
    assert_eq!(scene.status(Method::DELETE, &member(&lab), None).await, 204);
    assert_eq!(scene.status(Method::PUT, &lab, named()).await, 403);
    // With the workspace goes what she was there.
    scene.is_there("admin").await;
    assert_eq!(scene.status(Method::GET, KEYS, None).await, 200);
    assert_eq!(scene.app.ask(&scene.acme.key, Method::DELETE, &lab, None).await.status, 204);
    assert_eq!(scene.status(Method::GET, KEYS, None).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_workspace_are_seen_and_made_by_who_is_in_it() {
    let scene = Scene::new().await;
    let (own, other) = (scene.key_of(0).await, scene.key_of(1).await);
    let one = |key: &str| format!("{KEYS}/{key}");
    assert_eq!(scene.status(Method::GET, KEYS, None).await, 403);
    scene.is_there("member").await;
    let listed = scene.app.get_as(&scene.session, KEYS).await.expect(200);
    assert_eq!((&listed["total"], &listed["data"][0]["id"]), (&json!(1), &json!(own)));
    assert_eq!(scene.status(Method::GET, &one(&own), None).await, 200);
    assert_eq!(scene.status(Method::GET, &format!("{}/usage", one(&own)), None).await, 200);
    for path in [one(&other), one(&scene.acme.key_id), format!("{}/calls", one(&other))] {
        assert_eq!(scene.status(Method::GET, &path, None).await, 403, "{path}");
    }
    assert_eq!(scene.makes_key(Some(0), "viewer").await, 403);
    scene.is_there("admin").await;
    assert_eq!(scene.makes_key(Some(0), "admin").await, 201);
    assert_eq!(scene.makes_key(Some(0), "owner").await, 403);
    assert_eq!(scene.makes_key(Some(1), "viewer").await, 403);
    assert_eq!(scene.makes_key(None, "viewer").await, 403);
    // In the other workspace she sees keys then, and does nothing to them: she administers one, and not this one.
    scene.is_in(1, "member").await;
    assert_eq!(scene.status(Method::GET, &one(&other), None).await, 200);
    assert_eq!(scene.makes_key(Some(1), "viewer").await, 403);
    for (key, rotated, removed) in [(&other, 403, 403), (&scene.acme.key_id, 403, 403), (&own, 201, 204)] {
        let rotate = format!("{}/rotate", one(key));
        assert_eq!(scene.status(Method::POST, &rotate, Some(json!({}))).await, rotated, "{key}");
        let revoke = format!("{}?revoke=true", one(key));
        assert_eq!(scene.status(Method::DELETE, &revoke, None).await, removed, "{key}");
    }
    // Less than a member of any, she sees none.
    scene.is_there("viewer").await;
    scene.is_in(1, "viewer").await;
    assert_eq!(scene.status(Method::GET, KEYS, None).await, 403);
    assert_eq!(scene.makes_key(Some(0), "viewer").await, 403);
}
