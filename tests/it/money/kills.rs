//! A host that is killed, again and again.

use hardpoint_tests::double::openai::{OpenAi, Reply};
use hardpoint_tests::double::script::Script;
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::Host;
use hardpoint_tests::patience::soon;
use serde_json::json;

use super::{
    COMPLETIONS, accounted_for, agreed, client, count, customer, load, options, ready, recorded, settled,
};
use crate::lifecycle::new_database;
use crate::scene::says;

async fn killed_under_load(url: Option<&str>) {
    let double = OpenAi::start().await.expect("a double");
    let mut host = Host::start(options(&double, url)).await;
    ready(&host).await;
    let customer = customer(&host, 10_000).await;
    let mut known = Vec::new();
    for round in 0..count("HARDPOINT_KILLS", 3) {
        let load = tokio::spawn(load(client(&host, &customer.1)));
        let before = double.seen_for("gpt").len();
        soon("load", double.wait_for("gpt", before + 40 + round as usize % 7)).await;
        host.kill();
        known.extend(load.await.expect("no panic"));
        host.restart().await;
        ready(&host).await;
    }
    assert!(known.len() > 30, "{}", known.len());
    accounted_for(&host, &customer, &known, double.seen_for("gpt").len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_without_its_charge_when_the_host_is_killed() {
    killed_under_load(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_without_its_charge_when_the_host_is_killed_on_postgresql() {
    killed_under_load(Some(&new_database("killed"))).await;
}

/// A model that calls a tool, and one that says what the tool answered.
const RECKONER: &str = r#"
[[models]]
id = "reckoner"
binding = "upstream"
max_output_tokens = 20
tools = ["calculator"]
[models.prices]
input = 1_000_000_000
output = 2_000_000_000
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rounds_of_a_lost_request_used_is_charged() {
    let double = OpenAi::start().await.expect("a double");
    let mut host = Host::start(options(&double, None).shipped("calculator").config(RECKONER)).await;
    ready(&host).await;
    let (organization, key) = customer(&host, 10_000).await;
    let (_, other) = customer(&host, 10_000).await;
    let never = Gate::closed();
    let calls = Reply::calls([("calculator", json!({"expression": "6 * 7"}))]);
    double.on("reckoner", [calls.into(), Script::new().wait(&never).into()]);
    let asked = tokio::spawn({
        let client = client(&host, &key);
        async move { client.try_send(http::Method::POST, COMPLETIONS, &JSON, question()).await }
    });
    soon("load", double.wait_for("reckoner", 2)).await;
    // Whoever looks after leases gives back those that are idle, each time after noting how far requests are.
    client(&host, &other).post(COMPLETIONS, &says("gpt", "be quick")).await.expect(200);
    settled(&client(&host, &other)).await;
    host.kill();
    assert!(asked.await.expect("no panic").is_err(), "it was answered");
    host.restart().await;
    let client = client(&host, &key);
    // What the double told of the first round: three words read, a call of eight written.
    let cost = 3 * 1_000 + 8 * 2_000;
    assert_eq!(agreed(&host, &client, &organization, 100_000_000).await, cost);
    let recorded = recorded(&host.client(), &client).await;
    let lost = recorded.values().find(|call| call["error_type"] == "interrupted").expect("a record");
    assert_eq!((&lost["input_tokens"], &lost["output_tokens"]), (&json!(3), &json!(8)), "{lost}");
}

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

fn question() -> String {
    says("reckoner", "six times seven").to_string()
}
