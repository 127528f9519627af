use anthropic::Anthropic;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::{CompletionRequest, FinishReason, Role, ToolCall, ToolChoice, ToolDefinition};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Completed, completion};

use super::{body, calls, question, result, said, sent_with, settings, stream, text, tool, tool_use};

#[test]
fn definitions() {
    let bare = ToolDefinition { description: None, parameters: None, ..tool("bare") };
    let strict = ToolDefinition { strict: Some(true), ..tool("strict") };
    let lax = ToolDefinition { strict: Some(false), ..tool("lax") };
    let sent = body(CompletionRequest { tools: vec![tool("weather"), bare, strict, lax], ..question(false) });
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let expected = json!([
        { "name": "weather", "description": "Tells the weather.", "input_schema": schema },
        { "name": "bare", "input_schema": { "type": "object", "properties": {} } },
        { "name": "strict", "description": "Tells the weather.", "input_schema": schema, "strict": true },
        { "name": "lax", "description": "Tells the weather.", "input_schema": schema },
    ]);
    assert_eq!(sent["tools"], expected);
    let broken = ToolDefinition { parameters: Some("{".into()), ..tool("f") };
    let request = CompletionRequest { tools: vec![broken], ..question(false) };
    let failure = completion::<Anthropic>(request, settings()).run().failure().clone();
    assert_eq!((failure.kind, failure.param.as_deref()), (FailureKind::InvalidRequest, Some("tools")));
}

#[test]
fn arguments_are_an_object_whether_or_not_their_schema_says_so() {
    let schema = |text: &str| {
        let tools = vec![ToolDefinition { parameters: Some(text.into()), ..tool("f") }];
        body(CompletionRequest { tools, ..question(false) })["tools"][0]["input_schema"].clone()
    };
    assert_eq!(schema("{}"), json!({ "type": "object" }));
    let properties = json!({ "properties": { "a": { "minimum": 1.0 } } });
    assert_eq!(schema(&properties.to_string())["type"], "object");
    assert_eq!(schema(&properties.to_string())["properties"], properties["properties"]);
    assert_eq!(schema(r#"{"type":"string"}"#), json!({ "type": "string" }));
    assert_eq!(schema("true"), json!(true));
}

#[test]
fn choices() {
    let choice = |tool_choice, parallel_tool_calls| {
        let tools = vec![tool("weather")];
        let request = CompletionRequest { tools, tool_choice, parallel_tool_calls, ..question(false) };
        body(request).get("tool_choice").cloned()
    };
    assert_eq!(choice(None, None), None);
    assert_eq!(choice(None, Some(true)), None);
    let one = json!({ "type": "auto", "disable_parallel_tool_use": true });
    assert_eq!(choice(None, Some(false)), Some(one));
    assert_eq!(choice(Some(ToolChoice::Auto), Some(true)), Some(json!({ "type": "auto" })));
    assert_eq!(choice(Some(ToolChoice::Required), None), Some(json!({ "type": "any" })));
    assert_eq!(choice(Some(ToolChoice::None), Some(false)), Some(json!({ "type": "none" })));
    let named = json!({ "type": "tool", "name": "weather", "disable_parallel_tool_use": true });
    assert_eq!(choice(Some(ToolChoice::Function("weather".into())), Some(false)), Some(named));
    let without = CompletionRequest { tool_choice: Some(ToolChoice::Required), ..question(false) };
    let sent = body(without);
    assert_eq!((sent.get("tool_choice"), sent.get("tools")), (None, None));
}

#[test]
fn what_earlier_turns_called_is_defined_and_not_offered() {
    let messages = vec![
        said(Role::User, "?"),
        calls(None, &[("a", "g", "{}"), ("b", "f", "{}"), ("c", "g", "{}")]),
        result("a", "1"),
        result("b", "2"),
        result("c", "3"),
    ];
    let sent = body(CompletionRequest::new("claude-test", messages));
    let names: Vec<_> = sent["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect();
    assert_eq!((names, &sent["tool_choice"]), (vec![json!("f"), json!("g")], &json!({ "type": "none" })));
}

#[test]
fn tools_of_the_vendor_s_own() {
    let search = json!({ "type": "web_search_20250305", "name": "web_search", "max_uses": 3 });
    let sent = sent_with(question(false), json!({ "server_tools": [search] })).json();
    assert_eq!((&sent["tools"], sent.get("tool_choice")), (&json!([search]), None));
    let request = CompletionRequest { tools: vec![tool("weather")], ..question(false) };
    let sent = sent_with(request, json!({ "server_tools": [search] })).json();
    assert_eq!((&sent["tools"][0]["name"], &sent["tools"][1]), (&json!("weather"), &search));
}

fn run(blocks: &[Vec<Value>], reason: &str) -> Completed {
    let answer = Answer::sse(stream(blocks, reason));
    completion::<Anthropic>(question(true), settings()).answer(answer).every_way()
}

fn call(id: &str, name: &str, arguments: &str) -> ToolCall {
    ToolCall { id: id.into(), name: name.into(), arguments: arguments.into() }
}

#[test]
fn calls_in_pieces() {
    let done = run(
        &[
            text(0, &["I will look."]),
            tool_use(1, "toolu_1", "weather", &["", "{\"ci", "ty\": \"São ", "Paulo\"}"]),
            tool_use(2, "toolu_2", "now", &[]),
        ],
        "tool_use",
    );
    assert_eq!((done.text.as_str(), done.result.clone()), ("I will look.", Ok(FinishReason::ToolCalls)));
    let expected = [call("toolu_1", "weather", "{\"city\": \"São Paulo\"}"), call("toolu_2", "now", "{}")];
    assert_eq!(done.tool_calls.as_slice(), expected);
}

#[test]
fn a_call_that_comes_whole_in_a_stream() {
    let begin = json!({ "type": "tool_use", "id": "a", "name": "f", "input": { "x": 1 } });
    let done = run(&[super::block(0, begin, &[])], "tool_use");
    assert_eq!(done.tool_calls[0].arguments, r#"{"x":1}"#);
}

#[test]
fn a_call_that_was_cut_off_is_no_call_to_make() {
    let done = run(&[tool_use(0, "toolu_1", "weather", &["{\"city\": \"Pa"])], "max_tokens");
    assert_eq!(done.result, Ok(FinishReason::Length));
    assert_eq!(done.tool_calls[0].arguments, "{\"city\": \"Pa");
}

#[test]
fn calls_without_name_or_without_end_are_refused() {
    let nameless = run(&[tool_use(0, "a", "", &[])], "tool_use");
    assert_eq!(nameless.failure().kind, FailureKind::Protocol);
    let many: Vec<_> = (0..600).map(|index| tool_use(index, &format!("c{index}"), "f", &["{}"])).collect();
    let answer = Answer::sse(stream(&many, "tool_use"));
    let done = completion::<Anthropic>(question(true), settings()).answer(answer).run();
    assert_eq!((done.failure().kind, done.tool_calls.len()), (FailureKind::Protocol, 512));
    let done = run(&[tool_use(0, "", "f", &["{}"])], "tool_use");
    assert_eq!(done.tool_calls[0].id, "call_0");
}
