//! `/tools`.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, fixture};

async fn app() -> TestApp {
    TestApp::with("", &[("echo.wasm", fixture("echo")), ("hostile.wasm", fixture("hostile"))]).await
}

async fn call(app: &TestApp, name: &str, body: &Value) -> Answer {
    app.post(&format!("/api/v1/tools/{name}/call"), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_say_what_they_do() {
    let app = app().await;
    let list = app.get("/api/v1/tools").await.expect(200);
    insta::assert_snapshot!(list["data"][0], @r#"{"description":"Answers with its arguments.","enabled":true,"name":"echo","parameters":{},"plugin":"echo"}"#);
    assert_eq!((&list["total"], &list["page"], &list["page_size"]), (&2.into(), &1.into(), &20.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_answers_with_json() {
    let app = app().await;
    let answer = call(&app, "echo", &json!({"arguments": {"b": [1, 2.5], "a": "ü"}})).await;
    assert_eq!(answer.expect(200), json!({"result": {"b": [1, 2.5], "a": "ü"}}));
    assert_eq!(answer.header("hardpoint-plugin"), "echo@1.0.0");
    assert_eq!(call(&app, "echo", &json!({})).await.expect(200), json!({"result": {}}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_key_calls_what_has_no_effect() {
    let probe = "[bindings.probe]\nplugin = \"prober\"\nsettings = { target = \"http://127.0.0.1:9/\" }\n";
    let plugins = [("echo.wasm", fixture("echo")), ("prober.wasm", fixture("prober"))];
    let app = TestApp::with(probe, &plugins).await;
    let digest = app.plugin("prober").await["digest"].clone();
    app.post("/api/v1/plugins/prober/approve", &json!({"digest": digest})).await.expect(200);
    let made = app.post("/api/v1/api_keys", &json!({"livemode": false})).await.expect(201);
    let test = made["key"].as_str().unwrap();
    let set = json!({"arguments": {"do": "kv-set", "key": "k", "value": "v"}});
    call(&app, "probe", &set).await.expect(200);
    app.post_as(test, "/api/v1/tools/echo/call", &json!({})).await.expect(200);
    let refused = app.post_as(test, "/api/v1/tools/probe/call", &set).await.expect(403);
    assert_eq!(
        refused["error"]["message"],
        "A test key calls no tool that may reach others or keep something: it never calls an outside service. \
         Use a live key."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_called() {
    let app = app().await;
    insta::assert_snapshot!(call(&app, "nobody", &json!({})).await.shown(), @r#"
    404
    {
      "error": {
        "message": "There is no tool 'nobody'.",
        "type": "not_found"
      }
    }
    "#);
    insta::assert_snapshot!(call(&app, "echo", &json!({"arguments": "{}"})).await.shown(), @r#"
    400
    {
      "error": {
        "details": {
          "constraint": "type",
          "field": "arguments"
        },
        "message": "The 'arguments' field must be an object.",
        "type": "validation_error"
      }
    }
    "#);
    let hostile = async |what: &str| call(&app, "hostile", &json!({"arguments": {"do": what}})).await.shown();
    insta::assert_snapshot!(hostile("trap").await, @r#"
    502
    {
      "error": {
        "details": {
          "cause": "trap"
        },
        "message": "The plugin that serves this was stopped or broke its interface's rules.",
        "type": "plugin_failed"
      }
    }
    "#);
    insta::assert_snapshot!(hostile("fail").await, @r#"
    502
    {
      "error": {
        "message": "The tool failed: as asked",
        "type": "tool_failed"
      }
    }
    "#);
    insta::assert_snapshot!(hostile("dance").await, @r#"
    422
    {
      "error": {
        "details": {
          "constraint": "invalid_arguments",
          "field": "arguments"
        },
        "message": "`do` cannot be `dance`",
        "type": "validation_error"
      }
    }
    "#);
}

/// Who is refused learns why and for how long, its operator too, and nobody else is.
#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_keeps_failing_is_paused() {
    let app = app().await;
    let other = app.stranger().await;
    for _ in 0..5 {
        assert_eq!(call(&app, "hostile", &json!({"arguments": {"do": "trap"}})).await.status, 502);
    }
    let count = json!({"arguments": {"do": "count"}});
    let refused = call(&app, "hostile", &count).await;
    assert_eq!(refused.header("retry-after"), "5");
    insta::assert_snapshot!(refused.shown(), @r#"
    503
    {
      "error": {
        "message": "The plugin that serves this failed several times in a row for your organisation, so it is not asked for a while. Retry after 5 seconds.",
        "retry_after": 5,
        "type": "plugin_paused"
      }
    }
    "#);
    let binding = app.plugin("hostile").await["bindings"][0].clone();
    assert_eq!(binding["paused"], true, "{binding}");
    assert!(
        binding["paused_until"].as_str().is_some_and(|until| until.starts_with("2023-11-14T22:13:2")),
        "{binding}"
    );
    assert_eq!(app.post_as(&other, "/api/v1/tools/hostile/call", &count).await.status, 200);
    app.clock().advance(std::time::Duration::from_secs(5));
    assert_eq!(call(&app, "hostile", &count).await.status, 200);
    let binding = app.plugin("hostile").await["bindings"][0].clone();
    assert_eq!((&binding["paused"], &binding["paused_until"]), (&json!(false), &Value::Null));
}
