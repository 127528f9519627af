//! What authors do at the command line: replay recordings, make them, try what every plugin must bear.

use std::path::Path;
use std::process::{Command, Output};

use hardpoint_tests::component;
use hardpoint_tests::double::openai::{KEY, OpenAi, Reply};
use hardpoint_tests::host::{Host, Options, binary};
use serde_json::{Value, json};
use tempfile::TempDir;

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.current_dir(folder).args(arguments).env("DOUBLE_KEY", KEY);
    command.output().expect("it runs")
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_shipped_plugin_bears_what_every_plugin_must() {
    let folder = TempDir::new().unwrap();
    for file in component::all_shipped() {
        let tested =
            run(folder.path(), &["plugin", "test", file.to_str().unwrap(), "--conformance", "--json"]);
        assert!(tested.status.success(), "{}: {}", file.display(), said(&tested));
        let lines: Vec<Value> = serde_json::from_slice(&tested.stdout).unwrap();
        assert!(lines.len() > 10, "{}: {lines:?}", file.display());
    }
}

/// A key that opens nothing is told before anything is built, and which one would.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_tried_before_the_first_build() {
    let host = Host::start(Options::new()).await;
    let folder = TempDir::new().unwrap();
    let made = run(folder.path(), &["plugin", "new", "tool", "count"]);
    assert!(made.status.success(), "{}", said(&made));
    let new = host.command(&["key", "text"]);
    let unknown = String::from_utf8(new.stdout).unwrap();
    let listed = host.command(&["org", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let org = listed[0]["id"].as_str().unwrap_or_else(|| panic!("{listed}")).to_owned();
    let made = host.command(&["key", "new", "--org", &org, "--role", "admin", "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap_or_else(|_| panic!("{}", said(&made)));
    for (key, words) in
        [(unknown.trim(), "does not take this key"), (made["key"].as_str().unwrap(), "is no operator's")]
    {
        let dev = run(folder.path(), &["plugin", "dev", "count", "--server", host.origin(), "--key", key]);
        let told = said(&dev);
        assert!(
            !dev.status.success() && told.contains(words) && told.contains("HARDPOINT_API_KEY"),
            "{told}"
        );
        assert!(!told.contains("building") && !told.contains(key), "{told}");
    }
}

/// What is recorded live is replayed without any network, cut in every way, and holds no secret.
#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_is_recorded_and_replayed() {
    let double = OpenAi::start().await.unwrap();
    double.on("m", [Reply::text("Because it stands by the river.").into()]);
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("openai.wasm"), component::shipped("openai")).unwrap();
    let config = format!("[egress]\nallow_internal = [\"{}\"]\n", double.server().address());
    std::fs::write(folder.path().join("hardpoint.toml"), config).unwrap();
    let question = json!({
        "about": "an answer in one sentence",
        "settings": {"base_url": double.base_url()},
        "completion": {
            "upstream_model": "m", "streamed": true, "messages": [{"role": "user", "content": "Why?"}],
        },
    });
    std::fs::write(folder.path().join("question.json"), question.to_string()).unwrap();
    std::fs::create_dir(folder.path().join("recordings")).unwrap();
    let record = [
        "plugin",
        "record",
        "openai.wasm",
        "question.json",
        "--secret",
        "api_key=DOUBLE_KEY",
        "--out",
        "recordings/plain.json",
        "--json",
    ];
    let recorded = run(folder.path(), &record);
    assert!(recorded.status.success(), "{}", said(&recorded));
    let told: Value = serde_json::from_slice(&recorded.stdout).unwrap();
    assert_eq!((&told["file"], &told["requests"]), (&json!("recordings/plain.json"), &json!(1)));
    let file = folder.path().join("recordings/plain.json");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(!text.contains(KEY) && text.contains("Bearer {secret:api_key}"), "{text}");
    let recording: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(recording["expect"]["text"], "Because it stands by the river.");
    assert_eq!(recording["expect"]["finish"], "stop");

    drop(double);
    let tested = run(folder.path(), &["plugin", "test", "openai.wasm"]);
    assert!(tested.status.success() && said(&tested).contains("1 passed"), "{}", said(&tested));

    for (change, words) in [
        (json!({"expect": {"text": "Because.", "finish": "stop"}}), "`text` is"),
        (json!({"settings": {"base_url": "https://other.example.com"}}), "the URL is"),
        (json!({"exchanges": []}), "is in no recording"),
    ] {
        let mut other = recording.clone();
        for (name, value) in change.as_object().unwrap() {
            other[name] = value.clone();
        }
        std::fs::write(&file, other.to_string()).unwrap();
        let tested = run(folder.path(), &["plugin", "test", "openai.wasm"]);
        assert!(!tested.status.success() && said(&tested).contains(words), "{words}: {}", said(&tested));
    }
}
