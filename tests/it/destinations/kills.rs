//! A host that is killed while events happen and are delivered: every one comes to every destination.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hardpoint_tests::client::Client;
use hardpoint_tests::double::datadog::Datadog;
use hardpoint_tests::double::elastic::{self, Elastic};
use hardpoint_tests::host::Host;
use hardpoint_tests::patience::until;
use http::Method;
use serde_json::json;

use super::{Bound, Counts, complete, customer, ids, log, options, settled, standing};
use crate::lifecycle::new_database;
use crate::money::count;

/// Makes keys at once until the host is gone. Gives how many were answered.
async fn load(client: Client, answered: Arc<AtomicUsize>) {
    let one = || async {
        let headers = [("content-type", "application/json")];
        loop {
            match client.try_send(Method::POST, "/api/v1/api_keys", &headers, "{}".to_owned()).await {
                Ok(answer) if answer.status == 201 => drop(answered.fetch_add(1, Ordering::Relaxed)),
                _ => return,
            }
        }
    };
    futures_util::future::join_all((0..4).map(|_| one())).await;
}

fn tell(name: &str, got: &Counts, twice: usize) {
    let share = 100.0 * twice as f64 / got.len().max(1) as f64;
    eprintln!("{name}: {} events, {twice} of them more than once ({share:.1} %)", got.len());
}

async fn killed(url: Option<&str>) {
    let (intake, oracle) =
        (Datadog::start().await.expect("a double"), Datadog::start().await.expect("a double"));
    let elastic = Elastic::start().await.expect("a double");
    let search = Bound {
        name: "search",
        plugin: "elastic",
        origin: elastic.origin(),
        path: "",
        secret: ("api_key", elastic::KEY),
    };
    let bound = [Bound::datadog("team", &intake), search, Bound::datadog("oracle", &oracle)];
    // What a killed host held on PostgreSQL is waited for in each round.
    let mut options = options(&bound, "")
        .env("HARDPOINT__SIEM__LEASE", "2s")
        .env("HARDPOINT__DATABASE__CLOCK_TOLERANCE", "500ms");
    if let Some(url) = url {
        options = options.env("HARDPOINT__DATABASE__URL", url);
    }
    let mut host = Host::start(options).await;
    let (_, key) = customer(&host);
    let client = |host: &Host| Client::new(host.origin(), Some(&key));
    let destinations = [standing(&client(&host), "team").await, standing(&client(&host), "search").await];
    let answered = Arc::new(AtomicUsize::new(0));
    for round in 0..count("HARDPOINT_KILLS", 3) as usize {
        let load = tokio::spawn(load(client(&host), answered.clone()));
        let before = ids(&intake).len();
        until("events to be delivered", || async {
            (ids(&intake).len() >= before + 10 + round % 7).then_some(())
        })
        .await;
        host.kill();
        load.await.expect("no panic");
        host.restart().await;
    }
    let client = client(&host);
    for destination in &destinations {
        let standing = settled(&client, destination).await;
        assert_eq!(standing["dead_letters"], json!(0), "{standing}");
    }
    let (log, answered) = (log(&client, &oracle).await, answered.load(Ordering::Relaxed));
    // Whether or not it was answered: what is there has its event.
    let keys = client.get("/api/v1/api_keys?page_size=1").await.expect(200);
    assert_eq!(keys["total"], json!(log.len()), "keys, and events of keys that were made");
    let (team, search) = (ids(&intake), elastic.counts());
    tell("datadog", &team, complete(&log, &team, answered));
    tell("elastic", &search, complete(&log, &search, answered));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_comes_when_the_host_is_killed() {
    killed(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_comes_when_the_host_is_killed_on_postgresql() {
    killed(Some(&new_database("destinations"))).await;
}
