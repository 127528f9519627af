//! What was answered is there after `kill -9`. The test starts itself as the process to be killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use hardpoint_store::{Durability, Lane, StoreConfig, events, outbox};

use crate::events::delivery;
use crate::support::{event, open};

const FOLDER: &str = "HARDPOINT_STORE_KILL_FOLDER";

/// Not a test by itself: without the variable there is nothing to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let config = StoreConfig { data: folder.into(), blobs: None, url: None, durability: Durability::Process };
    let store = open(&config).await.unwrap();
    let run = std::process::id();
    for number in 0.. {
        let writes = (0..8).map(|place| {
            let id = format!("{run}_{number}_{place}");
            let (store, event, delivery) = (
                store.clone(),
                event(&format!("evt_{id}"), None, number),
                delivery(&format!("dlv_{id}"), "whe_1"),
            );
            tokio::spawn(async move {
                let name = event.id.clone();
                store
                    .write(Lane::Request, |tx| Box::pin(async move { tx.append(&event, &[delivery]).await }))
                    .await
                    .unwrap();
                // In one call, so that a line is whole or not there.
                let mut line = std::io::stdout().lock();
                line.write_all(format!("\n{name}\n").as_bytes()).unwrap();
                line.flush().unwrap();
            })
        });
        futures_util::future::join_all(writes).await;
    }
}

#[tokio::test]
async fn what_was_answered_survives_kill_nine() {
    let folder = tempfile::tempdir().unwrap();
    let mut answered = Vec::new();
    for round in 1..=4 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::writes_until_it_is_killed", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let enough = answered.len() + round * 70;
        while answered.len() < enough {
            let line = lines.next().expect("the child goes on until it is killed").unwrap();
            answered.extend(line.starts_with("evt_").then_some(line));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it died.
        for line in lines.map_while(Result::ok) {
            answered.extend(line.starts_with("evt_").then_some(line));
        }
    }
    let config = StoreConfig {
        data: folder.path().to_owned(),
        blobs: None,
        url: None,
        durability: Durability::Process,
    };
    let store = open(&config).await.unwrap();
    let mut conn = store.read().await.unwrap();
    for id in &answered {
        assert!(events::get(&mut conn, id).await.unwrap().is_some(), "{id} was answered and is gone");
    }
    let all = events::list(&mut conn, None, None, 1_000_000).await.unwrap();
    assert!(all.len() >= answered.len());
    for stored in all {
        assert_eq!(
            outbox::of_event(&mut conn, &stored.event.id).await.unwrap().len(),
            1,
            "each with its delivery"
        );
    }
}
