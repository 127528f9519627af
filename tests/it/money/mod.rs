//! Money under fire: hosts that are killed, power that fails, disks that are full, a database that is gone. The oracle is
//! whoever was answered, beside the call records and the books.

mod kills;
mod outages;
mod power;

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use hardpoint_tests::client::Client;
use hardpoint_tests::double::openai::OpenAi;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use http::Method;
use serde_json::{Value, json};

use crate::scene::{says, streamed, upstream};

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

/// Of two words read and two written.
const COST: i64 = 6_000;

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

/// Request ids that were answered to the end: half of them whole, half piece by piece.
async fn answered(client: &Client, requests: usize) -> Vec<String> {
    let asked = (0..requests).map(|number| async move {
        let (headers, question) = ([("content-type", "application/json")], says("gpt", "be quick"));
        let (body, end) = if number % 2 == 0 { (question, "}") } else { (streamed(&question), "[DONE]") };
        let answer = client.try_send(Method::POST, COMPLETIONS, &headers, body.to_string()).await.ok()?;
        let is_whole = answer.status == 200 && answer.text().trim_end().ends_with(end);
        is_whole.then(|| answer.header("request-id").expect("an id").to_owned())
    });
    join_all(asked).await.into_iter().flatten().collect()
}

/// The same again and again, until nobody is there any more. Who is refused comes again: what hosts had leased that were
/// killed one after the other is free only when nobody renews it.
async fn load(client: Client) -> Vec<String> {
    let mut known = Vec::new();
    while client.try_send(Method::GET, "/healthz", &[], String::new()).await.is_ok() {
        known.extend(answered(&client, 16).await);
    }
    known
}

/// The call records of whose client `me` is, by the ids of their requests.
pub(crate) async fn recorded(operator: &Client, me: &Client) -> HashMap<String, Value> {
    let me = me.get("/api/v1/me").await.expect(200);
    let calls = format!("/api/v1/api_keys/{}/calls", me["api_key"]["id"].as_str().expect("a key"));
    let mut recorded = HashMap::new();
    for page in 1.. {
        // By another key: looking leaves records too, and would move the pages.
        let calls = operator.get(&format!("{calls}?page={page}&page_size=100")).await.expect(200);
        let data = calls["data"].as_array().expect("calls").clone();
        if data.is_empty() {
            break;
        }
        for call in data {
            let request = call["request_id"].as_str().expect("an id").to_owned();
            assert!(recorded.insert(request, call.clone()).is_none(), "twice: {call}");
        }
    }
    recorded
}

/// Which of these requests have no record.
async fn lost(host: &Host, key: &str, known: &[String]) -> Vec<String> {
    let recorded = recorded(&host.client(), &client(host, key)).await;
    known.iter().filter(|id| !recorded.contains_key(*id)).cloned().collect()
}

/// That every answer which reached somebody has its record and was charged, and that nothing was charged twice: the
/// provider was asked `asked` times.
async fn accounted_for(host: &Host, (organization, key): &(String, String), known: &[String], asked: usize) {
    let client = client(host, key);
    let lost = lost(host, key, known).await;
    assert!(lost.is_empty(), "{} of {} answers have no record: {lost:?}", lost.len(), known.len());
    // What lost hosts had leased comes back when nobody renews it.
    let spent = agreed(host, &client, organization, 100_000_000).await;
    let cost = |requests: usize| COST * i64::try_from(requests).expect("a number");
    assert!((cost(known.len())..=cost(asked)).contains(&spent), "{spent} for {} of {asked}", known.len());
    eprintln!("{} answers of {asked}, each with its record; {spent} micro-credits spent", known.len());
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
