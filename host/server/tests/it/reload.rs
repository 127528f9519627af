//! How plugins come, go and come back: by files of one host or several, by uploads, and by their operator's word.

use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hardpoint_runtime::digest;
use http::{Method, header};
use serde_json::{Value, json};

use crate::plugins::ASKS;
use crate::support::{TestApp, echo, repacked};

/// Uploads these bytes and approves them.
pub(crate) async fn uploaded(app: &TestApp, bytes: &Bytes) {
    let mut request = app.request(Method::POST, "/api/v1/plugins", None);
    request.headers_mut().insert(header::CONTENT_TYPE, "application/wasm".parse().unwrap());
    *request.body_mut() = Body::from(bytes.clone());
    app.send(request).await.expect(201);
    app.post("/api/v1/plugins/echo/approve", &json!({ "digest": digest(bytes) })).await.expect(200);
}

pub(crate) async fn back(app: &TestApp) -> Value {
    app.post("/api/v1/plugins/echo/rollback", &json!({})).await.expect(200)
}

/// This version serves, on each look.
pub(crate) async fn serves(app: &TestApp, version: &str) {
    for _ in 0..3 {
        app.settle().await;
        let plugin = app.plugin("echo").await;
        assert_eq!((&plugin["version"], &plugin["state"]), (&json!(version), &json!("active")), "{plugin}");
        assert_eq!(app.call("echo").await, 200);
    }
}

/// As `touch` does it, or a new image: other times, the same bytes.
fn touch(file: &Path) {
    let file = std::fs::File::options().write(true).open(file).unwrap();
    let later = file.metadata().unwrap().modified().unwrap() + Duration::from_secs(60);
    file.set_modified(later).unwrap();
}

