//! `anthropic`, through the host, against a double of the Messages API.

use hardpoint_tests::client::{Answer, Events};
use hardpoint_tests::double::anthropic::{self, KEY, error, event};
use hardpoint_tests::double::openai::Reply;
use hardpoint_tests::double::script::Script;
use hardpoint_tests::double::vendor::Vendor;
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::{Host, Options};
use serde_json::{Value, json};

use crate::scene::{entries, says, streamed, text_of};

struct Scene {
    double: Vendor,
    host: Host,
}

/// A host with a model for each name, all behind one binding to one double.
async fn scene(models: &[&str]) -> Scene {
    scene_with(models, "", "").await
}

/// The same, with more settings of the binding, and with more of the configuration.
async fn scene_with(models: &[&str], settings: &str, more: &str) -> Scene {
    let double = anthropic::start().await.expect("a double");
    let (address, base_url) = (double.server().address(), double.server().origin());
    let config = format!(
        r#"
[egress]
allow_internal = ["{address}"]

[completions]
retry_base = "1ms"
retry_cap = "5ms"

[secrets.double]
value = "{KEY}"
audience = "{base_url}"

[bindings.upstream]
plugin = "anthropic"
settings = {{ base_url = "{base_url}"{settings} }}
secrets = {{ api_key = "double" }}

[bindings.upstream.grant]
http = ["POST {base_url}/v1/messages"]
secrets = ["api_key"]
"#
    );
    let options = Options::new().shipped("anthropic").shipped("calculator").config(&config);
    let host = Host::start(options.config(&entries(models)).config(more)).await;
    Scene { double, host }
}

impl Scene {
    async fn complete(&self, request: &Value) -> Answer {
        self.host.client().post("/api/v1/chat/completions", request).await
    }

