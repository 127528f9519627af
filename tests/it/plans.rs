//! What a plan includes, on two hosts.

use futures_util::future::join_all;
use hardpoint_tests::client::Client;
use hardpoint_tests::host::{Host, Options};
use serde_json::Value;

use crate::lifecycle::new_database;

#[tokio::test(flavor = "multi_thread")]
async fn seats_are_counted_across_hosts() {
    let url = new_database("seats");
    let options = || Options::new().config("[plans.free]\nseats = 5\n").env("HARDPOINT__DATABASE__URL", &url);
    let hosts = [Host::start(options()).await, Host::start(options()).await];
    let made = |arguments: &[&str]| {
        let output = hosts[0].command(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let organization = made(&["org", "create", "Small", "--plan", "free", "--json"]);
    let id = organization["id"].as_str().expect("an id");
    let key = made(&["key", "new", "--org", id, "--role", "admin", "--unlimited", "--json"]);
    let clients = hosts.each_ref().map(|host| Client::new(host.origin(), key["key"].as_str()));
    let bodies: Vec<Value> =
        (0..200).map(|number| serde_json::json!({"email": format!("{number}@example.com")})).collect();
    let invited = bodies.iter().enumerate().map(|(at, body)| clients[at % 2].post("/api/v1/users", body));
    let answers = join_all(invited).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(402)), (5, 195));
}
