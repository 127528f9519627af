//! Destinations that take what they get, and take their time, beside one that is quick.

use hardpoint_tests::client::Client;
use hardpoint_tests::double::datadog::Datadog;
use hardpoint_tests::double::elastic::{self, Elastic};
use hardpoint_tests::double::script::Script;
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::Host;
use hardpoint_tests::patience::until;

use super::{Bound, customer, happen, ids, options, settled, shown, standing};

const EXPORTERS: [&str; 2] = ["slow1", "slow2"];
/// With two each, as many as there are places; and no plugin runs more than a few times at once for one organisation.
const CUSTOMERS: usize = 8;

/// As many as there are places are slow at once, and none of them ends its attempt before the quick one has its event.
#[tokio::test(flavor = "multi_thread")]
async fn who_takes_long_keeps_nobody_waiting() {
    let (slow, quick) =
        (Datadog::start().await.expect("a double"), Elastic::start().await.expect("a double"));
    let mut bound: Vec<_> = EXPORTERS.iter().map(|name| Bound::datadog(name, &slow)).collect();
    // Another plugin: each has room for so many calls at once.
    bound.push(Bound {
        name: "quick",
        plugin: "elastic",
        origin: quick.origin(),
        path: "",
        secret: ("api_key", elastic::KEY),
    });
    // Nothing ends an attempt but the gate.
    let options = options(&bound, "").env("HARDPOINT__SIEM__ATTEMPT_TIMEOUT", "10min");
    let host = Host::start(options).await;
    let customer = || Client::new(host.origin(), Some(&customer(&host).1));
    let (crowds, other) = ([(); CUSTOMERS].map(|()| customer()), customer());
    let mut crowd = Vec::new();
    for client in &crowds {
        for exporter in EXPORTERS {
            crowd.push((client, standing(client, exporter).await));
        }
    }
    let alone = standing(&other, "quick").await;
    for (client, id) in &crowd {
        settled(client, id).await;
    }
    settled(&other, &alone).await;

    let (gate, before) = (Gate::closed(), slow.requests());
    slow.next_taken(crowd.iter().map(|_| Script::new().status(202).wait(&gate).bytes("{}")));
    for client in &crowds {
        happen(client, 1).await;
    }
    let all = u32::try_from(crowd.len()).expect("a few");
    until("a request of each", || async { (slow.requests() >= before + all).then_some(()) }).await;
    happen(&other, 1).await;
    settled(&other, &alone).await;
    assert_eq!(quick.counts().len(), 2, "the key that it began with, and this one");
    for (client, id) in &crowd {
        assert_ne!(shown(client, id).await["lag"]["events"], 0, "it still waits for the answer");
    }

    gate.open();
    for (client, id) in &crowd {
        assert_eq!(settled(client, id).await["dead_letters"], 0);
    }
    assert_eq!(ids(&slow).len(), 2 * CUSTOMERS);
}
