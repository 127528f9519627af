//! `gemini`, through the host, against a double of the Gemini API.

use hardpoint_tests::client::{Answer, Events};
use hardpoint_tests::double::gemini::{self, KEY, base_url, error, event, exhausted, signature};
use hardpoint_tests::double::openai::{self, Reply};
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
    let double = gemini::start().await.expect("a double");
    let (address, base_url) = (double.server().address(), base_url(&double));
    let config = format!(
        r#"
[egress]
allow_internal = ["{address}"]

[completions]
retry_base = "1ms"
retry_cap = "5ms"

[secrets.double]
value = "{KEY}"
audience = "http://{address}"

[bindings.upstream]
plugin = "gemini"
settings = {{ base_url = "{base_url}"{settings} }}
secrets = {{ api_key = "double" }}

[bindings.upstream.grant]
http = ["POST {base_url}/models"]
secrets = ["api_key"]
"#
    );
    let options = Options::new().shipped("gemini").shipped("calculator").config(&config);
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
    let scene = scene(&["gemini-2.5-flash"]).await;
    let safety = json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]);
    let request = json!({
        "model": "gemini-2.5-flash",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "First"},
            {"role": "user", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.webp"}},
            ]},
        ],
        "temperature": 1.5, "top_p": 0.5, "frequency_penalty": -0.5, "presence_penalty": 0.25, "seed": 7,
        "user": "caller-1", "max_tokens": 77, "stop": ["END"], "logit_bias": {"50256": -100},
        "safetySettings": safety, "generationConfig": {"topK": 3},
    });
    let completion = scene.complete(&request).await.expect(200);
    assert_eq!(text_of(&completion), "First What is this?");
    assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    let usage = &completion["usage"];
    assert_eq!(
        (&usage["prompt_tokens"], &usage["prompt_tokens_details"]["cached_tokens"]),
        (&json!(4), &json!(2))
    );

    let seen = scene.double.wait_for("gemini-2.5-flash", 1).await;
    let expected = json!({
        "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"role": "user", "parts": [
            {"text": "First"},
            {"text": "What is this?"},
            {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
            {"fileData": {"mimeType": "image/webp", "fileUri": "https://example.com/a.webp"}},
        ]}],
        "generationConfig": {
            "temperature": 1.5, "topP": 0.5, "frequencyPenalty": -0.5, "presencePenalty": 0.25, "seed": 7,
            "maxOutputTokens": 77, "stopSequences": ["END"], "topK": 3,
        },
        "safetySettings": safety,
    });
    assert_eq!(seen.body, expected);
    assert!(!seen.headers.contains_key("request-id"), "what is the host's stays with the host");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_arrives_as_it_is_made() {
    let scene = scene(&["paced"]).await;
    let gate = Gate::closed();
    scene.double.on("paced", [Reply::text("one two three").paced(&gate).into()]);
    let mut events = scene.stream(&says("paced", "count")).await;
    assert_eq!(events.json().await["choices"][0]["delta"]["role"], "assistant");
    for word in ["one ", "two ", "three"] {
        assert_eq!(events.json().await["choices"][0]["delta"]["content"], word);
        gate.let_pass(1);
    }
    gate.open();
    let told = events.rest().await;
    assert!(told.done && told.finish.as_deref() == Some("stop"), "{told:?}");
    assert_eq!(told.usage.expect("usage")["completion_tokens"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_survives_every_cut_and_shows_its_thoughts() {
    let models = ["cut-1", "cut-2", "cut-7", "cut-64"];
    let scene = scene(&models).await;
    let text = "Grüße, 世界! 🌍🌎🌏 \u{2028}\u{0} and \"quotes\" \\ back";
    for (model, every) in models.iter().zip([1, 2, 7, 64]) {
        scene.double.on(model, [Reply::text(text).reasoning("Let me see.").cut(every).into()]);
        let told = scene.stream(&says(model, "hello")).await.rest().await;
        assert_eq!((told.text.as_str(), told.done), (text, true), "cut every {every} bytes");
        let thoughts: String = told
            .chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["reasoning_content"].as_str())
            .collect();
        assert_eq!(thoughts, "Let me see.");
        assert_eq!(told.usage.expect("usage")["completion_tokens_details"]["reasoning_tokens"], 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_s_tools_go_round_with_their_signatures() {
    let scene = scene(&["gemini-3-pro"]).await;
    let calls = [("get_weather", json!({"city": "Paris"})), ("get_weather", json!({"city": "Rome"}))];
    scene.double.on("gemini-3-pro", [Reply::calls(calls).into()]);
    let mut request = says("gemini-3-pro", "Paris and Rome?");
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    request["tools"] =
        json!([{"type": "function", "function": {"name": "get_weather", "parameters": parameters}}]);
    request["tool_choice"] = json!("required");

    let completion = scene.complete(&request).await.expect(200);
    let choice = &completion["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    let seen = scene.double.wait_for("gemini-3-pro", 1).await;
    assert_eq!(seen.body["toolConfig"], json!({"functionCallingConfig": {"mode": "ANY"}}));
    assert_eq!(seen.body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"], parameters);

    let mut next = request.clone();
    next["tool_choice"] = json!("auto");
    let messages = next["messages"].as_array_mut().expect("messages");
    messages.push(choice["message"].clone());
    for (call, answer) in
        choice["message"]["tool_calls"].as_array().expect("calls").iter().zip(["sunny", "rain"])
    {
        messages.push(json!({"role": "tool", "tool_call_id": call["id"], "content": answer}));
    }
    assert_eq!(text_of(&scene.complete(&next).await.expect(200)), "sunny rain");
    let seen = scene.double.wait_for("gemini-3-pro", 2).await;
    let parts = &seen.body["contents"][1]["parts"];
    assert_eq!(parts[0]["thoughtSignature"], signature("get_weather"));
    assert_eq!(
        (parts[0]["functionCall"].get("id"), &parts[1]["functionCall"]["id"]),
        (None, &json!("fc-1-1"))
    );

    // A client that makes ids of its own gets on with the placeholder.
    let text = next.to_string();
    let id = choice["message"]["tool_calls"][0]["id"].as_str().expect("an id");
    let renamed: Value = serde_json::from_str(&text.replace(id, "call_7")).expect("JSON");
    assert_eq!(text_of(&scene.complete(&renamed).await.expect(200)), "sunny rain");
    let seen = scene.double.wait_for("gemini-3-pro", 3).await;
    assert_eq!(seen.body["contents"][1]["parts"][0]["thoughtSignature"], gemini::PLACEHOLDER);

    let told = scene.stream(&request).await.rest().await;
    assert_eq!(told.finish.as_deref(), Some("tool_calls"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_own_tools_are_called_by_the_host() {
    let models = "[[models]]\nid = \"gemini-3-reckoner\"\nbinding = \"upstream\"\ntools = [\"calculator\"]\n";
    let scene = scene_with(&[], "", models).await;
    let call = Reply::calls([("calculator", json!({"expression": "6 * 7"}))]).reasoning("I must reckon.");
    scene.double.on("gemini-3-reckoner", [call.into()]);

    let completion = scene.complete(&says("gemini-3-reckoner", "What is 6 times 7?")).await.expect(200);
    assert!(text_of(&completion).contains("42"), "{completion}");
    assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    let seen = scene.double.seen_for("gemini-3-reckoner");
    assert_eq!(seen.len(), 2, "one round asks for the tool, one is given its answer");
    assert_eq!(seen[0].body["tools"][0]["functionDeclarations"][0]["name"], "calculator");
    assert_eq!(seen[1].body["contents"][1]["parts"][0]["thoughtSignature"], signature("calculator"));

    let told = scene.stream(&says("gemini-3-reckoner", "What is 6 times 7?")).await.rest().await;
    assert!(told.done && told.text.contains("42"), "{told:?}");
    let shown = told.chunks.iter().any(|chunk| chunk["choices"][0]["delta"]["tool_calls"].is_array());
    assert!(!shown, "the host's own calls are not the client's to see: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_in_json() {
    let scene = scene(&["gemini-2.5-flash"]).await;
    let schema =
        json!({"type": "object", "properties": {"city": {"type": "string"}, "words": {"type": "integer"}}});
    let mut request = says("gemini-2.5-flash", "Paris it is");
    request["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": true}});
    let completion = scene.complete(&request).await.expect(200);
    let answer: Value = serde_json::from_str(text_of(&completion)).expect("JSON");
    assert_eq!(answer, json!({"city": "Paris it is", "words": 3}));
    let seen = scene.double.wait_for("gemini-2.5-flash", 1).await;
    assert_eq!(seen.body["generationConfig"]["responseJsonSchema"], schema);

    request["response_format"] = json!({"type": "json_object"});
    let told = scene.stream(&request).await.rest().await;
    let answer: Value = serde_json::from_str(&told.text).expect("JSON");
    assert_eq!(answer, json!({"said": "Paris it is"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_of_any_depth_are_reduced_within_the_sandbox() {
    let scene = scene_with(&["gemini-2.5-flash"], ", schemas = \"openapi\"", "").await;
    let mut parameters =
        json!({"type": "object", "properties": {"leaf": {"type": "string", "format": "uri"}}});
    for _ in 0..20 {
        parameters =
            json!({"type": "object", "properties": {"a": parameters}, "additionalProperties": false});
    }
    let mut request = says("gemini-2.5-flash", "hello");
    let ask = |request: &mut Value, parameters: &Value| {
        let function = json!({"name": "f", "parameters": parameters});
        request["tools"] = json!([{"type": "function", "function": function}]);
    };
    ask(&mut request, &parameters);
    scene.complete(&request).await.expect(200);
    let seen = scene.double.wait_for("gemini-2.5-flash", 1).await;
    let sent = &seen.body["tools"][0]["functionDeclarations"][0]["parameters"];
    assert!(!sent.to_string().contains("additionalProperties"), "{sent}");
    assert_eq!(
        sent.pointer(&"/properties/a".repeat(20)).expect("the leaf")["properties"]["leaf"],
        json!({"type": "string"})
    );

    // Deeper than anybody reads: cut or refused, and never more than this one call.
    for depth in [60, 120, 1_000] {
        let mut deep = String::from("{}");
        for _ in 0..depth {
            deep = format!("{{\"type\":\"object\",\"properties\":{{\"a\":{deep}}}}}");
        }
        ask(&mut request, &json!("DEEP"));
        let body = request.to_string().replace("\"DEEP\"", &deep);
        let headers = [("content-type", "application/json")];
        let client = scene.host.client();
        let answer = client.send(http::Method::POST, "/api/v1/chat/completions", &headers, body).await;
        assert!(matches!(answer.status, 200 | 400), "{depth}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_is_told_as_what_it_is() {
    let table: [(&str, u16, &str, u16, &str, usize); 9] = [
        ("invalid", 400, "INVALID_ARGUMENT", 400, "invalid_request", 1),
        ("country", 400, "FAILED_PRECONDITION", 502, "upstream_authentication_failed", 1),
        ("stranger", 401, "UNAUTHENTICATED", 502, "upstream_authentication_failed", 1),
        ("denied", 403, "PERMISSION_DENIED", 502, "upstream_authentication_failed", 1),
        ("missing", 404, "NOT_FOUND", 422, "unsupported", 1),
        ("limited", 429, "RESOURCE_EXHAUSTED", 429, "upstream_rate_limited", 3),
        ("failing", 500, "INTERNAL", 502, "upstream_error", 3),
        ("busy", 503, "UNAVAILABLE", 503, "upstream_overloaded", 3),
        ("slow", 504, "DEADLINE_EXCEEDED", 502, "upstream_error", 3),
    ];
    let models: Vec<&str> = table.iter().map(|row| row.0).chain(["blocked", "malformed"]).collect();
    let scene = scene(&models).await;
    for (model, code, status, told, kind, attempts) in table {
        scene.double.on(model, [error(code, status, "so sorry").into()]);
        let answer = scene.complete(&says(model, "hello")).await.expect(told);
        assert_eq!(answer["error"]["type"], kind, "{model}: {answer}");
        assert_eq!(scene.double.seen_for(model).len(), attempts, "{model}");
        let is_told = answer["error"]["message"].as_str().is_some_and(|it| it.contains("so sorry"));
        assert_eq!(is_told, told < 429, "{model}: what the caller can mend is told: {answer}");
    }

    scene.double.on("limited", [exhausted("3599.5s").into()]);
    let answer = scene.complete(&says("limited", "hello")).await;
    answer.expect(429);
    assert_eq!(answer.header("retry-after"), Some("3600"));
    scene.double.on("limited", [exhausted("0.01s").into(), Reply::text("at last").into()]);
    assert_eq!(text_of(&scene.complete(&says("limited", "hello")).await.expect(200)), "at last");

    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}});
    let script = Script::new().header("content-type", "application/json").bytes(blocked.to_string());
    scene.double.on("blocked", [script.into()]);
    let answer = scene.complete(&says("blocked", "hello")).await.expect(400);
    assert_eq!(
        (&answer["error"]["type"], &answer["error"]["code"]),
        (&json!("content_filtered"), &json!("content_filter"))
    );

    // What a model wrote amiss it may write right the next time.
    let amiss = json!({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL", "index": 0}]});
    let script = Script::new().header("content-type", "application/json").bytes(amiss.to_string());
    scene.double.on("malformed", [script.into(), Reply::text("at last").into()]);
    assert_eq!(text_of(&scene.complete(&says("malformed", "hello")).await.expect(200)), "at last");
    assert_eq!(scene.double.seen_for("malformed").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_end_otherwise() {
    let scene = scene(&["dies", "filtered", "early"]).await;
    let begun = json!({"candidates": [{"content": {"parts": [{"text": "as far as "}]}, "index": 0}]});
    let busy = json!({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}});
    let begun = Script::events().bytes(event(&begun));
    scene.double.on("dies", [begun.clone().bytes(event(&busy)).into()]);
    let told = scene.stream(&says("dies", "hello")).await.rest().await;
    assert_eq!((told.text.as_str(), told.done), ("as far as ", false), "{told:?}");
    assert_eq!(told.error.expect("an error")["type"], "upstream_overloaded");

    scene.double.on("early", [begun.into()]);
    let told = scene.stream(&says("early", "hello")).await.rest().await;
    assert_eq!((told.text.as_str(), told.done), ("as far as ", false), "a clean end that was none: {told:?}");

    scene.double.on("filtered", [Reply::text("I").finish("SAFETY").into()]);
    let told = scene.stream(&says("filtered", "hello")).await.rest().await;
    assert_eq!((told.finish.as_deref(), told.done), (Some("content_filter"), true));
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_come_back_in_order_and_exact_however_many() {
    let scene = scene(&["gemini-embedding-001"]).await;
    let inputs: Vec<String> = (0..150).map(|number| format!("text {number} 世界")).collect();
    let request = json!({
        "model": "gemini-embedding-001", "input": inputs, "dimensions": 5, "encoding_format": "float",
        "task_type": "CLUSTERING",
    });
    let answer = scene.host.client().post("/api/v1/embeddings", &request).await.expect(200);
    let data = answer["data"].as_array().expect("vectors");
    assert_eq!(data.len(), inputs.len());
    for (index, (item, input)) in data.iter().zip(&inputs).enumerate() {
        assert_eq!(item["index"], index);
        assert_eq!(item["embedding"], json!(openai::vector(input, 5)), "{input}");
    }
    assert_eq!(answer["usage"]["prompt_tokens"], 6);
    let seen = scene.double.seen_for("gemini-embedding-001");
    assert_eq!(seen.len(), 2, "the vendor takes a hundred at once");
    assert_eq!(seen[1].body["requests"][0]["taskType"], "CLUSTERING");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_reaches_the_api_and_a_wrong_one_is_the_operator_s_trouble() {
    let scene = scene(&["gemini-2.5-flash"]).await;
    scene.complete(&says("gemini-2.5-flash", "hello")).await.expect(200);
    let seen = scene.double.wait_for("gemini-2.5-flash", 1).await;
    assert_eq!(seen.header("x-goog-api-key"), Some(KEY));
    assert!(!seen.query.contains("key") && !scene.host.log().contains(KEY));

    let wrong = Host::start(Options::new().shipped("gemini").config(&format!(
        "[egress]\nallow_internal = [\"{}\"]\n\n[bindings.upstream]\nplugin = \"gemini\"\n\
         settings = {{ base_url = \"{base}\" }}\n\n[bindings.upstream.grant]\nhttp = [\"POST {base}\"]\n\n{}",
        scene.double.server().address(),
        entries(&["gemini-2.5-flash"]),
        base = base_url(&scene.double),
    )))
    .await;
    let answer =
        wrong.client().post("/api/v1/chat/completions", &says("gemini-2.5-flash", "hello")).await.expect(502);
    assert_eq!(answer["error"]["type"], "upstream_authentication_failed");
}
