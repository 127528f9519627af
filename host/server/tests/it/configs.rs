//! `/configs`: what is shown of the configuration, and what may be changed of it while the server runs.

use std::time::Duration;

use hardpoint_domain::seal::MasterKey;
use hardpoint_server::system::SystemRng;
use hardpoint_store::keys::Role;
use hardpoint_store::settings::{self, Setting};
use hardpoint_store::{Lane, events};
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp};

const CONFIGS: &str = "/api/v1/configs";

async fn put(app: &TestApp, body: Value) -> Answer {
    app.ask(app.key(), Method::PUT, CONFIGS, Some(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown() {
    let keys = tempfile::NamedTempFile::new().unwrap();
    let master = MasterKey::generate(&SystemRng);
    std::fs::write(keys.path(), master.reveal()).unwrap();
    let toml = format!(
        "[egress]\nproxy = \"http://user:canary-proxy@127.0.0.1:3128\"\n\n\
         [secrets]\nmaster_key_file = \"{}\"\n[secrets.token]\nvalue = \"canary-secret\"\naudience = \"https://a.example\"\n\n\
         [mail]\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\nuser = \"u\"\npassword = \"canary-mail\"\n\n\
         [bindings.b]\nplugin = \"p\"\nsettings = {{ url = \"https://u:canary-setting@a.example\", api_key = \"canary-key\" }}\n\
         secrets = {{ key = \"token\" }}\n",
        keys.path().display()
    );
    let app = TestApp::with(&toml, &[]).await;
    let shown = app.get(CONFIGS).await;
    let config = shown.expect(200)["config"].clone();
    let text = shown.text();
    assert!(!text.contains("canary"), "{text}");
    assert!(!text.contains(&master.reveal()[10..30]), "{text}");
    assert_eq!(config["secrets"]["token"], json!({"value": "********", "audience": "https://a.example"}));
    assert_eq!((&config["mail"]["password"], &config["mail"]["user"]), (&json!("********"), &json!("u")));
    assert_eq!(config["egress"]["proxy"], "http://…@127.0.0.1:3128");
    assert_eq!(config["bindings"]["b"]["settings"], json!(["api_key", "url"]));
    assert_eq!(config["master_keys"], json!([master.id()]));
    assert_eq!(config["server"]["max_json_body"], 10_000_000);
    assert_eq!(config["plans"]["free"]["requests_per_minute"], 10);
    for role in [Role::Owner, Role::Admin] {
        app.get_as(&app.key_of(role).await, CONFIGS).await.expect(403);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_holds_at_once_and_after_a_restart() {
    let app = TestApp::with("[server]\nmax_json_body = \"1MB\"\n", &[]).await;
    put(&app, json!({"log": {"level": "debug"}})).await.expect(200);
    let shown = put(&app, json!({"server": {"max_json_body": "8KiB"}})).await.expect(200);
    assert_eq!(shown["config"]["server"]["max_json_body"], 8_192);
    let names: Vec<_> = shown["changes"].as_array().unwrap().iter().map(|change| &change["name"]).collect();
    assert_eq!(names, ["log.level", "server.max_json_body"]);
    let large = json!({"model": "extractive", "messages": [{"role": "user", "content": "x".repeat(9_000)}]});
    assert_eq!(app.post("/api/v1/chat/completions", &large).await.status, 413);
    let app = app.restart().await;
    assert_eq!(app.post("/api/v1/chat/completions", &large).await.status, 413);
    // Nothing said leaves it; null takes it back to the file's word.
    put(&app, json!({"server": {}})).await.expect(200);
    assert_eq!(app.post("/api/v1/chat/completions", &large).await.status, 413);
    let back = put(&app, json!({"server": {"max_json_body": null}})).await.expect(200);
    assert_eq!(back["config"]["server"]["max_json_body"], 1_000_000);
    assert_eq!(back["changes"].as_array().unwrap().len(), 1);
    assert_ne!(app.post("/api/v1/chat/completions", &large).await.status, 413);

    let told = events::list(&mut app.app().store.read().await.unwrap(), None, None, 100).await.unwrap();
    let told: Vec<_> =
        told.into_iter().rev().map(|one| one.event).filter(|event| event.kind == "config.changed").collect();
    let told: Vec<_> = told
        .iter()
        .map(|event| (event.target.id.as_str(), event.before.clone().unwrap(), event.after.clone().unwrap()))
        .collect();
    let value = |value: Value| json!({ "value": value });
    assert_eq!(
        told,
        [
            ("log.level", value(json!("info")), value(json!("debug"))),
            ("server.max_json_body", value(json!(1_000_000)), value(json!(8_192))),
            ("server.max_json_body", value(json!(8_192)), value(json!(1_000_000))),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plans_limits_hold_from_the_next_request_on() {
    let app = TestApp::start().await;
    let key = app.stranger_on("free", None).await;
    assert_eq!(app.get_as(&key, "/api/v1/me").await.header("x-ratelimit-limit"), "10");
    put(&app, json!({"plans": {"free": {"requests_per_minute": 3}}})).await.expect(200);
    let answer = app.get_as(&key, "/api/v1/me").await;
    assert_eq!(answer.header("x-ratelimit-limit"), "3");
    put(&app, json!({"plans": {"free": null}})).await.expect(200);
    assert_eq!(app.get_as(&key, "/api/v1/me").await.header("x-ratelimit-limit"), "10");
}

#[tokio::test(flavor = "multi_thread")]
async fn how_hard_a_model_is_tried_can_be_changed() {
    let app = TestApp::with("[completions]\nattempts = 1\n", &[]).await;
    let change =
        json!({"completions": {"attempts": 3, "retry_base": 1, "retry_cap": "1500ms", "tool_rounds": 2}});
    put(&app, change).await.expect(200);
    let app = app.restart().await;
    let shown = app.get(CONFIGS).await.expect(200);
    assert_eq!(
        shown["config"]["completions"],
        json!({
            "attempts": 3, "retry_base": "1s", "retry_cap": "1500ms", "retry_after_cap": "10s", "tool_rounds": 2,
        })
    );
    let back = put(&app, json!({"completions": {"attempts": null}})).await.expect(200);
    assert_eq!(back["config"]["completions"]["attempts"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_host_changed_is_followed() {
    let app = TestApp::start().await;
    let said = |name: &str, value: &str| Setting {
        name: name.into(),
        value: value.into(),
        updated_by: "another".into(),
        updated_at: hardpoint_domain::time::Timestamp::from_micros(1),
    };
    // The last two are a newer program's.
    let all = [
        said("server.max_upload", "5000"),
        said("server.new", "1"),
        said("log.level", "{\"filter\": \"x\"}"),
    ];
    let write = app.app().store.write(Lane::Request, |tx| {
        Box::pin(async move {
            for setting in &all {
                settings::put(tx, setting).await?;
            }
            Ok(())
        })
    });
    write.await.unwrap();
    app.settle().await;
    let shown = app.get(CONFIGS).await.expect(200);
    assert_eq!(shown["config"]["server"]["max_upload"], 5_000);
    assert_eq!(shown["config"]["log"]["level"], "info");
    app.clock().advance(Duration::from_secs(1));
    app.get("/api/v1/me").await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_changed_is_named() {
    let app = TestApp::start().await;
    for (body, field) in [
        (json!({"database": {"url": "x"}}), "database"),
        (json!({"server": {"listen": "0.0.0.0:80"}}), "server.listen"),
        (json!({"log": {"level": "nonsense=loud"}}), "log.level"),
        (json!({"log": {"level": 7}}), "log.level"),
        (json!({"server": {"max_json_body": "1KiB"}}), "server.max_json_body"),
        (json!({"server": {"max_json_body": "64GiB"}}), "server.max_json_body"),
        (json!({"server": {"max_upload": -5}}), "server.max_upload"),
        (json!({"completions": {"attempts": 0}}), "completions.attempts"),
        (json!({"completions": {"attempts": 101}}), "completions.attempts"),
        (json!({"completions": {"retry_cap": "11m"}}), "completions.retry_cap"),
        (json!({"completions": {"retry_base": "soon"}}), "completions.retry_base"),
        (json!({"completions": {"retry_after_cap": -1}}), "completions.retry_after_cap"),
        (json!({"completions": {"tool_rounds": "many"}}), "completions.tool_rounds"),
        (json!({"completions": {"patience": 1}}), "completions.patience"),
        (json!({"plans": {"gold": {}}}), "plans.gold"),
        (json!({"plans": {"free": {"requests": 5}}}), "plans.free.requests"),
        (json!({"plans": {"free": {"requests_per_minute": "many"}}}), "plans.free.requests_per_minute"),
    ] {
        let refused = put(&app, body.clone()).await.expect(400);
        assert_eq!(refused["error"]["details"]["field"], field, "{body}: {refused}");
    }
    // One that does not fit keeps all others out.
    put(&app, json!({"log": {"level": "debug"}, "server": {"max_upload": 1}})).await.expect(400);
    assert_eq!(app.get(CONFIGS).await.expect(200)["changes"], json!([]));
    let admin = app.key_of(Role::Admin).await;
    app.ask(&admin, Method::PUT, CONFIGS, Some(&json!({"log": {"level": "debug"}}))).await.expect(403);
}
