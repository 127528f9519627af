//! The doubles are what they say: the packages that speak with the real service speak with its double.

use hardpoint_tests::double::openai::{self, Answer, ErrorBody, OpenAi, Reply};
use hardpoint_tests::double::script::{End, Script};
use hardpoint_tests::gate::Gate;
use serde_json::json;

use crate::real_clients::{Package, run};

/// What a provider alone can show: no fallback, no retry, no tool loop of a host.
const ALONE: [&str; 9] = [
    "plain",
    "parts",
    "streamed",
    "streamed_with_helper",
    "streamed_in_splinters",
    "tools_round_trip",
    "tools_streamed",
    "json_schema",
    "embeddings",
];

async fn scripted() -> OpenAi {
    let double = OpenAi::start().await.expect("a double");
    double.on("weather", [Reply::calls([("get_weather", json!({"city": "Paris"}))]).into()]);
    double.on("splinters", [Reply::echo().cut(3).into()]);
    double
}

#[tokio::test(flavor = "multi_thread")]
async fn python_takes_the_double_for_the_provider() {
    let double = scripted().await;
    let closing = run(Package::Python, &double.base_url(), openai::KEY, &ALONE).await;
    assert!(closing.ends_with("9 passed, 0 failed"), "{closing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn javascript_takes_the_double_for_the_provider() {
    let double = scripted().await;
    let closing = run(Package::JavaScript, &double.base_url(), openai::KEY, &ALONE).await;
    assert!(closing.ends_with("7 passed, 0 failed"), "{closing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_double_tells_how_an_answer_ended() {
    use hardpoint_tests::client::{Client, Next};

    let double = OpenAi::start().await.expect("a double");
    let gate = Gate::closed();
    let event = openai::chunk(&json!({"choices": []}));
    double.on("breaks", [Script::events().bytes(event.clone()).broken().into()]);
    double.on("waits", [Script::events().bytes(event.clone()).wait(&gate).bytes(event).into()]);
    double.on("silent", [Script::events().silence().into()]);
    let client = Client::new(&double.server().origin(), Some(openai::KEY));
    let ask = |model: &'static str| {
        let client = client.clone();
        async move { client.stream("/v1/chat/completions", &json!({"model": model, "messages": []})).await }
    };

    let mut broken = ask("breaks").await;
    assert!(matches!(broken.next().await, Next::Data(_)));
    assert_eq!(broken.next().await, Next::Broken);
    assert_eq!(double.wait_for("breaks", 1).await.ended.wait().await, End::Broken);

    let mut left = ask("waits").await;
    assert!(matches!(left.next().await, Next::Data(_)));
    drop(left);
    assert_eq!(double.wait_for("waits", 1).await.ended.wait().await, End::ClientLeft);

    let complete = ask("waits").await;
    gate.open();
    let told = complete.rest().await;
    assert_eq!((told.chunks.len(), told.broken), (2, false));
    assert_eq!(double.wait_for("waits", 2).await.ended.wait().await, End::Complete);

    let silent = tokio::spawn(ask("silent"));
    let seen = double.wait_for("silent", 1).await;
    assert_eq!(seen.ended.now(), End::UnderWay);
    silent.abort();
    assert_eq!(seen.ended.wait().await, End::ClientLeft);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_come_in_turn_and_the_last_one_stays() {
    use hardpoint_tests::client::Client;

    let double = OpenAi::start().await.expect("a double");
    double.on("flaky", [ErrorBody::rate_limited(Some(2)).into(), Answer::from(Reply::text("at last"))]);
    let client = Client::new(&double.server().origin(), Some(openai::KEY));
    let request = json!({"model": "flaky", "messages": [{"role": "user", "content": "hello"}]});
    let refused = client.post("/v1/chat/completions", &request).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("2")));
    assert_eq!(refused.json()["error"]["code"], "rate_limit_exceeded");
    for _ in 0..2 {
        let answer = client.post("/v1/chat/completions", &request).await.expect(200);
        assert_eq!(answer["choices"][0]["message"]["content"], "at last");
    }
    let stranger = Client::new(&double.server().origin(), Some("sk-other"));
    assert_eq!(
        stranger.post("/v1/chat/completions", &request).await.expect(401)["error"]["code"],
        "invalid_api_key"
    );
}
