//! Providers that fail in every way a network allows. A client is told; it never sees a clean end that was none.

use hardpoint_tests::client::{Events, Next, Told};
use hardpoint_tests::double::openai::{Reply, chunk};
use hardpoint_tests::double::script::{End, Script};
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::Options;
use hardpoint_tests::patience::{soon, until};
use serde_json::{Value, json};

use crate::operator::metric;
use crate::scene::{Scene, says, scene, scene_with, text_of};

pub(crate) fn says_chunk(text: &str) -> String {
    chunk(&json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}],
    }))
}

/// A stream that failed after its head: what was said stays, then an error, and no `[DONE]`.
async fn assert_failed_stream(events: Events, said: &str, kinds: &[&str]) {
    assert_eq!(events.status, 200);
    let told: Told = events.rest().await;
    assert_eq!(told.text, said, "{told:?}");
    assert!(!told.done, "a clean end that was none: {told:?}");
    let kind = told.error.as_ref().and_then(|error| error["type"].as_str()).unwrap_or_default().to_owned();
    assert!(kinds.contains(&kind.as_str()), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_dies_mid_stream() {
    let scene = scene(&["dies", "dies-in-event", "ends-early"]).await;
    scene.double.on("dies", [Script::events().bytes(says_chunk("as far as ")).broken().into()]);
    scene.double.on(
        "dies-in-event",
        [Script::events()
            .bytes(says_chunk("as far as "))
            .bytes("data: {\"choices\":[{\"del")
            .broken()
            .into()],
    );
    // The connection ends as it should, but the answer does not.
    scene.double.on("ends-early", [Script::events().bytes(says_chunk("as far as ")).into()]);
    let kinds = ["upstream_connection_lost", "upstream_protocol_error", "upstream_error"];
    for model in ["dies", "dies-in-event", "ends-early"] {
        assert_failed_stream(scene.stream(&says(model, "hello")).await, "as far as ", &kinds).await;
        // Without a stream nothing was sent yet, and the status tells.
        let answer = scene.complete(&says(model, "hello")).await;
        assert_eq!(answer.status, 502, "{model}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_breaks_before_it_answers() {
    let scene =
        scene(&["breaks", "nonsense", "html", "half-json", "empty", "wrong-type", "endless-head"]).await;
    let json_type = |script: Script| script.header("content-type", "application/json");
    scene.double.on("breaks", [Script::new().broken().into()]);
    scene.double.on("nonsense", [json_type(Script::new()).bytes("][").into()]);
    scene.double.on(
        "html",
        [Script::new().status(502).header("content-type", "text/html").bytes("<h1>502</h1>").into()],
    );
    scene.double.on("half-json", [json_type(Script::new()).bytes("{\"choices\":[{\"mess").into()]);
    scene.double.on("empty", [json_type(Script::new()).into()]);
    scene.double.on("wrong-type", [json_type(Script::new()).bytes("{\"choices\":\"none\"}").into()]);
    scene.double.on("endless-head", [Script::new().header("x-long", &"x".repeat(60_000)).into()]);
    for model in ["breaks", "nonsense", "html", "half-json", "empty", "wrong-type", "endless-head"] {
        for streamed in [false, true] {
            let mut request = says(model, "hello");
            request["stream"] = json!(streamed);
            let answer = scene.complete(&request).await;
            assert_eq!(answer.status, 502, "{model}, streamed {streamed}: {}", answer.text());
            assert!(answer.json()["error"]["message"].is_string(), "{model}: {}", answer.text());
        }
    }
    // The host is none the worse for it.
    let fine = scene.complete(&says("html", "hello")).await;
    assert_eq!(fine.status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_says_nothing() {
    let scene = impatient_scene().await;
    scene.double.on("mute", [Script::new().silence().into()]);
    scene.double.on("stuck", [Script::events().bytes(says_chunk("as far as ")).silence().into()]);
    scene.double.on("stuck-before", [Script::events().bytes(": hello\n\n").silence().into()]);

    let answer = scene.complete(&says("mute", "hello")).await;
    assert_eq!(answer.status, 504, "{}", answer.text());
    assert_eq!(answer.json()["error"]["type"], "upstream_timeout");
    assert_failed_stream(scene.stream(&says("stuck", "hello")).await, "as far as ", &["upstream_timeout"])
        .await;
    assert_eq!(scene.complete(&says("stuck", "hello")).await.status, 504);
    let mut request = says("stuck-before", "hello");
    request["stream"] = json!(true);
    let before = scene.complete(&request).await;
    assert_eq!(before.status, 504, "{}", before.text());
    // Given up, they are hung up on.
    for seen in scene.double.seen() {
        assert_eq!(seen.ended.wait().await, End::ClientLeft);
    }
}

/// Time limits far below the defaults, so that the test waits no minute.
async fn impatient_scene() -> Scene {
    let options = Options::new()
        .env("HARDPOINT__EGRESS__FIRST_BYTE_TIMEOUT", "300ms")
        .env("HARDPOINT__EGRESS__GAP_TIMEOUT", "300ms")
        .env("HARDPOINT__COMPLETIONS__ATTEMPTS", "1");
    scene_with(&["mute", "stuck", "stuck-before"], "", options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_sends_too_much() {
    let scene = scene(&["2-mb", "without-end", "wide"]).await;
    let long = "x".repeat(2_000_000);
    let finish: Value = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    let whole = Script::events().bytes(says_chunk(&long)).bytes(chunk(&finish)).bytes("data: [DONE]\n\n");
    scene.double.on("2-mb", [whole.into()]);
    let told = scene.stream(&says("2-mb", "hello")).await.rest().await;
    // It passes whole or is refused by name; it is never cut in silence.
    match &told.error {
        None => assert!(told.done && told.text == long, "{} bytes of text", told.text.len()),
        Some(error) => assert!(!told.done && error["message"].is_string(), "{error}"),
    }

    // One event that never ends: the sandbox's memory is the limit, and it is the call's alone.
    let before = scene.host.memory();
    let flood = Script::events().bytes("data: {\"choices\":[{\"delta\":{\"content\":\"");
    let flood = flood.cut(vec![b'x'; 100 << 20], 1 << 20);
    scene.double.on("without-end", [flood.into()]);
    let mut request = says("without-end", "hello");
    request["stream"] = json!(true);
    let answer = scene.complete(&request).await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    scene.double.on("wide", [Reply::text("still here").into()]);
    scene.complete(&says("wide", "hello")).await.expect(200);
    scene.host.memory_below(before + (64 << 20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_takes_everything_with_it() {
    let scene = scene(&["endless"]).await;
    let gate = Gate::closed();
    let words = "word ".repeat(10_000);
    for round in 1..=3 {
        scene.double.on("endless", [Reply::text(&words).paced(&gate).into()]);
        gate.let_pass(3);
        let mut events = scene.stream(&says("endless", "never stop")).await;
        let mut told = 0;
        while told < 2 {
            let Next::Data(data) = events.next().await else { panic!("the stream ended") };
            told += usize::from(data.contains("word"));
        }
        let seen = scene.double.wait_for("endless", round).await;
        assert_eq!(seen.ended.now(), End::UnderWay);
        drop(events);
        assert_eq!(soon("the provider to notice", seen.ended.wait()).await, End::ClientLeft);
        until("the sandbox to be gone", || async {
            (metric(&scene.client, "hardpoint_sandboxes", &[]).await == 0.0).then_some(())
        })
        .await;
        // What was streamed until then was used, and is counted.
        until("the tokens to be counted", || async {
            let labels = ["model=\"endless\"", "direction=\"output\""];
            let tokens = metric(&scene.client, "hardpoint_tokens_total", &labels).await;
            (tokens >= round as f64).then_some(())
        })
        .await;
    }
    // One that leaves before the first byte, too.
    scene.double.on("endless", [Script::new().silence().into()]);
    let (client, request) = (scene.client.clone(), says("endless", "never begin"));
    let asking = tokio::spawn(async move { client.post("/api/v1/chat/completions", &request).await });
    let seen = scene.double.wait_for("endless", 4).await;
    asking.abort();
    assert_eq!(soon("the provider to notice", seen.ended.wait()).await, End::ClientLeft);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_not_there() {
    // A port that was free a moment ago, and that nobody listens on.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let more = format!(
        "[bindings.nobody]\nplugin = \"openai\"\nsettings = {{ base_url = \"http://{nobody}/v1\" }}\n\n\
         [bindings.nobody.grant]\nhttp = [\"POST http://{nobody}/v1\"]\n\n\
         [[models]]\nid = \"gone\"\nbinding = \"nobody\"\n\n\
         [[models]]\nid = \"covered\"\nbinding = \"nobody\"\nfallbacks = [\"echo\"]\n"
    );
    let allowed = format!("[\"127.0.0.1\", \"{nobody}\"]");
    let options = Options::new().env("HARDPOINT__EGRESS__ALLOW_INTERNAL", &allowed);
    let scene = scene_with(&["echo"], &more, options).await;
    let error = scene.complete(&says("gone", "hello")).await.expect(502);
    assert_eq!(error["error"]["type"], "upstream_unreachable");
    let completion = scene.complete(&says("covered", "hello")).await.expect(200);
    assert_eq!((text_of(&completion), &completion["model"]), ("hello", &json!("echo")));
}
