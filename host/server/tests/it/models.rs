//! `/models`.

use crate::support::{TestApp, fixture};

const MODELS: &str = r#"
[[models]]
id = "vendor/large"
description = "The large one."
binding = "hostile-model"
context_length = 128000
capabilities = ["chat", "streaming", "tools"]
prices = { input = 150000, cached_input = 75000, output = 600000 }
[[models]]
id = "small"
binding = "extractive"
"#;

async fn app() -> TestApp {
    TestApp::with(MODELS, &[("m.wasm", fixture("hostile-model"))]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn models_and_whether_they_answer() {
    let app = app().await;
    insta::assert_snapshot!(app.get("/api/v1/models").await.shown(), @r#"
    200
    {
      "data": [
        {
          "capabilities": [
            "chat",
            "streaming",
            "tools"
          ],
          "context_length": 128000,
          "created": 0,
          "description": "The large one.",
          "id": "vendor/large",
          "object": "model",
          "owned_by": "hardpoint",
          "prices": {
            "cached_input": 75000,
            "input": 150000,
            "output": 600000
          },
          "status": "available"
        },
        {
          "capabilities": [],
          "context_length": null,
          "created": 0,
          "description": "",
          "id": "small",
          "object": "model",
          "owned_by": "hardpoint",
          "prices": {
            "cached_input": 0,
            "input": 0,
            "output": 0
          },
          "reason": "binding `extractive` is not live: see `hardpoint plugin list` for its plugin's state",
          "status": "unavailable"
        }
      ],
      "knowledge_embedder": null,
      "object": "list",
      "page": 1,
      "page_size": 20,
      "total": 2
    }
    "#);
    // Why a model is unavailable is the operator's affair.
    let stranger = app.stranger().await;
    let list = app.get_as(&stranger, "/v1/models").await.expect(200);
    assert_eq!(
        (&list["data"][1]["status"], &list["data"][1]["reason"]),
        (&"unavailable".into(), &serde_json::Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_model() {
    let app = app().await;
    for path in ["/api/v1/models/vendor/large", "/v1/models/vendor%2Flarge"] {
        assert_eq!(app.get(path).await.expect(200)["id"], "vendor/large", "{path}");
    }
    insta::assert_snapshot!(app.get("/v1/models/none").await.shown(), @r#"
    404
    {
      "error": {
        "code": "model_not_found",
        "message": "There is no model 'none'.",
        "param": null,
        "type": "not_found"
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_only_where_one_is_asked_for() {
    let app = app().await;
    let page = app.get("/api/v1/models?page=2&page_size=1").await.expect(200);
    assert_eq!((&page["data"][0]["id"], &page["total"]), (&"small".into(), &2.into()));
    assert_eq!((&page["page"], &page["page_size"]), (&2.into(), &1.into()));
    insta::assert_snapshot!(app.get("/api/v1/models?page_size=0").await.shown(), @r#"
    400
    {
      "error": {
        "code": null,
        "details": {
          "constraint": "range",
          "field": "page_size"
        },
        "message": "The 'page_size' parameter must be from 1 to 100.",
        "param": "page_size",
        "type": "validation_error"
      }
    }
    "#);
}
