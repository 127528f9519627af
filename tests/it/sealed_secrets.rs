//! Secrets that are kept by command, beside a running host: used like those of the configuration, read by nobody.

use std::fs;
use std::path::Path;

use hardpoint_tests::double::plain::Plain;
use hardpoint_tests::double::script::Script;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use serde_json::{Value, json};

use crate::operator::call;

const TOKEN: &str = "s3cr3t-0123456789-token";

fn run(host: &Host, arguments: &[&str], input: &str) -> Value {
    let output = host.command_with(arguments, input);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{arguments:?}: {error}"))
}

/// Calls the prober until what it sends has the secret in it, and not before.
async fn sends_it(host: &Host, outside: &Plain) {
    let url = format!("{}/", outside.server().origin());
    let ask = || json!({"do": "send", "url": url, "method": "POST", "token": true});
    until("the secret to be sent", || async {
        let answer = call(&host.client(), "probe", ask()).await;
        (answer.status == 200 && outside.seen().last().is_some_and(|seen| seen.body == TOKEN)).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_kept_by_command_is_used_at_once_and_replaced_keys_open_it() {
    let outside = Plain::start().await.expect("a double");
    outside.on("/", Script::new().bytes("thanks"));
    let (address, origin) = (outside.server().address(), outside.server().origin());
    let keys = tempfile::tempdir().expect("a folder");
    let file = keys.path().join("master.key");
    let (file, name) = (file.as_path(), file.to_str().expect("text"));
    let config = format!(
        "[egress]\nallow_internal = [\"{address}\"]\n\n[secrets]\nmaster_key_file = \"{name}\"\n\n\
         [bindings.probe]\nplugin = \"prober\"\nsettings = {{ target = \"{origin}/\" }}\n\
         secrets = {{ token = \"token\" }}\n\n\
         [bindings.probe.grant]\nhttp = [\"GET,POST {origin}\"]\nsecrets = [\"token\"]\nkv = true\nscratch = true\n"
    );
    fs::write(file, format!("{}\n", new_key())).expect("a key");
    let mut host = Host::start(Options::new().fixture("prober").config(&config)).await;

    // `config check` misses it until it is there.
    assert!(!host.command(&["config", "check"]).status.success());
    let kept =
        run(&host, &["secrets", "set", "token", "--audience", &origin, "--json"], &format!("{TOKEN}\n"));
    assert_eq!(kept["created"], true);
    let checked = host.command(&["config", "check"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    sends_it(&host, &outside).await;
    let listed = run(&host, &["secrets", "list", "--json"], "");
    assert_eq!((&listed[0]["name"], &listed[0]["problem"]), (&json!("token"), &Value::Null));
    let first = listed[0]["key_id"].clone();

    // A newer key takes its place; the old one is then needed no more.
    let newer = run(&host, &["secrets", "new-key", name, "--json"], "");
    let rotated = run(&host, &["secrets", "rotate", "--json"], "");
    assert_eq!((&rotated["resealed"], &rotated["key_id"]), (&json!(1), &newer["key_id"]));
    assert_ne!(newer["key_id"], first);
    let text = fs::read_to_string(file).expect("the keys");
    fs::write(file, text.lines().last().expect("the newer")).expect("it alone");
    host.restart().await;
    sends_it(&host, &outside).await;

    // Without it, the host says what it cannot open, and goes on.
    fs::write(file, new_key()).expect("another");
    host.restart().await;
    let log = host.log();
    assert!(log.contains("\"secret\":\"token\""), "{log}");
    host.client().get("/api/v1/me").await.expect(200);
    assert!(!host.command(&["secrets", "rotate"]).status.success());

    host.kill();
    nowhere(&host.folder().join("data"));
    assert!(!host.log().contains(TOKEN));
}

fn new_key() -> String {
    let output =
        std::process::Command::new(hardpoint_tests::host::binary()).args(["secrets", "new-key"]).output();
    String::from_utf8(output.expect("the binary runs").stdout).expect("text").trim().to_owned()
}

/// No file below a folder has the secret.
fn nowhere(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            nowhere(&path);
        } else {
            let bytes = fs::read(&path).expect("a file");
            let found = bytes.windows(TOKEN.len()).any(|bytes| bytes == TOKEN.as_bytes());
            assert!(!found, "{} has the secret", path.display());
        }
    }
}
