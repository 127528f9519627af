//! Limits on hosts that share a PostgreSQL, one of which dies; and tokens over the rounds of a tool loop.

use hardpoint_tests::client::{Client, Events};
use hardpoint_tests::double::openai::{OpenAi, Reply};
use hardpoint_tests::double::script::Script;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use serde_json::{Value, json};

use crate::faults_upstream::says_chunk;
use crate::lifecycle::new_database;
use crate::scene::{entries, says, streamed, text_of, upstream};

const COMPLETIONS: &str = "/api/v1/chat/completions";

fn run(host: &Host, arguments: &[&str]) -> Value {
    let output = host.command(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// An organisation without limits: its id, and an administrator's key.
fn customer(host: &Host) -> (String, String) {
    let organization = run(host, &["org", "create", "Acme", "--plan", "enterprise", "--json"]);
    let id = organization["id"].as_str().expect("an id").to_owned();
    let key = run(host, &["key", "new", "--org", &id, "--role", "admin", "--unlimited", "--json"]);
    (id, key["key"].as_str().expect("a key").to_owned())
}

async fn ready(host: &Host) {
    until("the model", || async {
        (host.client().get("/api/v1/models/gpt").await.json()["status"] == "available").then_some(())
    })
    .await;
}

async fn stream(client: &Client) -> Events {
    client.stream(COMPLETIONS, &streamed(&says("gpt", "count"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn places_of_a_host_that_died_come_back() {
    let double = OpenAi::start().await.expect("a double");
    double.on("gpt", [Script::events().bytes(says_chunk("one ")).silence().into()]);
    let url = new_database("places");
    let options = || {
        let options = Options::new().shipped("openai").config(&upstream(&double)).config(&entries(&["gpt"]));
        options.env("HARDPOINT__DATABASE__URL", &url)
    };
    let mut hosts = [Host::start(options()).await, Host::start(options()).await];
    // Hosts that share a database share the plugins' bytes too.
    let blobs = hosts.each_ref().map(|host| host.folder().join("data/blobs"));
    let copied = std::process::Command::new("cp").arg("-rT").args(&blobs).status();
    assert!(copied.expect("it runs").success());
    let operator = Client::new(hosts[1].origin(), Some(hosts[0].key()));
    operator.post("/api/v1/plugins/reload", &json!({})).await.expect(200);
    let (organization, key) = customer(&hosts[0]);
    for host in &hosts {
        until("the model", || async {
            let client = Client::new(host.origin(), Some(&key));
            (client.get("/api/v1/models/gpt").await.json()["status"] == "available").then_some(())
        })
        .await;
    }
    let told = run(
        &hosts[0],
        &[
            "org",
            "limits",
            &organization,
            "--concurrent-requests",
            "3",
            "--requests-per-hour",
            "5000",
            "--json",
        ],
    );
    assert_eq!(told["limits"]["concurrent_requests"], 3, "{told}");
    let clients = hosts.each_ref().map(|host| Client::new(host.origin(), Some(&key)));
    for client in &clients {
        until("the limits", || async {
            (client.get("/api/v1/limits").await.header("x-ratelimit-limit") == Some("5000")).then_some(())
        })
        .await;
    }
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(stream(&clients[0]).await);
    }
    assert!(held.iter().all(|stream| stream.status == 200), "{held:?}");
    assert_eq!((stream(&clients[0]).await.status, stream(&clients[1]).await.status), (429, 429));
    hosts[0].kill();
    // What it had under way is over; nobody gave its places back.
    let mut others = Vec::new();
    let asked = async {
        while others.len() < 3 {
            let stream = stream(&clients[1]).await;
            match stream.status {
                200 => others.push(stream),
                status => assert_eq!(status, 429),
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(120), asked).await.expect("its places come back");
    assert_eq!(stream(&clients[1]).await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_round_of_a_tool_loop_takes_its_tokens() {
    let double = OpenAi::start().await.expect("a double");
    let options = Options::new().shipped("openai").shipped("calculator").config(&upstream(&double));
    let model = "[[models]]\nid = \"gpt\"\nbinding = \"upstream\"\ntools = [\"calculator\"]\nmax_output_tokens = 50\n";
    let host = Host::start(options.config(model)).await;
    ready(&host).await;
    until("the calculator", || async {
        (host.client().get("/api/v1/plugins/calculator").await.status == 200).then_some(())
    })
    .await;
    double.on("gpt", [Reply::calls([("calculator", json!({"expression": "6 * 7"}))]).into()]);
    let (organization, key) = customer(&host);
    let client = Client::new(host.origin(), Some(&key));
    let ask = async || client.post(COMPLETIONS, &says("gpt", "What is six times seven?")).await;
    // Told by a limit that it cannot be within.
    run(&host, &["org", "limits", &organization, "--tokens-per-minute", "10", "--json"]);
    let needed = until("the limit", || async {
        let answer = ask().await;
        (answer.status == 422)
            .then(|| answer.json()["error"]["details"]["needed"].as_u64().expect("a number"))
    })
    .await;
    // Enough for the first round and not for the second, which has more to read.
    let set = |tokens: u64| {
        run(&host, &["org", "limits", &organization, "--tokens-per-minute", &tokens.to_string(), "--json"]);
    };
    set(needed + 5);
    let cut_off = until("the limit", || async {
        let answer = ask().await;
        (answer.status != 422 && answer.status != 429).then(|| answer.expect(200))
    })
    .await;
    assert_eq!(cut_off["choices"][0]["finish_reason"], "length", "{cut_off}");
    set(needed * 20);
    let whole = until("the limit", || async {
        let answer = ask().await;
        let is_whole = answer.status == 200 && answer.json()["choices"][0]["finish_reason"] == "stop";
        is_whole.then(|| answer.json())
    })
    .await;
    assert!(text_of(&whole).contains("42"), "{whole}");
}
