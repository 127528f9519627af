//! A secret that comes back from outside, or that a guest tells, however it learnt it: it stands in no answer,
//! in no view, in no log at any level, and nowhere on the disk.

use std::fs;
use std::path::Path;

use hardpoint_tests::double::plain::Plain;
use hardpoint_tests::double::script::Script;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use serde_json::json;

use crate::operator::call;

const TOKEN: &str = "s3cr3t-0123456789-token";

/// A binding of the prober that may send the secret to this double, with a log of everything there is.
async fn probing(outside: &Plain) -> Host {
    let (address, origin) = (outside.server().address(), outside.server().origin());
    let config = format!(
        "[egress]\nallow_internal = [\"{address}\"]\n\n[secrets.token]\nvalue = \"{TOKEN}\"\naudience = \"{origin}\"\n\n\
         [bindings.probe]\nplugin = \"prober\"\nsettings = {{ target = \"{origin}/\" }}\n\
         secrets = {{ token = \"token\" }}\n\n\
         [bindings.probe.grant]\nhttp = [\"GET,POST {origin}\"]\nsecrets = [\"token\"]\nkv = true\nscratch = true\n"
    );
    let options = Options::new().fixture("prober").config(&config).env("HARDPOINT__LOG__LEVEL", "trace");
    Host::start(options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_a_secret_is_redacted_everywhere() {
    let outside = Plain::start().await.expect("a double");
    outside.on("/", Script::new().header("x-echo", TOKEN).cut(format!("you sent {TOKEN}."), 5));
    let mut host = probing(&outside).await;
    let client = host.client();
    let url = format!("{}/", outside.server().origin());

    let send = json!({"do": "send", "url": url, "method": "POST", "token": true});
    let came = call(&client, "probe", send).await.expect(200)["result"].clone();
    assert_eq!(outside.seen()[0].body, TOKEN, "it was sent");
    assert_eq!(
        (&came["headers"]["x-echo"], &came["body"]),
        (&json!("[redacted]"), &json!("you sent [redacted]."))
    );

    let tell = |how: &str| json!({"do": "tell", "how": how, "text": TOKEN});
    let told = call(&client, "probe", tell("answer")).await.expect(200);
    assert_eq!(told["result"], json!({"told": "[redacted]", "kept": true}));
    let mut answers = Vec::new();
    for (how, status, says) in [
        ("refuse", 422, "refused: [redacted]"),
        ("fail", 502, "failed: [redacted]"),
        ("panic", 502, "stopped"),
    ] {
        let answer = call(&client, "probe", tell(how)).await;
        assert!(answer.status == status && answer.text().contains(says), "{how}: {}", answer.text());
        answers.push((format!("the answer to {how}"), answer.text()));
    }

    let logs = client.get("/api/v1/plugins/prober/logs?limit=1000").await.text();
    for line in [
        "logged: [redacted]",
        "printed: [redacted]",
        "in two writes: [redacted]",
        "without an end: [redacted]",
    ] {
        assert!(logs.contains(line), "{line}: {logs}");
    }
    answers.push(("the plugin's log".to_owned(), logs));
    for path in ["/api/v1/plugins/prober", "/api/v1/plugins", "/api/v1/tools", "/metrics"] {
        answers.push((path.to_owned(), client.get(path).await.text()));
    }
    // Whatever the guest said is in it at this level, or there would be nothing to find.
    let log = until("the host's log to have the last call", || async {
        let log = host.log();
        log.contains("plugin prober was stopped").then_some(log)
    });
    let log = log.await;
    assert!(log.contains("logged: [redacted]"), "the log is not all there is");
    answers.push(("the host's log".to_owned(), log));
    for (place, text) in &answers {
        holds_nothing_of_it(place, text.as_bytes());
    }
    host.kill();
    search(&host.folder().join("data"));
}

/// Neither the secret nor half of it.
#[track_caller]
fn holds_nothing_of_it(place: &str, bytes: &[u8]) {
    let (begins, ends) = TOKEN.split_at(TOKEN.len() / 2);
    for part in [begins, ends] {
        let found = bytes.windows(part.len()).position(|window| window == part.as_bytes());
        let around = found.map(|at| &bytes[at.saturating_sub(200)..bytes.len().min(at + 100)]);
        assert!(
            around.is_none(),
            "{place} has the secret: {}",
            String::from_utf8_lossy(around.unwrap_or_default())
        );
    }
}

/// Every file below a folder.
fn search(folder: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            search(&path);
        } else {
            holds_nothing_of_it(&path.display().to_string(), &fs::read(&path).expect("a file"));
        }
    }
}
