use gemini::Gemini;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::{CompletionRequest, JsonSchemaFormat, ResponseFormat, Role};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::completion;

use super::{question, said, sent_with, settings, tool};

fn config(request: CompletionRequest, settings: Value) -> Value {
    sent_with(request, settings).json()["generationConfig"].clone()
}

#[test]
fn members_of_the_request() {
    let request = CompletionRequest {
        max_tokens: Some(77),
        temperature: Some(1.5),
        top_p: Some(0.5),
        stop: vec!["END".into(), "STOP".into()],
        seed: Some(7),
        frequency_penalty: Some(1.0),
        presence_penalty: Some(-1.0),
        ..question(false)
    };
    let expected = json!({
        "maxOutputTokens": 77, "temperature": 1.5, "topP": 0.5, "stopSequences": ["END", "STOP"], "seed": 7,
        "frequencyPenalty": 1.0, "presencePenalty": -1.0,
    });
    assert_eq!(config(request, settings()), expected);
}

#[test]
fn a_seed_is_cut_to_what_the_api_takes() {
    let seed =
        |seed| config(CompletionRequest { seed: Some(seed), ..question(false) }, settings())["seed"].clone();
    assert_eq!(
        [seed(2_147_483_647), seed(-1), seed(4_294_967_296 + 5)],
        [json!(2_147_483_647), json!(-1), json!(5)]
    );
}

#[test]
fn the_caller_s_own_words_count_beside_the_host_s() {
    let extra = json!({ "generationConfig": {
        "topK": 40, "temperature": 0.1, "topP": 0.2, "candidateCount": 4, "responseModalities": ["TEXT"],
        "thinkingConfig": { "thinkingBudget": 5 },
    } });
    let request =
        CompletionRequest { temperature: Some(0.9), extra: Some(extra.to_string()), ..question(false) };
    let expected = json!({
        "temperature": 0.9, "topK": 40, "topP": 0.2, "responseModalities": ["TEXT"],
        "thinkingConfig": { "thinkingBudget": 5 },
    });
    assert_eq!(config(request, json!({ "thinking_level": "high" })), expected);
}

#[test]
fn how_much_to_think() {
    let thinking = |effort: Option<&str>, settings: Value| {
        let extra = effort.map(|effort| json!({ "reasoning_effort": effort }).to_string());
        config(CompletionRequest { extra, ..question(false) }, settings).get("thinkingConfig").cloned()
    };
    assert_eq!(thinking(None, json!({})), None);
    assert_eq!(thinking(Some("high"), json!({})), None);
    let shown = json!({ "include_thoughts": true });
    assert_eq!(thinking(None, shown.clone()), Some(json!({ "includeThoughts": true })));
    let both = json!({ "thinking_level": "low", "thinking_budget": 0 });
    assert_eq!(thinking(None, both), Some(json!({ "thinkingLevel": "low" })), "both would be an error");
    assert_eq!(thinking(None, json!({ "thinking_budget": -1 })), Some(json!({ "thinkingBudget": -1 })));
    for (effort, level, budget) in [
        ("none", "minimal", 0),
        ("minimal", "minimal", 1024),
        ("low", "low", 1024),
        ("medium", "medium", 8192),
        ("high", "high", 24576),
    ] {
        let by = |what: &str| thinking(Some(effort), json!({ "caller_effort": what, "thinking_budget": 7 }));
        assert_eq!(by("level"), Some(json!({ "thinkingLevel": level })));
        assert_eq!(by("budget"), Some(json!({ "thinkingBudget": budget })));
    }
    let unknown = json!({ "caller_effort": "level", "thinking_budget": 7, "include_thoughts": false });
    let expected = json!({ "includeThoughts": false, "thinkingBudget": 7 });
    assert_eq!(thinking(Some("enormous"), unknown), Some(expected));
}

fn by_schema(model: &str) -> CompletionRequest {
    let format = JsonSchemaFormat {
        name: "answer".into(),
        description: None,
        schema: r#"{"type":"object","properties":{"city":{"type":"string"}},"additionalProperties":false}"#
            .into(),
        strict: Some(true),
    };
    let messages = vec![said(Role::User, "Where?")];
    let response_format = Some(ResponseFormat::JsonSchema(format));
    CompletionRequest { response_format, ..CompletionRequest::new(model, messages) }
}

#[test]
fn an_answer_in_json() {
    let json = CompletionRequest { response_format: Some(ResponseFormat::JsonObject), ..question(false) };
    assert_eq!(config(json, settings()), json!({ "responseMimeType": "application/json" }));
    let text = CompletionRequest { response_format: Some(ResponseFormat::Text), ..question(false) };
    assert_eq!(config(text, settings()), json!({}));
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "additionalProperties": false });
    let expected = json!({ "responseMimeType": "application/json", "responseJsonSchema": schema });
    assert_eq!(config(by_schema("gemini-2.5-flash"), settings()), expected);
    let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } } });
    let expected = json!({ "responseMimeType": "application/json", "responseSchema": schema });
    assert_eq!(config(by_schema("gemini-2.5-flash"), json!({ "schemas": "openapi" })), expected);
}

#[test]
fn beside_functions_older_models_are_asked_in_words() {
    let with_tools = |model: &str| CompletionRequest { tools: vec![tool("weather")], ..by_schema(model) };
    let sent = sent_with(with_tools("gemini-2.5-flash"), settings()).json();
    assert_eq!(sent["generationConfig"], json!({}));
    let words = sent["systemInstruction"]["parts"][0]["text"].as_str().unwrap();
    assert!(words.ends_with(r#""additionalProperties":false}"#), "{words}");
    for model in ["gemini-3-pro-preview", "gemini-3.1-flash", "models/gemini-10"] {
        let sent = sent_with(with_tools(model), settings()).json();
        assert!(sent["generationConfig"]["responseJsonSchema"].is_object(), "{model}");
        assert_eq!(sent.get("systemInstruction"), None);
    }
}

#[test]
fn a_schema_that_is_none() {
    let format = JsonSchemaFormat { name: "a".into(), description: None, schema: "{".into(), strict: None };
    let response_format = Some(ResponseFormat::JsonSchema(format));
    let request = CompletionRequest { response_format, ..question(true) };
    let failure = completion::<Gemini>(request, settings()).run().failure().clone();
    assert_eq!(
        (failure.kind, failure.param.as_deref()),
        (FailureKind::InvalidRequest, Some("response_format"))
    );
}
