//! A version whose bytes another host has: this one waits for them, says so, and keeps nobody else from it.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hardpoint_store::blobs::BlobKey;
use hardpoint_store::plugins::{self, Source, State};
use http::{Method, header};
use serde_json::{Value, json};

use crate::command_line::{hardpoint, said};
use crate::support::{TestApp, echo};

/// Uploads a version of `echo`; its digest.
async fn upload(app: &TestApp, bytes: &Bytes) -> Value {
    let mut request = app.request(Method::POST, "/api/v1/plugins", None);
    request.headers_mut().insert(header::CONTENT_TYPE, "application/wasm".parse().unwrap());
    *request.body_mut() = Body::from(bytes.clone());
    let uploaded = app.send(request).await.expect(201);
    uploaded.get("candidate").unwrap_or(&uploaded)["digest"].clone()
}

async fn approve(app: &TestApp, digest: &Value) -> Value {
    app.post("/api/v1/plugins/echo/approve", &json!({ "digest": digest })).await.expect(200)
}

fn key(digest: &Value) -> BlobKey {
    BlobKey::plugin(digest.as_str().unwrap()).unwrap()
}

/// What the store says, to every host.
async fn state(app: &TestApp, digest: &Value) -> State {
    let mut conn = app.app().store.read().await.unwrap();
    plugins::get(&mut conn, "echo", digest.as_str().unwrap()).await.unwrap().unwrap().state
}

/// Waits until this version serves, without telling anybody to look.
async fn serves(app: &TestApp, version: &str) {
    let serving = async {
        while app.plugin("echo").await["live"].is_null() || app.plugin("echo").await["version"] != version {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), serving).await.unwrap();
    assert_eq!(app.call("echo").await, 200);
}

fn told(shown: &Value) -> bool {
    let reason = shown["reason"].as_str().unwrap_or_default();
    shown["state"] == "failed" && reason.contains("copy its file to") && reason.contains("`storage.blobs`")
}

