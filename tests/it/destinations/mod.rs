//! Standing destinations: what is promised of them, against doubles that count the ids of events.

mod every_exporter;
mod faults;
mod hosts;
mod kills;
mod slow;
mod vendors;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hardpoint_tests::client::Client;
use hardpoint_tests::double::datadog::{self, Datadog};
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use http::Method;
use serde_json::{Value, json};

const ALL: &str = "/api/v1/siem/destinations";

/// How often each event came.
type Counts = BTreeMap<String, u32>;

/// An exporter and where it sends.
struct Bound<'a> {
    name: &'a str,
    plugin: &'a str,
    origin: String,
    path: &'a str,
    /// The secret's name and value.
    secret: (&'a str, &'a str),
}

impl<'a> Bound<'a> {
    fn datadog(name: &'a str, intake: &Datadog) -> Self {
        let (origin, secret) = (intake.origin(), ("api_key", datadog::KEY));
        Self { name, plugin: "datadog", origin, path: "/api/v2/logs", secret }
    }
}

/// A host's options: what its exporters are bound to, with waits that tests can wait for.
fn options(bound: &[Bound<'_>], egress: &str) -> Options {
    let address = |bound: &Bound<'_>| bound.origin.rsplit('/').next().unwrap_or_default().to_owned();
    let internal: Vec<String> = bound.iter().map(address).collect();
    let mut toml = format!("[egress]\nallow_internal = {}\n{egress}\n", json!(internal));
    // Long enough that a busy machine ends no attempt and loses no claim, short enough to wait for where nobody answers.
    toml += "[siem]\nlease = \"30s\"\nattempt_timeout = \"5s\"\nfirst_wait = \"20ms\"\nlongest_wait = \"200ms\"\n";
    for Bound { name, plugin, origin, path, secret: (secret, value) } in bound {
        let (setting, methods) = match *plugin {
            "http-json" => ("url", "PATCH,POST,PUT"),
            "otlp" => ("endpoint", "POST"),
            _ => ("intake_url", "POST"),
        };
        // A string of JSON is one of TOML too.
        let value = json!(value);
        write!(
            toml,
            "\n[secrets.{name}]\nvalue = {value}\naudience = \"{origin}\"\n\n[bindings.{name}]\n\
             plugin = \"{plugin}\"\nsettings = {{ {setting} = \"{origin}{path}\" }}\n\
             secrets = {{ {secret} = \"{name}\" }}\n\n[bindings.{name}.grant]\n\
             http = [\"{methods} {origin}{path}\"]\nsecrets = [\"{secret}\"]\n"
        )
        .expect("a text");
    }
    let mut plugins: Vec<&str> = bound.iter().map(|bound| bound.plugin).collect();
    plugins.sort_unstable();
    plugins.dedup();
    plugins.into_iter().fold(Options::new().config(&toml), Options::shipped)
}

/// A customer: the organisation, and the key of an administrator.
fn customer(host: &Host) -> (String, String) {
    let run = |arguments: &[&str]| {
        let output = host.command(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let organization = run(&["org", "create", "Acme", "--plan", "enterprise", "--json"]);
    let organization = organization["id"].as_str().expect("an id").to_owned();
    let key = run(&["key", "new", "--org", &organization, "--role", "admin", "--unlimited", "--json"]);
    (organization, key["key"].as_str().expect("a key").to_owned())
}

/// Makes a destination for the events of keys that are made; its id.
async fn standing(client: &Client, exporter: &str) -> String {
    let body = json!({"name": exporter, "exporter": exporter, "events": ["none.yet"]});
    let made = until("the exporter to be there", || async {
        let made = client.post(ALL, &body).await;
        (made.status != 422).then_some(made)
    });
    let id = made.await.expect(201)["id"].as_str().expect("an id").to_owned();
    // With the customer's own key, which was there before, and that once.
    let (one, headers) = (format!("{ALL}/{id}"), [("content-type", "application/json")]);
    let events = json!({"events": ["key.created"]});
    client.post(&format!("{one}/pause"), &json!({})).await.expect(200);
    client.send(Method::PUT, &one, &headers, events.to_string()).await.expect(200);
    client.post(&format!("{one}/replay"), &json!({"cursor": 0})).await.expect(200);
    client.post(&format!("{one}/resume"), &json!({})).await.expect(200);
    id
}

/// Makes keys, one after the other, each an event. Gives how many are sure to be made: as many as were answered.
async fn happen(client: &Client, count: usize) -> usize {
    for _ in 0..count {
        client.post("/api/v1/api_keys", &json!({})).await.expect(201);
    }
    count
}

async fn shown(client: &Client, id: &str) -> Value {
    client.get(&format!("{ALL}/{id}")).await.expect(200)
}

/// Waits until everything that happened by now is delivered, or a dead letter.
async fn settled(client: &Client, id: &str) -> Value {
    until("a destination to be at the log's end", || async {
        let shown = shown(client, id).await;
        (shown["lag"]["events"] == 0).then_some(shown)
    })
    .await
}

/// Ids of all events of keys that were made, as the log has them: by an export to another double. They
/// are in the order of time.
async fn log(client: &Client, oracle: &Datadog) -> Vec<String> {
    let mut body = json!({"event_type": "key.created", "limit": 1_000});
    loop {
        let answer = client.post("/api/v1/audit-logs/siem/oracle/export", &body).await.expect(200);
        assert_eq!(answer["delivered"], answer["matched"], "{answer}");
        if answer["cursor"].is_null() {
            return ids(oracle).into_keys().collect();
        }
        body["cursor"] = answer["cursor"].clone();
    }
}

/// How often each event came, by the ids that events have.
fn ids(intake: &Datadog) -> Counts {
    let of_events = |(id, _): &(String, u32)| id.starts_with("evt_");
    intake.counts().into_iter().filter(of_events).collect()
}

/// That everything in the log came, and nothing else. Gives how many came more than once.
fn complete(log: &[String], got: &Counts, at_least: usize) -> usize {
    assert!(log.len() >= at_least, "{} in the log, {at_least} were answered", log.len());
    let missing: Vec<&String> = log.iter().filter(|id| !got.contains_key(*id)).collect();
    assert!(missing.is_empty(), "{} of {} are missing: {missing:?}", missing.len(), log.len());
    assert_eq!(got.len(), log.len(), "more came than happened");
    got.values().filter(|count| **count > 1).count()
}
