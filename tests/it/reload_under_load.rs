//! Many versions, one after the other, under a steady load of plain calls and of streams that span several
//! of them. `HARDPOINT_RELOADS` says how many; 500 is a matter of minutes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use hardpoint_tests::client::{Client, Next};
use hardpoint_tests::component::versioned;
use hardpoint_tests::double::plain::Plain;
use hardpoint_tests::double::script::Script;
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use serde_json::Value;

use crate::operator::{metric, plugin, serving};
use crate::scene::{says, streamed, text_of};

/// Pieces of a slow stream; one passes with each reload.
const PIECES: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_and_none_is_served_by_two() {
    let reloads: u32 =
        std::env::var("HARDPOINT_RELOADS").map_or(20, |count| count.parse().expect("a number"));
    let pace = Plain::start().await.expect("a double");
    let gate = Gate::closed();
    let slow = (0..PIECES).fold(Script::events(), |script, _| script.wait(&gate).bytes("tick\n"));
    pace.on("/pace", slow);
    let (first, bytes) = versioned(0);
    let host = Host::start(Options::new().plugin("versioned", bytes).config(&configuration(&pace))).await;
    let client = host.client();
    serving(&client, "versioned", &first).await;

    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU32::new(0));
    let plain: Vec<_> =
        (0..4).map(|_| tokio::spawn(ask(host.client(), stop.clone(), answered.clone()))).collect();
    let streams: Vec<_> = (0..3).map(|_| tokio::spawn(listen(host.client(), stop.clone()))).collect();

    // The second reload is where memory is measured from: by then everything was compiled once.
    let mut settled = 0;
    for number in 1..=reloads {
        let (version, bytes) = versioned(number);
        host.drop_plugin("versioned", &bytes);
        until("the new version to answer", || async {
            let answer =
                client.post("/api/v1/chat/completions", &says("versioned", "which?")).await.expect(200);
            (text_of(&answer) == version).then_some(())
        })
        .await;
        // Each stream under way goes on by one piece, under the version that it began with.
        gate.let_pass(streams.len());
        if number == 2.max(reloads / 5) {
            settled = host.memory();
        }
    }
    let last = host.memory();
    stop.store(true, Ordering::Relaxed);
    gate.open();
    for task in plain {
        task.await.expect("no plain call failed");
    }
    let mut spans = 0;
    for task in streams {
        spans += task.await.expect("no stream failed");
    }
    assert!(answered.load(Ordering::Relaxed) >= reloads, "the load was no load");
    assert!(spans > 0, "no stream was there for a reload");

    until("old generations to be gone", || async {
        let draining = metric(&client, "hardpoint_plugin_generations", &["draining"]).await;
        let sandboxes = metric(&client, "hardpoint_sandboxes", &[]).await;
        (draining == 0.0 && sandboxes == 0.0).then_some(())
    })
    .await;
    let live = plugin(&client, "versioned").await["live"].clone();
    assert_eq!(live["sandboxes"], 0, "{live}");
    assert_eq!(live["faults"], Value::Object(serde_json::Map::new()), "{live}");
    let growth = last.saturating_sub(settled) >> 20;
    eprintln!(
        "\n{reloads} reloads under {} plain calls; memory {} MiB after the first fifth, {} MiB after the last",
        answered.load(Ordering::Relaxed),
        settled >> 20,
        last >> 20,
    );
    assert!(growth < 48, "memory grew by {growth} MiB");
}

fn configuration(pace: &Plain) -> String {
    let (origin, address) = (pace.server().origin(), pace.server().address());
    format!(
        r#"
[egress]
allow_internal = ["{address}"]

[bindings.versioned]
plugin = "versioned"
settings = {{ pace = "{origin}/pace" }}

[bindings.versioned.grant]
http = ["GET {origin}/pace"]

[[models]]
id = "versioned"
binding = "versioned"
"#
    )
}

/// Plain calls, one after the other. Each answer is by the version that the host says it is by.
async fn ask(client: Client, stop: Arc<AtomicBool>, answered: Arc<AtomicU32>) {
    while !stop.load(Ordering::Relaxed) {
        let answer = client.post("/api/v1/chat/completions", &says("versioned", "which?")).await.expect(200);
        assert_eq!(answer["system_fingerprint"], format!("versioned@{}", text_of(&answer)));
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

/// Slow streams, one after the other. Gives how many of them saw a newer version serve before they ended.
async fn listen(client: Client, stop: Arc<AtomicBool>) -> u32 {
    let mut spans = 0;
    while !stop.load(Ordering::Relaxed) {
        let request = streamed(&says("versioned", "slow"));
        let mut events = client.stream("/api/v1/chat/completions", &request).await;
        assert_eq!(events.status, 200);
        let (mut text, mut by, mut done) = (String::new(), String::new(), false);
        loop {
            match events.next().await {
                Next::Data(data) if data == "[DONE]" => done = true,
                Next::Data(data) => {
                    let chunk: Value = serde_json::from_str(&data).expect("JSON");
                    assert!(chunk["error"].is_null(), "a stream failed: {chunk}");
                    by = chunk["system_fingerprint"].as_str().unwrap_or_default().to_owned();
                    text += chunk["choices"][0]["delta"]["content"].as_str().unwrap_or_default();
                }
                Next::End => break,
                Next::Broken => panic!("a stream broke after {text:?}"),
            }
        }
        assert!(done, "a stream ended without [DONE] after {text:?}");
        let versions: Vec<&str> = text.lines().collect();
        assert!(
            !versions.is_empty() && versions.iter().all(|version| *version == versions[0]),
            "a mixture: {text:?}"
        );
        assert_eq!(by, format!("versioned@{}", versions[0]));
        let now = plugin(&client, "versioned").await["version"].clone();
        spans += u32::from(now != versions[0]);
    }
    spans
}
