//! What is dropped into the plugins folder, good and bad, while requests go on.

use std::fs::{self, File, OpenOptions};
use std::io::Write;

use hardpoint_tests::component::{fixture, shipped, versioned, with_manifest};
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use serde_json::json;

use crate::operator::{call, file, file_in_state, plugin, serving};
use crate::scene::{says, text_of};

const CALCULATION: &str = "(1 + 2) * 3.5";

async fn assert_calculates(host: &Host) {
    let answer = call(&host.client(), "calculator", json!({"expression": CALCULATION})).await;
    assert!(answer.expect(200)["result"].to_string().contains("10.5"), "{}", answer.text());
}

fn settling_quickly() -> Options {
    Options::new().env("HARDPOINT__PLUGINS__SETTLE", "300ms")
}

/// A manifest for somebody else's component.
fn manifest(id: &str, version: &str, kind: &str) -> String {
    format!(
        "id = \"{id}\"\nversion = \"{version}\"\nkind = \"{kind}\"\ndescription = \"Not what it seems.\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_files_are_named_and_disturb_nothing() {
    let host = Host::start(settling_quickly().shipped("calculator")).await;
    let client = host.client();
    let calculator = shipped("calculator");
    let before = plugin(&client, "calculator").await;
    let liar = |toml: &str| with_manifest(&fixture("prober"), toml);
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("text", b"hello, world".to_vec(), "component"),
        ("empty", Vec::new(), "component"),
        ("core-module", b"\0asm\x01\0\0\0".to_vec(), "core WebAssembly module"),
        ("truncated", calculator[..calculator.len() / 2].to_vec(), "component"),
        ("no-manifest", hardpoint_domain::manifest::strip(&calculator), "manifest"),
        ("bad-manifest", with_manifest(&calculator, "id = \"x\"\nfavourite = \"blue\""), "manifest"),
        ("other-world", with_manifest(&calculator, &manifest("other-world", "1.0.0", "exporter")), "world"),
        // It imports `http` and `kv`, and asks for neither.
        ("liar", liar(&manifest("liar", "1.0.0", "tool")), "imports"),
    ];
    for (name, bytes, _) in &table {
        host.drop_plugin(name, bytes);
    }
    // Large, and mostly a hole: nobody has to read it to know.
    File::create(host.plugins_folder().join("huge.wasm"))
        .and_then(|file| file.set_len(200 << 20))
        .expect("a hole");

    for (name, _, reason) in &table {
        let file = file_in_state(&client, &format!("{name}.wasm"), "rejected").await;
        assert!(file["reason"].as_str().is_some_and(|why| why.contains(reason)), "{name}: {file}");
        assert_calculates(&host).await;
    }
    let huge = file_in_state(&client, "huge.wasm", "rejected").await;
    assert!(huge["reason"].as_str().is_some_and(|why| why.contains("max_component_bytes")), "{huge}");
    assert!(host.memory() < 400 << 20, "the large file was read");

    let after = plugin(&client, "calculator").await;
    for member in ["digest", "version", "state"] {
        assert_eq!(before[member], after[member], "{member}");
    }
    assert_eq!(
        before["live"]["generation"], after["live"]["generation"],
        "it was published anew for nothing"
    );
    assert_calculates(&host).await;

    // The command line tells the same as the API.
    let told = host.command(&["plugin", "list"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.contains("calculator") && told.contains("truncated.wasm"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_version_that_traps_at_once_never_serves() {
    let host = Host::start(settling_quickly().shipped("calculator")).await;
    let client = host.client();
    let before = plugin(&client, "calculator").await;
    let stillborn = with_manifest(&fixture("stillborn"), &manifest("calculator", "99.0.0", "tool"));
    host.drop_plugin("calculator", &stillborn);
    let candidate = until("the trial run to fail", || async {
        let candidate = plugin(&client, "calculator").await["candidate"].clone();
        (candidate["state"] == "rejected").then_some(candidate)
    })
    .await;
    assert_eq!(candidate["version"], "99.0.0");
    assert!(candidate["reason"].as_str().is_some_and(|why| why.contains("trial run")), "{candidate}");
    let after = plugin(&client, "calculator").await;
    assert_eq!(
        (&after["version"], &after["live"]["generation"]),
        (&before["version"], &before["live"]["generation"])
    );
    assert_calculates(&host).await;

    // Its successor is good, and takes over.
    let good = with_manifest(&shipped("calculator"), &manifest("calculator", "99.0.1", "tool"));
    host.drop_plugin("calculator", &good);
    serving(&client, "calculator", "99.0.1").await;
    assert_calculates(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_still_being_copied_is_waited_for() {
    // Long enough that the copy below never looks finished in between.
    let host =
        Host::start(Options::new().env("HARDPOINT__PLUGINS__SETTLE", "30s").shipped("calculator")).await;
    let client = host.client();
    let newer = with_manifest(&shipped("calculator"), &manifest("calculator", "99.0.0", "tool"));
    // As `cp` does it: the old file is cut to nothing and filled from the beginning.
    let path = host.plugins_folder().join("calculator.wasm");
    let mut copy = OpenOptions::new().write(true).truncate(true).open(&path).expect("the file");
    let (first, rest) = newer.split_at(newer.len() / 3);
    copy.write_all(first).expect("a third");
    file_in_state(&client, "calculator.wasm", "copying").await;
    assert_calculates(&host).await;
    assert_ne!(plugin(&client, "calculator").await["version"], "99.0.0");
    copy.write_all(rest).expect("the rest");
    serving(&client, "calculator", "99.0.0").await;
    assert_calculates(&host).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_files_the_higher_version_serves() {
    let host = Host::start(settling_quickly()).await;
    let client = host.client();
    let version =
        |version: &str| with_manifest(&shipped("calculator"), &manifest("calculator", version, "tool"));
    host.drop_plugin("one", &version("1.10.0"));
    host.drop_plugin("two", &version("1.9.0"));
    serving(&client, "calculator", "1.10.0").await;
    assert_eq!(file_in_state(&client, "two.wasm", "superseded").await["plugin"], "calculator");
    // Without the higher one the lower one serves.
    fs::remove_file(host.plugins_folder().join("one.wasm")).expect("removed");
    serving(&client, "calculator", "1.9.0").await;
    assert!(file(&client, "one.wasm").await.is_null());
    assert_calculates(&host).await;
    // Without any, there is no such tool.
    fs::remove_file(host.plugins_folder().join("two.wasm")).expect("removed");
    until("the tool to be gone", || async {
        let answer = call(&client, "calculator", json!({"expression": "1"})).await;
        (answer.status == 404).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_waits_for_its_digest_to_be_approved() {
    let host = Host::start(settling_quickly()).await;
    let client = host.client();
    let bytes = shipped("calculator");
    let headers = [("content-type", "application/wasm")];
    let uploaded =
        client.send(http::Method::POST, "/api/v1/plugins", &headers, bytes.clone()).await.expect(201);
    assert_eq!((&uploaded["state"], &uploaded["source"]), (&json!("pending_approval"), &json!("upload")));
    assert_eq!(call(&client, "calculator", json!({"expression": "1"})).await.status, 404);

    let approve = |digest: &str| {
        let (client, body) = (client.clone(), json!({"digest": digest}));
        async move { client.post("/api/v1/plugins/calculator/approve", &body).await }
    };
    let other = format!("sha256:{}", "0".repeat(64));
    assert_eq!(approve(&other).await.status, 422, "only what was looked at can be approved");
    let approved = approve(uploaded["digest"].as_str().expect("a digest")).await.expect(200);
    assert_eq!(approved["state"], "active", "{approved}");
    assert_calculates(&host).await;

    assert_eq!(client.delete("/api/v1/plugins/calculator").await.status, 204);
    assert_eq!(call(&client, "calculator", json!({"expression": "1"})).await.status, 404);
    let refused = client.send(http::Method::POST, "/api/v1/plugins", &headers, "hello").await;
    assert_eq!(refused.status, 422, "{}", refused.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_asks_for_more_waits_while_the_old_one_serves() {
    let pace = hardpoint_tests::double::plain::Plain::start().await.expect("a double");
    let config = format!(
        "[bindings.versioned]\nplugin = \"versioned\"\nsettings = {{ pace = \"{}/\" }}\n",
        pace.server().origin()
    );
    let model = "[[models]]\nid = \"versioned\"\nbinding = \"versioned\"\n";
    let (first, bytes) = versioned(1);
    let host = Host::start(settling_quickly().plugin("versioned", bytes).config(&config).config(model)).await;
    let client = host.client();
    let granted = host.command(&["plugin", "grant", "versioned", "--yes"]);
    assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
    serving(&client, "versioned", &first).await;

    let (second, bytes) = versioned(2);
    let asks_more = format!(
        "{}\n[[http]]\nhost = \"{{settings.pace}}\"\nmethods = [\"POST\"]\n\n[settings]\ntype = \"object\"\nrequired = [\"pace\"]\n\
         [settings.properties.pace]\ntype = \"string\"\nformat = \"uri\"\n",
        manifest("versioned", &second, "model")
    );
    host.drop_plugin("versioned", &with_manifest(&bytes, &asks_more));
    let candidate = until("the new version to wait", || async {
        let candidate = plugin(&client, "versioned").await["candidate"].clone();
        (candidate["state"] == "pending_approval" && candidate["reason"].is_string()).then_some(candidate)
    })
    .await;
    assert_eq!(candidate["version"], second);
    let why = candidate["reason"].as_str().unwrap_or_default();
    assert!(why.contains("hardpoint plugin grant versioned"), "{candidate}");
    let answer = client.post("/api/v1/chat/completions", &says("versioned", "which?")).await.expect(200);
    assert_eq!(text_of(&answer), first);

    assert!(host.command(&["plugin", "grant", "versioned", "--yes"]).status.success());
    until("the new version to answer", || async {
        let answer = client.post("/api/v1/chat/completions", &says("versioned", "which?")).await.expect(200);
        (text_of(&answer) == second).then_some(())
    })
    .await;
}
