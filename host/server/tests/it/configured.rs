//! A start with another configuration than the last one is in the audit log.

use hardpoint_domain::event::Event;
use hardpoint_server::service::configured;
use hardpoint_store::events;
use serde_json::json;

use crate::support::{TestApp, echo};

async fn told(app: &TestApp, kind: &str) -> Vec<Event> {
    let mut conn = app.app().store.read().await.unwrap();
    let all = events::list(&mut conn, None, None, 1_000).await.unwrap();
    all.into_iter().map(|stored| stored.event).filter(|event| event.kind == kind).collect()
}

const SECRET: &str = "[secrets.token]\naudience = \"https://example.com\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_in_it_is_told_once_and_no_secret() {
    let config = |secret: &str, more: &str| format!("{SECRET}value = \"{secret}\"\n{more}");
    let app = TestApp::with(&config("canary-one-0123", ""), &[]).await;
    let app = app.restart().await;
    assert_eq!(told(&app, "config.loaded").await, [], "nothing is new");

    app.configure(&config("canary-one-0123", "[completions]\nattempts = 7\n"));
    let app = app.restart().await.restart().await;
    let events = told(&app, "config.loaded").await;
    assert_eq!(events.len(), 1);
    assert_eq!((&*events[0].target.kind, &*events[0].target.id), ("host", "this"));
    assert_eq!(events[0].after, Some(json!({"completions.attempts": 7})));
    assert_eq!(events[0].before, Some(json!({"completions.attempts": 3})));

    // Another value of a secret shows nothing but that.
    app.configure(&config("canary-two-4567", "[completions]\nattempts = 7\n"));
    let app = app.restart().await;
    let events = told(&app, "config.loaded").await;
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].after, Some(json!({"hardpoint.toml": "changed in what is not shown"})));
    assert!(!json!(events).to_string().contains("canary"));
    let kept = std::fs::read_to_string(app.folder().join("data/configured.json")).unwrap();
    assert!(!kept.contains("canary"), "{kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_signal_changed_is_told() {
    let app = TestApp::start().await;
    let patience = std::time::Duration::from_secs(120);
    configured::look_again(app.app(), patience).await;
    assert_eq!(told(&app, "plugin.reloaded").await, [], "nothing is new");
    std::fs::write(app.plugins().join("echo.wasm"), echo("1.0.0", "")).unwrap();
    configured::look_again(app.app(), patience).await;
    let events = told(&app, "plugin.reloaded").await;
    assert_eq!(events.len(), 1, "the watcher of the folder waits a moment first");
    assert_eq!(events[0].after.as_ref().unwrap()["live"]["echo"]["version"], "1.0.0");
    assert_eq!(told(&app, "plugin.published").await.len(), 1);
}
