use anthropic::Anthropic;
use hardpoint_sdk::FailureKind;
use hardpoint_sdk::model::CompletionRequest;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, completion};

use super::{body, question, sent_with, settings, stream, text};

#[test]
fn the_least_request() {
    let answer = Answer::sse(stream(&[text(0, &["Paris"])], "end_turn"));
    let done = completion::<Anthropic>(question(true), settings()).answer(answer).run();
    let sent = &done.sent[0];
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", "https://api.anthropic.com/v1/messages"));
    assert_eq!(sent.header("x-api-key"), Some("{secret:api_key}"));
    assert_eq!(sent.header("anthropic-version"), Some("2023-06-01"));
    assert_eq!(sent.header("accept"), Some("text/event-stream"));
    assert_eq!(sent.header("content-type"), Some("application/json"));
    assert_eq!((sent.header("authorization"), sent.header("anthropic-beta")), (None, None));
    let expected = json!({
        "model": "claude-test", "max_tokens": 4096, "stream": true,
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "What is the capital of France?" }] }],
    });
    assert_eq!(sent.json(), expected);
}

#[test]
fn settings_decide_on_headers() {
    let sent = sent_with(
        question(false),
        json!({
            "base_url": "http://127.0.0.1:8000/", "auth": "bearer", "version": "2026-10-21",
            "beta": ["interleaved-thinking-2025-05-14", "context-1m-2025-08-07"], "headers": { "X-Title": "t" },
        }),
    );
    assert_eq!(sent.url, "http://127.0.0.1:8000/v1/messages");
    let names = ["authorization", "x-api-key", "anthropic-version", "anthropic-beta", "x-title", "accept"];
    let values = names.map(|name| sent.header(name).unwrap_or("-"));
    let beta = "interleaved-thinking-2025-05-14,context-1m-2025-08-07";
    assert_eq!(values, ["Bearer {secret:api_key}", "-", "2026-10-21", beta, "t", "application/json"]);
    assert_eq!(sent.json().get("stream"), None);
    let none = sent_with(question(false), json!({ "auth": "none" }));
    assert_eq!((none.header("x-api-key"), none.header("authorization")), (None, None));
}

#[test]
fn members_of_the_request() {
    let sent = body(CompletionRequest {
        max_tokens: Some(77),
        temperature: Some(0.25),
        stop: vec!["END".into(), "\n\n".into(), " STOP".into()],
        user: Some("u-1".into()),
        seed: Some(7),
        frequency_penalty: Some(1.0),
        presence_penalty: Some(-1.0),
        ..question(false)
    });
    let mut expected = json!({
        "model": "claude-test", "max_tokens": 77, "temperature": 0.25, "stop_sequences": ["END", " STOP"],
        "metadata": { "user_id": "u-1" },
    });
    expected["messages"] = sent["messages"].clone();
    assert_eq!(sent, expected, "what the API does not know is left out, as its own compatible endpoint does");
}

