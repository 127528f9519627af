//! `hardpoint plugin dev`: what is saved is what runs, in a host of its own and in one that runs already.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hardpoint_authoring::Language;
use hardpoint_domain::manifest::Kind;
use hardpoint_tests::client::Client;
use hardpoint_tests::host::{Host, Options, binary};
use serde_json::{Value, json};

use super::place::Place;
use super::{made, name};

/// A build on a busy machine, and what follows from it.
const PATIENCE: Duration = Duration::from_secs(300);

/// The command under way, and what it tells.
struct Dev {
    child: Child,
    news: Receiver<Value>,
}

impl Dev {
    fn start(folder: &Path, options: &[&str], key: Option<&str>) -> Self {
        let mut command = Command::new(binary());
        command.args(["plugin", "dev", "--json"]).arg(folder).args(options).current_dir(folder);
        command.env_remove("HARDPOINT_API_KEY").envs(key.map(|key| ("HARDPOINT_API_KEY", key)));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, news) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                println!("dev: {line}");
                if tell.send(serde_json::from_str(&line).expect("one JSON object a line")).is_err() {
                    return;
                }
            }
        });
        Self { child, news }
    }

    /// The next news of this kind.
    fn wait(&self, event: &str) -> Value {
        loop {
            let news = self.news.recv_timeout(PATIENCE);
            let news = news.unwrap_or_else(|error| panic!("no `{event}`: {error}"));
            if news["event"] == event {
                return news;
            }
        }
    }

    /// As Ctrl-C does.
    fn interrupt(mut self) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}");
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How many words the tool finds in two.
async fn count(client: &Client, id: &str) -> Value {
    let call = json!({ "arguments": { "text": "two words" } });
    let answer = client.post(&format!("/api/v1/tools/{id}/call"), &call).await.expect(200);
    answer["result"]["words"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_saved_is_what_runs() {
    let place = Place::new();
    let project = made(&place, Kind::Tool, Language::Rust);
    let (folder, id) = (project.folder(), name(Kind::Tool, Language::Rust));
    let dev = Dev::start(folder, &[], None);
    let host = dev.wait("host");
    let client = Client::new(host["address"].as_str().unwrap(), host["key"].as_str());
    let first = dev.wait("live");
    let (path, body) = (first["example"]["path"].as_str().unwrap(), &first["example"]["body"]);
    let called = client.post(&format!("/api/v1{path}"), body).await.expect(200);
    assert_eq!(called["result"]["words"], 1, "the example fits: {first}");
    assert_eq!(count(&client, &id).await, 2);

    let source = folder.join("src/lib.rs");
    let text = fs::read_to_string(&source).unwrap();
    fs::write(&source, text.replace("words: words.len()", "words: no.such.thing()")).unwrap();
    dev.wait("failed");
    assert_eq!(count(&client, &id).await, 2, "what served before goes on");

    let other = "words: { hardpoint_sdk::log::info(\"counting\"); words.len() + 40 }";
    fs::write(&source, text.replace("words: words.len()", other)).unwrap();
    let second = dev.wait("live");
    assert!(second["generation"].as_u64() > first["generation"].as_u64(), "{second}");
    assert_eq!(count(&client, &id).await, 42);
    assert_eq!(dev.wait("log")["message"], "counting");
    dev.interrupt();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_runs_already_is_asked_to_allow_it() {
    let place = Place::new();
    // Not the other test's name: what one cargo makes in the shared target folder another would take for its own.
    let id = name(Kind::Tool, Language::Rust) + "-allowed";
    let folder = place.path().join("project");
    let project = hardpoint_authoring::new(Kind::Tool, &id, Language::Rust, &folder).unwrap();
    let host = Host::start(Options::new()).await;
    let server = ["--server", host.origin()];
    let dev = Dev::start(project.folder(), &server, Some(host.key()));
    let waiting = dev.wait("waiting");
    let reason = waiting["reason"].as_str().unwrap();
    let (_, digest) = reason.split_once(&format!("hardpoint plugin grant {id} --digest ")).expect(reason);
    let (digest, _) = digest.split_once('`').expect(reason);
    let grant = host.command(&["plugin", "grant", &id, "--digest", digest, "--yes"]);
    assert!(grant.status.success(), "{}", String::from_utf8_lossy(&grant.stderr));
    assert_eq!(dev.wait("live")["digest"], digest, "what is allowed later is told too");
    dev.interrupt();

    let dev = Dev::start(project.folder(), &[&server[..], &["--allow"]].concat(), Some(host.key()));
    dev.wait("live");
    assert_eq!(count(&host.client(), &id).await, 2);
    dev.interrupt();
    let events = host.command(&["plugin", "list", "--json"]);
    let list: Value = serde_json::from_slice(&events.stdout).unwrap();
    assert_eq!((&list["plugins"][0]["id"], &list["plugins"][0]["state"]), (&json!(id), &json!("active")));
}
