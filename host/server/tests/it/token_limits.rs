//! How many tokens models may read and write in a minute.

use std::time::Duration;

use axum::body::Body;
use futures_util::future::join_all;
use hardpoint_domain::time::Clock;
use http::{Method, Response};
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, fixture};

const COMPLETIONS: &str = "/api/v1/chat/completions";

const MODEL: &str = "[[models]]\nid = \"m\"\nbinding = \"hostile-model\"\nmax_output_tokens = 20\n";

/// What "be good!" may take: its 8 bytes, 32 around the message and as many around the request; 20 tokens written.
const MOST: u64 = 8 + 32 + 32 + 20;
/// What it takes: by the lengths of question and answer, two and three.
const USED: u64 = 5;
/// What "text for ever" may take.
const STREAM: u64 = 13 + 32 + 32 + 20;

async fn app(limits: &str) -> TestApp {
    let toml = format!("{MODEL}[plans.free]\n{limits}\n[completions]\nattempts = 1\n");
    TestApp::with(&toml, &[("m.wasm", fixture("hostile-model"))]).await
}

fn says(text: &str) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": text}]})
}

async fn complete(app: &TestApp, key: &str) -> Answer {
    app.post_as(key, COMPLETIONS, &says("be good!")).await
}

/// A stream that lasts as long as it is held.
async fn stream(app: &TestApp, key: &str) -> Response<Body> {
    let mut body = says("text for ever");
    body["stream"] = json!(true);
    let mut request = app.request(Method::POST, COMPLETIONS, Some(&body));
    request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    app.begin(request).await
}

