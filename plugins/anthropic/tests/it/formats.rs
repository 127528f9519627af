use anthropic::Anthropic;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::{
    CompletionRequest, FinishReason, JsonSchemaFormat, ResponseFormat, ToolCall, ToolChoice,
};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, completion};

use super::{message, question, sent_with, settings, stream, tool, tool_use};

fn by_schema() -> CompletionRequest {
    let format = JsonSchemaFormat {
        name: "answer".into(),
        description: Some("Where it is.".into()),
        schema: r#"{"type":"object","properties":{"city":{"type":"string"}}}"#.into(),
        strict: Some(true),
    };
    CompletionRequest { response_format: Some(ResponseFormat::JsonSchema(format)), ..question(true) }
}

fn by_tool() -> Value {
    json!({ "json_format": "tool" })
}

fn any_object() -> CompletionRequest {
    CompletionRequest { response_format: Some(ResponseFormat::JsonObject), ..question(true) }
}

#[test]
fn a_schema_is_structured_outputs() {
    let sent = sent_with(by_schema(), settings()).json();
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    assert_eq!(sent["output_config"], json!({ "format": { "type": "json_schema", "schema": schema } }));
    assert_eq!((sent.get("tools"), sent.get("tool_choice")), (None, None));
    let extra = Some(json!({ "output_config": { "effort": "low" } }).to_string());
    let sent = sent_with(CompletionRequest { extra, ..by_schema() }, settings()).json();
    assert_eq!(
        (&sent["output_config"]["effort"], sent["output_config"]["format"].is_object()),
        (&json!("low"), true)
    );
}

#[test]
fn or_a_tool_that_must_be_called() {
    let sent = sent_with(by_schema(), by_tool()).json();
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let expected = json!([
        { "name": "json_answer", "description": "Gives the answer: Where it is.", "input_schema": schema },
    ]);
    assert_eq!((&sent["tools"], sent.get("output_config")), (&expected, None));
    assert_eq!(sent["tool_choice"], json!({ "type": "tool", "name": "json_answer" }));
    let sent = sent_with(any_object(), settings()).json();
    assert_eq!(sent["tools"][0]["input_schema"], json!({ "type": "object" }));
    let text = CompletionRequest { response_format: Some(ResponseFormat::Text), ..question(true) };
    assert_eq!(sent_with(text, by_tool()).json().get("tools"), None);
}

#[test]
fn beside_other_tools_one_of_them_or_the_answer() {
    let choice = |tool_choice| {
        let tools = vec![tool("weather"), tool("json_answer")];
        let sent = sent_with(CompletionRequest { tools, tool_choice, ..by_schema() }, by_tool()).json();
        assert_eq!(sent["tools"][2]["name"], "json_answer_");
        sent["tool_choice"].clone()
    };
    assert_eq!(choice(None), json!({ "type": "any" }));
    assert_eq!(choice(Some(ToolChoice::Auto)), json!({ "type": "any" }));
    assert_eq!(choice(Some(ToolChoice::None)), json!({ "type": "tool", "name": "json_answer_" }));
    let named = Some(ToolChoice::Function("weather".into()));
    assert_eq!(choice(named), json!({ "type": "tool", "name": "weather" }));
}

#[test]
fn the_tool_s_arguments_are_the_answer() {
    let answer = stream(&[tool_use(0, "toolu_1", "json_answer", &["{\"city\":", "\"Paris\"}"])], "tool_use");
    let done = completion::<Anthropic>(any_object(), settings()).answer(Answer::sse(answer)).every_way();
    assert_eq!((done.text.as_str(), done.result.clone()), ("{\"city\":\"Paris\"}", Ok(FinishReason::Stop)));
    assert!(done.tool_calls.is_empty());

    let block =
        json!({ "type": "tool_use", "id": "toolu_1", "name": "json_answer", "input": { "city": "Paris" } });
    let request = CompletionRequest { streamed: false, ..any_object() };
    let answer = Answer::json(200, &message(&[block], "tool_use"));
    let done = completion::<Anthropic>(request, settings()).answer(answer).every_way();
    assert_eq!((done.text.as_str(), done.result.clone()), ("{\"city\":\"Paris\"}", Ok(FinishReason::Stop)));
}

#[test]
fn another_tool_s_arguments_are_not() {
    let blocks = [tool_use(0, "a", "weather", &["{}"])];
    let request = CompletionRequest { tools: vec![tool("weather")], ..any_object() };
    let answer = Answer::sse(stream(&blocks, "tool_use"));
    let done = completion::<Anthropic>(request, settings()).answer(answer).every_way();
    let call = ToolCall { id: "a".into(), name: "weather".into(), arguments: "{}".into() };
    assert_eq!((done.text.as_str(), done.tool_calls.as_slice()), ("", [call].as_slice()));
    assert_eq!(done.result, Ok(FinishReason::ToolCalls));
}

#[test]
fn a_schema_that_is_none() {
    let format = JsonSchemaFormat { name: "a".into(), description: None, schema: "{".into(), strict: None };
    let response_format = Some(ResponseFormat::JsonSchema(format));
    let request = CompletionRequest { response_format, ..question(true) };
    let failure = completion::<Anthropic>(request, settings()).run().failure().clone();
    assert_eq!(
        (failure.kind, failure.param.as_deref()),
        (FailureKind::InvalidRequest, Some("response_format"))
    );
}
