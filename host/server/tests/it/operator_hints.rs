//! What operators are told without having asked: what will fail, what needs a restart, what serves meanwhile; and what
//! they are not bothered with.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command_line::{hardpoint, said};
use crate::support::{TestApp, echo};

const GETS: &str = "[[http]]\nhost = \"api.example.com\"\nmethods = [\"GET\"]\n";
const SECRET: &str = "[[secret]]\nname = \"api_key\"\naudience = \"https://api.example.com\"\n";
const MINE: &str = "[secrets.mine]\nvalue = \"0123456789\"\naudience = \"https://api.example.com\"\n";

/// What a command beside a server said; it succeeded.
fn run(app: &TestApp, arguments: &[&str]) -> String {
    let done = hardpoint(app.folder(), &[&["plugin"], arguments].concat());
    assert!(done.status.success(), "{arguments:?}: {}", said(&done));
    said(&done)
}

fn shown(folder: &Path, arguments: &[&str]) -> String {
    said(&hardpoint(folder, arguments))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_missing_is_said_to_fail_calls() {
    let app = TestApp::with(MINE, &[("echo.wasm", echo("1.0.0", &format!("{GETS}{SECRET}")))]).await;
    let fails = "no secret stands for `api_key`, so its calls will fail: keep one for \"https://api.example.com\" \
                 (`hardpoint secrets set NAME --audience https://api.example.com`, or [secrets.NAME] in \
                 hardpoint.toml), and name it by `hardpoint plugin bind echo";
    let bound = run(&app, &["bind", "echo", "eu"]);
    assert!(bound.contains(&format!("Warning: {fails} eu` with its settings")), "{bound}");
    let inspected = run(&app, &["inspect", "echo"]);
    assert!(inspected.contains(&format!("{fails} --secret api_key=NAME`")), "{inspected}");
    let bound = run(&app, &["bind", "echo", "eu", "--secret", "api_key=mine"]);
    assert!(!bound.contains("Warning"), "{bound}");

    std::fs::write(app.folder().join("bare.toml"), "[bindings.us]\nplugin = \"echo\"\n").unwrap();
    let checked = shown(app.folder(), &["config", "check", "--config", "bare.toml"]);
    let fails = "Warning: bindings.us.secrets: no secret stands for `api_key`, so its calls will fail: ";
    assert!(checked.contains(fails), "{checked}");
    assert!(
        checked.contains("name it by `secrets = { api_key = \"NAME\" }` under [bindings.us]"),
        "{checked}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_has_not_loaded_needs_a_restart() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let commands = [["list"].as_slice(), &["inspect", "echo"]];
    let note = "hardpoint.toml is not what the running host has loaded";
    for command in commands {
        assert!(!run(&app, command).contains(note), "{command:?}");
    }
    app.configure(MINE);
    for command in commands {
        let told = run(&app, command);
        assert!(told.contains(note) && told.contains("once that host is restarted"), "{command:?}: {told}");
    }
    // It is read when a host starts.
    let app = app.restart().await;
    assert!(!run(&app, &["list"]).contains(note));
}

/// What a plugin has by itself is in nobody's way where others serve.
#[tokio::test(flavor = "multi_thread")]
async fn a_binding_that_nobody_wants_asks_for_nothing() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", GETS))]).await;
    assert!(run(&app, &["list"]).contains("binding echo is not allowed"));
    run(&app, &["bind", "echo", "eu"]);
    run(&app, &["grant", "echo", "--binding", "eu", "--yes"]);
    app.settle().await;
    let listed = run(&app, &["list"]);
    assert!(listed.contains("active") && !listed.contains("binding echo"), "{listed}");
    // One that somebody made is waited for all the same.
    run(&app, &["bind", "echo", "us"]);
    assert!(run(&app, &["list"]).contains("binding us: pending_approval"));
    assert!(run(&app, &["inspect", "echo"]).contains("Binding  echo: not used: it waits, and others serve"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_the_folder_can_be_named() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    app.publish("echo-2.wasm", &echo("2.0.0", "kv = true\n")).await;
    app.publish("bad.wasm", b"nothing").await;
    let listed = run(&app, &["list"]);
    assert!(listed.contains("bad.wasm") && !listed.contains("echo-2.wasm"), "{listed}");
    let all = run(&app, &["list", "--all"]);
    for line in
        ["2 files in data/plugins with a plugin:", "  echo-2.wasm: pending_approval", "  echo.wasm: active"]
    {
        assert!(all.contains(line), "{line}: {all}");
    }
    // What serves is not out of the game for a newer one that was discarded.
    run(&app, &["discard", "echo"]);
    app.settle().await;
    let files = app.get("/api/v1/plugins").await.expect(200)["files"].clone();
    let state = |name: &str| {
        files.as_array().unwrap().iter().find(|file| file["name"] == name).unwrap()["state"].clone()
    };
    assert_eq!((state("echo.wasm"), state("echo-2.wasm")), (json!("active"), json!("removed")), "{files}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dry_run_says_first_is_what_the_command_does() {
    let app = TestApp::with("", &[]).await;
    std::fs::write(app.folder().join("mine.wasm"), echo("1.0.0", "")).unwrap();
    let dry = || run(&app, &["publish", "mine.wasm", "--dry-run"]);
    let would = "It would wait for the approval of its bytes, published by command or API; from the plugins folder it \
                 would serve at once.";
    let new = dry();
    assert!(new.starts_with("echo 1.0.0, which is not here yet (sha256:") && new.contains(would), "{new}");
    assert!(new.contains("Binding echo: nothing changes in what it asks for and may do"), "{new}");
    run(&app, &["publish", "mine.wasm"]);
    let waiting = dry();
    assert!(waiting.starts_with("echo 1.0.0, which is here already: pending_approval (sha256:"), "{waiting}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_opens_a_plugin_is_told_which() {
    let app = TestApp::with("", &[("echo.wasm", echo("1.0.0", ""))]).await;
    let told: Value = serde_json::from_str(&run(&app, &["disable", "echo", "--json"])).unwrap();
    assert_eq!(told, json!({"id": "echo", "others": false, "organizations": [], "declared": false}));
}

/// A variable that is not set is named, and is no matter for who only looks at a file.
#[test]
fn a_file_needs_no_secret() {
    let folder = TempDir::new().unwrap();
    let toml = "[secrets.mine]\nenv = \"NOT_SET_ANYWHERE\"\naudience = \"https://a.example\"\n";
    std::fs::write(folder.path().join("hardpoint.toml"), toml).unwrap();
    std::fs::write(folder.path().join("mine.wasm"), echo("1.0.0", "")).unwrap();
    for command in
        [["inspect", "mine.wasm"].as_slice(), &["call", "mine.wasm"], &["test", "mine.wasm", "--conformance"]]
    {
        let done = hardpoint(folder.path(), &[&["plugin"], command, &["--data", "elsewhere"]].concat());
        assert!(done.status.success(), "{command:?}: {}", said(&done));
    }
    let told = shown(folder.path(), &["plugin", "list"]);
    assert!(
        told.contains("secrets.mine.env: names the environment variable NOT_SET_ANYWHERE, which"),
        "{told}"
    );
    // What may be the secret itself is not repeated.
    std::fs::write(
        folder.path().join("hardpoint.toml"),
        toml.replace("NOT_SET_ANYWHERE", "JBSWY3DPEHPK3PXP"),
    )
    .unwrap();
    let told = shown(folder.path(), &["plugin", "list"]);
    assert!(told.contains("secrets.mine.env") && !told.contains("JBSWY"), "{told}");
    // Nothing that is done to what is published helps a file.
    std::fs::write(folder.path().join("mine.wasm"), echo("1.0.0", GETS)).unwrap();
    let told = shown(folder.path(), &["plugin", "call", "mine.wasm"]);
    assert!(
        told.ends_with("allow it for this call with --allow\n") && !told.contains("plugin grant"),
        "{told}"
    );
}

/// Nobody else on the machine reads customers' data.
#[test]
fn what_a_host_makes_is_its_owners_alone() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("mine.wasm"), echo("1.0.0", "")).unwrap();
    assert!(hardpoint(folder.path(), &["plugin", "publish", "mine.wasm"]).status.success());
    let mode = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("data/hardpoint.db")), (0o700, 0o600));
}

/// A disk that is not there is not replaced by an empty folder.
#[test]
fn a_folder_for_bytes_that_is_gone_is_not_made_anew() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("mine.wasm"), echo("1.0.0", "")).unwrap();
    std::fs::write(folder.path().join("hardpoint.toml"), "[storage]\nblobs = \"mount/blobs\"\n").unwrap();
    let publish = ["plugin", "publish", "mine.wasm"];
    let first = hardpoint(folder.path(), &publish);
    assert!(first.status.success() && folder.path().join("mount/blobs").is_dir(), "{}", said(&first));
    std::fs::rename(folder.path().join("mount"), folder.path().join("away")).unwrap();
    for command in [publish.as_slice(), &["serve", "--listen", "127.0.0.1:0"]] {
        let refused = hardpoint(folder.path(), command);
        assert!(!refused.status.success() && !folder.path().join("mount").exists(), "{}", said(&refused));
        let told = "the folder for plugins' bytes (storage.blobs), mount/blobs, is not there";
        assert!(said(&refused).contains(told) && said(&refused).contains("mount it"), "{}", said(&refused));
    }
    std::fs::rename(folder.path().join("away"), folder.path().join("mount")).unwrap();
    assert!(hardpoint(folder.path(), &publish).status.success());
}
