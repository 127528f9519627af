//! What is refused before anything is asked.

use hardpoint_domain::message::{ResponseFormat, ToolChoice};
use hardpoint_domain::model::Model;
use hardpoint_runtime::Catalogue;
use serde_json::{Value, json};

use super::*;
use crate::error::{ApiError, Shape};
use crate::service::completions::plan::plan;

/// The answer to a request to a model of these capabilities, with nothing live.
async fn refusal(capabilities: Value, request: CompletionRequest) -> (u16, Value) {
    let model: Model =
        serde_json::from_value(json!({ "id": "first", "binding": "gone", "capabilities": capabilities }))
            .unwrap();
    let context = CallContext { request_id: "req_1".to_owned(), organization: "org_1".to_owned() };
    let refused = plan(&[model], &Catalogue::default(), &context, request).await.err().unwrap();
    (refused.status().as_u16(), serde_json::from_slice(&refused.body(Shape::OpenAi)).unwrap())
}

#[tokio::test]
async fn a_model_that_there_is_not() {
    let (status, body) =
        refusal(json!([]), CompletionRequest { model: "gpt-9".to_owned(), ..request() }).await;
    assert_eq!(status, 422);
    insta::assert_snapshot!(body, @r#"{"error":{"code":"model_not_found","details":{"constraint":"unknown_model","field":"model"},"message":"There is no model 'gpt-9'. GET /models lists those that there are.","param":"model","type":"validation_error"}}"#);
}

#[tokio::test]
async fn what_a_model_cannot_do() {
    let image = ContentPart::Image { url: "https://example.com/cat.png".to_owned(), detail: None };
    let seeing = Message { content: vec![image], ..message(Role::User, "") };
    let table = [
        (json!(["embeddings"]), request(), "model", "chat"),
        (json!(["chat"]), CompletionRequest { messages: vec![seeing], ..request() }, "messages", "vision"),
        (json!(["chat"]), CompletionRequest { tools: vec![tool("lamp")], ..request() }, "tools", "tools"),
        (
            json!(["chat", "tools"]),
            CompletionRequest { response_format: Some(ResponseFormat::JsonObject), ..request() },
            "response_format",
            "json",
        ),
    ];
    for (capabilities, request, field, capability) in table {
        let (status, body) = refusal(capabilities, request).await;
        let details = &body["error"]["details"];
        assert_eq!(
            (status, details["field"].as_str(), details["capability"].as_str()),
            (422, Some(field), Some(capability))
        );
    }
}

#[tokio::test]
async fn a_model_without_a_live_binding_is_unavailable_and_only_the_log_says_why() {
    let text_format = CompletionRequest { response_format: Some(ResponseFormat::Text), ..request() };
    let (status, body) = refusal(json!(["chat"]), text_format).await;
    assert_eq!((status, body["error"]["type"].as_str()), (503, Some("model_unavailable")));
    assert!(!body.to_string().contains("gone"), "{body}");
    let cause = ApiError::from(Failure::new(FailureKind::Denied, "binding `gone` is not live"));
    assert!(cause.cause().unwrap().contains("gone"));
}

#[tokio::test]
async fn a_choice_of_a_tool_that_there_is_not() {
    // With a live model the choice is checked against its tools; here the check is asked directly.
    use crate::service::completions::plan::check_choice;
    let choosing = |choice, tools: Vec<ToolDefinition>| {
        check_choice(&CompletionRequest { tool_choice: Some(choice), tools, ..request() })
    };
    let lamp = || vec![tool("lamp")];
    assert!(choosing(ToolChoice::Function("lamp".to_owned()), lamp()).is_ok());
    assert!(choosing(ToolChoice::Required, lamp()).is_ok());
    assert!(choosing(ToolChoice::Auto, Vec::new()).is_ok());
    assert_eq!(choosing(ToolChoice::Function("door".to_owned()), lamp()).unwrap_err().status(), 422);
    assert_eq!(choosing(ToolChoice::Required, Vec::new()).unwrap_err().status(), 422);
}
