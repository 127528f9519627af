//! Two hosts on one PostgreSQL, one of which stands still while it delivers.

use std::time::Duration;

use hardpoint_tests::client::Client;
use hardpoint_tests::double::datadog::Datadog;
use hardpoint_tests::double::script::Script;
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::Host;
use hardpoint_tests::patience::until;
use hardpoint_tests::process::signal;
use serde_json::json;

use super::{Bound, complete, customer, happen, ids, log, options, settled, shown, standing};
use crate::lifecycle::new_database;
use crate::money::count;

/// Whichever host holds the claim is frozen with a request under way; the other one goes on when the lease is over, and
/// nothing that the first writes when it is back counts.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_frozen_host_held_another_delivers() {
    let (intake, oracle) =
        (Datadog::start().await.expect("a double"), Datadog::start().await.expect("a double"));
    let bound = || [Bound::datadog("team", &intake), Bound::datadog("oracle", &oracle)];
    let url = new_database("frozen_destinations");
    // Nothing ends the attempt but the gate.
    let options = || {
        let options = options(&bound(), "").env("HARDPOINT__SIEM__ATTEMPT_TIMEOUT", "10min");
        options.env("HARDPOINT__DATABASE__URL", &url).env("HARDPOINT__SIEM__LEASE", "10s")
    };
    let frozen = Host::start(options()).await;
    let (_, key) = customer(&frozen);
    let client = Client::new(frozen.origin(), Some(&key));
    let destination = standing(&client, "team").await;
    let mut happened = happen(&client, 3).await;
    settled(&client, &destination).await;

    // It is the only one, so it is the one that has a request under way; then there is another one.
    let gate = Gate::closed();
    let requests = intake.requests();
    intake.next_taken([Script::new().status(202).wait(&gate).bytes("{}")]);
    happened += happen(&client, 3).await;
    until("a request under way", || async { (intake.requests() > requests).then_some(()) }).await;
    let other = Host::start(options()).await;
    let awake = &Client::new(other.origin(), Some(&key));
    signal(frozen.pid(), "STOP");
    happened += happen(awake, 3).await;
    let after = settled(awake, &destination).await;
    let cursor = after["cursor"].as_i64().expect("a place");
    tokio::time::sleep(Duration::from_secs(u64::from(count("HARDPOINT_FROZEN_SECONDS", 0)))).await;

    // Back again, it has its answer, and nothing of what it makes of it is written.
    gate.open();
    signal(frozen.pid(), "CONT");
    happened += happen(awake, 3).await;
    let end = settled(awake, &destination).await;
    assert!(end["cursor"].as_i64().expect("a place") >= cursor, "it went back: {end}");
    let got = ids(&intake);
    let log = log(awake, &oracle).await;
    let twice = complete(&log, &got, happened);
    eprintln!("{} events, {twice} of them more than once", got.len());
    assert_eq!(end["dead_letters"], json!(0));
    // The counter is of those whose holder counted: what the frozen host was told of is not among them.
    assert_eq!(shown(awake, &destination).await["delivered"], json!(log.len()), "{end}");
}
