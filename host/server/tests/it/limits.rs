//! How many requests may come in: by plan and by key, in a minute and at once.

use std::time::Duration;

use futures_util::future::join_all;
use hardpoint_domain::time::Clock;
use hardpoint_server::service::accounts::{Accounts, Principal};
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, fixture};

const MODEL: &str = "[[models]]\nid = \"m\"\nbinding = \"hostile-model\"\n";

async fn app(plans: &str) -> TestApp {
    TestApp::with(&format!("{MODEL}{plans}"), &[("m.wasm", fixture("hostile-model"))]).await
}

async fn look(app: &TestApp, key: &str) -> Answer {
    app.get_as(key, "/api/v1/tools").await
}

fn says(text: &str) -> Value {
    json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": text}]})
}

async fn complete(app: &TestApp, key: &str) -> u16 {
    app.post_as(key, "/api/v1/chat/completions", &says("be good!")).await.status.as_u16()
}

/// How many of so many requests, one after the other, are answered.
async fn answered(app: &TestApp, key: &str, count: usize) -> usize {
    let mut answered = 0;
    for _ in 0..count {
        answered += usize::from(look(app, key).await.status == 200);
    }
    answered
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_is_told_in_every_answer_and_who_waits_as_told_is_let_in() {
    let app = app("").await;
    let key = app.stranger_on("free", None).await;
    let shown = |answer: &Answer| {
        let header = |name| answer.header(name).to_owned();
        ["x-ratelimit-limit", "x-ratelimit-remaining", "ratelimit-policy", "ratelimit"].map(header)
    };
    let begin = app.clock().now().seconds();
    let left = 60 - begin.rem_euclid(60);
    let first = look(&app, &key).await;
    assert_eq!(
        shown(&first),
        [
            "10".to_owned(),
            "9".to_owned(),
            "\"requests-per-minute\";q=10;w=60".to_owned(),
            format!("\"requests-per-minute\";r=9;t={left}"),
        ]
    );
    assert_eq!(first.header("x-ratelimit-reset"), (begin + left).to_string());
    assert_eq!(answered(&app, &key, 9).await, 9);
    let refused = look(&app, &key).await;
    assert_eq!((refused.status.as_u16(), refused.header("x-ratelimit-remaining")), (429, "0"));
    let waits: u64 = refused.header("retry-after").parse().unwrap();
    assert_eq!(
        refused.json(),
        json!({"error": {
            "type": "rate_limit_exceeded",
            "message": format!("Rate limit exceeded. Retry after {waits} seconds."),
            "retry_after": waits,
        }})
    );
    app.clock().advance(Duration::from_secs(waits - 1));
    assert_eq!(look(&app, &key).await.status, 429);
    app.clock().advance(Duration::from_secs(1));
    assert_eq!(answered(&app, &key, 12).await, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_at_once_exactly_the_limit_comes_in() {
    let app = app("[plans.free]\nrequests_per_minute = 60\n").await;
    let key = app.stranger_on("free", None).await;
    let statuses = join_all((0..1_000).map(|_| async { look(&app, &key).await.status.as_u16() })).await;
    let count = |status| statuses.iter().filter(|other| **other == status).count();
    assert_eq!((count(200), count(429)), (60, 940));
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_have_a_limit_of_their_own() {
    let app = app("[plans.free]\nrequests_per_minute = 9\ncompletions_per_minute = 2\n").await;
    let key = app.stranger_on("free", None).await;
    let statuses = [complete(&app, &key).await, complete(&app, &key).await, complete(&app, &key).await];
    assert_eq!(statuses, [200, 200, 429]);
    // Two were completions, and the one that was refused is none.
    assert_eq!(answered(&app, &key, 9).await, 7);
}

/// No waiting would be long enough, so nobody is told to wait.
#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_nothing_is_a_refusal() {
    let plans = "[plans.free]\ncompletions_per_minute = 0\n[plans.standard]\nconcurrent = 0\n\
                 [plans.professional]\ntokens_per_minute = 0\n";
    let app = app(plans).await;
    let key = app.stranger_on("free", None).await;
    let refused = async |limit: &str| {
        let answer = app.post_as(&key, "/api/v1/chat/completions", &says("be good!")).await;
        assert!(answer.headers.get("retry-after").is_none());
        let answer = answer.expect(403);
        assert_eq!(answer["error"]["details"]["limit"], limit, "{answer}");
    };
    refused("completions_per_minute").await;
    look(&app, &key).await.expect(200);
    let move_to = async |plan: &str| {
        let accounts = Accounts::of(app.app());
        accounts.set_plan(&Principal::Cli, "org_stranger", plan).await.unwrap();
        app.app().keys.clear();
    };
    move_to("standard").await;
    refused("concurrent_requests").await;
    look(&app, &key).await.expect(403);
    move_to("professional").await;
    refused("tokens_per_minute").await;
    look(&app, &key).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_s_own_limit_holds_beside_its_plan_s() {
    let app = app("").await;
    let key = app.stranger_on("standard", Some(3)).await;
    assert_eq!(look(&app, &key).await.header("x-ratelimit-limit"), "3");
    assert_eq!(answered(&app, &key, 5).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_holds_its_place_until_it_ends_or_the_client_leaves() {
    let app = app("[plans.free]\nconcurrent = 2\nconcurrent_completions = 1\n").await;
    let key = app.stranger_on("free", None).await;
    let mut request = app.request(Method::POST, "/api/v1/chat/completions", Some(&says("text for ever")));
    request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    let mut stream = app.begin(request).await;
    assert_eq!(stream.status(), 200);
    stream.body_mut().frame().await.unwrap().unwrap();
    let refused = app.post_as(&key, "/api/v1/chat/completions", &says("be good!")).await;
    assert_eq!(
        (refused.status.as_u16(), refused.header("retry-after"), &refused.json()["error"]["message"]),
        (429, "1", &json!("At most 1 completions may be under way at once. Retry when one has ended."))
    );
    assert_eq!(look(&app, &key).await.status, 200);
    drop(stream);
    assert_eq!(complete(&app, &key).await, 200);
    assert_eq!(complete(&app, &key).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_lets_in_fewer_and_never_more() {
    let app = app("[plans.free]\nrequests_per_minute = 160\n").await;
    let key = app.stranger_on("free", None).await;
    assert_eq!(answered(&app, &key, 25).await, 25);
    let app = app.restart().await;
    let rest = answered(&app, &key, 200).await;
    // What was leased and not used is lost: less than a block of ten.
    assert!((126..=135).contains(&rest), "{rest}");
    app.clock().advance(Duration::from_secs(60));
    assert_eq!(answered(&app, &key, 200).await, 160);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_limit_is_told_of_none() {
    let app = app("").await;
    let answer = app.get("/api/v1/models").await;
    assert!(answer.headers.get("x-ratelimit-limit").is_none() && answer.status == 200);
}
