//! `/chat/completions` and `/embeddings` as clients of OpenAI see them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, fixture, mask};

const MODELS: &str = r#"
[[models]]
id = "m"
binding = "hostile-model"
[[models]]
id = "gone"
binding = "extractive"
[[models]]
id = "blind"
binding = "hostile-model"
capabilities = ["chat"]
[[models]]
id = "embedder"
binding = "hostile-model"
capabilities = ["embeddings"]
[completions]
attempts = 1
"#;

async fn app() -> TestApp {
    TestApp::with(MODELS, &[("m.wasm", fixture("hostile-model"))]).await
}

fn says(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

async fn complete(app: &TestApp, request: &Value) -> Answer {
    app.post("/api/v1/chat/completions", request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_answer() {
    let app = app().await;
    let answer = complete(&app, &says("m", "be good!")).await;
    assert_eq!(answer.header("hardpoint-plugin"), "hostile-model@0.1.0");
    // The provider told no usage, so length stands in for it: four bytes a token.
    insta::assert_snapshot!(answer.shown(), @r#"
    200
    {
      "choices": [
        {
          "finish_reason": "stop",
          "index": 0,
          "logprobs": null,
          "message": {
            "content": "well-behaved",
            "refusal": null,
            "role": "assistant"
          }
        }
      ],
      "created": 1700000000,
      "id": "chatcmpl-…",
      "model": "m",
      "object": "chat.completion",
      "system_fingerprint": "hostile-model@0.1.0",
      "usage": {
        "completion_tokens": 3,
        "completion_tokens_details": {
          "reasoning_tokens": 0
        },
        "prompt_tokens": 2,
        "prompt_tokens_details": {
          "cached_tokens": 0
        },
        "total_tokens": 5
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_answer() {
    let app = app().await;
    let mut request = says("m", "be good!");
    request["stream"] = json!(true);
    request["stream_options"] = json!({"include_usage": true});
    let answer = complete(&app, &request).await;
    assert_eq!(answer.header("hardpoint-plugin"), "hostile-model@0.1.0");
    assert_eq!(answer.header("content-type"), "text/event-stream");
    assert_eq!(answer.header("cache-control"), "no-cache");
    insta::assert_snapshot!(mask(&answer.text()), @r#"
    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":1700000000,"model":"m","system_fingerprint":"hostile-model@0.1.0","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":1700000000,"model":"m","system_fingerprint":"hostile-model@0.1.0","choices":[{"index":0,"delta":{"content":"well-behaved"},"finish_reason":null}],"usage":null}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":1700000000,"model":"m","system_fingerprint":"hostile-model@0.1.0","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}

    data: {"id":"chatcmpl-…","object":"chat.completion.chunk","created":1700000000,"model":"m","system_fingerprint":"hostile-model@0.1.0","choices":[],"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}

    data: [DONE]
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_fails_midway_ends_with_an_error() {
    let app = app().await;
    let mut request = says("m", "spin after text");
    request["stream"] = json!(true);
    let answer = complete(&app, &request).await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    let events: Vec<&str> = text.split_terminator("\n\n").collect();
    assert!(events[1].contains("begun "), "{text}");
    insta::assert_snapshot!(events[events.len() - 1], @r#"data: {"error":{"type":"plugin_failed","message":"The plugin that serves this was stopped or broke its interface's rules.","details":{"cause":"cpu"},"code":"plugin_cpu","param":null}}"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_openais_shape() {
    let app = app().await;
    insta::assert_snapshot!(complete(&app, &says("gpt-9", "hello")).await.shown(), @r#"
    422
    {
      "error": {
        "code": "model_not_found",
        "details": {
          "constraint": "unknown_model",
          "field": "model"
        },
        "message": "There is no model 'gpt-9'. GET /models lists those that there are.",
        "param": "model",
        "type": "validation_error"
      }
    }
    "#);
    insta::assert_snapshot!(complete(&app, &says("gone", "hello")).await.shown(), @r#"
    503
    {
      "error": {
        "code": null,
        "message": "The model is not available now. Its plugin is still being loaded, or an operator has to enable it.",
        "param": null,
        "type": "model_unavailable"
      }
    }
    "#);
    insta::assert_snapshot!(complete(&app, &says("m", "trap")).await.shown(), @r#"
    502
    {
      "error": {
        "code": "plugin_trap",
        "details": {
          "cause": "trap"
        },
        "message": "The plugin that serves this was stopped or broke its interface's rules.",
        "param": null,
        "type": "plugin_failed"
      }
    }
    "#);
    insta::assert_snapshot!(complete(&app, &says("m", "fail")).await.shown(), @r#"
    502
    {
      "error": {
        "code": null,
        "message": "The model's provider failed.",
        "param": null,
        "type": "upstream_error"
      }
    }
    "#);
    insta::assert_snapshot!(complete(&app, &says("embedder", "hello")).await.shown(), @r#"
    422
    {
      "error": {
        "code": null,
        "details": {
          "capability": "chat",
          "constraint": "capability",
          "field": "model"
        },
        "message": "The model 'embedder' does not chat: use /embeddings.",
        "param": "model",
        "type": "validation_error"
      }
    }
    "#);
    insta::assert_snapshot!(complete(&app, &json!({"model": "m", "messages": []})).await.shown(), @r#"
    400
    {
      "error": {
        "code": null,
        "details": {
          "constraint": "min_items",
          "field": "messages"
        },
        "message": "The 'messages' field must have at least one item.",
        "param": "messages",
        "type": "validation_error"
      }
    }
    "#);
    let mut formatted = says("blind", "hello");
    formatted["response_format"] = json!({"type": "json_object"});
    insta::assert_snapshot!(complete(&app, &formatted).await.shown(), @r#"
    422
    {
      "error": {
        "code": null,
        "details": {
          "capability": "json",
          "constraint": "capability",
          "field": "response_format"
        },
        "message": "The model 'blind' has no JSON response format.",
        "param": "response_format",
        "type": "validation_error"
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_of_a_model_that_makes_none() {
    let app = app().await;
    let ask = async |model: &str, input: Value| {
        app.post("/v1/embeddings", &json!({"model": model, "input": input})).await
    };
    insta::assert_snapshot!(ask("blind", json!("text")).await.shown(), @r#"
    422
    {
      "error": {
        "code": null,
        "details": {
          "capability": "embeddings",
          "constraint": "capability",
          "field": "model"
        },
        "message": "The model 'blind' makes no embeddings.",
        "param": "model",
        "type": "validation_error"
      }
    }
    "#);
    insta::assert_snapshot!(ask("embedder", json!("text")).await.shown(), @r#"
    422
    {
      "error": {
        "code": null,
        "message": "as asked",
        "param": null,
        "type": "unsupported"
      }
    }
    "#);
    insta::assert_snapshot!(ask("embedder", json!([[1, 2]])).await.shown(), @r#"
    400
    {
      "error": {
        "code": null,
        "details": {
          "constraint": "type",
          "field": "input"
        },
        "message": "The 'input' field must be text: arrays of token numbers are not taken.",
        "param": "input",
        "type": "validation_error"
      }
    }
    "#);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_before_the_first_byte_ends_the_sandbox() {
    let app = app().await;
    let request = app.request(http::Method::POST, "/v1/chat/completions", Some(&says("m", "text for ever")));
    // The whole answer is waited for, and it never comes.
    let left = tokio::time::timeout(Duration::from_millis(50), app.begin(request)).await;
    assert!(left.is_err());
    let catalogue = app.app().runtime.snapshot();
    assert_eq!(catalogue.binding("hostile-model").unwrap().generation().live(), 0);
}
