//! `/orgs/{org_id}/workspaces` and `/org`.

use hardpoint_store::events;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

async fn put(app: &TestApp, path: &str, body: &Value) -> Answer {
    app.send(app.request(Method::PUT, path, Some(body))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_workspace() {
    let app = TestApp::start().await;
    let org = app.get("/api/v1/org").await.expect(200);
    assert_eq!((&org["name"], &org["plan"]), (&json!("Operators"), &json!("enterprise")));
    let all = format!("/api/v1/orgs/{}/workspaces", org["id"].as_str().unwrap());
    // As Sekuire documents it.
    let body = json!({"name": "Production", "description": "Production workspace"});
    let created = app.post(&all, &body).await;
    insta::assert_snapshot!(created.shown(), @r#"
    201
    {
      "created_at": "…",
      "description": "Production workspace",
      "id": "ws_…",
      "name": "Production",
      "organization_id": "org_…",
      "updated_at": "…"
    }
    "#);
    let created = created.expect(201);
    let one = format!("{all}/{}", created["id"].as_str().unwrap());
    assert_eq!(app.get(&one).await.expect(200), created);
    assert_eq!(app.get(&all).await.expect(200)["data"], json!([created]));

    let body = json!({"name": "Production (Updated)", "description": "Updated production workspace"});
    let updated = put(&app, &one, &body).await.expect(200);
    assert_eq!((&updated["name"], &updated["description"]), (&body["name"], &body["description"]));
    assert_eq!(updated["created_at"], created["created_at"]);
    assert!(updated["updated_at"].as_str() > created["updated_at"].as_str());
    let partly = put(&app, &one, &json!({"description": ""})).await.expect(200);
    assert_eq!((&partly["name"], &partly["description"]), (&body["name"], &json!("")));

    assert_eq!(app.delete(&one).await.status, 204);
    for gone in [app.get(&one).await, app.delete(&one).await, put(&app, &one, &body).await] {
        assert_eq!(gone.status, 404, "{}", gone.text());
    }
    let stored = events::list(&mut app.app().store.read().await.unwrap(), None, None, 100).await.unwrap();
    let told: Vec<_> =
        stored.iter().rev().map(|one| &one.event).filter(|event| event.workspace_id.is_some()).collect();
    let kinds: Vec<_> = told.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(kinds, ["workspace.created", "workspace.updated", "workspace.updated", "workspace.deleted"]);
    assert_eq!(told[1].before.as_ref().unwrap()["name"], "Production");
    assert_eq!(told[1].after.as_ref().unwrap()["name"], "Production (Updated)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_taken_once() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("Acme").await, app.tenant("Other").await);
    let all = format!("/api/v1/orgs/{}/workspaces", acme.organization);
    let body = json!({"name": "Production"});
    app.post_as(&acme.key, &all, &body).await.expect(201);
    let second = app.post_as(&acme.key, &all, &json!({"name": "Staging"})).await.expect(201);
    insta::assert_snapshot!(app.post_as(&acme.key, &all, &body).await.shown(), @r#"
    409
    {
      "error": {
        "details": {
          "field": "name"
        },
        "message": "There is a workspace of this name already.",
        "type": "conflict"
      }
    }
    "#);
    let one = format!("{all}/{}", second["id"].as_str().unwrap());
    app.ask(&acme.key, Method::PUT, &one, Some(&body)).await.expect(409);
    let theirs = format!("/api/v1/orgs/{}/workspaces", other.organization);
    app.post_as(&other.key, &theirs, &body).await.expect(201);
    // Operators see every organisation's.
    assert_eq!(app.get(&all).await.expect(200)["total"], 2);
    app.get("/api/v1/orgs/org_none/workspaces").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_with_keys_stays() {
    let app = TestApp::start().await;
    let acme = app.tenant("Acme").await;
    let all = format!("/api/v1/orgs/{}/workspaces", acme.organization);
    let ws = app.post_as(&acme.key, &all, &json!({"name": "Production"})).await.expect(201)["id"].clone();
    let one = format!("{all}/{}", ws.as_str().unwrap());
    let key = app.post_as(&acme.key, "/api/v1/api_keys", &json!({"workspace_id": ws})).await.expect(201);
    let refused = app.ask(&acme.key, Method::DELETE, &one, None).await.expect(409);
    assert!(refused["error"]["message"].as_str().unwrap().contains("API key"), "{refused}");
    let path = format!("/api/v1/api_keys/{}", key["id"].as_str().unwrap());
    assert_eq!(app.ask(&acme.key, Method::DELETE, &format!("{path}?revoke=true"), None).await.status, 204);
    assert_eq!(app.ask(&acme.key, Method::DELETE, &one, None).await.status, 204);
    let kept = app.get_as(&acme.key, &path).await.expect(200);
    assert_eq!((&kept["status"], &kept["workspace_id"]), (&json!("archived"), &Value::Null));
}
