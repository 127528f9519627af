use gemini::Gemini;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::CompletionRequest;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, completion};

use super::{body, question, sent_with, settings, stream};

#[test]
fn the_least_request() {
    let done = completion::<Gemini>(question(true), settings())
        .answer(Answer::sse(stream(&["Paris"], "STOP")))
        .run();
    let sent = &done.sent[0];
    let url = "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse";
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", url));
    assert_eq!(sent.header("x-goog-api-key"), Some("{secret:api_key}"));
    assert_eq!(sent.header("accept"), Some("text/event-stream"));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!(sent.header("authorization"), None);
    let expected = json!({
        "contents": [{ "role": "user", "parts": [{ "text": "What is the capital of France?" }] }],
        "generationConfig": {},
    });
    assert_eq!(sent.json(), expected);
}

#[test]
fn settings_decide_on_headers_and_addresses() {
    let settings = json!({
        "base_url": "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/google/",
        "auth": "bearer", "headers": { "X-Goog-User-Project": "p" },
    });
    let sent = sent_with(question(false), settings);
    let url = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4/publishers/google/models/gemini-2.5-flash:generateContent";
    assert_eq!(sent.url, url);
    let names = ["authorization", "x-goog-api-key", "x-goog-user-project", "accept"];
    let values = names.map(|name| sent.header(name).unwrap_or("-"));
    assert_eq!(values, ["Bearer {secret:api_key}", "-", "p", "application/json"]);
    let none = sent_with(question(false), json!({ "auth": "none" }));
    assert_eq!((none.header("x-goog-api-key"), none.header("authorization")), (None, None));
}

#[test]
fn a_model_stays_where_it_stands_in_the_address() {
    for model in [
        "",
        "a b",
        "../secret",
        "models/../x",
        "a?b",
        "a#b",
        "a:generateContent",
        "models//x",
        "a%2fb",
        "é",
        "tunedModels/x",
        "models/",
        ".",
    ] {
        let request = CompletionRequest { upstream_model: model.into(), ..question(true) };
        let failure = completion::<Gemini>(request, settings()).run().failure().clone();
        assert_eq!(failure.kind, FailureKind::Unsupported, "{model}");
    }
    for model in ["models/gemini-2.5-flash", "gemini-embedding-001", "a@002"] {
        let request = CompletionRequest { upstream_model: model.into(), ..question(true) };
        let path = if model.contains('/') { model.to_owned() } else { format!("models/{model}") };
        assert!(
            sent_with(request, settings()).url.ends_with(&format!("/v1beta/{path}:generateContent")),
            "{model}"
        );
    }
}

#[test]
fn extra_members_pass_and_openai_s_do_not() {
    let safety = json!([{ "category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE" }]);
    let extra = json!({
        "safetySettings": safety, "cachedContent": "cachedContents/1", "labels": { "a": "b" }, "novel": [1],
        "logit_bias": { "1": 2 }, "n": 1, "store": true, "metadata": { "a": "b" }, "stream_options": {},
        "service_tier": "auto", "reasoning_effort": "high", "contents": [], "tools": [], "toolConfig": {},
        "systemInstruction": {}, "model": "mine",
    });
    let request =
        CompletionRequest { extra: Some(extra.to_string()), user: Some("u".into()), ..question(false) };
    let mut expected = json!({
        "safetySettings": safety, "cachedContent": "cachedContents/1", "labels": { "a": "b" }, "novel": [1],
        "generationConfig": {},
    });
    let sent =
        sent_with(request, json!({ "safety_settings": [{ "category": "X", "threshold": "Y" }] })).json();
    expected["contents"] = sent["contents"].clone();
    assert_eq!(sent, expected);
    let sent = sent_with(question(false), json!({ "safety_settings": safety })).json();
    assert_eq!(sent["safetySettings"], safety);
}

#[test]
fn requests_that_cannot_be_served() {
    let refused = |extra: &str| {
        let request = CompletionRequest { extra: Some(extra.into()), ..question(false) };
        let failure = completion::<Gemini>(request, settings()).run().failure().clone();
        assert_eq!(failure.kind, FailureKind::InvalidRequest, "{failure:?}");
        failure.param.unwrap_or_default()
    };
    assert_eq!(refused(r#"{"n":2}"#), "n");
    assert_eq!(refused("[]"), "");
}

#[test]
fn tools_of_the_vendor_s_own() {
    let search: Value = json!({ "google_search": {} });
    let sent = sent_with(question(false), json!({ "tools": [search] })).json();
    assert_eq!((&sent["tools"], sent.get("toolConfig")), (&json!([search]), None));
    let request = CompletionRequest { tools: vec![super::tool("weather")], ..question(false) };
    let sent = sent_with(request, json!({ "tools": [search] })).json();
    assert_eq!((sent["tools"][0]["functionDeclarations"].is_array(), &sent["tools"][1]), (true, &search));
    assert_eq!(body(question(false)).get("tools"), None);
}
