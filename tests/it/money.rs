//! Money under fire: a host that is killed, again and again. The oracle is whoever was answered, beside the call
//! records and the books.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use hardpoint_tests::client::Client;
use hardpoint_tests::double::openai::OpenAi;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use http::Method;
use serde_json::{Value, json};

use crate::lifecycle::new_database;
use crate::scene::{says, upstream};

const COMPLETIONS: &str = "/api/v1/chat/completions";

/// A thousand micro-credits for a token read, two for one written.
const MODEL: &str = r#"
[[models]]
id = "gpt"
binding = "upstream"
max_output_tokens = 20
[models.prices]
input = 1_000_000_000
output = 2_000_000_000

[plans.professional]
credits = 0
"#;

/// The number in an environment variable, for long runs; a small one otherwise.
pub(crate) fn count(variable: &str, small: u32) -> u32 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(small)
}

fn options(double: &OpenAi, url: Option<&str>) -> Options {
    let options = Options::new().shipped("openai").config(&upstream(double)).config(MODEL);
    match url {
        Some(url) => options.env("HARDPOINT__DATABASE__URL", url),
        None => options,
    }
}

/// An organisation that pays beforehand: its id, and an administrator's key.
pub(crate) async fn customer(host: &Host, cents: i64) -> (String, String) {
    let run = |arguments: &[&str]| {
        let output = host.command(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let organization = run(&["org", "create", "Acme", "--plan", "professional", "--json"]);
    let organization = organization["id"].as_str().expect("an id").to_owned();
    let key = run(&["key", "new", "--org", &organization, "--role", "admin", "--unlimited", "--json"]);
    let body = json!({"organizationId": organization, "amountCents": cents});
    host.client().post("/api/v1/billing/credits", &body).await.expect(200);
    (organization, key["key"].as_str().expect("a key").to_owned())
}

pub(crate) fn client(host: &Host, key: &str) -> Client {
    Client::new(host.origin(), Some(key))
}

async fn ready(host: &Host) {
    until("the model", || async {
        (host.client().get("/api/v1/models/gpt").await.json()["status"] == "available").then_some(())
    })
    .await;
}

/// How an organisation stands when nothing of it is held any more.
pub(crate) async fn settled(client: &Client) -> Value {
    until_minutes("what is held to go back", || async {
        let stands = client.get("/api/v1/billing").await;
        (stands.status == 200 && stands.json()["heldMicroCredits"] == 0).then(|| stands.json())
    })
    .await
}

pub(crate) fn micros(stands: &Value, name: &str) -> i64 {
    stands[name].as_i64().unwrap_or_else(|| panic!("no {name} in {stands}"))
}

/// What was charged by the call records, the books and the account; all three say the same, and nothing is lost.
pub(crate) async fn agreed(host: &Host, client: &Client, organization: &str, paid: i64) -> i64 {
    let stands = settled(client).await;
    let spent = micros(&stands, "spentMicroCredits");
    assert_eq!(micros(&stands, "balanceMicroCredits") + spent, paid, "{stands}");
    let usage = client.get("/api/v1/usage").await.expect(200);
    assert_eq!(micros(&usage["total"], "charge_micro_credits"), spent, "{usage}");
    let books = host.command(&["credits", "books", organization, "--limit", "1", "--json"]);
    let books: Value = serde_json::from_slice(&books.stdout).expect("JSON");
    let sums: HashMap<String, i64> = serde_json::from_value(books["accounts"].clone()).expect("sums");
    assert_eq!(sums.values().sum::<i64>(), 0, "{sums:?}");
    assert_eq!((sums["spent"], sums["credits"]), (spent, paid - spent), "{sums:?}");
    assert_eq!(sums.get("leased").copied().unwrap_or(0), 0, "{sums:?}");
    spent
}

/// Request ids that were answered to the end.
async fn answered(client: &Client, requests: usize) -> Vec<String> {
    let asked = (0..requests).map(|_| async {
        let headers = [("content-type", "application/json")];
        let body = says("gpt", "be quick").to_string();
        let answer = client.try_send(Method::POST, COMPLETIONS, &headers, body).await.ok()?;
        (answer.status == 200).then(|| answer.header("request-id").expect("an id").to_owned())
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// The call records of an organisation's only key, by request; of each request there is one.
pub(crate) async fn recorded(client: &Client) -> HashMap<String, Value> {
    let id =
        client.get("/api/v1/api_keys").await.expect(200)["data"][0]["id"].as_str().expect("a key").to_owned();
    let mut recorded = HashMap::new();
    for page in 1.. {
        let calls =
            client.get(&format!("/api/v1/api_keys/{id}/calls?page={page}&page_size=100")).await.expect(200);
        let data = calls["data"].as_array().expect("calls").clone();
        if data.is_empty() {
            break;
        }
        for call in data {
            let request = call["request_id"].as_str().expect("an id").to_owned();
            // Looking is a call too: what was the last of one page may be the first of the next.
            let same = |before: Value| before["id"] == call["id"];
            assert!(recorded.insert(request, call.clone()).is_none_or(same), "twice: {call}");
        }
    }
    recorded
}

async fn killed_under_load(url: Option<&str>) {
    let double = OpenAi::start().await.expect("a double");
    let mut host = Host::start(options(&double, url)).await;
    ready(&host).await;
    let (organization, key) = customer(&host, 10_000).await;
    let mut known = Vec::new();
    for round in 0..count("HARDPOINT_KILLS", 3) {
        let load = tokio::spawn({
            let client = client(&host, &key);
            async move {
                let mut known = Vec::new();
                loop {
                    let some = answered(&client, 16).await;
                    if some.is_empty() {
                        return known;
                    }
                    known.extend(some);
                }
            }
        });
        let before = double.seen_for("gpt").len();
        double.wait_for("gpt", before + 40 + round as usize % 7).await;
        host.kill();
        known.extend(load.await.expect("no panic"));
        host.restart().await;
        ready(&host).await;
    }
    assert!(known.len() > 30, "{}", known.len());
    let client = client(&host, &key);
    // Every answer that reached somebody has its record, and what it cost.
    let charged = recorded(&client).await;
    let lost: Vec<_> = known.iter().filter(|id| !charged.contains_key(*id)).collect();
    assert!(lost.is_empty(), "{} of {} answers have no record: {lost:?}", lost.len(), known.len());
    // What the killed hosts had leased comes back when nobody renews it.
    let spent = agreed(&host, &client, &organization, 100_000_000).await;
    let cost = client.get("/api/v1/usage?group_by=model").await.expect(200);
    assert!(spent > 0 && cost["data"].as_array().is_some_and(|data| !data.is_empty()), "{cost}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_without_its_charge_when_the_host_is_killed() {
    killed_under_load(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_without_its_charge_when_the_host_is_killed_on_postgresql() {
    killed_under_load(Some(&new_database("killed"))).await;
}

/// As `until`, for what takes a lease's life.
async fn until_minutes<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(180), waiting)
        .await
        .unwrap_or_else(|_| panic!("waited for {what}"))
}
