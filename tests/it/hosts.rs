//! Two hosts on one PostgreSQL: what is done on the one holds on the other, and each serves what it has.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::future::{join, join_all};
use hardpoint_tests::client::Client;
use hardpoint_tests::component::{shipped, with_manifest};
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use http::Method;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::lifecycle::new_database;
use crate::money::customer;
use crate::operator::{call, plugin};

/// How long a host believes what it knows of a key.
const BELIEVED: Duration = Duration::from_secs(1);

/// No limits but those of keys.
const UNLIMITED: &str = "[plans.professional]\ncredits = 0\n";

/// Both of them, as whoever holds the key. The first operator's is the one that the first host was given.
pub(crate) fn both(hosts: &[Host; 2], key: &str) -> [Client; 2] {
    hosts.each_ref().map(|host| Client::new(host.origin(), Some(key)))
}

/// Both on one database, each with a folder of its own.
pub(crate) async fn two_hosts(url: &str, options: impl Fn() -> Options) -> [Host; 2] {
    let start = || Host::start(options().env("HARDPOINT__DATABASE__URL", url));
    [start().await, start().await]
}

/// Another key of a customer: its id and text.
fn new_key(host: &Host, organization: &str, more: &[&str]) -> (String, String) {
    let made = host.command(&[&["key", "new", "--org", organization, "--json"], more].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let text = |name: &str| made[name].as_str().unwrap_or_else(|| panic!("no {name} in {made}")).to_owned();
    (text("id"), text("key"))
}

fn unlimited() -> Options {
    Options::new().config(UNLIMITED)
}

/// A sixteenth of a limit is leased at a time, three of sixty: so many may be lost where a host needs no more, and as
/// many that it was given when the minute was over.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_at_once_over_two_hosts_as_many_pass_as_the_limit_says() {
    const MOST: usize = 60;
    const LEASE: usize = 3;
    let hosts = two_hosts(&new_database("limit"), unlimited).await;
    let (organization, _) = customer(&hosts[0], 100).await;
    let (_, key) = new_key(&hosts[0], &organization, &["--per-minute", "60", "--per-hour", "100000"]);
    let clients = both(&hosts, &key);
    let answers = join_all((0..1_000).map(|number| clients[number % 2].get("/api/v1/models"))).await;
    // By the end of the minute that each was counted in: how many passed, and whether any did not.
    let mut minutes = BTreeMap::<String, (usize, bool)>::new();
    for answer in &answers {
        let end = answer.header("x-ratelimit-reset").expect("how the limit stands").to_owned();
        let (passed, refused) = minutes.entry(end).or_default();
        match answer.status {
            200 => *passed += 1,
            429 => *refused = true,
            other => panic!("{other}: {}", answer.text()),
        }
    }
    assert!(minutes.values().any(|(_, refused)| *refused), "{minutes:?}");
    for (passed, refused) in minutes.values() {
        assert!(*passed <= MOST, "{minutes:?}");
        assert!(!refused || *passed >= MOST - 2 * LEASE, "{minutes:?}");
    }
}

/// What a host knows of a key it believes for a second; so nobody passes who comes later than that.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_archived_on_one_host_is_refused_by_the_other_within_a_second() {
    let hosts = two_hosts(&new_database("archived"), unlimited).await;
    let (organization, admin) = customer(&hosts[0], 100).await;
    let (id, key) = new_key(&hosts[0], &organization, &["--unlimited"]);
    let [here, there] = both(&hosts, &key);
    let archived = OnceLock::new();
    // Whether each request passed, and when it was begun.
    let uses = (0..4).map(|_| async {
        let mut seen = Vec::new();
        loop {
            let begun = Instant::now();
            let status = there.get("/api/v1/me").await.status;
            assert!(matches!(status, 200 | 401), "{status}");
            seen.push((begun, status == 200));
            if archived.get().is_some_and(|at: &Instant| begun > *at + BELIEVED) {
                return seen;
            }
        }
    });
    let archiving = async {
        for _ in 0..20 {
            here.get("/api/v1/me").await.expect(200);
        }
        let answer = both(&hosts, &admin)[0]
            .send(Method::POST, &format!("/api/v1/api_keys/{id}/archive"), &[], "")
            .await;
        assert!(answer.status < 300, "{}", answer.text());
        archived.set(Instant::now()).expect("once");
        assert_eq!(here.get("/api/v1/me").await.status, 401, "at once where it was done");
    };
    let (seen, ()) = join(join_all(uses), archiving).await;
    let (seen, end) = (seen.concat(), *archived.get().expect("archived") + BELIEVED);
    let (late, early): (Vec<_>, Vec<_>) = seen.into_iter().partition(|(begun, _)| *begun > end);
    assert!(early.iter().any(|(_, passed)| *passed), "it was never in use");
    assert_eq!(late.iter().map(|(_, passed)| *passed).collect::<Vec<_>>(), [false; 4]);
}

