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