/// A server that starts on a store whose blobs are on another host.
async fn without_bytes(app: TestApp) -> TestApp {
    let gone = |plugins: &std::path::Path| {
        for entry in std::fs::read_dir(plugins.join("../blobs/plugins")).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    };
    app.restart_after(gone).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_serves_elsewhere_serves_here_as_soon_as_its_bytes_come() {
    let app = TestApp::start().await;
    let bytes = echo("1.0.0", "");
    let digest = upload(&app, &bytes).await;
    approve(&app, &digest).await;
    assert_eq!(app.call("echo").await, 200);
    let app = without_bytes(app).await;
    assert_eq!(app.call("echo").await, 404);
    assert!(told(&app.plugin("echo").await), "{}", app.plugin("echo").await);
    let listed = said(&hardpoint(app.folder(), &["plugin", "list"]));
    assert!(listed.contains("copy its file to data/plugins"), "{listed}");
    assert!(listed.contains("no version of it is served here meanwhile"), "{listed}");
    assert_eq!(state(&app, &digest).await, State::Active);
    // As another host does it that shares the folder.
    app.app().store.blobs().put(&key(&digest), bytes).await.unwrap();
    serves(&app, "1.0.0").await;
    assert_eq!(app.plugin("echo").await["state"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_the_folder_brings_them() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let digest = app.plugin("echo").await["digest"].clone();
    let app = without_bytes(app).await;
    assert_eq!(app.call("echo").await, 200);
    assert!(app.app().store.blobs().exists(&key(&digest)).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lacks_here_is_rejected_for_nobody() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let newer = echo("2.0.0", "");
    let digest = upload(&app, &newer).await;
    app.app().store.blobs().delete(&key(&digest)).await.unwrap();
    let plugin = approve(&app, &digest).await;
    assert!(plugin["version"] == "1.0.0" && told(&plugin["candidate"]), "{plugin}");
    app.settle().await;
    assert_eq!((state(&app, &digest).await, app.call("echo").await), (State::PendingApproval, 200));
    app.app().store.blobs().put(&key(&digest), newer).await.unwrap();
    serves(&app, "2.0.0").await;
    assert_eq!(state(&app, &digest).await, State::Active);
}

/// Whichever host is the first to make a version active, the others serve what they have until they have that too.
#[tokio::test(flavor = "multi_thread")]
async fn what_served_goes_on_while_its_successor_is_missing() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let newer = echo("2.0.0", "");
    let digest = upload(&app, &newer).await;
    app.app().store.blobs().delete(&key(&digest)).await.unwrap();
    let (id, now) = (digest.as_str().unwrap().to_owned(), app.app().clock.now());
    let elsewhere = app.app().store.write(hardpoint_store::Lane::Request, move |tx| {
        Box::pin(async move { plugins::set_active(tx, "echo", &id, now).await })
    });
    assert!(elsewhere.await.unwrap());
    app.settle().await;
    let plugin = app.plugin("echo").await;
    assert!(plugin["version"] == "2.0.0" && told(&plugin), "{plugin}");
    assert_eq!(app.call("echo").await, 200);
    app.app().store.blobs().put(&key(&digest), newer).await.unwrap();
    let generation = plugin["live"]["generation"].clone();
    let replaced = async {
        while app.plugin("echo").await["live"]["generation"] == generation {
            assert_eq!(app.call("echo").await, 200);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), replaced).await.unwrap();
    assert_eq!(app.plugin("echo").await["state"], "active");
    // Nobody serves what was revoked, whatever is missing.
    app.post("/api/v1/plugins/echo/revoke", &json!({})).await.expect(200);
    assert_eq!(app.call("echo").await, 404);
}

/// The folder is looked through when somebody asks, and what was of no use is not tried again by itself.
const SELDOM: &str = "[plugins]\nscan_interval = \"1h\"\n";

fn blob(app: &TestApp, digest: &Value) -> std::path::PathBuf {
    app.folder().join("data/blobs").join(key(digest).to_string())
}

/// As a disk leaves it that was full.
fn cut_short(path: &std::path::Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

async fn source(app: &TestApp, digest: &Value) -> Source {
    let mut conn = app.app().store.read().await.unwrap();
    plugins::get(&mut conn, "echo", digest.as_str().unwrap()).await.unwrap().unwrap().source
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_brings_bytes_and_takes_nothing_away() {
    let app = TestApp::start().await;
    let (older, newer) = (echo("1.0.0", ""), echo("2.0.0", ""));
    for bytes in [&older, &newer] {
        let digest = upload(&app, bytes).await;
        approve(&app, &digest).await;
        assert_eq!(app.plugin("echo").await["digest"], digest);
    }
    let digest = app.plugin("echo").await["digest"].clone();
    app.app().store.blobs().delete(&key(&digest)).await.unwrap();
    for (name, bytes) in [("echo.wasm", &newer), ("older.wasm", &older), ("older.wasm", &newer)] {
        app.publish(name, bytes).await;
        let plugin = app.plugin("echo").await;
        assert!(plugin["digest"] == digest && plugin["state"] == "active", "{plugin}");
        assert_eq!(source(&app, &digest).await, Source::Upload);
    }
    assert!(app.app().store.blobs().exists(&key(&digest)).await.unwrap());
    // Nor where another process of this host finds them.
    let app = app.restart().await;
    for name in ["older.wasm", "echo.wasm"] {
        app.unpublish(name).await;
        assert_eq!((state(&app, &digest).await, app.call("echo").await), (State::Active, 200), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_another_hosts_file_takes_nothing_away() {
    let Some([one, other]) = TestApp::pair(SELDOM, &[]).await else { return };
    let bytes = echo("1.0.0", "");
    one.publish("echo.wasm", &bytes).await;
    let digest = one.plugin("echo").await["digest"].clone();
    for name in ["echo.wasm", "copy.wasm"] {
        other.publish(name, &bytes).await;
        assert_eq!(other.call("echo").await, 200);
        other.unpublish(name).await;
        one.settle().await;
        assert_eq!((state(&one, &digest).await, one.call("echo").await), (State::Active, 200), "{name}");
    }
    // Whoever published it takes it away, however often.
    one.publish("echo.wasm", &bytes).await;
    one.unpublish("echo.wasm").await;
    assert_eq!(state(&one, &digest).await, State::Removed);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_cut_short_here_are_rejected_for_nobody() {
    let app = TestApp::with(SELDOM, &[]).await;
    let bytes = echo("1.0.0", "");
    let digest = upload(&app, &bytes).await;
    cut_short(&blob(&app, &digest));
    // It settles: what is of no use is not tried over and over.
    let plugin = approve(&app, &digest).await;
    assert!(told(&plugin) && plugin["reason"].as_str().unwrap().contains("has others"), "{plugin}");
    app.settle().await;
    assert_eq!(state(&app, &digest).await, State::PendingApproval);
    let inspected = said(&hardpoint(app.folder(), &["plugin", "inspect", "echo"]));
    assert!(inspected.contains("has others") && inspected.contains("echo 1.0.0"), "{inspected}");
    // A file mends them, and somebody who asks finds out.
    app.publish("any.wasm", &bytes).await;
    serves(&app, "1.0.0").await;
    assert_eq!(std::fs::read(blob(&app, &digest)).unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_tried_again_now_and_then() {
    let app = TestApp::with("[plugins]\nscan_interval = \"200ms\"\n", &[]).await;
    let bytes = echo("1.0.0", "");
    let digest = upload(&app, &bytes).await;
    let path = blob(&app, &digest);
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    let plugin = approve(&app, &digest).await;
    let reason = plugin["reason"].as_str().unwrap();
    assert!(reason.contains("folder for bytes cannot be used") && !reason.contains("database"), "{plugin}");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, &bytes).unwrap();
    serves(&app, "1.0.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_start_too_the_version_before_serves_until_the_bytes_come() {
    let app = TestApp::start().await;
    let newer = echo("2.0.0", "");
    for bytes in [&echo("1.0.0", ""), &newer] {
        let digest = upload(&app, bytes).await;
        approve(&app, &digest).await;
    }
    let digest = app.plugin("echo").await["digest"].clone();
    let path = blob(&app, &digest);
    let app = app.restart_after(|_| std::fs::remove_file(path).unwrap()).await;
    assert_eq!(app.call("echo").await, 200);
    let plugin = app.plugin("echo").await;
    assert!(plugin["version"] == "2.0.0" && told(&plugin), "{plugin}");
    // Which one it is is told by the host, and by the commands beside it.
    assert_eq!(plugin["live"]["version"], "1.0.0");
    let meanwhile = "version 1.0.0 is served here meanwhile";
    assert!(plugin["reason"].as_str().unwrap().ends_with(meanwhile), "{plugin}");
    for command in [["plugin", "list"].as_slice(), &["plugin", "inspect", "echo"]] {
        let shown = said(&hardpoint(app.folder(), command));
        assert!(shown.contains(meanwhile), "{command:?}: {shown}");
    }
    let before = plugin["live"]["generation"].clone();
    app.app().store.blobs().put(&key(&digest), newer).await.unwrap();
    let replaced = async {
        while app.plugin("echo").await["live"]["generation"] == before {
            assert_eq!(app.call("echo").await, 200);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), replaced).await.unwrap();
    assert_eq!(app.plugin("echo").await["state"], "active");
}
