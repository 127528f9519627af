use hardpoint_domain::message::{ContentPart, Role};
use serde_json::{Value, json};

use super::*;
use crate::error::Shape;

fn parse(body: &Value) -> Result<CompletionRequest, ApiError> {
    completion(body.to_string().as_bytes())
}

/// A minimal request with these members besides.
fn with(members: Value) -> Value {
    let mut body = json!({ "model": "gpt-4", "messages": [{ "role": "user", "content": "Hi" }] });
    let Value::Object(members) = members else { panic!("an object") };
    body.as_object_mut().unwrap().extend(members);
    body
}

/// A request of one message.
fn saying(message: Value) -> Value {
    json!({ "model": "m", "messages": [message] })
}

#[test]
fn everything_that_there_is() {
    let body = json!({
        "model": "gpt-4",
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "developer", "content": [{ "type": "text", "text": "And kind." }] },
            { "role": "user", "name": "ann", "content": [
                { "type": "text", "text": "What is this?" },
                { "type": "image_url", "image_url": { "url": "https://example.com/cat.png", "detail": "low" } },
                { "type": "image_url", "image_url": { "url": "data:image/png;base64,iVBO" } },
            ] },
            { "role": "assistant", "content": null, "reasoning_content": "hm", "tool_calls": [
                { "id": "call_1", "type": "function", "function": { "name": "look", "arguments": "{\"at\": 1}" } },
            ] },
            { "role": "tool", "tool_call_id": "call_1", "content": "a cat" },
            { "role": "assistant", "refusal": "No." },
        ],
        "tools": [{ "type": "function", "function": {
            "name": "look", "description": "Looks.", "parameters": { "type": "object" }, "strict": true,
        } }],
        "tool_choice": { "type": "function", "function": { "name": "look" } },
        "parallel_tool_calls": false,
        "response_format": { "type": "json_schema", "json_schema": { "name": "cat", "schema": { "type": "object" } } },
        "stream": true,
        "stream_options": { "include_usage": true },
        "max_completion_tokens": 100,
        "temperature": 0, "top_p": 0.5, "frequency_penalty": -2, "presence_penalty": 2.0,
        "stop": ["a", "b"], "seed": -7, "user": "u1", "n": 1,
        "logprobs": true, "service_tier": "auto", "metadata": { "a": "b" }, "store": null,
    });
    let mut request = parse(&body).unwrap();
    let lines: Vec<_> =
        std::mem::take(&mut request.messages).iter().map(|message| format!("{message:?}")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    Message { role: System, content: [Text("Be brief.")], name: None, reasoning: None, refusal: None, tool_calls: [], tool_call_id: None }
    Message { role: Developer, content: [Text("And kind.")], name: None, reasoning: None, refusal: None, tool_calls: [], tool_call_id: None }
    Message { role: User, content: [Text("What is this?"), Image { url: "https://example.com/cat.png", detail: Some("low") }, Image { url: "data:image/png;base64,iVBO", detail: None }], name: Some("ann"), reasoning: None, refusal: None, tool_calls: [], tool_call_id: None }
    Message { role: Assistant, content: [], name: None, reasoning: Some("hm"), refusal: None, tool_calls: [ToolCall { id: "call_1", name: "look", arguments: "{\"at\": 1}" }], tool_call_id: None }
    Message { role: Tool, content: [Text("a cat")], name: None, reasoning: None, refusal: None, tool_calls: [], tool_call_id: Some("call_1") }
    Message { role: Assistant, content: [], name: None, reasoning: None, refusal: Some("No."), tool_calls: [], tool_call_id: None }
    "#);
    insta::assert_snapshot!(format!("{request:?}"), @r#"CompletionRequest { model: "gpt-4", messages: [], tools: [ToolDefinition { name: "look", description: Some("Looks."), parameters: Some("{\"type\":\"object\"}"), strict: Some(true) }], tool_choice: Some(Function("look")), parallel_tool_calls: Some(false), response_format: Some(JsonSchema { name: "cat", description: None, schema: "{\"type\":\"object\"}", strict: None }), streamed: true, include_usage: true, max_tokens: Some(100), temperature: Some(0.0), top_p: Some(0.5), frequency_penalty: Some(-2.0), presence_penalty: Some(2.0), stop: ["a", "b"], seed: Some(-7), user: Some("u1"), extra: {"logprobs": Bool(true), "metadata": Object {"a": String("b")}, "service_tier": String("auto")} }"#);
}

#[test]
fn a_minimal_request_leaves_the_rest_to_the_provider() {
    let request = parse(&with(json!({}))).unwrap();
    assert_eq!(request.messages[0].content, [ContentPart::Text("Hi".to_owned())]);
    assert_eq!(request.messages[0].role, Role::User);
    assert!(!request.streamed && !request.include_usage && request.extra.is_empty());
    assert_eq!((request.max_tokens, request.temperature, request.tool_choice), (None, None, None));
}

#[test]
fn null_is_absent() {
    let nulls = [
        "tools",
        "tool_choice",
        "stream",
        "stream_options",
        "stop",
        "n",
        "max_tokens",
        "temperature",
        "user",
        "logit_bias",
    ];
    for name in nulls {
        assert_eq!(parse(&with(json!({ name: null }))).unwrap(), parse(&with(json!({}))).unwrap(), "{name}");
    }
}

#[test]
fn schemas_pass_as_they_were_written() {
    let body = br#"{"model":"m","messages":[{"role":"user","content":"x"}],
        "tools":[{"type":"function","function":{"name":"f","parameters":{"z":1.10, "a":{"b":1e400}}}}]}"#;
    let request = completion(body).unwrap();
    assert_eq!(request.tools[0].parameters.as_deref(), Some(r#"{"z":1.10, "a":{"b":1e400}}"#));
}

#[test]
fn members_that_stand_twice_cannot_pass_by_the_checks() {
    let body = br#"{"model":"cheap","model":"m","messages":[{"role":"user","content":"x"}],"n":5,"n":1}"#;
    let request = completion(body).unwrap();
    assert_eq!(request.model, "m");
    assert!(request.extra.is_empty());
}

#[test]
fn usage_is_told_in_streams_only() {
    let options = json!({ "include_usage": true });
    assert!(parse(&with(json!({ "stream": true, "stream_options": options }))).unwrap().include_usage);
    assert!(!parse(&with(json!({ "stream_options": options }))).unwrap().include_usage);
}

#[test]
fn the_newer_name_of_the_token_limit() {
    for name in ["max_tokens", "max_completion_tokens"] {
        assert_eq!(parse(&with(json!({ name: 7 }))).unwrap().max_tokens, Some(7));
    }
    assert!(parse(&with(json!({ "max_tokens": 7, "max_completion_tokens": 7 }))).is_ok());
}

/// Bodies, and status, field and constraint of the answer.
#[test]
fn what_is_wrong_is_named() {
    let call = |call: Value| saying(json!({ "role": "assistant", "tool_calls": [call] }));
    let part = |part: Value| saying(json!({ "role": "user", "content": [part] }));
    let tool = |tool: Value| with(json!({ "tools": [tool] }));
    let table = [
        (json!({}), 400, "model", "required"),
        (json!({ "model": "m" }), 400, "messages", "required"),
        (json!({ "model": null, "messages": [] }), 400, "model", "required"),
        (json!({ "model": 7, "messages": [] }), 400, "model", "type"),
        (json!({ "model": "", "messages": [] }), 400, "model", "length"),
        (json!({ "model": "x".repeat(257), "messages": [] }), 400, "model", "length"),
        (json!({ "model": "a\0b", "messages": [] }), 400, "model", "unicode"),
        (json!({ "model": "m", "messages": [] }), 400, "messages", "min_items"),
        (json!({ "model": "m", "messages": "Hi" }), 400, "messages", "type"),
        (
            json!({ "model": "m", "messages": vec![json!({ "role": "user", "content": "" }); 4_097] }),
            400,
            "messages",
            "max_items",
        ),
        (saying(json!("Hi")), 400, "messages[0]", "type"),
        (saying(json!({ "content": "Hi" })), 400, "messages[0].role", "required"),
        (saying(json!({ "role": "boss", "content": "Hi" })), 400, "messages[0].role", "enum"),
        (saying(json!({ "role": "function", "content": "Hi" })), 422, "messages[0].role", "unsupported"),
        (saying(json!({ "role": "user" })), 400, "messages[0].content", "required"),
        (saying(json!({ "role": "assistant", "content": null })), 400, "messages[0].content", "required"),
        (saying(json!({ "role": "assistant", "tool_calls": [] })), 400, "messages[0].content", "required"),
        (saying(json!({ "role": "user", "content": 5 })), 400, "messages[0].content", "type"),
        (saying(json!({ "role": "user", "content": [] })), 400, "messages[0].content", "min_items"),
        (saying(json!({ "role": "user", "content": "x", "name": "" })), 400, "messages[0].name", "length"),
        (
            saying(json!({ "role": "user", "content": "x", "tool_calls": [] })),
            400,
            "messages[0].tool_calls",
            "role",
        ),
        (saying(json!({ "role": "tool", "content": "x" })), 400, "messages[0].tool_call_id", "required"),
        (part(json!({ "text": "x" })), 400, "messages[0].content[0].type", "required"),
        (part(json!({ "type": "text" })), 400, "messages[0].content[0].text", "required"),
        (part(json!({ "type": "video" })), 400, "messages[0].content[0].type", "enum"),
        (part(json!({ "type": "input_audio" })), 422, "messages[0].content[0].type", "unsupported"),
        (
            part(json!({ "type": "image_url", "image_url": "https://x.y" })),
            400,
            "messages[0].content[0].image_url",
            "type",
        ),
        (
            part(json!({ "type": "image_url", "image_url": { "url": "http://x.y/z" } })),
            400,
            "messages[0].content[0].image_url.url",
            "format",
        ),
        (
            part(json!({ "type": "image_url", "image_url": { "url": "file:///etc/passwd" } })),
            400,
            "messages[0].content[0].image_url.url",
            "format",
        ),
        (
            part(json!({ "type": "image_url", "image_url": { "url": "data:text/html;base64,AA" } })),
            400,
            "messages[0].content[0].image_url.url",
            "format",
        ),
        (
            part(json!({ "type": "image_url", "image_url": { "url": "https://x.y", "detail": "huge" } })),
            400,
            "messages[0].content[0].image_url.detail",
            "enum",
        ),
        (
            saying(
                json!({ "role": "system", "content": [{ "type": "image_url", "image_url": { "url": "https://x.y" } }] }),
            ),
            400,
            "messages[0].content[0].type",
            "role",
        ),
        (
            call(json!({ "type": "function", "function": { "name": "f", "arguments": "" } })),
            400,
            "messages[0].tool_calls[0].id",
            "required",
        ),
        (call(json!({ "id": "c", "type": "custom" })), 422, "messages[0].tool_calls[0].type", "unsupported"),
        (
            call(json!({ "id": "c", "function": { "name": "f" } })),
            400,
            "messages[0].tool_calls[0].function.arguments",
            "required",
        ),
        (
            call(json!({ "id": "c", "function": { "name": "f", "arguments": {} } })),
            400,
            "messages[0].tool_calls[0].function.arguments",
            "type",
        ),
        (tool(json!({ "type": "web_search" })), 422, "tools[0].type", "unsupported"),
        (tool(json!({ "type": "function" })), 400, "tools[0].function", "required"),
        (
            tool(json!({ "type": "function", "function": { "name": "a b" } })),
            400,
            "tools[0].function.name",
            "pattern",
        ),
        (
            tool(json!({ "type": "function", "function": { "name": "f", "parameters": "{}" } })),
            400,
            "tools[0].function.parameters",
            "type",
        ),
        (
            with(json!({ "tools": vec![json!({ "function": { "name": "f" } }); 2] })),
            400,
            "tools[1]",
            "unique",
        ),
        (with(json!({ "tools": vec![json!({}); 129] })), 400, "tools", "max_items"),
        (with(json!({ "tool_choice": "maybe" })), 400, "tool_choice", "enum"),
        (with(json!({ "tool_choice": 1 })), 400, "tool_choice", "type"),
        (with(json!({ "tool_choice": { "type": "allowed_tools" } })), 422, "tool_choice.type", "unsupported"),
        (with(json!({ "tool_choice": { "type": "function" } })), 400, "tool_choice.function", "required"),
        (with(json!({ "parallel_tool_calls": 1 })), 400, "parallel_tool_calls", "type"),
        (with(json!({ "response_format": "json" })), 400, "response_format", "type"),
        (with(json!({ "response_format": { "type": "xml" } })), 400, "response_format.type", "enum"),
        (
            with(json!({ "response_format": { "type": "json_schema" } })),
            400,
            "response_format.json_schema",
            "required",
        ),
        (
            with(json!({ "response_format": { "type": "json_schema", "json_schema": { "name": "a" } } })),
            400,
            "response_format.json_schema.schema",
            "required",
        ),
        (with(json!({ "stream": "yes" })), 400, "stream", "type"),
        (with(json!({ "stream_options": true })), 400, "stream_options", "type"),
        (
            with(json!({ "stream_options": { "include_usage": 1 } })),
            400,
            "stream_options.include_usage",
            "type",
        ),
        (with(json!({ "max_tokens": 0 })), 400, "max_tokens", "range"),
        (with(json!({ "max_tokens": -1 })), 400, "max_tokens", "range"),
        (with(json!({ "max_tokens": 1.5 })), 400, "max_tokens", "type"),
        (with(json!({ "max_tokens": 4_294_967_296_u64 })), 400, "max_tokens", "range"),
        (
            with(json!({ "max_tokens": 1, "max_completion_tokens": 2 })),
            400,
            "max_completion_tokens",
            "conflict",
        ),
        (with(json!({ "temperature": 2.1 })), 400, "temperature", "range"),
        (with(json!({ "temperature": "hot" })), 400, "temperature", "type"),
        (with(json!({ "top_p": -0.1 })), 400, "top_p", "range"),
        (with(json!({ "frequency_penalty": 3 })), 400, "frequency_penalty", "range"),
        (with(json!({ "presence_penalty": -3 })), 400, "presence_penalty", "range"),
        (with(json!({ "stop": 1 })), 400, "stop", "type"),
        (with(json!({ "stop": ["a", "b", "c", "d", "e"] })), 400, "stop", "max_items"),
        (with(json!({ "stop": ["a", ""] })), 400, "stop[1]", "length"),
        (with(json!({ "seed": 1.5 })), 400, "seed", "type"),
        (with(json!({ "user": 1 })), 400, "user", "type"),
        (with(json!({ "n": 2 })), 422, "n", "unsupported"),
        (with(json!({ "n": 0 })), 400, "n", "range"),
        (with(json!({ "functions": [] })), 422, "functions", "unsupported"),
        (with(json!({ "modalities": ["text", "audio"] })), 422, "modalities[1]", "unsupported"),
        (with(json!({ "audio": {} })), 422, "audio", "unsupported"),
    ];
    for (body, status, field, constraint) in table {
        let error = parse(&body).expect_err(&format!("{field}: {constraint}"));
        let answer: Value = serde_json::from_slice(&error.body(Shape::OpenAi)).unwrap();
        let details = &answer["error"]["details"];
        let found = (error.status().as_u16(), details["field"].as_str(), details["constraint"].as_str());
        assert_eq!(found, (status, Some(field), Some(constraint)), "{}", error.message());
        assert_eq!(answer["error"]["param"], field);
    }
}

#[test]
fn messages_are_sentences() {
    let of = |members| parse(&with(members)).unwrap_err().message().to_owned();
    assert_eq!(parse(&json!({})).unwrap_err().message(), "The 'model' field is required.");
    assert_eq!(of(json!({ "temperature": 9 })), "The 'temperature' field must be a number from 0 to 2.");
    assert_eq!(of(json!({ "n": 3 })), "The 'n' field must be 1: send a request for each answer.");
    assert_eq!(of(json!({ "stop": [7] })), "The 'stop[0]' field must be a string.");
}

#[test]
fn what_is_no_json_object() {
    for body in [&b""[..], b"{", b"[]", b"null", b"\"x\"", b"{} {}", b"{\"a\":\xff}", b"{\"model\":01}"] {
        let error = completion(body).unwrap_err();
        assert_eq!(error.status(), 400, "{body:?}");
        assert!(error.message().starts_with("The body"), "{}", error.message());
    }
}

#[test]
fn half_a_surrogate_pair_is_no_text() {
    let error = completion(br#"{"model":"\ud800","messages":[]}"#).unwrap_err();
    assert_eq!(error.message(), "The 'model' field must be valid Unicode.");
}

#[test]
fn nothing_is_nested_too_deep_for_those_who_come_after() {
    let nested = |levels: usize| format!("{}1{}", "{\"a\":".repeat(levels), "}".repeat(levels));
    let schema = |levels| {
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"tools":[{{"function":{{"name":"f","parameters":{}}}}}]}}"#,
            nested(levels)
        );
        completion(body.as_bytes())
    };
    assert!(schema(100).is_ok());
    assert_eq!(
        schema(101).unwrap_err().message(),
        "The 'tools[0].function.parameters' field must not be nested deeper than 100."
    );
    let unknown =
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"mine":{}}}"#, nested(100_000));
    assert_eq!(completion(unknown.as_bytes()).unwrap_err().status(), 400);
}

#[test]
fn only_so_much_passes_through() {
    let mut body = with(json!({}));
    for number in 0..64 {
        body[format!("x{number}")] = json!(number);
    }
    assert_eq!(parse(&body).unwrap().extra.len(), 64);
    body["one_more"] = json!(true);
    assert_eq!(parse(&body).unwrap_err().status(), 400);
}
