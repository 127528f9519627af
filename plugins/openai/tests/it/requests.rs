use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::{
    CompletionRequest, ContentPart, Image, JsonSchemaFormat, Message, ResponseFormat, Role, ToolCall,
    ToolChoice, ToolDefinition,
};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Sent, completion};
use openai::OpenAi;

use super::{question, settings};

fn sent_with(request: CompletionRequest, settings: Value) -> Sent {
    let answer = json!({ "choices": [{ "message": { "content": "ok" }, "finish_reason": "stop" }] });
    let mut done = completion::<OpenAi>(request, settings).answer(Answer::json(200, &answer)).run();
    done.sent.remove(0)
}

fn body(request: CompletionRequest) -> Value {
    sent_with(request, settings()).json()
}

#[test]
fn the_least_request() {
    let sent = sent_with(question(true), json!({ "base_url": "https://api.example.com/v1/" }));
    assert_eq!(
        (sent.method.as_str(), sent.url.as_str()),
        ("POST", "https://api.example.com/v1/chat/completions")
    );
    assert_eq!(sent.header("authorization"), Some("Bearer {secret:api_key}"));
    assert_eq!(sent.header("accept"), Some("text/event-stream"));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    let expected = json!({
        "model": "gpt-test",
        "messages": [{ "role": "user", "content": "What is the capital of France?" }],
        "stream": true,
        "stream_options": { "include_usage": true },
    });
    assert_eq!(sent.json(), expected);
}

#[test]
fn settings_decide_on_headers_and_names() {
    let sent = sent_with(
        CompletionRequest { max_tokens: Some(5), ..question(true) },
        json!({
            "base_url": "http://127.0.0.1:8000/v1", "auth": "api-key", "organization": "org-1", "project": "p",
            "headers": { "X-Title": "hardpoint" }, "max_tokens_field": "max_completion_tokens", "stream_usage": false,
        }),
    );
    let headers = ["api-key", "authorization", "openai-organization", "openai-project", "x-title"];
    let values = headers.map(|name| sent.header(name).unwrap_or("-"));
    assert_eq!(values, ["{secret:api_key}", "-", "org-1", "p", "hardpoint"]);
    let json = sent.json();
    assert_eq!(
        (&json["max_completion_tokens"], json.get("max_tokens"), json.get("stream_options")),
        (&json!(5), None, None)
    );
    let none = sent_with(question(false), json!({ "auth": "none" }));
    assert_eq!(
        (none.header("authorization"), none.url.as_str()),
        (None, "https://api.openai.com/v1/chat/completions")
    );
}

#[test]
fn every_parameter_has_its_place() {
    let json = body(CompletionRequest {
        max_tokens: Some(64),
        temperature: Some(0.7),
        top_p: Some(1.0),
        frequency_penalty: Some(-2.0),
        presence_penalty: Some(0.1),
        stop: vec!["\n".into(), "END".into()],
        seed: Some(-7),
        user: Some("u-1".into()),
        ..question(false)
    });
    let expected = json!({
        "model": "gpt-test", "messages": json["messages"], "max_tokens": 64, "temperature": 0.7, "top_p": 1.0,
        "frequency_penalty": -2.0, "presence_penalty": 0.1, "stop": ["\n", "END"], "seed": -7, "user": "u-1",
    });
    assert_eq!(json, expected);
}

#[test]
fn a_conversation_with_every_kind_of_message() {
    let image = |url: &str, detail: Option<&str>| {
        ContentPart::Image(Image { url: url.into(), detail: detail.map(Into::into) })
    };
    let call = ToolCall { id: "c1".into(), name: "look_up".into(), arguments: "{\"q\":\"\u{fc}\"}".into() };
    let messages = vec![
        Message::new(Role::System, "Be \"brief\".\u{0}"),
        Message::new(Role::Developer, "Really."),
        Message {
            content: vec![
                ContentPart::Text("What is this?".into()),
                image("https://example.com/a.png", Some("low")),
                image("data:image/png;base64,AAAA", None),
            ],
            name: Some("ann".into()),
            ..Message::new(Role::User, "")
        },
        Message {
            content: Vec::new(),
            tool_calls: vec![call],
            reasoning: Some("I should look.".into()),
            ..Message::new(Role::Assistant, "")
        },
        Message { tool_call_id: Some("c1".into()), ..Message::new(Role::Tool, "found") },
        Message { content: Vec::new(), refusal: Some("No.".into()), ..Message::new(Role::Assistant, "") },
        Message { content: Vec::new(), ..Message::new(Role::Assistant, "") },
    ];
    let request = CompletionRequest::new("m", messages);
    let expected = json!([
        { "role": "system", "content": "Be \"brief\".\u{0}" },
        { "role": "developer", "content": "Really." },
        { "role": "user", "name": "ann", "content": [
            { "type": "text", "text": "What is this?" },
            { "type": "image_url", "image_url": { "url": "https://example.com/a.png", "detail": "low" } },
            { "type": "image_url", "image_url": { "url": "data:image/png;base64,AAAA" } },
        ] },
        { "role": "assistant", "content": null, "tool_calls": [
            { "id": "c1", "type": "function", "function": { "name": "look_up", "arguments": "{\"q\":\"\u{fc}\"}" } },
        ] },
        { "role": "tool", "content": "found", "tool_call_id": "c1" },
        { "role": "assistant", "content": null, "refusal": "No." },
        { "role": "assistant", "content": "" },
    ]);
    assert_eq!(body(request.clone())["messages"], expected);

    let settings = json!({ "developer_role": "system", "reasoning_field": "reasoning_content" });
    let messages = &sent_with(request, settings).json()["messages"];
    assert_eq!(
        (&messages[1]["role"], &messages[3]["reasoning_content"]),
        (&json!("system"), &json!("I should look."))
    );
}

