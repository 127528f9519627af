//! Webhooks on their way to a real receiver: signed as the official packages verify it, and none lost when the host
//! is killed.

mod faults;
mod hosts;

use std::io::Write;
use std::process::Stdio;

use hardpoint_tests::client::Client;
use hardpoint_tests::double::script::Script;
use hardpoint_tests::double::sink::{Received, Sink};
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::{soon, until};
use serde_json::{Value, json};

use crate::lifecycle::new_database;
use crate::money::count;
use crate::real_clients::{Package, command};

const ENDPOINTS: &str = "/api/v1/webhook_endpoints";

fn options(sink: &Sink) -> Options {
    let internal = format!("[egress]\nallow_internal_webhooks = [\"{}\"]\n", sink.server().address());
    Options::new().config(&internal)
}

async fn endpoint(client: &Client, url: &str, events: &[&str]) -> Value {
    client.post(ENDPOINTS, &json!({"url": url, "events": events})).await.expect(201)
}

async fn invite(client: &Client, number: usize) -> Value {
    let email = format!("user{number}@example.com");
    client.post("/api/v1/users", &json!({"email": email, "role": "member"})).await.expect(201)
}

/// What a script of a package is given of a webhook.
fn shown(received: &Received, secrets: &[&str]) -> Value {
    let header = |name: &str| (name.to_owned(), Value::from(received.header(name)));
    let headers = ["webhook-id", "webhook-timestamp", "webhook-signature"].map(header);
    let body = String::from_utf8(received.body.to_vec()).expect("UTF-8");
    json!({
        "event": serde_json::from_str::<Value>(&body).expect("JSON")["event"],
        "body": body,
        "headers": headers.into_iter().collect::<serde_json::Map<_, _>>(),
        "secrets": secrets,
    })
}

/// Real deliveries: one signed with one secret, one with two, and one with the newer alone.
async fn verified_by(package: Package) {
    let sink = Sink::start().await.expect("a double");
    let host = Host::start(options(&sink)).await;
    let client = host.client();
    let made = endpoint(&client, &sink.url("/hook"), &["user.*"]).await;
    let one = format!("{ENDPOINTS}/{}", made["id"].as_str().expect("an id"));
    let first = made["signingSecret"].as_str().expect("a secret");
    invite(&client, 1).await;
    soon("a webhook", sink.wait_for("/hook", 1)).await;
    let rotate = async |overlap: u32| {
        let body = json!({"overlap_seconds": overlap});
        let rotated = client.post(&format!("{one}/rotate_secret"), &body).await.expect(200);
        rotated["signingSecret"].as_str().expect("a secret").to_owned()
    };
    let second = rotate(600).await;
    invite(&client, 2).await;
    soon("a webhook", sink.wait_for("/hook", 2)).await;
    let third = rotate(0).await;
    client.post(&format!("{one}/test"), &json!({})).await.expect(202);
    soon("a webhook", sink.wait_for("/hook", 3)).await;

    let seen = sink.seen("/hook");
    assert_eq!(seen[0].header("content-type"), "application/json");
    let sent = [
        shown(&seen[0], &[first]),
        shown(&seen[1], &[first, second.as_str()]),
        shown(&seen[2], &[third.as_str()]),
    ];
    assert_eq!(sent[2]["event"], "webhook.tested");
    let input = json!(sent).to_string();
    let (python, javascript) = ("python/standard_webhooks.py", "javascript/standard_webhooks.mjs");
    let mut command = command(package, python, javascript);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().expect("it runs");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
        child.wait_with_output().expect("it ends")
    });
    let output = output.await.expect("no panic");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("7 passed, 0 failed"), "{said}");
    eprintln!("\n{}", said.trim());
}

