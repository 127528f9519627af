//! The other exporters that we ship, standing: partial success, acknowledgements.

use hardpoint_tests::client::Client;
use hardpoint_tests::double::datadog::Datadog;
use hardpoint_tests::double::elastic::{self, Elastic};
use hardpoint_tests::double::splunk::{self, Splunk};
use hardpoint_tests::host::Host;
use hardpoint_tests::patience::until;
use serde_json::json;

use super::{ALL, Bound, complete, customer, happen, log, options, settled, shown, standing};

#[tokio::test(flavor = "multi_thread")]
async fn what_elastic_puts_off_comes_later_and_what_it_refuses_is_a_dead_letter() {
    let (elastic, oracle) =
        (Elastic::start().await.expect("a double"), Datadog::start().await.expect("a double"));
    let bound = Bound {
        name: "team",
        plugin: "elastic",
        origin: elastic.origin(),
        path: "",
        secret: ("api_key", elastic::KEY),
    };
    let host = Host::start(options(&[bound, Bound::datadog("oracle", &oracle)], "")).await;
    let client = Client::new(host.origin(), Some(&customer(&host).1));
    let destination = standing(&client, "team").await;
    let one = format!("{ALL}/{destination}");
    client.post(&format!("{one}/pause"), &json!({})).await.expect(200);
    let happened = happen(&client, 10).await;
    let log = log(&client, &oracle).await;
    elastic.next_item(&log[2], 429, "es_rejected_execution_exception", "queue is full");
    elastic.next_item(&log[5], 400, "document_parsing_exception", "no such field");
    client.post(&format!("{one}/resume"), &json!({})).await.expect(200);
    let standing = settled(&client, &destination).await;
    assert_eq!((&standing["dead_letters"], &standing["delivered"]), (&json!(1), &json!(10)), "{standing}");
    let mut got = elastic.counts();
    assert_eq!(got.remove(&log[5]), None);
    let rest: Vec<String> = log.iter().filter(|id| **id != log[5]).cloned().collect();
    assert_eq!(complete(&rest, &got, happened - 1), 0);

    // It says why, and takes it once it is offered again.
    let letters = client.get(&format!("{one}/dead-letters")).await.expect(200);
    assert_eq!((&letters["total"], &letters["data"][0]["event_id"]), (&json!(1), &json!(log[5])));
    assert!(letters.to_string().contains("document_parsing_exception"), "{letters}");
    let replayed = host.command(&["siem", "replay", &destination, "--dead-letters", "--json"]);
    assert!(replayed.status.success(), "{}", String::from_utf8_lossy(&replayed.stderr));
    until("the dead letter to be taken", || async {
        (shown(&client, &destination).await["dead_letters"] == 0).then_some(())
    })
    .await;
    assert_eq!(complete(&log, &elastic.counts(), happened), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn splunk_is_asked_for_acknowledgements_across_a_kill() {
    let (splunk, oracle) =
        (Splunk::acknowledging(2).await.expect("a double"), Datadog::start().await.expect("a double"));
    let bound = Bound {
        name: "team",
        plugin: "splunk",
        origin: splunk.origin(),
        path: "/services/collector",
        secret: ("hec_token", splunk::TOKEN),
    };
    // Longer than the questions take.
    let options = options(&[bound, Bound::datadog("oracle", &oracle)], "");
    let mut host = Host::start(options.env("HARDPOINT__SIEM__ATTEMPT_TIMEOUT", "30s")).await;
    let (_, key) = customer(&host);
    let client = Client::new(host.origin(), Some(&key));
    let destination = standing(&client, "team").await;
    let happened = happen(&client, 5).await;
    settled(&client, &destination).await;
    let asked = splunk.asked();
    assert!(asked > 0 && splunk.channels().len() == 1, "{asked}");
    host.kill();
    host.restart().await;
    let client = Client::new(host.origin(), Some(&key));
    let happened = happened + happen(&client, 5).await;
    settled(&client, &destination).await;
    // What it keeps with the cursor outlives the host: one channel, and nothing sent again.
    assert_eq!(splunk.channels().len(), 1);
    assert_eq!(complete(&log(&client, &oracle).await, &splunk.counts(), happened), 0);
}
