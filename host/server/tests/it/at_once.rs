//! How many requests may be under way at once, on one host and on two.

use std::time::Duration;

use axum::body::Body;
use futures_util::future::join_all;
use hardpoint_server::service::limits;
use hardpoint_store::{Lane, places};
use http::{Method, Response};
use serde_json::json;

use crate::support::{TestApp, fixture};

fn toml(at_once: u32) -> String {
    format!("[[models]]\nid = \"m\"\nbinding = \"hostile-model\"\n[plans.free]\nconcurrent = {at_once}\n")
}

async fn pair(at_once: u32) -> Option<([TestApp; 2], String)> {
    let hosts = TestApp::pair(&toml(at_once), &[("m.wasm", fixture("hostile-model"))]).await?;
    let key = hosts[0].stranger_on("free", None).await;
    for host in &hosts {
        assert_eq!(host.get("/api/v1/models/m").await.expect(200)["status"], "available");
    }
    Some((hosts, key))
}

/// A stream that is under way as long as it is held.
async fn stream(app: &TestApp, key: &str) -> Response<Body> {
    let body =
        json!({"model": "m", "stream": true, "messages": [{"role": "user", "content": "text for ever"}]});
    let mut request = app.request(Method::POST, "/api/v1/chat/completions", Some(&body));
    request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    app.begin(request).await
}

fn in_and_out(answers: &[Response<Body>]) -> (usize, usize) {
    let count = |status| answers.iter().filter(|answer| answer.status() == status).count();
    (count(200), count(429))
}

/// A stream that comes in when others' places have come back, which takes a moment.
async fn comes_in(app: &TestApp, key: &str) -> Response<Body> {
    for _ in 0..50 {
        let answer = stream(app, key).await;
        if answer.status() == 200 {
            return answer;
        }
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "1"));
        app.clock().advance(Duration::from_secs(1));
    }
    panic!("it waited as it was told, fifty times")
}

/// What hosts do every half a second.
async fn round(hosts: &[TestApp]) {
    for host in hosts {
        limits::look(host.app()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_at_once_exactly_the_limit_comes_in() {
    let app = TestApp::with(&toml(7), &[("m.wasm", fixture("hostile-model"))]).await;
    let key = app.stranger_on("free", None).await;
    let held = join_all((0..1_000).map(|_| stream(&app, &key))).await;
    assert_eq!(in_and_out(&held), (7, 993));
    drop(held);
    assert_eq!(in_and_out(&[stream(&app, &key).await]), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_at_once_on_two_hosts_exactly_the_limit_comes_in() {
    let Some((hosts, key)) = pair(9).await else { return };
    let held = join_all((0..1_000).map(|number| stream(&hosts[number % 2], &key))).await;
    assert_eq!(in_and_out(&held), (9, 991));
    drop(held);
    // All of them may be one host's.
    let mut held = Vec::new();
    for _ in 0..9 {
        held.push(comes_in(&hosts[1], &key).await);
    }
    assert_eq!(in_and_out(&[stream(&hosts[0], &key).await]), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_only_place_goes_from_host_to_host() {
    let Some((hosts, key)) = pair(1).await else { return };
    for turn in 0..6 {
        let held = comes_in(&hosts[turn % 2], &key).await;
        let refused = stream(&hosts[(turn + 1) % 2], &key).await;
        assert_eq!(
            (refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()),
            (429, "1")
        );
        drop(held);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_silent_needs_places_for_what_it_has_under_way() {
    let Some((hosts, key)) = pair(4).await else { return };
    let held = [stream(&hosts[0], &key).await, stream(&hosts[0], &key).await];
    assert_eq!(in_and_out(&held), (2, 0));
    let later = hosts[0].app().clock.now().plus(Duration::from_secs(31));
    let sweep = hosts[0].app().store.write(Lane::Bulk, move |tx| Box::pin(places::end_silent(tx, later)));
    assert!(sweep.await.unwrap() >= 1);
    // The database had not heard of it: others may have its places, until it is heard of again.
    let others = join_all((0..3).map(|_| stream(&hosts[1], &key))).await;
    assert_eq!(in_and_out(&others), (3, 0));
    hosts[0].clock().advance(Duration::from_secs(6));
    round(&hosts).await;
    assert_eq!(in_and_out(&[stream(&hosts[0], &key).await]), (0, 1));
    drop(others);
    // Two are under way, and there are places for two more.
    let _more = [comes_in(&hosts[0], &key).await, comes_in(&hosts[0], &key).await];
    assert_eq!(in_and_out(&[stream(&hosts[0], &key).await]), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stops_leaves_its_places() {
    let Some((hosts, key)) = pair(3).await else { return };
    let [first, second] = hosts;
    let held = join_all((0..3).map(|_| stream(&first, &key))).await;
    assert_eq!(in_and_out(&held), (3, 0));
    assert_eq!(in_and_out(&[stream(&second, &key).await]), (0, 1));
    drop(held);
    let _first = first.restart().await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(comes_in(&second, &key).await);
    }
}