#[tokio::test(flavor = "multi_thread")]
async fn standardwebhooks_of_pypi_verifies_what_is_sent() {
    verified_by(Package::Python).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn standardwebhooks_of_npm_verifies_what_is_sent() {
    verified_by(Package::JavaScript).await;
}

/// A slow endpoint and one that answers errors hold up nobody.
#[tokio::test(flavor = "multi_thread")]
async fn one_endpoint_delays_no_other() {
    let sink = Sink::start().await.expect("a double");
    let never = Gate::closed();
    sink.on("/slow", [Script::new().wait(&never)]);
    sink.on("/broken", [Script::new().status(500)]);
    let host = Host::start(options(&sink)).await;
    let client = host.client();
    let mut ids = Vec::new();
    for path in ["/slow", "/broken", "/good"] {
        let made = endpoint(&client, &sink.url(path), &["user.created"]).await;
        ids.push(made["id"].as_str().expect("an id").to_owned());
    }
    for number in 0..30 {
        invite(&client, number).await;
    }
    soon("the good one", sink.wait_for("/good", 30)).await;
    // Each that ended without an answer, if it took that long, made room for another one.
    let sent = sink.seen("/slow").len();
    let page = client.get(&format!("{ENDPOINTS}/{}/deliveries?page_size=100", ids[0])).await.expect(200);
    let tried = page["data"].as_array().expect("a list").iter().map(|one| one["attempts"].as_array());
    let ended: usize = tried.map(|attempts| attempts.map_or(0, Vec::len)).sum();
    assert!(sent <= 4 + ended, "{sent} were sent, {ended} ended: no more than are under way at first");
}

/// Kills the host while events are accepted and delivered: whatever was answered before arrives.
async fn killed_while_delivering(url: Option<&str>) {
    let sink = Sink::start().await.expect("a double");
    // Some fail at first, so that there is always something to be tried again.
    sink.on("/b", [Script::new().status(503), Script::new().status(204), Script::new().status(204)]);
    let options = match url {
        Some(url) => options(&sink).env("HARDPOINT__DATABASE__URL", url),
        None => options(&sink),
    };
    let mut host = Host::start(options).await;
    for path in ["/a", "/b"] {
        endpoint(&host.client(), &sink.url(path), &["workspace.created"]).await;
    }
    let organization = host.client().get("/api/v1/org").await.expect(200)["id"].clone();
    let workspaces = format!("/api/v1/orgs/{}/workspaces", organization.as_str().expect("an id"));
    let mut accepted = 0;
    for round in 0..count("HARDPOINT_WEBHOOK_KILLS", 3) {
        let writers = (0..4).map(|writer| {
            let (client, workspaces) = (host.client(), workspaces.clone());
            tokio::spawn(async move {
                let mut answered = 0;
                for number in 0.. {
                    let name = json!({"name": format!("{round}-{writer}-{number}")}).to_string();
                    let json = [("content-type", "application/json")];
                    let sent = client.try_send(http::Method::POST, &workspaces, &json, name).await;
                    match sent {
                        Ok(answer) if answer.status == 201 => answered += 1,
                        Ok(answer) if answer.status == 429 => {}
                        _ => break,
                    }
                }
                answered
            })
        });
        let writers: Vec<_> = writers.collect();
        let before = sink.ids("/a").len();
        soon("load", sink.wait_for("/a", before + 40 + round as usize % 7)).await;
        host.kill();
        for writer in writers {
            accepted += writer.await.expect("no panic");
        }
        host.restart().await;
    }
    // What was written and not answered arrives too.
    let page = host.client().get(&format!("{workspaces}?page_size=1")).await.expect(200);
    let written = usize::try_from(page["total"].as_u64().expect("a number")).expect("small");
    assert!(written >= accepted, "{accepted} were answered, {written} are there");
    for path in ["/a", "/b"] {
        let what = format!("{written} webhooks on {path}, of which there are {}", sink.ids(path).len());
        until(&what, || async { (sink.ids(path).len() >= written).then_some(()) }).await;
        let (ids, all) = (sink.ids(path).len(), sink.seen(path).len());
        assert_eq!(ids, written, "nothing that did not happen");
        let share = 100.0 * (all - ids) as f64 / all as f64;
        eprintln!("\n{path}: {ids} events, {all} requests, {share:.2} % of them more than once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_when_the_host_is_killed() {
    killed_while_delivering(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_accepted_is_lost_when_the_host_is_killed_on_postgresql() {
    killed_while_delivering(Some(&new_database("webhooks"))).await;
}
