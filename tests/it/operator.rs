//! What an operator sees and does: `/plugins`, metrics, tools.

use hardpoint_tests::client::{Answer, Client};
use hardpoint_tests::patience::until;
use serde_json::{Value, json};

/// A plugin as `/plugins/{id}` shows it.
pub(crate) async fn plugin(client: &Client, id: &str) -> Value {
    client.get(&format!("/api/v1/plugins/{id}")).await.expect(200)
}

/// A file of the folder as `/plugins` shows it; null where it shows none.
pub(crate) async fn file(client: &Client, name: &str) -> Value {
    let listed = client.get("/api/v1/plugins").await.expect(200);
    let files = listed["files"].as_array().cloned().unwrap_or_default();
    files.into_iter().find(|file| file["name"] == name).unwrap_or(Value::Null)
}

/// Waits until a file is in a state, and gives what `/plugins` says of it.
pub(crate) async fn file_in_state(client: &Client, name: &str, state: &str) -> Value {
    let what = format!("{name} to be {state}");
    until(&what, || async {
        let file = file(client, name).await;
        (file["state"] == state).then_some(file)
    })
    .await
}

/// Waits until this version of a plugin serves.
pub(crate) async fn serving(client: &Client, id: &str, version: &str) {
    let what = format!("{id} {version} to serve");
    until(&what, || async {
        let answer = client.get(&format!("/api/v1/plugins/{id}")).await;
        let is_there =
            answer.status == 200 && answer.json()["version"] == version && !answer.json()["live"].is_null();
        is_there.then_some(())
    })
    .await;
}

/// Calls a tool.
pub(crate) async fn call(client: &Client, tool: &str, arguments: Value) -> Answer {
    client.post(&format!("/api/v1/tools/{tool}/call"), &json!({"arguments": arguments})).await
}

/// The sum of a metric's samples that have all of these labels.
pub(crate) async fn metric(client: &Client, name: &str, labels: &[&str]) -> f64 {
    let text = client.get("/metrics").await.text();
    let samples = text.lines().filter(|line| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label))
    });
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}