#[test]
fn tools_and_the_choice_among_them() {
    let tool = ToolDefinition {
        name: "f".into(),
        description: Some("Does f.".into()),
        parameters: Some(r#"{"type":"object","properties":{"z":{},"a":{}}}"#.into()),
        strict: Some(true),
    };
    let bare = ToolDefinition { name: "g".into(), description: None, parameters: None, strict: None };
    let request = CompletionRequest {
        tools: vec![tool, bare],
        tool_choice: Some(ToolChoice::Function("f".into())),
        parallel_tool_calls: Some(false),
        ..question(false)
    };
    let sent = sent_with(request.clone(), settings());
    let json = sent.json();
    assert_eq!(
        json["tools"],
        json!([
            { "type": "function", "function": { "name": "f", "description": "Does f.", "strict": true,
              "parameters": { "type": "object", "properties": { "z": {}, "a": {} } } } },
            { "type": "function", "function": { "name": "g" } },
        ])
    );
    assert!(sent.body.contains(r#"{"z":{},"a":{}}"#), "a schema keeps its order: {}", sent.body);
    assert_eq!(json["tool_choice"], json!({ "type": "function", "function": { "name": "f" } }));
    assert_eq!(json["parallel_tool_calls"], false);
    for (choice, word) in
        [(ToolChoice::None, "none"), (ToolChoice::Auto, "auto"), (ToolChoice::Required, "required")]
    {
        assert_eq!(
            body(CompletionRequest { tool_choice: Some(choice), ..request.clone() })["tool_choice"],
            word
        );
    }
    let without = body(CompletionRequest { tools: Vec::new(), ..request });
    assert_eq!((without.get("tool_choice"), without.get("parallel_tool_calls")), (None, None));
}

#[test]
fn response_formats() {
    let format = |format| {
        body(CompletionRequest { response_format: Some(format), ..question(false) })["response_format"]
            .clone()
    };
    assert_eq!(format(ResponseFormat::Text), json!({ "type": "text" }));
    assert_eq!(format(ResponseFormat::JsonObject), json!({ "type": "json_object" }));
    let schema = JsonSchemaFormat {
        name: "answer".into(),
        description: None,
        schema: r#"{"type":"object"}"#.into(),
        strict: Some(true),
    };
    let expected = json!({ "type": "json_schema", "json_schema": {
        "name": "answer", "schema": { "type": "object" }, "strict": true,
    } });
    assert_eq!(format(ResponseFormat::JsonSchema(schema)), expected);
}

#[test]
fn extra_members_pass_and_override_nothing() {
    let extra = json!({
        "reasoning_effort": "low", "metadata": { "a": [1, null] }, "big": 12345678901234567890_u64,
        "model": "other", "messages": [], "stream": true, "stream_options": {}, "temperature": 9, "n": 1,
        "max_tokens": 1,
    });
    let request =
        CompletionRequest { extra: Some(extra.to_string()), temperature: Some(0.5), ..question(false) };
    let json = body(request);
    assert_eq!((&json["reasoning_effort"], &json["metadata"]["a"][0]), (&json!("low"), &json!(1)));
    assert_eq!((&json["model"], &json["temperature"]), (&json!("gpt-test"), &json!(0.5)));
    assert_eq!(json["big"], json!(12345678901234567890_u64));
    for own in ["stream", "stream_options", "n", "max_tokens"] {
        assert_eq!(json.get(own), None, "{own}");
    }
    let both = CompletionRequest {
        extra: Some(r#"{"max_completion_tokens":9}"#.into()),
        max_tokens: Some(5),
        ..question(false)
    };
    let sent = sent_with(both, json!({ "max_tokens_field": "max_completion_tokens" }));
    assert_eq!(sent.body.matches("max_completion_tokens").count(), 1);
    assert_eq!(sent.json()["max_completion_tokens"], 5);
}

#[test]
fn requests_that_cannot_be_sent() {
    let failure = |request| completion::<OpenAi>(request, settings()).run().failure().clone();
    let several = failure(CompletionRequest { extra: Some(r#"{"n":2}"#.into()), ..question(false) });
    assert_eq!((several.kind, several.param.as_deref()), (FailureKind::InvalidRequest, Some("n")));
    let no_json = failure(CompletionRequest { extra: Some("[".into()), ..question(false) });
    assert_eq!(no_json.kind, FailureKind::InvalidRequest);
    let tool =
        ToolDefinition { name: "f".into(), description: None, parameters: Some("{".into()), strict: None };
    let no_schema = failure(CompletionRequest { tools: vec![tool], ..question(false) });
    assert_eq!((no_schema.kind, no_schema.param.as_deref()), (FailureKind::InvalidRequest, Some("tools")));
    let settings = completion::<OpenAi>(question(false), json!({ "base_url": 5 })).run().failure().clone();
    assert_eq!(settings.kind, FailureKind::Unsupported);
}
