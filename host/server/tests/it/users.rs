//! `/users`, and who of them is in a workspace.

use futures_util::future::join_all;
use hardpoint_store::events;
use hardpoint_store::keys::Role;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Tenant, TestApp};

const USERS: &str = "/api/v1/users";

async fn invite(app: &TestApp, tenant: &Tenant, body: Value) -> String {
    let invited = app.post_as(&tenant.key, USERS, &body).await.expect(201);
    invited["id"].as_str().unwrap().to_owned()
}

async fn put(app: &TestApp, key: &str, path: &str, body: Value) -> Answer {
    app.ask(key, Method::PUT, path, Some(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_life_of_a_user() {
    let app = TestApp::start().await;
    let acme = app.tenant("Acme").await;
    let invited = app.post_as(&acme.key, USERS, &json!({"email": "Ann@Example.com", "name": "Ann"})).await;
    insta::assert_snapshot!(invited.shown(), @r#"
    201
    {
      "created_at": "…",
      "email": "ann@example.com",
      "id": "user_…",
      "name": "Ann",
      "organization_id": "org_…",
      "role": "member",
      "status": "invited",
      "updated_at": "…"
    }
    "#);
    let id = invited.json()["id"].as_str().unwrap().to_owned();
    let one = format!("{USERS}/{id}");
    assert_eq!(app.get_as(&acme.key, &one).await.expect(200), invited.json());
    let again = app.post_as(&acme.key, USERS, &json!({"email": "ann@example.COM"})).await;
    assert_eq!(again.expect(409)["error"]["details"]["field"], "email");
    assert_eq!(put(&app, &acme.key, &one, json!({"role": "admin"})).await.expect(200)["role"], "admin");
    let off = app.post_as(&acme.key, &format!("{one}/deactivate"), &json!({})).await.expect(200);
    assert_eq!((&off["status"], &off["role"]), (&json!("deactivated"), &json!("admin")));
    let on = app.post_as(&acme.key, &format!("{one}/activate"), &json!({})).await.expect(200);
    assert_eq!(on["status"], "active");
    let listed = app.get_as(&acme.key, USERS).await.expect(200);
    assert_eq!((&listed["total"], &listed["data"][0]), (&json!(1), &on));
    // Operators name the organisation.
    assert_eq!(app.get(USERS).await.expect(200)["total"], 0);
    let theirs = format!("{USERS}?organization_id={}", acme.organization);
    assert_eq!(app.get(&theirs).await.expect(200)["total"], 1);

    let stored = events::list(&mut app.app().store.read().await.unwrap(), None, None, 100).await.unwrap();
    let kinds: Vec<_> = stored
        .iter()
        .rev()
        .map(|one| one.event.kind.as_str())
        .filter(|kind| kind.starts_with("user."))
        .collect();
    assert_eq!(kinds, ["user.created", "user.role_changed", "user.deactivated", "user.activated"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gives_or_takes_more_than_they_are() {
    let app = TestApp::start().await;
    let acme = app.tenant("Acme").await;
    for role in ["owner", "operator"] {
        let refused = app.post_as(&acme.key, USERS, &json!({"email": "a@b.cd", "role": role})).await;
        assert_eq!(refused.expect(403)["error"]["details"]["field"], "role");
    }
    let whose = format!("{USERS}?organization_id={}", acme.organization);
    let owner = app.post(&whose, &json!({"email": "boss@b.cd", "role": "owner"})).await.expect(201);
    let one = format!("{USERS}/{}", owner["id"].as_str().unwrap());
    put(&app, &acme.key, &one, json!({"role": "member"})).await.expect(403);
    app.post_as(&acme.key, &format!("{one}/deactivate"), &json!({})).await.expect(403);
    let member = invite(&app, &acme, json!({"email": "m@b.cd"})).await;
    put(&app, &acme.key, &format!("{USERS}/{member}"), json!({"role": "owner"})).await.expect(403);
    let seen = app.key_of(Role::Member).await;
    app.get_as(&seen, USERS).await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_at_the_same_time_is_not_taken_back() {
    let app = TestApp::start().await;
    let acme = app.tenant("Acme").await;
    for (number, what) in ["deactivate", "demote"].into_iter().cycle().take(6).enumerate() {
        let email = format!("{number}@b.cd");
        let one = format!("{USERS}/{}", invite(&app, &acme, json!({"email": email, "role": "admin"})).await);
        let rename = async |at: usize| {
            put(&app, &acme.key, &one, json!({"name": format!("Ann {at}")})).await.expect(200);
        };
        let less = async {
            match what {
                "deactivate" => app.post_as(&acme.key, &format!("{one}/deactivate"), &json!({})).await,
                _ => put(&app, &acme.key, &one, json!({"role": "viewer"})).await,
            }
            .expect(200)
        };
        tokio::join!(join_all((0..20).map(&rename)), less, join_all((20..40).map(&rename)));
        let found = app.get_as(&acme.key, &one).await.expect(200);
        let expected = if what == "deactivate" { ("deactivated", "admin") } else { ("invited", "viewer") };
        assert_eq!((&found["status"], &found["role"]), (&json!(expected.0), &json!(expected.1)), "{what}");
        assert!(found["name"].as_str().unwrap().starts_with("Ann "), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_lets_nobody_in_who_could_do_more_than_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("Acme").await;
    let gone = invite(&app, &acme, json!({"email": "gone@b.cd"})).await;
    app.post_as(&acme.key, &format!("{USERS}/{gone}/deactivate"), &json!({})).await.expect(200);
    let ann = format!("{USERS}/{}", invite(&app, &acme, json!({"email": "ann@b.cd"})).await);
    let key = async |wanted: Value| {
        let key = app.post_as(&acme.key, "/api/v1/api_keys", &wanted).await.expect(201);
        key["key"].as_str().unwrap().to_owned()
    };
    let scoped = key(json!({"role": "admin", "scopes": ["write:users"]})).await;
    let test = key(json!({"role": "admin", "livemode": false})).await;
    for key in [&scoped, &test] {
        app.post_as(key, USERS, &json!({"email": "me@b.cd", "role": "admin"})).await.expect(403);
        app.post_as(key, USERS, &json!({"email": "me@b.cd", "role": "viewer"})).await.expect(403);
        app.post_as(key, &format!("{USERS}/{gone}/activate"), &json!({})).await.expect(403);
        put(&app, key, &ann, json!({"role": "admin"})).await.expect(403);
    }
    let refused = app.post_as(&scoped, USERS, &json!({"email": "me@b.cd"})).await.expect(403);
    assert!(refused["error"]["message"].as_str().unwrap().contains("Who logs in"), "{refused}");
    // What gives nobody more a scoped key does; a test key changes nobody.
    let less = json!({"name": "Ann", "role": "viewer"});
    put(&app, &test, &ann, less.clone()).await.expect(403);
    put(&app, &scoped, &ann, less).await.expect(200);
    assert_eq!(app.get_as(&acme.key, USERS).await.expect(200)["total"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organization_keeps_an_owner() {
    let app = TestApp::start().await;
    let owner = app.post(USERS, &json!({"email": "one@b.cd", "role": "owner"})).await.expect(201);
    let one = format!("{USERS}/{}", owner["id"].as_str().unwrap());
    let demote = json!({"role": "admin"});
    put(&app, app.key(), &one, demote.clone()).await.expect(409);
    app.post(&format!("{one}/deactivate"), &json!({})).await.expect(409);
    app.post(USERS, &json!({"email": "two@b.cd", "role": "owner"})).await.expect(201);
    put(&app, app.key(), &one, demote).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_a_workspace() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("Acme").await, app.tenant("Other").await);
    let all = format!("/api/v1/orgs/{}/workspaces", acme.organization);
    let ws = app.post_as(&acme.key, &all, &json!({"name": "Production"})).await.expect(201);
    let ws = format!("{all}/{}", ws["id"].as_str().unwrap());
    let members = format!("{ws}/members");
    assert_eq!(app.get_as(&acme.key, &members).await.expect(200)["data"], json!([]));
    let ann = invite(&app, &acme, json!({"email": "ann@b.cd", "name": "Ann"})).await;
    let theirs = invite(&app, &other, json!({"email": "ann@b.cd"})).await;
    let one = format!("{members}/{ann}");
    put(&app, &acme.key, &one, json!({"role": "viewer"})).await.expect(200);
    let member = put(&app, &acme.key, &one, json!({"role": "admin"})).await;
    insta::assert_snapshot!(member.shown(), @r#"
    200
    {
      "created_at": "…",
      "email": "ann@b.cd",
      "name": "Ann",
      "role": "admin",
      "user_id": "user_…"
    }
    "#);
    let listed = app.get_as(&acme.key, &members).await.expect(200);
    assert_eq!((&listed["total"], &listed["data"][0]), (&json!(1), &member.json()));
    let owner = put(&app, &acme.key, &one, json!({"role": "owner"})).await;
    assert_eq!(owner.expect(422)["error"]["details"]["field"], "role");
    put(&app, &acme.key, &format!("{members}/{theirs}"), json!({"role": "member"})).await.expect(404);
    app.get_as(&other.key, &members).await.expect(404);
    put(&app, &other.key, &one, json!({"role": "viewer"})).await.expect(404);
    app.ask(&other.key, Method::DELETE, &one, None).await.expect(404);
    assert_eq!(app.ask(&acme.key, Method::DELETE, &one, None).await.status, 204);
    app.ask(&acme.key, Method::DELETE, &one, None).await.expect(404);
    // Who is in it does not keep a workspace from being removed.
    put(&app, &acme.key, &one, json!({"role": "viewer"})).await.expect(200);
    assert_eq!(app.ask(&acme.key, Method::DELETE, &ws, None).await.status, 204);
    app.get_as(&acme.key, &format!("{USERS}/{ann}")).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_are_not_taken() {
    let app = TestApp::start().await;
    for (body, field) in [
        (json!({}), "email"),
        (json!({"email": 7}), "email"),
        (json!({"email": "nobody"}), "email"),
        (json!({"email": ".a@b.cd"}), "email"),
        (json!({"email": "a@b.cd\r\nBcc: all@b.cd"}), "email"),
        (json!({"email": "a@b.cd\0"}), "email"),
        (json!({"email": "a@b.cd", "name": "x".repeat(201)}), "name"),
        (json!({"email": "a@b.cd", "name": "a\0b"}), "name"),
        (json!({"email": "a@b.cd", "role": "king"}), "role"),
        (json!({"email": "a@b.cd", "admin": true}), "admin"),
    ] {
        let answer = app.post(USERS, &body).await;
        assert_eq!(answer.expect(400)["error"]["details"]["field"], field, "{body}: {}", answer.text());
    }
    for id in ["none", "user_none", "user_%00", "'%20OR%201=1"] {
        app.get(&format!("{USERS}/{id}")).await.expect(404);
        put(&app, app.key(), &format!("{USERS}/{id}"), json!({"name": "x"})).await.expect(404);
    }
}
