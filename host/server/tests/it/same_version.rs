//! A version is the same bytes for ever: other bytes under its number wait for an operator who approves
//! exactly these, whichever way they come, and the old ones serve on.

use axum::body::Body;
use bytes::Bytes;
use http::{Method, header};
use serde_json::{Value, json};

use crate::plugins::ASKS;
use crate::support::{Answer, TestApp, echo, repacked};

/// The tool `echo` in the same version, with other bytes that ask for the same.
fn other(version: &str, asks: &str) -> Bytes {
    echo(version, &format!("# Not what it was.\n{asks}"))
}

async fn approve(app: &TestApp, digest: &Value) -> Value {
    app.post("/api/v1/plugins/echo/approve", &json!({ "digest": digest })).await.expect(200)
}

async fn upload(app: &TestApp, path: &str, bytes: Bytes) -> Answer {
    let mut request = app.request(Method::POST, path, None);
    request.headers_mut().insert(header::CONTENT_TYPE, "application/wasm".parse().unwrap());
    *request.body_mut() = Body::from(bytes);
    app.send(request).await
}

/// The version that serves is the one with this digest; another waits, and says how to approve it.
async fn waits(app: &TestApp, serving: &Value) -> Value {
    let plugin = app.plugin("echo").await;
    assert_eq!((&plugin["digest"], &plugin["state"]), (serving, &json!("active")), "{plugin}");
    assert_eq!(app.call("echo").await, 200);
    let candidate = plugin["candidate"].clone();
    assert_eq!(candidate["state"], "pending_approval", "{plugin}");
    let digest = candidate["digest"].as_str().unwrap();
    let command = format!("hardpoint plugin grant echo --digest {digest}");
    assert!(candidate["reason"].as_str().unwrap().contains(&command), "{candidate}");
    assert_ne!(candidate["digest"], *serving);
    candidate
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_of_the_same_version_wait() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let first = app.plugin("echo").await["digest"].clone();
    app.publish("echo.wasm", &other("1.0.0", "")).await;
    let candidate = waits(&app, &first).await;
    insta::assert_snapshot!(crate::support::mask(candidate["reason"].as_str().unwrap()), @"version 1.0.0 was other bytes before, sha256:…: give it a version of its own, or approve these with `hardpoint plugin grant echo --digest sha256:…`");
    // Neither another start nor another look lets them in; their approval does.
    let app = app.restart().await;
    waits(&app, &first).await;
    app.post("/api/v1/plugins/reload", &json!({})).await.expect(200);
    waits(&app, &first).await;
    assert_eq!(approve(&app, &candidate["digest"]).await["digest"], candidate["digest"]);
    // The first ones are other bytes now. An operator who goes back says so, and the folder does not.
    let back = async || app.post("/api/v1/plugins/echo/rollback", &json!({})).await.expect(200);
    assert_eq!(back().await["digest"], first);
    assert_eq!(back().await["digest"], candidate["digest"]);
    app.publish("echo.wasm", &echo("1.0.0", "# Never seen.\n")).await;
    waits(&app, &candidate["digest"]).await;
    // Under a number of their own they serve.
    app.publish("echo.wasm", &other("1.0.1", "")).await;
    assert_eq!(app.plugin("echo").await["version"], "1.0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_changed_while_no_host_was_there_wait() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let first = app.plugin("echo").await["digest"].clone();
    let app = app
        .restart_after(|plugins| std::fs::write(plugins.join("echo.wasm"), other("1.0.0", "")).unwrap())
        .await;
    waits(&app, &first).await;
}

/// What asks for less, or for what is allowed already, needs no other permission, and is other bytes all the same.
#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_wait_whatever_they_ask_for() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ASKS))]).await;
    let first = app.plugin("echo").await["digest"].clone();
    approve(&app, &first).await;
    for asks in [ASKS, ""] {
        app.publish("echo.wasm", &other("1.0.0", asks)).await;
        waits(&app, &first).await;
    }
    // As does what comes by another name, or by another way.
    app.publish("another.wasm", &echo("1.0.0", "# Another.\n")).await;
    waits(&app, &first).await;
    let told = upload(&app, "/api/v1/plugins?dry_run=true", other("1.0.0", "# More.\n")).await.expect(200);
    assert!(told["would"].as_str().unwrap().starts_with("wait for the approval of its bytes"), "{told}");
    let uploaded = upload(&app, "/api/v1/plugins", other("1.0.0", "# More.\n")).await.expect(201);
    assert_eq!(waits(&app, &first).await["digest"], uploaded["candidate"]["digest"]);
    let app = app.restart().await;
    let candidate = waits(&app, &first).await;
    approve(&app, &candidate["digest"]).await;
    assert_eq!(app.plugin("echo").await["digest"], candidate["digest"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_was_taken_away_is_still_the_same_bytes() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    app.unpublish("echo.wasm").await;
    app.publish("echo.wasm", &other("1.0.0", "")).await;
    assert_eq!(app.call("echo").await, 404);
    let waiting = app.plugin("echo").await;
    assert_eq!(waiting["state"], "pending_approval", "{waiting}");
    app.publish("echo.wasm", &echo("2.0.0", "")).await;
    assert_eq!(app.call("echo").await, 200);
    // Revoked bytes are not let in by changing one of them.
    app.post("/api/v1/plugins/echo/revoke", &json!({})).await.expect(200);
    app.publish("echo.wasm", &other("2.0.0", "")).await;
    assert_eq!(app.call("echo").await, 404);
}

/// What could not be loaded was never served to anybody: mended, it keeps its number.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_never_loaded_may_be_mended() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let traps = "id = \"echo\"\nversion = \"2.0.0\"\nkind = \"tool\"\ndescription = \"Traps.\"\n";
    app.publish("echo.wasm", &repacked("stillborn", traps)).await;
    assert_eq!(app.plugin("echo").await["candidate"]["state"], "rejected");
    app.publish("echo.wasm", &echo("2.0.0", "")).await;
    assert_eq!(app.plugin("echo").await["version"], "2.0.0");
}
