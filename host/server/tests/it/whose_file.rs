//! Which file speaks for its plugin, by whose word a version is here, and what goes with a file: of several files, also
//! of what was not written down in time.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use hardpoint_runtime::digest;
use hardpoint_server::config::{Config, Sources};
use hardpoint_server::loaded::outdated;
use hardpoint_server::service::events::Author;
use hardpoint_server::service::plugins::Desk;
use hardpoint_server::worker::reload::Retry;
use hardpoint_store::plugin_files::{self, PluginFile};
use hardpoint_store::plugins::{self, Plugin, Source, State};
use hardpoint_store::testing::{damage, raw};
use hardpoint_store::{Lane, StoreError, Tx};
use serde_json::json;

use crate::reload::{back, serves, uploaded};
use crate::support::{TestApp, echo, repacked};

/// A plugin of its own.
fn other() -> Bytes {
    repacked("echo", "id = \"other\"\nversion = \"1.0.0\"\nkind = \"tool\"\ndescription = \"x\"\n")
}

async fn row(app: &TestApp, bytes: &Bytes) -> Plugin {
    let mut conn = app.app().store.read().await.unwrap();
    plugins::get(&mut conn, "echo", &digest(bytes)).await.unwrap().unwrap()
}

/// Changes the store behind the host's back.
async fn written<T: Send + 'static>(
    app: &TestApp,
    change: impl for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + 'static,
) -> T {
    app.app().store.write(Lane::Request, change).await.unwrap()
}

/// As where a host cannot load it.
async fn reject(app: &TestApp, bytes: &Bytes) {
    let (digest, now) = (digest(bytes), app.app().clock.now());
    let change = written(app, move |tx| {
        Box::pin(async move {
            plugins::set_state(tx, "echo", &digest, State::Rejected, Some("for nothing"), now).await
        })
    });
    assert!(change.await);
    app.settle().await;
}