    async fn stream(&self, request: &Value) -> Events {
        self.host.client().stream("/api/v1/chat/completions", &streamed(request)).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_translated_and_its_answer_back() {
    let scene = scene(&["claude"]).await;
    let request = json!({
        "model": "claude",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "name": "anna", "content": "First"},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
            ]},
        ],
        "temperature": 1.5, "frequency_penalty": -0.5, "seed": 7, "user": "caller-1",
        "max_tokens": 77, "stop": ["END", "\n"], "logit_bias": {"50256": -100}, "top_k": 3,
    });
    let completion = scene.complete(&request).await.expect(200);
    assert_eq!(text_of(&completion), "First What is this?");
    assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    let usage = &completion["usage"];
    assert_eq!(
        (&usage["prompt_tokens"], &usage["prompt_tokens_details"]["cached_tokens"]),
        (&json!(4), &json!(0))
    );

    let seen = scene.double.wait_for("claude", 1).await;
    let expected = json!({
        "model": "claude", "max_tokens": 77, "temperature": 1.0, "stop_sequences": ["END"],
        "system": [{"type": "text", "text": "Be brief."}], "metadata": {"user_id": "caller-1"}, "top_k": 3,
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "First"},
            {"type": "text", "text": "What is this?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
        ]}],
    });
    assert_eq!(seen.body, expected);
    assert!(!seen.headers.contains_key("request-id"), "what is the host's stays with the host");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_arrives_as_it_is_made() {
    let scene = scene(&["paced"]).await;
    let gate = Gate::closed();
    scene.double.on("paced", [Reply::text("one two three").paced(&gate).into()]);
    // The beginning, a ping, and the beginning of the block say nothing yet.
    gate.let_pass(3);
    let mut events = scene.stream(&says("paced", "count to three, if you can do so")).await;
    assert_eq!(events.json().await["choices"][0]["delta"]["role"], "assistant");
    for word in ["one ", "two ", "three"] {
        assert_eq!(events.json().await["choices"][0]["delta"]["content"], word);
        gate.let_pass(1);
    }
    gate.open();
    let told = events.rest().await;
    assert!(told.done && told.finish.as_deref() == Some("stop"), "{told:?}");
    let usage = told.usage.expect("usage");
    assert_eq!(
        (&usage["prompt_tokens"], &usage["prompt_tokens_details"]["cached_tokens"]),
        (&json!(8), &json!(3))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_survives_every_cut() {
    let models = ["cut-1", "cut-2", "cut-7", "cut-64"];
    let scene = scene(&models).await;
    let text = "Grüße, 世界! 🌍🌎🌏 \u{2028}\u{0} and \"quotes\" \\ back";
    for (model, every) in models.iter().zip([1, 2, 7, 64]) {
        scene.double.on(model, [Reply::text(text).cut(every).into()]);
        let told = scene.stream(&says(model, "hello")).await.rest().await;
        assert_eq!((told.text.as_str(), told.done), (text, true), "cut every {every} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_s_tools_go_round() {
    let scene = scene(&["weather"]).await;
    let calls = [("get_weather", json!({"city": "Paris"})), ("get_weather", json!({"city": "Rome"}))];
    scene.double.on("weather", [Reply::calls(calls).reasoning("They want both.").into()]);
    let mut request = says("weather", "Paris and Rome?");
    request["tools"] =
        json!([{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]);
    request["parallel_tool_calls"] = json!(true);

    let completion = scene.complete(&request).await.expect(200);
    let choice = &completion["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let message = choice["message"].clone();
    let asked = message["tool_calls"].as_array().expect("calls").clone();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[1]["function"]["arguments"], r#"{"city":"Rome"}"#);

    // The client gives back what it was given. With its reasoning, it goes back signed; without, not at all.
    for (reasoning, blocks) in [(true, 3), (false, 2)] {
        let mut given = message.clone();
        if !reasoning {
            given.as_object_mut().expect("a message").remove("reasoning_content");
        }
        let mut next = request.clone();
        let messages = next["messages"].as_array_mut().expect("messages");
        messages.push(given);
        for (call, answer) in asked.iter().zip(["sunny", "rain"]) {
            messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": answer}));
        }
        let completion = scene.complete(&next).await.expect(200);
        assert_eq!(text_of(&completion), "sunny rain");
        let seen = scene.double.seen_for("weather").pop().expect("a request");
        assert_eq!(seen.body["messages"][1]["content"].as_array().map(Vec::len), Some(blocks));
    }

    let told = scene.stream(&request).await.rest().await;
    assert_eq!(told.finish.as_deref(), Some("tool_calls"));
    let mut streamed = [String::new(), String::new()];
    for chunk in &told.chunks {
        for piece in chunk["choices"][0]["delta"]["tool_calls"].as_array().into_iter().flatten() {
            let index = usize::try_from(piece["index"].as_u64().expect("an index")).expect("a small one");
            streamed[index] += piece["function"]["arguments"].as_str().unwrap_or_default();
        }
    }
    assert_eq!(streamed, [r#"{"city":"Paris"}"#, r#"{"city":"Rome"}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_own_tools_are_called_by_the_host_and_thinking_goes_on() {
    let models = "[[models]]\nid = \"reckoner\"\nbinding = \"upstream\"\ntools = [\"calculator\"]\n";
    let settings = ", thinking = \"enabled\", thinking_budget_tokens = 1024";
    let scene = scene_with(&[], settings, models).await;
    let call = Reply::calls([("calculator", json!({"expression": "6 * 7"}))]).reasoning("I must reckon.");
    scene.double.on("reckoner", [call.into()]);

    let completion = scene.complete(&says("reckoner", "What is 6 times 7?")).await.expect(200);
    assert!(text_of(&completion).contains("42"), "{completion}");
    assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    let seen = scene.double.seen_for("reckoner");
    assert_eq!(seen.len(), 2, "one round asks for the tool, one is given its answer");
    assert_eq!(seen[0].body["tools"][0]["name"], "calculator");
    // The double refuses thinking whose signature is not its own.
    let thought = &seen[1].body["messages"][1]["content"][0];
    assert_eq!((&thought["type"], &thought["thinking"]), (&json!("thinking"), &json!("I must reckon.")));
    assert_eq!(seen[1].body["thinking"], json!({"type": "enabled", "budget_tokens": 1024}));

    let told = scene.stream(&says("reckoner", "What is 6 times 7?")).await.rest().await;
    assert!(told.done && told.text.contains("42"), "{told:?}");
    let shown = told.chunks.iter().any(|chunk| chunk["choices"][0]["delta"]["tool_calls"].is_array());
    assert!(!shown, "the host's own calls are not the client's to see: {told:?}");
    let reasoned = told.chunks.iter().any(|it| it["choices"][0]["delta"]["reasoning_content"].is_string());
    assert!(reasoned, "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_json() {
    let scene = scene(&["claude"]).await;
    let schema =
        json!({"type": "object", "properties": {"city": {"type": "string"}, "words": {"type": "integer"}}});
    let mut request = says("claude", "Paris it is");
    request["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": true}});
    let completion = scene.complete(&request).await.expect(200);
    let answer: Value = serde_json::from_str(text_of(&completion)).expect("JSON");
    assert_eq!(answer, json!({"city": "Paris it is", "words": 3}));
    let seen = scene.double.wait_for("claude", 1).await;
    assert_eq!(seen.body["output_config"]["format"], json!({"type": "json_schema", "schema": schema}));

    // Without a schema it is a tool, of which the client sees nothing.
    request["response_format"] = json!({"type": "json_object"});
    let told = scene.stream(&request).await.rest().await;
    let answer: Value = serde_json::from_str(&told.text).expect("JSON");
    assert_eq!((answer, told.finish.as_deref()), (json!({"said": "Paris it is"}), Some("stop")));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_told_as_what_it_is() {
    let table: [(&str, u16, &str, u16, &str, usize); 9] = [
        ("m400", 400, "invalid_request_error", 400, "invalid_request", 1),
        ("m401", 401, "authentication_error", 502, "upstream_authentication_failed", 1),
        ("m402", 402, "billing_error", 502, "upstream_authentication_failed", 1),
        ("m403", 403, "permission_error", 502, "upstream_authentication_failed", 1),
        ("m404", 404, "not_found_error", 422, "unsupported", 1),
        ("m413", 413, "request_too_large", 400, "invalid_request", 1),
        ("m429", 429, "rate_limit_error", 429, "upstream_rate_limited", 3),
        ("m500", 500, "api_error", 502, "upstream_error", 3),
        ("m529", 529, "overloaded_error", 503, "upstream_overloaded", 3),
    ];
    let models: Vec<&str> = table.iter().map(|row| row.0).collect();
    let scene = scene(&models).await;
    for (model, status, word, told, kind, attempts) in table {
        scene.double.on(model, [error(status, word, "messages.0: sorry").into()]);
        let answer = scene.complete(&says(model, "hello")).await.expect(told);
        assert_eq!(answer["error"]["type"], kind, "{model}: {answer}");
        assert_eq!(scene.double.seen_for(model).len(), attempts, "{model}");
        let is_told = answer["error"]["message"].as_str().is_some_and(|it| it.contains("sorry"));
        assert_eq!(is_told, told < 429, "{model}: what the caller can mend is told: {answer}");
    }
    assert!(scene.host.log().contains("req_011CSHoEeqs5C35K2UUqR7Fy"), "support asks for it");

    scene.double.on("m429", [error(429, "rate_limit_error", "slow").header("retry-after", "3600").into()]);
    let answer = scene.complete(&says("m429", "hello")).await;
    answer.expect(429);
    assert_eq!(answer.header("retry-after"), Some("3600"));

    let at_last = [error(529, "overloaded_error", "busy").into(), Reply::text("at last").into()];
    scene.double.on("m529", at_last);
    assert_eq!(text_of(&scene.complete(&says("m529", "hello")).await.expect(200)), "at last");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_within_a_stream_ends_it_as_one() {
    let scene = scene(&["dies", "refuses"]).await;
    let start =
        json!({"type": "message_start", "message": {"usage": {"input_tokens": 1, "output_tokens": 1}}});
    let block = json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "as far as "}});
    let busy = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    let begun = Script::events().bytes(event(&start)).bytes(event(&block));
    scene.double.on("dies", [begun.bytes(event(&busy)).into()]);
    let told = scene.stream(&says("dies", "hello")).await.rest().await;
    assert_eq!((told.text.as_str(), told.done), ("as far as ", false), "{told:?}");
    assert_eq!(told.error.expect("an error")["type"], "upstream_overloaded");

    scene.double.on("refuses", [Reply::text("I").finish("refusal").into()]);
    let told = scene.stream(&says("refuses", "hello")).await.rest().await;
    assert_eq!((told.finish.as_deref(), told.done), (Some("content_filter"), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_reaches_the_api_and_a_wrong_one_is_the_operator_s_trouble() {
    let scene = scene(&["claude"]).await;
    scene.complete(&says("claude", "hello")).await.expect(200);
    let seen = scene.double.wait_for("claude", 1).await;
    assert_eq!((seen.header("x-api-key"), seen.header("anthropic-version")), (Some(KEY), Some("2023-06-01")));
    assert!(!scene.host.log().contains(KEY));

    let wrong = Host::start(
        Options::new().shipped("anthropic").config(&format!(
            "[egress]\nallow_internal = [\"{}\"]\n\n[bindings.upstream]\nplugin = \"anthropic\"\n\
             settings = {{ base_url = \"{origin}\" }}\n\n[bindings.upstream.grant]\nhttp = [\"POST {origin}\"]\n\n{}",
            scene.double.server().address(),
            entries(&["claude"]),
            origin = scene.double.server().origin(),
        )),
    )
    .await;
    let answer = wrong.client().post("/api/v1/chat/completions", &says("claude", "hello")).await.expect(502);
    assert_eq!(answer["error"]["type"], "upstream_authentication_failed");
}
