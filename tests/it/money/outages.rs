//! A disk that is full, and a database that is gone: what cannot be done is refused, nothing is charged by halves, and all
//! goes on by itself afterwards.

use std::time::Duration;

use futures_util::future::join_all;
use hardpoint_tests::client::{Answer, Client};
use hardpoint_tests::cluster::Cluster;
use hardpoint_tests::disk::Disk;
use hardpoint_tests::double::openai::{OpenAi, Reply};
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::Host;
use hardpoint_tests::patience::{soon, until};
use http::Method;
use serde_json::json;
use tokio::task::JoinHandle;

use super::{COMPLETIONS, accounted_for, client, count, customer, options, ready};
use crate::scene::{says, streamed};

fn ask(client: &Client, body: String) -> JoinHandle<Answer> {
    let client = client.clone();
    tokio::spawn(async move {
        let headers = [("content-type", "application/json")];
        client.send(Method::POST, COMPLETIONS, &headers, body).await
    })
}

fn quick(client: &Client) -> JoinHandle<Answer> {
    ask(client, says("gpt", "be quick").to_string())
}

/// That it was refused for now, and says when to come again.
fn refused(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.header("retry-after").is_some(), "{:?}", answer.headers);
}

/// Those that were answered; all others were refused for now.
fn ids(answers: impl IntoIterator<Item = Answer>) -> Vec<String> {
    let (good, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    others.iter().for_each(refused);
    good.iter().map(|answer| answer.header("request-id").expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_and_charges_nothing_by_halves() {
    let double = OpenAi::start().await.expect("a double");
    let disk = Disk::new();
    let host = Host::start(disk.under(options(&double, None))).await;
    ready(&host).await;
    let customer = customer(&host, 10_000).await;
    let client = client(&host, &customer.1);
    let made = client.post("/api/v1/api_keys", &json!({"label": "limited"})).await.expect(201);
    let limited = Client::new(host.origin(), made["key"].as_str());
    let mut known = ids(join_all((0..8).map(|_| quick(&client))).await.into_iter().flatten());
    assert_eq!(known.len(), 8);
    for _ in 0..count("HARDPOINT_FULL", 1) {
        let gate = Gate::closed();
        double.on("gpt", [Reply::text("one two").paced(&gate).into(), Reply::echo().into()]);
        let before = double.seen_for("gpt").len();
        let under_way = ask(&client, streamed(&says("gpt", "be quick")).to_string());
        soon("load", double.wait_for("gpt", before + 1)).await;
        disk.fill();
        gate.open();
        // It was answered, and cannot be charged: so it waits. Who comes now is refused before anything is done.
        let mut waiting = Vec::new();
        until("a refusal", || {
            waiting.push(quick(&client));
            let some = waiting.iter().any(JoinHandle::is_finished);
            async move { some.then_some(()) }
        })
        .await;
        let refusal = client.post(COMPLETIONS, &says("gpt", "be quick")).await;
        refused(&refusal);
        assert_eq!(refusal.json()["error"]["type"], "storage_full", "{}", refusal.text());
        refused(&client.post("/api/v1/api_keys", &json!({"label": "another"})).await);
        let budget = client.send(Method::PUT, "/api/v1/billing/budget", &JSON, "{}").await;
        refused(&budget);
        for path in ["/api/v1/billing", "/api/v1/usage", "/api/v1/models", "/api/v1/api_keys", "/api/v1/me"] {
            client.get(path).await.expect(200);
            limited.get(path).await;
        }
        limited.get("/api/v1/models").await.expect(200);
        assert!(!under_way.is_finished(), "an answer without its record");
        disk.make_room();
        known.extend(ids([under_way.await.expect("no panic")]));
        known.extend(ids(join_all(waiting).await.into_iter().flatten()));
        until("room", || async { (quick(&client).await.expect("no panic").status == 200).then_some(()) })
            .await;
        client.post("/api/v1/api_keys", &json!({"label": "another"})).await.expect(201);
    }
    accounted_for(&host, &customer, &known, double.seen_for("gpt").len()).await;
}

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

/// How long the database is gone.
const GONE: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_for_a_while_costs_nobody_anything() {
    let double = OpenAi::start().await.expect("a double");
    let cluster = Cluster::start().expect("a PostgreSQL of its own");
    let host = Host::start(options(&double, Some(&cluster.url()))).await;
    ready(&host).await;
    let customer = customer(&host, 10_000).await;
    let pid = host.pid();
    let client = client(&host, &customer.1);
    let mut known = Vec::new();
    for _ in 0..count("HARDPOINT_GONE", 1) {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let load = tokio::spawn({
            let client = client.clone();
            async move {
                let mut known = Vec::new();
                while !*stopped.borrow() {
                    known.extend(ids(join_all((0..8).map(|_| quick(&client))).await.into_iter().flatten()));
                }
                known
            }
        });
        let before = double.seen_for("gpt").len();
        soon("load", double.wait_for("gpt", before + 40)).await;
        cluster.halt().expect("it stops");
        let gone = tokio::time::Instant::now();
        until("a refusal", || async {
            let answer = client.get("/api/v1/billing").await;
            (answer.status != 200).then(|| refused(&answer))
        })
        .await;
        assert_eq!(host.anonymous().get("/readyz").await.status, 503);
        // The length of the outage is what is tested; nothing is waited for.
        tokio::time::sleep_until(gone + GONE).await;
        cluster.resume().expect("it starts");
        until("the database", || async { (quick(&client).await.ok()?.status == 200).then_some(()) }).await;
        stop.send_replace(true);
        known.extend(load.await.expect("no panic"));
    }
    assert_eq!(host.pid(), pid);
    assert!(known.len() > 30, "{}", known.len());
    accounted_for(&host, &customer, &known, double.seen_for("gpt").len()).await;
}
