//! `hardpoint` as an operator types it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use hardpoint_tests::component::fixture;
use hardpoint_tests::host::{Host, Options, binary};
use hardpoint_tests::patience::until;
use serde_json::Value;
use tempfile::TempDir;

use crate::operator::call;

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", said(output));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(output)))
}

#[tokio::test(flavor = "multi_thread")]
async fn plugins_are_looked_at_granted_and_called_beside_a_running_host() {
    let bindings =
        "[bindings.probe]\nplugin = \"prober\"\nsettings = { target = \"https://api.example.com/\" }\n";
    let host = Host::start(Options::new().shipped("calculator").fixture("prober").config(bindings)).await;

    let listed = said(&host.command(&["plugin", "list"]));
    assert!(listed.contains("calculator") && listed.contains("pending_approval"), "{listed}");
    let inspected = said(&host.command(&["plugin", "inspect", "prober"]));
    for words in ["https://api.example.com", "hardpoint plugin grant prober"] {
        assert!(inspected.contains(words), "{words}: {inspected}");
    }
    let inspected = json(&host.command(&["plugin", "inspect", "calculator", "--json"]));
    assert_eq!(inspected["id"], "calculator", "{inspected}");

    let sum = ["plugin", "call", "calculator", "--arguments", r#"{"expression": "0.1 + 0.2"}"#];
    let called = host.command(&sum);
    assert!(called.status.success() && said(&called).contains("0.3"), "{}", said(&called));
    // What was not granted is not done at the command line either, which says how to allow it.
    let probe = ["plugin", "call", "prober", "--arguments", r#"{"do": "kv-get", "key": "k"}"#];
    let refused = said(&host.command(&probe));
    assert!(refused.contains("hardpoint plugin grant prober"), "{refused}");

    assert!(host.command(&["plugin", "grant", "prober", "--yes"]).status.success());
    let granted = said(&host.command(&["plugin", "inspect", "prober"]));
    assert!(!granted.contains("hardpoint plugin grant prober"), "{granted}");
    let unknown = host.command(&["plugin", "grant", "nobody", "--yes"]);
    assert!(!unknown.status.success() && said(&unknown).contains("nobody"), "{}", said(&unknown));
}

/// The commands ask no running host, and know all the same what it refuses at the moment.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_binding_is_told() {
    let host = Host::start(Options::new().fixture("hostile")).await;
    let client = host.client();
    let before = json(&host.command(&["plugin", "list", "--json"]));
    assert!(before["plugins"][0]["bindings"][0]["paused"].is_null(), "{before}");
    let told = until("the pause to be told", || async {
        // A pause lasts for seconds only; a machine that is busy gets a longer one.
        call(&client, "hostile", serde_json::json!({ "do": "trap" })).await;
        let listed = json(&host.command(&["plugin", "list", "--json"]));
        let binding = listed["plugins"][0]["bindings"][0].clone();
        (binding["paused"] == true).then_some(binding)
    });
    let told = told.await;
    assert!(told["paused_until"].as_str().is_some_and(|until| until.ends_with('Z')), "{told}");
    for command in [["plugin", "list"].as_slice(), &["plugin", "inspect", "hostile"]] {
        until("the pause to be told in words", || async {
            call(&client, "hostile", serde_json::json!({ "do": "trap" })).await;
            said(&host.command(command)).contains("paused until").then_some(())
        })
        .await;
    }
}

#[test]
fn a_file_is_looked_at_and_called_without_any_host() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("hostile.wasm");
    std::fs::write(&file, fixture("hostile")).expect("written");
    std::fs::write(folder.path().join("text.wasm"), "hello").expect("written");
    let run = |arguments: &[&str]| {
        Command::new(binary()).current_dir(folder.path()).args(arguments).output().expect("it runs")
    };
    let call = |what: &str| {
        let arguments = format!("{{\"do\": \"{what}\"}}");
        run(&["plugin", "call", "./hostile.wasm", "--arguments", &arguments])
    };
    let good = call("count");
    assert!(good.status.success() && said(&good).contains('1'), "{}", said(&good));
    // The sandbox of the command line is the host's: the same limits, the same names for what went wrong.
    for (what, words) in [("spin", "CPU time"), ("allocate", "memory"), ("trap", "trapped")] {
        let stopped = call(what);
        assert!(!stopped.status.success() && said(&stopped).contains(words), "{what}: {}", said(&stopped));
    }
    let inspected = said(&run(&["plugin", "inspect", "./hostile.wasm"]));
    assert!(inspected.contains("hostile") && inspected.contains("0.1.0"), "{inspected}");
    let text = run(&["plugin", "inspect", "./text.wasm"]);
    assert!(!text.status.success() && said(&text).contains("component"), "{}", said(&text));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_openapi_is_the_one_that_is_served() {
    let host = Host::start(Options::new()).await;
    let printed = json(&host.command(&["openapi"]));
    let served = host.anonymous().get("/api/v1/openapi.json").await.expect(200);
    assert_eq!(printed, served);
    assert!(
        printed["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")),
        "{}",
        printed["openapi"]
    );
    assert!(host.anonymous().get("/docs/").await.text().contains("<html"));
}