fn wait_of(answer: &Answer) -> u64 {
    answer.header("retry-after").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_takes_what_it_may_use_and_gives_back_what_it_did_not() {
    let app = app("tokens_per_minute = 200\nrequests_per_minute = 50").await;
    let key = app.stranger_on("free", None).await;
    let first = complete(&app, &key).await;
    first.expect(200);
    let left = 60 - app.clock().now().seconds().rem_euclid(60);
    let shown = |answer: &Answer| {
        [answer.header("x-ratelimit-remaining"), answer.header("ratelimit")].map(str::to_owned)
    };
    let state = |requests: u64, tokens: u64| {
        let state = format!(
            "\"requests-per-minute\";r={requests};t={left}, \"tokens-per-minute\";r={tokens};t={left}"
        );
        [requests.to_string(), state]
    };
    assert_eq!(shown(&first), state(49, 200 - MOST));
    assert_eq!(
        first.header("ratelimit-policy"),
        "\"requests-per-minute\";q=50;w=60, \"tokens-per-minute\";q=200;w=60"
    );
    assert_eq!(shown(&complete(&app, &key).await), state(48, 200 - USED - MOST));
    // What fails has used nothing.
    app.post_as(&key, COMPLETIONS, &says("fail")).await.expect(502);
    assert_eq!(shown(&complete(&app, &key).await), state(46, 200 - 2 * USED - MOST));
    // Who asks for nothing of a model is told of none.
    let other = app.get_as(&key, "/api/v1/tools").await;
    assert_eq!(other.header("ratelimit"), format!("\"requests-per-minute\";r=45;t={left}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_as_told_is_let_in() {
    let app = app(&format!("tokens_per_minute = {}", 2 * STREAM + 1)).await;
    let key = app.stranger_on("free", None).await;
    let held = [stream(&app, &key).await, stream(&app, &key).await];
    assert!(held.iter().all(|stream| stream.status() == 200));
    let refused = complete(&app, &key).await;
    let waits = wait_of(&refused);
    assert_eq!(
        refused.json(),
        json!({"error": {
            "type": "rate_limit_exceeded",
            "message": format!("Rate limit exceeded. Retry after {waits} seconds."),
            "details": {"limit": "tokens_per_minute"},
            "retry_after": waits, "code": null, "param": null,
        }})
    );
    assert_eq!((refused.status.as_u16(), refused.header("x-ratelimit-remaining")), (429, "1"));
    assert!(
        refused.header("ratelimit").starts_with("\"tokens-per-minute\";r=1;"),
        "{}",
        refused.header("ratelimit")
    );
    app.clock().advance(Duration::from_secs(waits - 1));
    assert_eq!(complete(&app, &key).await.status, 429);
    app.clock().advance(Duration::from_secs(1));
    complete(&app, &key).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stream_did_not_use_is_free_when_it_ends() {
    let app = app(&format!("tokens_per_minute = {}", STREAM + USED)).await;
    let key = app.stranger_on("free", None).await;
    let held = stream(&app, &key).await;
    assert_eq!(complete(&app, &key).await.status, 429);
    drop(held);
    assert_eq!(complete(&app, &key).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_told_to_wait_may_have_used_up_the_hour() {
    let app = app(&format!("tokens_per_minute = {}\nrequests_per_hour = 2", STREAM + 1)).await;
    let key = app.stranger_on("free", None).await;
    let held = stream(&app, &key).await;
    let refused = complete(&app, &key).await;
    // In the next minute there are tokens, and no requests.
    let left = 3_600 - app.clock().now().seconds().rem_euclid(3_600);
    assert_eq!((refused.status.as_u16(), wait_of(&refused)), (429, left as u64));
    app.clock().advance(Duration::from_secs(left as u64));
    complete(&app, &key).await.expect(200);
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_never_fits_is_said_to() {
    for (limit, text, field) in [(MOST - 1, "be good!", "max_tokens"), (50, "be good!", "messages")] {
        let app = app(&format!("tokens_per_minute = {limit}")).await;
        let key = app.stranger_on("free", None).await;
        let error = app.post_as(&key, COMPLETIONS, &says(text)).await.expect(422)["error"].clone();
        let details =
            json!({"field": field, "constraint": "tokens_per_minute", "limit": limit, "needed": MOST});
        assert_eq!(error["details"], details);
        // Asked for less, it fits where it is the answer that is too long.
        let mut less = says(text);
        less["max_tokens"] = json!(19);
        let status = app.post_as(&key, COMPLETIONS, &less).await.status.as_u16();
        assert_eq!(status, if field == "max_tokens" { 200 } else { 422 });
        let embedding = json!({"model": "m", "input": "x".repeat(100)});
        let refused = app.post_as(&key, "/api/v1/embeddings", &embedding).await.expect(422);
        assert_eq!(refused["error"]["details"]["field"], "input");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_count_too() {
    let app = app(&format!("tokens_per_minute = {}", STREAM + 50)).await;
    let key = app.stranger_on("free", None).await;
    let held = stream(&app, &key).await;
    let embed = async |length: usize| {
        let body = json!({"model": "m", "input": "x".repeat(length)});
        app.post_as(&key, "/api/v1/embeddings", &body).await.status.as_u16()
    };
    // The guest makes none; of 50 tokens that are left the shorter text takes 38, the longer one 52.
    assert_eq!((embed(6).await, embed(20).await, embed(6).await), (422, 429, 422));
    drop(held);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_at_once_exactly_as_many_come_in_as_fit() {
    let app = app(&format!("tokens_per_minute = {}", 7 * STREAM + STREAM / 2)).await;
    let key = app.stranger_on("free", None).await;
    let held = join_all((0..1_000).map(|_| stream(&app, &key))).await;
    let count = |status| held.iter().filter(|answer| answer.status() == status).count();
    assert_eq!((count(200), count(429)), (7, 993));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_lets_in_fewer_and_never_more() {
    let limit = 10 * STREAM;
    let app = app(&format!("tokens_per_minute = {limit}")).await;
    let key = app.stranger_on("free", None).await;
    for _ in 0..4 {
        complete(&app, &key).await.expect(200);
    }
    let app = app.restart().await;
    let held = join_all((0..20).map(|_| stream(&app, &key))).await;
    let came_in = held.iter().filter(|answer| answer.status() == 200).count() as u64;
    assert!(4 * USED + came_in * STREAM <= limit && came_in >= 7, "{came_in}");
    drop(held);
    app.clock().advance(Duration::from_secs(60));
    let more = join_all((0..20).map(|_| stream(&app, &key))).await;
    assert_eq!(more.iter().filter(|answer| answer.status() == 200).count(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_share_them() {
    let limit = 9 * STREAM;
    let toml = format!("{MODEL}[plans.free]\ntokens_per_minute = {limit}\n");
    let Some(hosts) = TestApp::pair(&toml, &[("m.wasm", fixture("hostile-model"))]).await else { return };
    let key = hosts[0].stranger_on("free", None).await;
    let held = join_all((0..200).map(|number| stream(&hosts[number % 2], &key))).await;
    let count = |status| held.iter().filter(|answer| answer.status() == status).count();
    // What one of them has leased and cannot use is less than a request.
    assert!((8..=9).contains(&count(200)) && count(200) + count(429) == 200, "{}", count(200));
}
