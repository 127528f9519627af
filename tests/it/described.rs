//! What the description says is what is answered: schemathesis makes requests from `/api/v1/openapi.json`, good ones
//! and bad ones, as an operator, an administrator and a member.

use std::path::PathBuf;
use std::process::{Command, Output};

use hardpoint_tests::client::Client;
use hardpoint_tests::host::{Host, Options};
use serde_json::Value;

use crate::operator::serving;
use crate::real_clients::cache;

/// How many requests are made of each operation; `cargo xtask test --examples`.
const EXAMPLES: &str = "HARDPOINT_EXAMPLES";

/// The same requests in every run.
const SEED: &str = "20260315";

const CHECKS: &str =
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_described() {
    let options = Options::new().shipped("extractive").shipped("calculator").shipped("http-json");
    let host = Host::start(options).await;
    let client = host.client();
    for plugin in ["extractive", "calculator"] {
        serving(&client, plugin, "0.1.0").await;
    }
    let organization = made(&host, &["org", "create", "Described", "--plan", "enterprise", "--json"]);
    let id = organization["id"].as_str().expect("an id");
    let callers = ["member", "admin", "operator"].map(|role| {
        let key = made(&host, &["key", "new", "--org", id, "--role", role, "--unlimited", "--json"]);
        let text = |member: &str| key[member].as_str().expect("a text").to_owned();
        (role, text("id"), text("key"))
    });
    let kept = callers.each_ref().map(|(_, id, _)| id.as_str()).join(",");
    let url = format!("{}/api/v1/openapi.json", host.origin());
    let asked = callers.each_ref().map(|(_, _, key)| {
        let (url, key, kept) = (url.clone(), key.clone(), kept.clone());
        tokio::task::spawn_blocking(move || schemathesis(&url, &key, &kept))
    });
    for ((who, _, key), asked) in callers.iter().zip(asked) {
        let output = asked.await.expect("no panic");
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "as {who}:\n{said}\n{errors}");
        let tested = said.lines().rev().find(|line| line.contains("generated")).unwrap_or_default();
        eprintln!("\nas {who}: {}", tested.trim());
        // Or all that was answered last was that there is no such key.
        Client::new(host.origin(), Some(key)).get("/api/v1/me").await.expect(200);
    }
}

fn made(host: &Host, arguments: &[&str]) -> Value {
    let output = host.command(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Asks as one key; keys of the ids in `kept`, separated by commas, are not ended by it.
fn schemathesis(url: &str, key: &str, kept: &str) -> Output {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("clients/schemathesis");
    let program = std::env::var_os("HARDPOINT_SCHEMATHESIS")
        .map_or_else(|| cache().join("clients/schemathesis/bin/schemathesis"), PathBuf::from);
    assert!(program.is_file(), "no schemathesis: `cargo xtask clients` installs it");
    let examples = std::env::var(EXAMPLES).unwrap_or_else(|_| "50".to_owned());
    // What it remembers of one run is no part of the next.
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(program);
    command.current_dir(folder.path()).env("NO_PROXY", "127.0.0.1").env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("SCHEMATHESIS_HOOKS", "hooks").env("PYTHONPATH", &here).env("HARDPOINT_KEPT", kept);
    command.arg("--config-file").arg(here.join("schemathesis.toml")).args(["run", url, "--header"]);
    command.arg(format!("Authorization: Bearer {key}"));
    command.args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--continue-on-failure"]);
    command.args(["--max-examples", &examples, "--seed", SEED, "--workers", "2", "--no-color"]);
    command.args(["--suppress-health-check", "all", "--request-timeout", "30"]);
    command.output().expect("it runs")
}
