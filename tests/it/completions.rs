//! `POST /chat/completions`: by the plugin that needs nobody, and by one that speaks with a provider.

use hardpoint_tests::client::Next;
use hardpoint_tests::double::openai::{self, Answer, ErrorBody, Reply};
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use http::Method;
use serde_json::{Value, json};

use crate::scene::{entries, says, scene, scene_with, streamed, text_of};

#[tokio::test(flavor = "multi_thread")]
async fn extractive_answers_without_any_configuration() {
    let host = Host::start(Options::new().shipped("extractive")).await;
    let client = host.client();
    let messages = json!([
        {"role": "system", "content": "The harbour was dredged in 1904. The lighthouse is 31 metres high. Gulls are loud."},
        {"role": "user", "content": "How high is the lighthouse?"},
    ]);
    let request = json!({"model": "extractive", "messages": messages});

    let answer = client.post("/api/v1/chat/completions", &request).await;
    let completion = answer.expect(200);
    assert!(text_of(&completion).contains("31 metres"), "{completion}");
    assert!(completion["usage"]["total_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{completion}");
    assert_eq!(completion["object"], "chat.completion");
    assert!(answer.header("request-id").is_some_and(|id| id.starts_with("req_")), "{:?}", answer.headers);

    // The API is mounted at /v1 too, where clients of OpenAI look for it.
    let told = client.stream("/v1/chat/completions", &streamed(&request)).await.rest().await;
    assert!(told.done && !told.broken, "{told:?}");
    assert!(told.text.contains("31 metres"), "{told:?}");
    assert_eq!(told.finish.as_deref(), Some("stop"));
    assert_eq!(told.usage, Some(completion["usage"].clone()), "streamed or not, the same is counted");

    assert_eq!(host.anonymous().post("/api/v1/chat/completions", &request).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_passes_through_as_it_was_meant() {
    let scene = scene(&["gpt"]).await;
    let request = json!({
        "model": "gpt",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "name": "anna", "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}},
            ]},
        ],
        "temperature": 0.5, "top_p": 0.9, "frequency_penalty": -0.5, "presence_penalty": 1.5,
        "max_tokens": 77, "stop": ["END", "STOP"], "seed": 7, "user": "caller-1",
        "logit_bias": {"50256": -100}, "novel": {"deep": [1, 2, 3]},
    });
    let completion = scene.complete(&request).await.expect(200);
    assert_eq!(text_of(&completion), "What is this?");
    assert!(
        completion["system_fingerprint"].as_str().is_some_and(|by| by.starts_with("openai@")),
        "{completion}"
    );

    let seen = scene.double.wait_for("gpt", 1).await;
    assert_eq!(seen.headers["authorization"], format!("Bearer {}", openai::KEY));
    for member in ["temperature", "top_p", "frequency_penalty", "presence_penalty", "stop", "seed", "user"] {
        assert_eq!(seen.body[member], request[member], "{member}");
    }
    // What the host does not know is the provider's affair.
    for member in ["logit_bias", "novel"] {
        assert_eq!(seen.body[member], request[member], "{member}");
    }
    let user = &seen.body["messages"][1];
    assert_eq!((&user["name"], &user["content"]), (&json!("anna"), &request["messages"][1]["content"]));
    assert_eq!(seen.path, "/v1/chat/completions");
    assert!(!seen.headers.contains_key("request-id"), "what is the host's stays with the host");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_arrives_as_it_is_made() {
    let scene = scene(&["paced"]).await;
    let gate = hardpoint_tests::gate::Gate::closed();
    scene.double.on("paced", [Reply::text("one two three").paced(&gate).into()]);
    // One event at a time leaves the double, and what it says arrives before the next one leaves. The host
    // answers once there is something to say: until then a failure still gets a status of its own.
    gate.let_pass(1);
    let mut events = scene.stream(&says("paced", "count")).await;
    assert_eq!(events.json().await["choices"][0]["delta"]["role"], "assistant");
    for word in ["one ", "two ", "three"] {
        assert_eq!(events.json().await["choices"][0]["delta"]["content"], word);
        gate.let_pass(1);
    }
    gate.open();
    let told = events.rest().await;
    assert!(told.done && told.finish.as_deref() == Some("stop"), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_serves_many_requests() {
    let scene = scene(&["gpt"]).await;
    for number in 0..5 {
        scene.complete(&says("gpt", &format!("number {number}"))).await.expect(200);
        let told = scene.stream(&says("gpt", "streamed")).await.rest().await;
        assert!(told.done, "{told:?}");
    }
    assert_eq!(scene.double.server().connections_accepted(), 1, "each request paid for a handshake");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_survives_every_cut() {
    let models = ["cut-1", "cut-2", "cut-3", "cut-7", "cut-64"];
    let scene = scene(&models).await;
    let text = "Grüße, 世界! 🌍🌎🌏 \u{2028}\u{0} and \"quotes\" \\ back";
    for (model, every) in models.iter().zip([1, 2, 3, 7, 64]) {
        scene.double.on(model, [Reply::text(text).cut(every).into()]);
        let told = scene.stream(&says(model, "hello")).await.rest().await;
        assert_eq!((told.text.as_str(), told.done), (text, true), "cut every {every} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tool_calls_of_the_client_pass_through() {
    let scene = scene(&["weather"]).await;
    let calls = [("get_weather", json!({"city": "Paris"})), ("get_weather", json!({"city": "Rome"}))];
    scene.double.on("weather", [Reply::calls(calls).into()]);
    let mut request = says("weather", "Paris and Rome?");
    request["tools"] =
        json!([{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]);

    let completion = scene.complete(&request).await.expect(200);
    let choice = &completion["choices"][0];
    assert_eq!(
        (&choice["finish_reason"], &choice["message"]["content"]),
        (&json!("tool_calls"), &Value::Null)
    );
    let arguments: Vec<Value> = choice["message"]["tool_calls"]
        .as_array()
        .expect("calls")
        .iter()
        .map(|call| {
            serde_json::from_str(call["function"]["arguments"].as_str().unwrap_or_default()).expect("JSON")
        })
        .collect();
    assert_eq!(arguments, [json!({"city": "Paris"}), json!({"city": "Rome"})]);

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
async fn the_hosts_own_tools_are_called_by_the_host() {
    let models = "[[models]]\nid = \"reckoner\"\nbinding = \"upstream\"\ntools = [\"calculator\"]\n";
    let scene = scene_with(&[], models, Options::new().shipped("calculator")).await;
    let call = Reply::calls([("calculator", json!({"expression": "6 * 7"}))]);
    scene.double.on("reckoner", [call.into()]);

    let completion = scene.complete(&says("reckoner", "What is 6 times 7?")).await.expect(200);
    assert!(text_of(&completion).contains("42"), "{completion}");
    assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    assert!(completion["choices"][0]["message"]["tool_calls"].is_null(), "{completion}");

    let seen = scene.double.seen_for("reckoner");
    assert_eq!(seen.len(), 2, "one round asks for the tool, one is given its answer");
    assert_eq!(seen[0].body["tools"][0]["function"]["name"], "calculator");
    let given = seen[1].body["messages"].as_array().expect("messages");
    let call = &given[given.len() - 2]["tool_calls"][0];
    assert_eq!(given[given.len() - 1]["tool_call_id"], call["id"]);
    // Tokens of both rounds are counted.
    let read = |at: usize| seen[at].body["messages"].as_array().map_or(0, Vec::len);
    assert_eq!((read(0), read(1)), (1, 3));

    let told = scene.stream(&says("reckoner", "What is 6 times 7?")).await.rest().await;
    assert!(told.done && told.text.contains("42"), "{told:?}");
    let shown = told.chunks.iter().any(|chunk| chunk["choices"][0]["delta"]["tool_calls"].is_array());
    assert!(!shown, "the host's own calls are not the client's to see: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_of_tools_that_never_ends_is_ended() {
    let models = "[[models]]\nid = \"obsessed\"\nbinding = \"upstream\"\ntools = [\"calculator\"]\n";
    let more = format!("{models}\n");
    let scene = scene_with(&[], &more, Options::new().shipped("calculator")).await;
    // Asks for the tool whatever it is told, as a model in a loop does.
    let call = json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "obsessed",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "delta": {"role": "assistant", "tool_calls": [{
            "index": 0, "id": "call_1", "type": "function",
            "function": {"name": "calculator", "arguments": "{\"expression\":\"1+1\"}"},
        }]}}],
    });
    let script = openai_events(&[call]);
    scene.double.on("obsessed", [script.into()]);
    let answer = scene.complete(&says("obsessed", "again")).await;
    let rounds = scene.double.seen_for("obsessed").len();
    assert!((2..=16).contains(&rounds), "{rounds} rounds, then {}", answer.text());
    assert!(answer.status < 500, "{}", answer.text());
}

fn openai_events(chunks: &[Value]) -> hardpoint_tests::double::script::Script {
    use hardpoint_tests::double::script::Script;
    let script = chunks.iter().fold(Script::events(), |script, chunk| script.bytes(openai::chunk(chunk)));
    script.bytes("data: [DONE]\n\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_come_back_in_order_and_exact() {
    let scene = scene(&["embed"]).await;
    let inputs = ["first", "second", "世界"];
    let request = json!({"model": "embed", "input": inputs, "dimensions": 5, "encoding_format": "float"});
    let answer = scene.client.post("/api/v1/embeddings", &request).await.expect(200);
    let data = answer["data"].as_array().expect("vectors");
    assert_eq!(data.len(), inputs.len());
    for (index, (item, input)) in data.iter().zip(inputs).enumerate() {
        assert_eq!(item["index"], index);
        assert_eq!(item["embedding"], json!(openai::vector(input, 5)), "{input}");
    }
    assert!(answer["usage"]["prompt_tokens"].as_u64().is_some_and(|tokens| tokens > 0), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn transient_errors_are_tried_again_and_others_are_not() {
    let scene = scene(&["limited", "failing", "overloaded", "refused", "hopeless"]).await;
    let at_last = || Answer::from(Reply::text("at last"));
    let twice = |error: ErrorBody| [error.clone().into(), error.into(), at_last()];
    scene.double.on("limited", twice(ErrorBody::rate_limited(Some(0))));
    scene.double.on("failing", twice(ErrorBody::of(500)));
    scene.double.on("overloaded", twice(ErrorBody::of(503)));
    scene.double.on("refused", twice(ErrorBody::of(400)));
    scene.double.on("hopeless", [ErrorBody::of(500).into()]);
    for model in ["limited", "failing", "overloaded"] {
        let completion = scene.complete(&says(model, "hello")).await.expect(200);
        assert_eq!(text_of(&completion), "at last");
        assert_eq!(scene.double.seen_for(model).len(), 3, "{model}");
    }
    let refused = scene.complete(&says("refused", "hello")).await.expect(400);
    assert_eq!(
        (&refused["error"]["param"], scene.double.seen_for("refused").len()),
        (&json!("temperature"), 1)
    );
    let hopeless = scene.complete(&says("hopeless", "hello")).await.expect(502);
    assert_eq!(scene.double.seen_for("hopeless").len(), 3);
    // What the provider says of itself is for the operator's log.
    assert!(!hopeless.to_string().contains("server had an error"), "{hopeless}");
    // The host has written it when it answers; whoever reads its output may be slower.
    let told = || async { scene.host.log().contains("server had an error").then_some(()) };
    until("the provider's words in the log", told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_often_it_is_tried_can_be_changed_while_it_runs() {
    let scene = scene_with(&["hopeless"], "", Options::new()).await;
    scene.double.on("hopeless", [ErrorBody::of(500).into()]);
    for (attempts, seen) in [(json!(null), 3), (json!(1), 4), (json!(2), 6)] {
        let (change, headers) =
            (json!({"completions": {"attempts": attempts}}), [("content-type", "application/json")]);
        scene.client.send(Method::PUT, "/api/v1/configs", &headers, change.to_string()).await.expect(200);
        scene.complete(&says("hopeless", "hello")).await.expect(502);
        assert_eq!(scene.double.seen_for("hopeless").len(), seen, "{attempts}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_the_provider_asks_for_is_kept_and_bounded() {
    let scene = scene_with(&["patient", "impatient"], "", Options::new()).await;
    let refused = |seconds| Answer::from(ErrorBody::rate_limited(Some(seconds)));
    scene.double.on("patient", [refused(1), Reply::text("after a second").into()]);
    scene.double.on("impatient", [refused(3_600), Reply::text("never").into()]);

    let begun = tokio::time::Instant::now();
    scene.complete(&says("patient", "hello")).await.expect(200);
    assert!(begun.elapsed() >= std::time::Duration::from_secs(1), "it came back too early");
    // An hour is not waited for: the client is told, and decides.
    let answer = scene.complete(&says("impatient", "hello")).await;
    answer.expect(429);
    assert_eq!((answer.header("retry-after"), scene.double.seen_for("impatient").len()), (Some("3600"), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn fallbacks_answer_while_nothing_was_sent() {
    let models =
        "[[models]]\nid = \"fragile\"\nbinding = \"upstream\"\nfallbacks = [\"second\", \"third\"]\n";
    let more = format!("{models}{}", entries(&["third"]));
    let scene = scene_with(&["second"], &more, Options::new()).await;
    scene.double.on("fragile", [ErrorBody::of(503).into()]);
    scene.double.on("second", [ErrorBody::of(401).into()]);
    let completion = scene.complete(&says("fragile", "who answers?")).await.expect(200);
    assert_eq!((text_of(&completion), &completion["model"]), ("who answers?", &json!("third")));
    let told = scene.stream(&says("fragile", "who answers?")).await.rest().await;
    assert!(told.done && told.chunks.iter().all(|chunk| chunk["model"] == "third"), "{told:?}");

    // Once something was sent, nobody else may go on.
    let begun = openai::chunk(&json!({"choices": [{"index": 0, "delta": {"content": "begun "}}]}));
    let dying = hardpoint_tests::double::script::Script::events().bytes(begun).broken();
    scene.double.on("fragile", [dying.into()]);
    let mut events = scene.stream(&says("fragile", "who answers?")).await;
    let mut said = String::new();
    let error = loop {
        let chunk = events.json().await;
        said += chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
        if chunk["error"].is_object() {
            break chunk;
        }
    };
    assert_eq!((said.as_str(), &error["error"]["type"]), ("begun ", &json!("upstream_connection_lost")));
    assert_ne!(events.next().await, Next::Data("[DONE]".to_owned()));
    assert_eq!(scene.double.seen_for("third").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_told() {
    let scene = scene(&["gpt"]).await;
    let message = json!([{"role": "user", "content": "hello"}]);
    let table = [
        (json!({"messages": message}), 400, "model"),
        (json!({"model": "gpt"}), 400, "messages"),
        (json!({"model": "gpt", "messages": []}), 400, "messages"),
        (json!({"model": "gpt", "messages": "hello"}), 400, "messages"),
        (json!({"model": "gpt", "messages": [{"role": "oracle", "content": "x"}]}), 400, "messages[0].role"),
        (json!({"model": "gpt", "messages": message, "temperature": 3}), 400, "temperature"),
        (json!({"model": "gpt", "messages": message, "temperature": "hot"}), 400, "temperature"),
        (json!({"model": "gpt", "messages": message, "stream": "yes"}), 400, "stream"),
        (json!({"model": "no-such-model", "messages": message}), 422, "model"),
    ];
    for (request, status, field) in table {
        let error = scene.complete(&request).await.expect(status);
        assert_eq!(error["error"]["details"]["field"], field, "{request}: {error}");
        assert_eq!(error["error"]["param"], field, "{request}: {error}");
    }
    for (body, media_type, status) in [("{\"model\":", "application/json", 400), ("hello", "text/plain", 415)]
    {
        let headers = [("content-type", media_type)];
        let answer = scene.client.send(http::Method::POST, "/api/v1/chat/completions", &headers, body).await;
        assert_eq!(answer.status, status, "{}", answer.text());
    }
    let huge = "x".repeat(11_000_000);
    let answer = scene.complete(&says("gpt", &huge)).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
    let answer =
        scene.host.anonymous().post("/api/v1/chat/completions", &says("gpt", &huge[..9_000_000])).await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    assert_eq!(scene.double.seen().len(), 0, "nothing of this reached the provider");
}
