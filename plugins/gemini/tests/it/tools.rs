use gemini::Gemini;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::{CompletionRequest, FinishReason, ToolChoice, ToolDefinition};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Completed, completion};

use super::{answer, body, events, question, settings, tool};

#[test]
fn declarations() {
    let bare = ToolDefinition { description: None, parameters: None, ..tool("bare") };
    let sent = body(CompletionRequest { tools: vec![tool("weather"), bare], ..question(false) });
    let schema: Value = json!({
        "type": "object", "properties": { "city": { "type": ["string", "null"] } }, "additionalProperties": false,
    });
    let expected = json!([{ "functionDeclarations": [
        { "name": "weather", "description": "Tells the weather.", "parametersJsonSchema": schema },
        { "name": "bare" },
    ] }]);
    assert_eq!(sent["tools"], expected);
    let broken = ToolDefinition { parameters: Some("{".into()), ..tool("f") };
    let request = CompletionRequest { tools: vec![broken], ..question(false) };
    let failure = completion::<Gemini>(request, settings()).run().failure().clone();
    assert_eq!((failure.kind, failure.param.as_deref()), (FailureKind::InvalidRequest, Some("tools")));
}

#[test]
fn choices() {
    let choice = |tool_choice| {
        let request = CompletionRequest { tools: vec![tool("weather")], tool_choice, ..question(false) };
        body(request).get("toolConfig").cloned()
    };
    let mode = |config: Value| Some(json!({ "functionCallingConfig": config }));
    assert_eq!(choice(None), None);
    assert_eq!(choice(Some(ToolChoice::None)), mode(json!({ "mode": "NONE" })));
    assert_eq!(choice(Some(ToolChoice::Auto)), mode(json!({ "mode": "AUTO" })));
    assert_eq!(choice(Some(ToolChoice::Required)), mode(json!({ "mode": "ANY" })));
    let named = json!({ "mode": "ANY", "allowedFunctionNames": ["weather"] });
    assert_eq!(choice(Some(ToolChoice::Function("weather".into()))), mode(named));
    let without = CompletionRequest { tool_choice: Some(ToolChoice::Required), ..question(false) };
    assert_eq!(body(without).get("toolConfig"), None);
}

fn run(parts: &[Value], reason: &str) -> Completed {
    let stream = [
        answer(&[json!({ "text": "I will look." })], None),
        answer(parts, None),
        answer(&[json!({ "text": "" })], Some(reason)),
    ];
    completion::<Gemini>(question(true), settings()).answer(Answer::sse(events(&stream))).every_way()
}

fn ids(done: &Completed) -> Vec<&str> {
    done.tool_calls.iter().map(|call| call.id.as_str()).collect()
}

#[test]
fn calls_come_whole_and_end_with_stop() {
    let done = run(
        &[
            json!({ "functionCall": { "name": "weather", "args": { "city": "São Paulo", "n": 1.0 } } }),
            json!({ "functionCall": { "id": "fc-7", "name": "now", "args": null } }),
            json!({ "functionCall": { "name": "later" } }),
        ],
        "STOP",
    );
    assert_eq!((done.text.as_str(), done.result.clone()), ("I will look.", Ok(FinishReason::ToolCalls)));
    assert_eq!(ids(&done), ["local_Il0taoSYJ5Cez7IP_0", "fc-7", "local_Il0taoSYJ5Cez7IP_2"]);
    let arguments: Vec<_> = done.tool_calls.iter().map(|call| call.arguments.as_str()).collect();
    assert_eq!(arguments, [r#"{"city":"São Paulo","n":1.0}"#, "{}", "{}"]);
}

#[test]
fn calls_that_are_none() {
    let done = run(&[json!({ "functionCall": { "args": {} } })], "STOP");
    assert_eq!(done.failure().kind, FailureKind::Protocol);
    let done = run(&[], "MALFORMED_FUNCTION_CALL");
    assert_eq!(
        (done.failure().kind, done.failure().code.as_deref()),
        (FailureKind::Upstream, Some("MALFORMED_FUNCTION_CALL"))
    );
    let many: Vec<_> = (0..600).map(|_| json!({ "functionCall": { "name": "f" } })).collect();
    let answer = Answer::json(200, &answer(&many, Some("STOP")));
    let done = completion::<Gemini>(question(false), settings()).answer(answer).run();
    assert_eq!((done.failure().kind, done.tool_calls.len()), (FailureKind::Protocol, 512));
}

#[test]
fn cut_off_they_are_not_to_be_made() {
    let done = run(&[json!({ "functionCall": { "name": "f", "args": {} } })], "MAX_TOKENS");
    assert_eq!(done.result, Ok(FinishReason::Length));
}