#[test]
fn one_of_temperature_and_top_p() {
    let sampling = |temperature, top_p, settings: &Value| {
        let sent =
            sent_with(CompletionRequest { temperature, top_p, ..question(false) }, settings.clone()).json();
        (sent.get("temperature").and_then(Value::as_f64), sent.get("top_p").and_then(Value::as_f64))
    };
    let one = settings();
    assert_eq!(sampling(Some(1.7), None, &one), (Some(1.0), None), "OpenAI's goes to 2");
    assert_eq!(sampling(None, Some(0.5), &one), (None, Some(0.5)));
    assert_eq!(sampling(Some(0.3), Some(0.5), &one), (Some(0.3), None));
    assert_eq!(sampling(Some(1.0), Some(0.5), &one), (None, Some(0.5)));
    assert_eq!(sampling(Some(0.3), Some(0.5), &json!({ "sampling": "both" })), (Some(0.3), Some(0.5)));
    assert_eq!(sampling(Some(0.3), Some(0.5), &json!({ "sampling": "none" })), (None, None));
    assert_eq!(sampling(Some(0.3), None, &json!({ "version": "2026-10-20" })), (Some(0.3), None));
    let later = json!({ "version": "2026-10-21", "sampling": "both", "thinking": "adaptive" });
    assert_eq!(sampling(Some(0.3), Some(0.99), &later), (None, None));
    let extra = Some(r#"{"top_k":5}"#.to_owned());
    let request = CompletionRequest { extra, ..question(false) };
    assert_eq!(sent_with(request, later).json().get("top_k"), None);
    let thinking = json!({ "thinking": "adaptive" });
    assert_eq!(sampling(Some(0.3), Some(0.5), &thinking), (None, None));
    assert_eq!(sampling(Some(0.3), Some(0.95), &thinking), (None, Some(0.95)));
    assert_eq!(sampling(Some(0.3), None, &json!({ "thinking": "disabled" })), (Some(0.3), None));
}

#[test]
fn extra_members_pass_and_openai_s_do_not() {
    let extra = json!({
        "top_k": 5, "container": "c1", "inference_geo": "us", "novel": { "deep": [1, 2] }, "service_tier": "auto",
        "logit_bias": { "1": 2 }, "logprobs": true, "store": true, "n": 1, "stream_options": {}, "seed": 1,
        "model": "mine", "messages": [], "system": "mine", "tools": [], "max_tokens": 1,
        "metadata": { "user_id": "u-2", "order": "7" }, "reasoning_effort": "high",
    });
    let request = || CompletionRequest { extra: Some(extra.to_string()), ..question(false) };
    let sent = body(request());
    let mut expected = json!({
        "model": "claude-test", "max_tokens": 4096, "top_k": 5, "container": "c1", "inference_geo": "us",
        "novel": { "deep": [1, 2] }, "service_tier": "auto", "metadata": { "user_id": "u-2" },
    });
    expected["messages"] = sent["messages"].clone();
    assert_eq!(sent, expected);
    let sent = body(CompletionRequest { user: Some("u-1".into()), ..request() });
    assert_eq!(sent["metadata"], json!({ "user_id": "u-1" }));
    let tier = |tier: &str| {
        let extra = Some(json!({ "service_tier": tier }).to_string());
        body(CompletionRequest { extra, ..question(false) }).get("service_tier").cloned()
    };
    assert_eq!((tier("flex"), tier("standard_only")), (None, Some(json!("standard_only"))));
}

#[test]
fn how_much_to_think_comes_from_the_settings_or_the_caller() {
    let effort = |extra: Value, settings: Value| {
        let request = CompletionRequest { extra: Some(extra.to_string()), ..question(false) };
        sent_with(request, settings).json().get("output_config").cloned()
    };
    let asks = || json!({ "reasoning_effort": "minimal" });
    assert_eq!(effort(asks(), json!({})), None);
    assert_eq!(effort(asks(), json!({ "caller_effort": true })), Some(json!({ "effort": "low" })));
    assert_eq!(effort(asks(), json!({ "effort": "max" })), Some(json!({ "effort": "max" })));
    let own = json!({ "output_config": { "effort": "medium", "other": 1 }, "reasoning_effort": "high" });
    let both = json!({ "effort": "max", "caller_effort": true });
    assert_eq!(effort(own, both), Some(json!({ "effort": "medium", "other": 1 })));
    assert_eq!(effort(json!({ "reasoning_effort": "none" }), json!({ "caller_effort": true })), None);
}

#[test]
fn caching_is_asked_for_by_the_settings_or_the_caller() {
    let control = |extra: Value, settings: Value| {
        let request = CompletionRequest { extra: Some(extra.to_string()), ..question(false) };
        sent_with(request, settings).json().get("cache_control").cloned()
    };
    assert_eq!(control(json!({}), json!({ "prompt_cache": "off" })), None);
    let hour = json!({ "type": "ephemeral", "ttl": "1h" });
    assert_eq!(control(json!({}), json!({ "prompt_cache": "1h" })), Some(hour));
    let own = json!({ "type": "ephemeral" });
    assert_eq!(control(json!({ "cache_control": own }), json!({ "prompt_cache": "5m" })), Some(own));
}

#[test]
fn requests_that_cannot_be_served() {
    let refused = |request: CompletionRequest| {
        let failure = completion::<Anthropic>(request, settings()).run().failure().clone();
        assert_eq!(failure.kind, FailureKind::InvalidRequest, "{failure:?}");
        failure.param.unwrap_or_default()
    };
    let extra = |extra: &str| CompletionRequest { extra: Some(extra.into()), ..question(false) };
    assert_eq!(refused(extra(r#"{"n":2}"#)), "n");
    assert_eq!(refused(extra("[")), "");
}
