//! What a plan includes, on two hosts.

use futures_util::future::join_all;
use hardpoint_tests::client::Client;
use hardpoint_tests::host::{Host, Options};
use http::Method;
use serde_json::{Value, json};

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
        (0..200).map(|number| json!({"email": format!("{number}@example.com")})).collect();
    let invited = bodies.iter().enumerate().map(|(at, body)| clients[at % 2].post("/api/v1/users", body));
    let answers = join_all(invited).await;
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(201), count(402)), (5, 195));
}

/// The file is not all of the configuration.
#[tokio::test(flavor = "multi_thread")]
async fn commands_tell_of_what_operators_changed() {
    let host = Host::start(Options::new().config("[plans.free]\nrequests_per_minute = 5\n")).await;
    let told = |arguments: &[&str]| {
        let output = host.command(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let organization = told(&["org", "create", "Small", "--plan", "free", "--json"]);
    let id = organization["id"].as_str().expect("an id");
    let limit = || told(&["org", "limits", id, "--json"])["limits"]["requests_per_minute"].clone();
    assert_eq!(limit(), 5);
    let change = json!({"plans": {"free": {"requests_per_minute": 7}}}).to_string();
    let headers = [("content-type", "application/json")];
    host.client().send(Method::PUT, "/api/v1/configs", &headers, change).await.expect(200);
    assert_eq!(limit(), 7);
    assert_eq!(told(&["plan", "show", "free", "--json"])["requests_per_minute"], 7);
}