/// The tool `calculator` by another name or version.
fn calculator(id: &str, version: &str) -> Vec<u8> {
    let manifest =
        format!("id = \"{id}\"\nversion = \"{version}\"\nkind = \"tool\"\ndescription = \"Calculates.\"\n");
    with_manifest(&shipped("calculator"), &manifest)
}

/// Waits until a plugin is shown in this version and state.
async fn shown(client: &Client, id: &str, version: &str, state: &str) -> Value {
    until(&format!("{id} {version} to be {state}"), || async {
        let answer = client.get(&format!("/api/v1/plugins/{id}")).await;
        let shown = (answer.status == 200).then(|| answer.json())?;
        (shown["version"] == version && shown["state"] == state).then_some(shown)
    })
    .await
}

async fn calculates(client: &Client, tool: &str) {
    call(client, tool, json!({"expression": "2 ^ 10"})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_host_serves_what_it_has_and_says_what_it_lacks() {
    let url = new_database("bytes");
    // The same file in both folders.
    let options = || Options::new().plugin("calculator", calculator("calculator", "1.0.0"));
    let hosts = two_hosts(&url, options).await;
    let [one, other] = both(&hosts, hosts[0].key());
    for client in [&one, &other] {
        shown(client, "calculator", "1.0.0", "active").await;
        calculates(client, "calculator").await;
    }

    // What comes to one of them alone does not take away what the other serves.
    let newer = calculator("calculator", "2.0.0");
    hosts[0].drop_plugin("calculator", &newer);
    shown(&one, "calculator", "2.0.0", "active").await;
    let lacking = shown(&other, "calculator", "2.0.0", "failed").await;
    let told = |text: &str| text.contains("copy its file to") && text.contains("`storage.blobs`");
    assert!(lacking["reason"].as_str().is_some_and(told), "{lacking}");
    calculates(&other, "calculator").await;
    let listed = hosts[1].command(&["plugin", "list"]);
    assert!(told(&String::from_utf8_lossy(&listed.stdout)), "{listed:?}");
    assert!(!told(&String::from_utf8_lossy(&hosts[0].command(&["plugin", "list"]).stdout)));
    assert_eq!(plugin(&one, "calculator").await["state"], "active", "nobody else is kept from it");
    hosts[1].drop_plugin("calculator", &newer);
    shown(&other, "calculator", "2.0.0", "active").await;
    calculates(&other, "calculator").await;

    // What was uploaded to the one is brought to the other by publishing it there.
    let adder = calculator("adder", "1.0.0");
    let headers = [("content-type", "application/wasm")];
    let uploaded = one.send(Method::POST, "/api/v1/plugins", &headers, adder.clone()).await.expect(201);
    one.post("/api/v1/plugins/adder/approve", &json!({"digest": uploaded["digest"]})).await.expect(200);
    shown(&one, "adder", "1.0.0", "active").await;
    shown(&other, "adder", "1.0.0", "failed").await;
    std::fs::write(hosts[1].folder().join("adder.wasm"), &adder).expect("a file");
    let published = hosts[1].command(&["plugin", "publish", "adder.wasm"]);
    assert!(published.status.success(), "{}", String::from_utf8_lossy(&published.stderr));
    shown(&other, "adder", "1.0.0", "active").await;
    calculates(&other, "adder").await;

    // Who shares the folder for bytes needs no file.
    let shared = hosts[0].folder().join("data/blobs").display().to_string();
    let options = Options::new().env("HARDPOINT__DATABASE__URL", &url);
    let third = Host::start(options.env("HARDPOINT__STORAGE__BLOBS", &shared)).await;
    let third = Client::new(third.origin(), Some(hosts[0].key()));
    for tool in ["calculator", "adder"] {
        calculates(&third, tool).await;
    }
}