fn blob(app: &TestApp, bytes: &[u8]) -> std::path::PathBuf {
    let digest = digest(bytes);
    let hex = digest.strip_prefix("sha256:").unwrap();
    app.folder().join(format!("data/blobs/plugins/{hex}.wasm"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_gone_back_to_needs_no_file() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    uploaded(&app, &echo("2.0.0", "")).await;
    app.unpublish("echo.wasm").await;
    serves(&app, "2.0.0").await;
    assert_eq!(back(&app).await["version"], "1.0.0");
    serves(&app, "1.0.0").await;
    let app = app.restart().await;
    serves(&app, "1.0.0").await;
    // It served, and so does what it was gone back from.
    assert_eq!(back(&app).await["version"], "2.0.0");
    serves(&app, "2.0.0").await;
}

/// Nor is it taken away with the file that took its place.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_gone_back_to_stays_when_its_successors_file_goes() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    app.publish("echo.wasm", &echo("2.0.0", "")).await;
    back(&app).await;
    app.unpublish("echo.wasm").await;
    serves(&app, "1.0.0").await;
    // What serves while another version waits in its file's place goes with that.
    app.publish("echo.wasm", &echo("3.0.0", "")).await;
    app.publish("echo.wasm", &echo("4.0.0", ASKS)).await;
    serves(&app, "3.0.0").await;
    app.unpublish("echo.wasm").await;
    assert_eq!(app.call("echo").await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_does_not_overtake_what_was_gone_back_to() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    app.publish("echo.wasm", &echo("2.0.0", "")).await;
    let turn = async |what: &str| app.post(&format!("/api/v1/plugins/echo/{what}"), &json!({})).await;
    turn("pause").await.expect(200);
    app.publish("echo.wasm", &echo("3.0.0", "")).await;
    let waits = back(&app).await;
    assert_eq!(waits["candidate"]["version"], "1.0.0", "{waits}");
    turn("resume").await.expect(200);
    serves(&app, "1.0.0").await;
    // It can be had by name.
    let versions = app.plugin("echo").await["versions"].clone();
    let third = versions.as_array().unwrap().iter().find(|row| row["version"] == "3.0.0").unwrap();
    assert!(
        third["state"] == "superseded" && third["reason"].as_str().unwrap().contains("went back"),
        "{third}"
    );
    let approved = json!({ "digest": third["digest"] });
    app.post("/api/v1/plugins/echo/approve", &approved).await.expect(200);
    serves(&app, "3.0.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_file_that_is_touched_takes_nobodys_place() {
    let older = echo("1.0.0", "");
    let app = TestApp::with("", &[("echo.wasm", older.clone())]).await;
    uploaded(&app, &echo("2.0.0", "")).await;
    touch(&app.plugins().join("echo.wasm"));
    serves(&app, "2.0.0").await;
    app.publish("echo.wasm", &older).await;
    serves(&app, "2.0.0").await;
    let app = app.restart_after(|plugins| touch(&plugins.join("echo.wasm"))).await;
    serves(&app, "2.0.0").await;
    // Other bytes are another matter, and so is going back to the first ones by the file.
    app.publish("echo.wasm", &echo("3.0.0", "")).await;
    serves(&app, "3.0.0").await;
    app.publish("echo.wasm", &older).await;
    serves(&app, "1.0.0").await;
}

/// What cannot be kept is told and tried again, also by the next process, and keeps nothing else from it.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_published_is_due_until_it_can() {
    let (first, second) = (echo("1.0.0", ""), echo("2.0.0", ""));
    let app = TestApp::with("", &[("echo.wasm", first.clone())]).await;
    app.publish("echo.wasm", &second).await;
    let path = blob(&app, &first);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir_all(path.join("in the way")).unwrap();
    app.publish("echo.wasm", &first).await;
    let other = "id = \"other\"\nversion = \"1.0.0\"\nkind = \"tool\"\ndescription = \"x\"\n";
    app.publish("other.wasm", &repacked("echo", other)).await;
    assert_eq!(app.call("other").await, 200);
    let told = app.post("/api/v1/plugins/reload", &json!({})).await.expect(200);
    let file = &told["files"][0];
    assert!(file["name"] == "echo.wasm" && file["state"] == "failed", "{file}");
    assert!(file["reason"].as_str().unwrap().starts_with("version 1.0.0 cannot be published: "), "{file}");
    serves(&app, "2.0.0").await;
    let app = app.restart().await;
    serves(&app, "2.0.0").await;
    for folder in [path.join("in the way"), path] {
        std::fs::remove_dir(folder).unwrap();
    }
    app.post("/api/v1/plugins/reload", &json!({})).await.expect(200);
    serves(&app, "1.0.0").await;
}

/// One that this host cannot load any more.
#[tokio::test(flavor = "multi_thread")]
async fn the_version_before_serves_where_the_active_one_fails_after_a_start() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let large = echo("2.0.0", &format!("# {}\n", "x".repeat(50_000)));
    app.publish("echo.wasm", &large).await;
    serves(&app, "2.0.0").await;
    app.configure(&format!("[plugins]\nmax_component_bytes = {}\n", large.len() - 1));
    let app = app.restart().await;
    let plugin = app.plugin("echo").await;
    assert!(plugin["version"] == "2.0.0" && plugin["state"] == "failed", "{plugin}");
    assert_eq!(app.call("echo").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_takes_away_what_it_published_alone() {
    let Some([one, other]) = TestApp::pair("", &[]).await else { return };
    let (older, newer) = (echo("1.0.0", ""), echo("2.0.0", ""));
    // What was this host's once, and is the other's now.
    other.publish("echo.wasm", &older).await;
    other.unpublish("echo.wasm").await;
    one.settle().await;
    assert_eq!(one.call("echo").await, 404);
    one.publish("echo.wasm", &older).await;
    serves(&other, "1.0.0").await;
    serves(&one, "1.0.0").await;
    // An old file under the name of the other's new one.
    one.publish("echo.wasm", &newer).await;
    other.publish("echo.wasm", &older).await;
    serves(&other, "2.0.0").await;
    other.unpublish("echo.wasm").await;
    serves(&other, "2.0.0").await;
    serves(&one, "2.0.0").await;
    // A copy, also for another process of its host.
    other.publish("echo.wasm", &newer).await;
    let other = other.restart().await;
    serves(&other, "2.0.0").await;
    other.unpublish("echo.wasm").await;
    serves(&other, "2.0.0").await;
    serves(&one, "2.0.0").await;
    // The published file, also by another name, and while its host was not there.
    let rename =
        |plugins: &Path| std::fs::rename(plugins.join("echo.wasm"), plugins.join("new.wasm")).unwrap();
    let one = one.restart_after(rename).await;
    serves(&one, "2.0.0").await;
    assert_eq!(one.plugin("echo").await["file"], "new.wasm");
    let one = one.restart_after(|plugins| std::fs::remove_file(plugins.join("new.wasm")).unwrap()).await;
    one.settle().await;
    assert_eq!((one.call("echo").await, one.get("/api/v1/plugins/echo").await.status.as_u16()), (404, 404));
}

/// A file that turned bad is there still; what it held goes when it goes, whichever process sees that.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_bad_file_held_goes_with_it() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    app.publish("echo.wasm", b"no component").await;
    serves(&app, "1.0.0").await;
    let app = app.restart().await;
    serves(&app, "1.0.0").await;
    let app = app.restart_after(|plugins| std::fs::remove_file(plugins.join("echo.wasm")).unwrap()).await;
    app.settle().await;
    assert_eq!(app.call("echo").await, 404);
}
