//! Two hosts on one PostgreSQL, one of which stands still while it delivers.

use std::time::Duration;

use hardpoint_tests::client::Client;
use hardpoint_tests::double::script::Script;
use hardpoint_tests::double::sink::Sink;
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::{Host, master_key};
use hardpoint_tests::patience::{soon, until};
use hardpoint_tests::process::signal;
use serde_json::{Value, json};

use super::{ENDPOINTS, endpoint, options};
use crate::lifecycle::new_database;
use crate::money::count;

/// Events that are under way on the host that is frozen.
const HELD: usize = 3;

async fn happen(client: &Client, workspaces: &str, name: &str, count: usize) {
    for number in 0..count {
        client.post(workspaces, &json!({"name": format!("{name} {number}")})).await.expect(201);
    }
}

/// All deliveries, once so many are made.
async fn made(client: &Client, one: &str, count: usize) -> Vec<Value> {
    until("the deliveries to be made", || async {
        let page = client.get(&format!("{one}/deliveries?page_size=100")).await.expect(200);
        let all = page["data"].as_array().expect("a list").clone();
        (all.len() == count && all.iter().all(|one| one["state"] == "delivered")).then_some(all)
    })
    .await
}

/// One host is frozen with requests under way. When its claims have lapsed the other one delivers, and nothing that the
/// first makes of its answers when it is back counts.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_frozen_host_held_another_delivers() {
    let sink = Sink::start().await.expect("a double");
    let (gate, url) = (Gate::closed(), new_database("frozen_webhooks"));
    let held = || Script::new().status(500).wait(&gate);
    sink.on("/hook", (0..HELD).map(|_| held()).chain([Script::new().status(204)]));
    // Both sign with the same secret.
    let master = master_key();
    let options = || {
        let options = options(&sink).env("HARDPOINT__DATABASE__URL", &url);
        options.env("HARDPOINT_MASTER_KEY", &master)
    };
    let (frozen, other) = (Host::start(options()).await, Host::start(options()).await);
    let client = frozen.client();
    let made_endpoint = endpoint(&client, &sink.url("/hook"), &["workspace.created"]).await;
    let one = format!("{ENDPOINTS}/{}", made_endpoint["id"].as_str().expect("an id"));
    let organization = client.get("/api/v1/org").await.expect(200)["id"].clone();
    let workspaces = format!("/api/v1/orgs/{}/workspaces", organization.as_str().expect("an id"));
    // The other one stands still, so it is this one that has them under way; then it is the other way round, well before
    // their time is over.
    signal(other.pid(), "STOP");
    happen(&client, &workspaces, "held", HELD).await;
    soon("the requests under way", sink.wait_for("/hook", HELD)).await;
    signal(frozen.pid(), "STOP");
    signal(other.pid(), "CONT");
    let awake = Client::new(other.origin(), Some(frozen.key()));
    happen(&awake, &workspaces, "meanwhile", HELD).await;
    let before = made(&awake, &one, 2 * HELD).await;
    tokio::time::sleep(Duration::from_secs(u64::from(count("HARDPOINT_FROZEN_SECONDS", 0)))).await;

    // Back again, it is told that each of them failed, or that its time is over: nobody is interested.
    gate.open();
    signal(frozen.pid(), "CONT");
    // What was connected to it so long may have been given up by it.
    let client = Client::new(frozen.origin(), Some(frozen.key()));
    happen(&client, &workspaces, "afterwards", HELD).await;
    let after = made(&awake, &one, 3 * HELD).await;
    let standing = |of: &[Value]| -> Vec<Value> { of.iter().rev().take(2 * HELD).cloned().collect() };
    assert_eq!(standing(&after), standing(&before), "what was made stays as it was");
    let lapsed = after.iter().filter(|one| one["attempt_count"] == 2).count();
    assert_eq!(lapsed, HELD, "claimed twice: {after:?}");
    for delivery in &after {
        let attempts = delivery["attempts"].as_array().expect("a list");
        assert!(attempts.len() == 1 && attempts[0]["status"] == 204, "{delivery}");
    }
    let shown = client.get(&one).await.expect(200);
    assert_eq!((&shown["status"], &shown["consecutive_failures"]), (&json!("active"), &json!(0)), "{shown}");
    let ids = sink.ids("/hook");
    let twice = ids.values().filter(|came| **came > 1).count();
    assert_eq!((ids.len(), twice), (3 * HELD, HELD), "{ids:?}");
    eprintln!("{} webhooks, {twice} of them more than once", ids.len());
}