/// Loaded plugins and connections take a file each, and shells allow 1,024 as a rule.
#[test]
fn the_host_may_open_as_many_files_as_its_user_may() {
    let folder = TempDir::new().expect("a temporary folder");
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -S -n 256; exec \"$@\"", "sh"]).arg(binary());
    command.args(["serve", "--listen", "127.0.0.1:0", "--data", "data"]).current_dir(folder.path());
    let mut host = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it runs");
    let mut first_line = String::new();
    BufReader::new(host.stdout.take().expect("a pipe")).read_line(&mut first_line).expect("it listens");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", host.id())).expect("its limits");
    host.kill().expect("it ran");
    host.wait().expect("it ended");

    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("one of them");
    let [soft, hard, _] = files.split_whitespace().skip(3).collect::<Vec<_>>()[..] else { panic!("{files}") };
    assert!(soft == hard && soft != "256", "{files}");
}

/// Where migrating is left to the command, nothing else does it.
#[test]
fn a_database_is_migrated_by_command() {
    let folder = TempDir::new().expect("a temporary folder");
    std::fs::write(folder.path().join("hardpoint.toml"), "[database]\nmigrate = \"command\"\n")
        .expect("written");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.current_dir(folder.path()).args(arguments).args(["--data", "data"]);
        command.stdin(Stdio::null()).output().expect("the binary runs")
    };
    for refused in [&["org", "create", "Acme"][..], &["serve", "--listen", "127.0.0.1:0"]] {
        let refused = run(refused);
        assert!(
            !refused.status.success() && said(&refused).contains("`hardpoint migrate --data data`"),
            "{}",
            said(&refused)
        );
    }
    let lacks = run(&["migrate", "--check", "--json"]);
    let listed: Value = serde_json::from_slice(&lacks.stdout).expect("JSON");
    assert!(!lacks.status.success() && listed["applied"] == false, "{}", said(&lacks));
    assert!(!folder.path().join("data").exists(), "who only looks makes nothing");

    let applied = json(&run(&["migrate", "--json"]));
    assert_eq!(applied["migrations"], listed["migrations"]);
    assert_eq!(applied["migrations"][0]["version"], 1);
    assert!(run(&["migrate", "--check"]).status.success());
    assert_eq!(json(&run(&["migrate", "--json"]))["migrations"], serde_json::json!([]));
    assert!(run(&["org", "create", "Acme"]).status.success());
}

#[test]
fn plans_are_listed_as_configured() {
    let folder = TempDir::new().expect("a temporary folder");
    std::fs::write(folder.path().join("hardpoint.toml"), "[plans.free]\nseats = 7\n").expect("written");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.current_dir(folder.path()).args(arguments).output().expect("the binary runs")
    };
    let listed = json(&run(&["plan", "list", "--json"]));
    assert_eq!((&listed[0]["id"], &listed[0]["seats"]), (&Value::from("free"), &Value::from(7)), "{listed}");
    assert!(said(&run(&["plan", "show", "starter"])).contains("fleet_ops, audit_logs"));
    let unknown = run(&["plan", "show", "gold"]);
    assert_eq!(unknown.status.code(), Some(2), "{}", said(&unknown));
    assert!(said(&unknown).contains("free, standard, professional, enterprise"), "{}", said(&unknown));
}