/// Three files, one after the other.
async fn three() -> TestApp {
    let app = TestApp::with("", &[("c1.wasm", echo("0.1.0", ""))]).await;
    app.publish("c2.wasm", &echo("0.2.0", "")).await;
    app.publish("c3.wasm", &echo("0.3.0", "")).await;
    serves(&app, "0.3.0").await;
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_goes_leaves_its_place_to_the_one_before() {
    let app = three().await;
    // One that turned bad is still there.
    app.publish("c3.wasm", b"no component").await;
    serves(&app, "0.3.0").await;
    app.unpublish("c3.wasm").await;
    serves(&app, "0.2.0").await;
    let app = app.restart_after(|plugins| std::fs::remove_file(plugins.join("c2.wasm")).unwrap()).await;
    app.settle().await;
    serves(&app, "0.1.0").await;
    app.unpublish("c1.wasm").await;
    assert_eq!(app.call("echo").await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_goes_leaves_nothing_over_its_operators_word() {
    let app = three().await;
    let first = json!({ "digest": digest(&echo("0.1.0", "")) });
    app.post("/api/v1/plugins/echo/rollback", &first).await.expect(200);
    app.unpublish("c3.wasm").await;
    serves(&app, "0.1.0").await;
    let app = app.restart().await;
    app.unpublish("c2.wasm").await;
    serves(&app, "0.1.0").await;

    let app = three().await;
    uploaded(&app, &echo("0.4.0", "")).await;
    app.unpublish("c2.wasm").await;
    app.unpublish("c3.wasm").await;
    serves(&app, "0.4.0").await;
    // A file that is written is another matter.
    app.publish("c1.wasm", &echo("0.1.1", "")).await;
    serves(&app, "0.1.1").await;
}

/// Nor does a version that nobody has seen yet, because its file never spoke.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_never_spoke_takes_no_place_but_its_own_folders() {
    let files = [("c1.wasm", echo("0.1.0", "")), ("c2.wasm", echo("0.2.0", ""))];
    let app = TestApp::with("", &files).await;
    app.unpublish("c2.wasm").await;
    serves(&app, "0.1.0").await;

    let app = TestApp::with("", &files).await;
    uploaded(&app, &echo("0.4.0", "")).await;
    app.unpublish("c2.wasm").await;
    serves(&app, "0.4.0").await;
    let passed = row(&app, &files[0].1).await;
    assert!(passed.state == State::Superseded && passed.reason.is_some(), "{passed:?}");
    let named = json!({ "digest": passed.digest });
    app.post("/api/v1/plugins/echo/approve", &named).await.expect(200);
    serves(&app, "0.1.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_another_hosts_does_not_overtake_what_is_newer() {
    let Some([one, two]) = TestApp::pair("", &[]).await else { return };
    one.publish("c1.wasm", &echo("0.1.0", "")).await;
    one.publish("c2.wasm", &echo("0.2.0", "")).await;
    serves(&one, "0.2.0").await;
    two.publish("c3.wasm", &echo("0.3.0", "")).await;
    serves(&two, "0.3.0").await;
    one.unpublish("c2.wasm").await;
    serves(&one, "0.3.0").await;
    serves(&two, "0.3.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_another_plugin_takes_is_gone_for_the_first() {
    let app = TestApp::with("", &[("a.wasm", echo("1.0.0", ""))]).await;
    app.publish("a.wasm", &other()).await;
    assert_eq!((app.call("echo").await, app.call("other").await), (404, 200));
    app.publish("a.wasm", &echo("1.0.0", "")).await;
    assert_eq!((app.call("echo").await, app.call("other").await), (200, 404));
    let app = app.restart_after(|plugins| std::fs::write(plugins.join("a.wasm"), other()).unwrap()).await;
    app.settle().await;
    assert_eq!((app.call("echo").await, app.call("other").await), (404, 200));
}

/// The host ended between publishing a file and noting it.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_published_and_not_noted_goes_with_its_file() {
    let app = TestApp::with("", &[("a.wasm", echo("1.0.0", ""))]).await;
    let forget =
        written(&app, |tx| Box::pin(async move { plugin_files::remove(tx, "this", "a.wasm").await }));
    assert!(forget.await);
    let app = app.restart_after(|plugins| std::fs::remove_file(plugins.join("a.wasm")).unwrap()).await;
    app.settle().await;
    assert_eq!(app.call("echo").await, 404);
    assert_eq!(row(&app, &echo("1.0.0", "")).await.state, State::Removed);
}

/// `plugin grant` takes it out of the folder itself.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_granted_before_a_host_looked_goes_with_its_file() {
    let (app, bytes) = (TestApp::start().await, echo("1.0.0", ""));
    let desk = Desk::of(app.app());
    let name = Some("echo.wasm".to_owned());
    desk.upload(&Author::cli(), bytes.clone(), Source::Folder, name).await.unwrap();
    desk.grant(&Author::cli(), "echo", None, None).await.unwrap();
    drop(desk);
    let put = bytes.clone();
    let app = app.restart_after(move |plugins| std::fs::write(plugins.join("echo.wasm"), put).unwrap()).await;
    serves(&app, "1.0.0").await;
    app.unpublish("echo.wasm").await;
    assert_eq!((app.call("echo").await, row(&app, &bytes).await.state), (404, State::Removed));
}

/// What files brought before hosts were told apart is whose file it is found in.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_claims_is_the_first_hosts_that_has_its_file() {
    let bytes = echo("1.0.0", "");
    let Some([one, two]) = TestApp::pair("", &[("echo.wasm", bytes.clone())]).await else { return };
    let host = row(&one, &bytes).await.host.unwrap();
    let digest = digest(&bytes);
    let forget = written(&one, move |tx| {
        Box::pin(async move {
            let is_there = plugins::set_host(tx, "echo", &digest, Some(plugins::UNCLAIMED)).await?;
            Ok(is_there && plugin_files::remove(tx, &host, "echo.wasm").await?)
        })
    });
    assert!(forget.await);
    two.unpublish("echo.wasm").await;
    serves(&two, "1.0.0").await;
    let one = one.restart().await;
    serves(&one, "1.0.0").await;
    one.unpublish("echo.wasm").await;
    two.settle().await;
    assert_eq!((one.call("echo").await, two.call("echo").await), (404, 404));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rejected_does_not_come_again_over_what_was_gone_back_to() {
    let app = three().await;
    let third = echo("0.3.0", "");
    reject(&app, &third).await;
    assert_eq!(back(&app).await["version"], "0.2.0");
    let app = app.restart().await;
    serves(&app, "0.2.0").await;
    app.post("/api/v1/plugins/reload", &json!({})).await.expect(200);
    serves(&app, "0.2.0").await;
    let passed = row(&app, &third).await;
    let reason = passed.reason.unwrap();
    assert!(passed.state == State::Rejected && reason.contains("for nothing"), "{reason}");
    // It can be had by name.
    app.post("/api/v1/plugins/echo/approve", &json!({ "digest": passed.digest })).await.expect(200);
    serves(&app, "0.3.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_to_be_tried_again_is_due_until_it_is_written_down() {
    let (app, bytes) = (TestApp::with("", &[("a.wasm", echo("1.0.0", ""))]).await, echo("1.0.0", ""));
    reject(&app, &bytes).await;
    assert_eq!(app.call("echo").await, 404);
    written(&app, |tx| Box::pin(async move { raw(tx, damage::REFUSED_PLUGINS).await })).await;
    assert!(!app.app().reload.settle(Retry::All, Duration::from_millis(200)).await, "nothing was tried");
    written(&app, |tx| Box::pin(async move { raw(tx, damage::PLUGINS_AGAIN).await })).await;
    serves(&app, "1.0.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_are_forgotten_of_hosts_that_say_nothing_for_weeks() {
    let app = TestApp::with("", &[("a.wasm", echo("1.0.0", ""))]).await;
    let noted = async |host: &str| {
        let mut conn = app.app().store.read().await.unwrap();
        plugin_files::list(&mut conn, host).await.unwrap()
    };
    let gone = PluginFile { host: "host_gone".to_owned(), ..noted("this").await.remove(0) };
    written(&app, move |tx| Box::pin(async move { plugin_files::put(tx, &gone).await })).await;
    for (days, left) in [(50, 1), (7, 0), (57, 0)] {
        app.clock().advance(Duration::from_secs(days * 86_400));
        app.settle().await;
        assert_eq!((noted("host_gone").await.len(), noted("this").await.len()), (left, 1), "{days} days on");
    }
}

/// A command looks for an instant, and the host that starts just then says it later.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_says_what_it_has_loaded_though_somebody_looked_when_it_started() {
    let app = TestApp::start().await;
    let lock = std::sync::Arc::new(std::sync::Mutex::new(None));
    let held = lock.clone();
    let look = move |plugins: &Path| {
        let file = std::fs::File::open(plugins.join("../loaded")).unwrap();
        file.lock_shared().unwrap();
        *held.lock().unwrap() = Some(file);
    };
    let app = app.restart_after(look).await;
    app.configure("[log]\nlevel = \"debug\"\n");
    let file = Some(app.folder().join("hardpoint.toml"));
    let sources = Sources { file, data: Some(app.folder().join("data")), ..Sources::default() };
    let config = Config::load(&sources).unwrap();
    drop(lock.lock().unwrap().take());
    let told = async {
        while outdated(&config).is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told).await.expect("it is told");
}
