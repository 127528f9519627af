//! Starting, stopping, dying, and starting again.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use bytes::Bytes;
use hardpoint_tests::client::Next;
use hardpoint_tests::double::openai::Reply;
use hardpoint_tests::double::script::{End, Script};
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::PATIENCE;
use hardpoint_tests::process;
use serde_json::json;

use crate::faults_upstream::says_chunk;
use crate::operator::{call, serving};
use crate::scene::{says, scene, scene_with};

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_to_stop_lets_streams_finish() {
    let mut scene = scene(&["paced"]).await;
    let gate = Gate::closed();
    scene.double.on("paced", [Reply::text("one two three").paced(&gate).into()]);
    gate.let_pass(1);
    let mut events = scene.stream(&says("paced", "count")).await;
    assert!(matches!(events.next().await, Next::Data(_)));
    process::signal(scene.host.pid(), "TERM");
    let told = tokio::spawn(events.rest());
    gate.open();
    let told = told.await.expect("no panic");
    assert!(told.done && told.text == "one two three", "{told:?}");
    let status = scene.host.ended().await;
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_survives_a_kill() {
    let mut host =
        Host::start(Options::new().fixture("prober").shipped("calculator").config(
            "[bindings.probe]\nplugin = \"prober\"\nsettings = { target = \"http://127.0.0.1:9/\" }\n",
        ))
        .await;
    assert!(host.command(&["plugin", "grant", "prober", "--yes"]).status.success());
    serving(&host.client(), "prober", "0.1.0").await;
    let set = json!({"do": "kv-set", "key": "k", "value": "v"});
    call(&host.client(), "probe", set).await.expect(200);
    for _ in 0..3 {
        host.kill();
        host.restart().await;
        // The same key, the same grant, the same values.
        let client = host.client();
        serving(&client, "prober", "0.1.0").await;
        let came = call(&client, "probe", json!({"do": "kv-get", "key": "k"})).await.expect(200);
        assert_eq!(came["result"]["value"], "v");
        call(&client, "calculator", json!({"expression": "2 ^ 10"})).await.expect(200);
    }
}

/// The address of an empty database on the PostgreSQL that tests are given.
pub(crate) fn new_database(name: &str) -> String {
    let server = std::env::var("HARDPOINT_TEST_POSTGRES")
        .expect("HARDPOINT_TEST_POSTGRES names no PostgreSQL: run `cargo xtask test --only blackbox`");
    let name = format!("{name}_{}", std::process::id());
    let made = std::process::Command::new("createdb").args(["--maintenance-db", &server, &name]).output();
    let made = made.expect("createdb, of PostgreSQL's clients");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (address, options) = server.split_once('?').unwrap_or((&server, ""));
    let (address, _) = address.rsplit_once('/').expect("a database in the address");
    format!("{address}/{name}?{options}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_on_postgresql_serves_the_same() {
    let url = new_database("blackbox");
    let options =
        Options::new().shipped("extractive").shipped("calculator").env("HARDPOINT__DATABASE__URL", &url);
    let mut host = Host::start(options).await;
    for _ in 0..2 {
        let client = host.client();
        client.post("/api/v1/chat/completions", &says("extractive", "Is there anybody?")).await.expect(200);
        call(&client, "calculator", json!({"expression": "2 ^ 10"})).await.expect(200);
        host.kill();
        host.restart().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_told_at_once_and_whole() {
    let host = Host::start(Options::new()).await;
    let wrong =
        "[server]\nlisten = \"nowhere\"\ncolour = \"blue\"\n\n[[models]]\nid = \"m\"\nbinding = \"none\"\n";
    std::fs::write(host.folder().join("wrong.toml"), wrong).expect("written");
    let output = std::process::Command::new(hardpoint_tests::host::binary())
        .current_dir(host.folder())
        .args(["config", "check", "--config", "wrong.toml"])
        .output()
        .expect("it runs");
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("colour") || said.contains("server.listen"), "{said}");
    let example = host.command(&["config", "example"]);
    assert!(String::from_utf8_lossy(&example.stdout).contains("[egress]"));
}

/// Closing at once would make the client's system throw the answer away, or break its sending off.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_answered_early_may_finish_sending() {
    let host = Host::start(Options::new()).await;
    let address = host.origin().trim_start_matches("http://").to_owned();
    let sent = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = "POST /api/v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 8000000\r\n\r\n";
        stream.write_all(head.as_bytes())?;
        stream.write_all(&[b'x'; 100_000])?;
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer)?;
        for _ in 0..79 {
            stream.write_all(&[b'x'; 100_000])?;
        }
        stream.shutdown(Shutdown::Write)?;
        stream.read_to_end(&mut answer)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
    });
    let answer = sent.await.unwrap().expect("it was cut off while it was sending");
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("invalid_api_key"), "{answer}");
}

/// A client that reads no further slows the provider down, and after a while it is a client that left.
#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_not_read_for() {
    let options = Options::new();
    let scene = scene_with(&["long"], "[server]\nstall_timeout = \"2s\"\n", options).await;
    let piece = Bytes::from(says_chunk(&"x".repeat(64 << 10)));
    // 256 MiB, many times what any system keeps for a connection.
    let long = (0..4_096).fold(Script::events(), |script, _| script.bytes(piece.clone()));
    scene.double.on("long", [long.into()]);
    let before = scene.host.memory();
    let mut events = scene.stream(&says("long", "hello")).await;
    assert!(matches!(events.next().await, Next::Data(_)));
    let seen = scene.double.wait_for("long", 1).await;
    assert_eq!(seen.ended.wait().await, End::ClientLeft);
    let grown = scene.host.memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{} MiB were kept for somebody who did not read", grown >> 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_stops_coming_is_not_waited_for() {
    let host = Host::start(Options::new().config("[server]\nstall_timeout = \"1s\"\n")).await;
    let (address, key) = (host.origin().trim_start_matches("http://").to_owned(), host.key().to_owned());
    let sent = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!(
            "POST /api/v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: 500\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    });
    let answer = sent.await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("request_timeout"), "{answer}");
}
