//! Exports to Splunk, with and without indexer acknowledgement.

use hardpoint_tests::double::splunk::{FOREIGN_INDEX, Splunk, TOKEN, refusal};
use hardpoint_tests::host::Host;
use serde_json::json;

use crate::exporters::{events, once_each};
use crate::siem::{export, exporting, without_configuration};

async fn with_splunk(splunk: &Splunk, more: &str) -> Host {
    exporting("splunk", &splunk.origin(), "/services/collector", more, ("hec_token", TOKEN)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn splunk_gets_each_event_once_within_its_limits() {
    let splunk = Splunk::start().await.expect("a double");
    let host = with_splunk(&splunk, "").await;
    let body = json!({
        "events": events(1_000, 4_000), "source": "sekuire:audit", "sourcetype": "_json", "host": "api-node-1",
        "index": "main", "tags": ["env:prod", "team:secops"],
    });
    let answer = host.client().post(&export("splunk"), &body).await.expect(200);
    assert_eq!((&answer["matched"], &answer["delivered"]), (&json!(1_000), &json!(1_000)), "{answer}");
    assert_eq!((splunk.counts(), splunk.refusals()), (once_each(1_000), Vec::new()));
    assert!((5..20).contains(&splunk.posts()) && splunk.asked() == 0);
    let accepted = &splunk.accepted()[0];
    for (name, value) in [
        ("source", json!("sekuire:audit")),
        ("sourcetype", json!("_json")),
        ("host", json!("api-node-1")),
        ("index", json!("main")),
        ("fields", json!({ "event_id": "evt_00000", "tags": ["env:prod", "team:secops"] })),
    ] {
        assert_eq!(accepted[name], value, "{accepted}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn splunk_acknowledges_before_an_event_counts_as_delivered() {
    let splunk = Splunk::acknowledging(1).await.expect("a double");
    let host = with_splunk(&splunk, "").await;
    let answer = host.client().post(&export("splunk"), &json!({"events": events(10, 10)})).await.expect(200);
    assert_eq!(answer["delivered"], 10, "{answer}");
    assert_eq!((splunk.posts(), splunk.asked(), splunk.channels().len()), (1, 2, 1));

    // The question goes wrong and the next attempt asks again, on the same channel, without sending again.
    splunk.next("/ack", [refusal(503, 9, "Server is busy", None)]);
    let more: Vec<_> =
        (0..4).map(|number| json!({"id": format!("evt_more_{number}"), "kind": "a.b"})).collect();
    let answer = host.client().post(&export("splunk"), &json!({"events": more})).await.expect(200);
    assert_eq!(answer["delivered"], 4, "{answer}");
    assert_eq!((splunk.posts(), splunk.channels().len()), (2, 2));
    assert!(splunk.counts().values().all(|count| *count == 1), "{:?}", splunk.counts());
    assert_eq!(splunk.counts().len(), 14);
}

#[tokio::test(flavor = "multi_thread")]
async fn splunk_is_asked_again_until_it_has_everything() {
    let splunk = Splunk::start().await.expect("a double");
    let host = with_splunk(&splunk, "").await;
    let full = refusal(429, 26, "HEC queue is at capacity", None).header("retry-after", "1");
    splunk.next("/event", [full, hardpoint_tests::double::script::Script::new().status(413)]);
    let answer = host.client().post(&export("splunk"), &json!({"events": events(10, 10)})).await.expect(200);
    assert_eq!((&answer["delivered"], &answer["rejected"]), (&json!(10), &json!([])), "{answer}");
    assert_eq!((splunk.counts(), splunk.posts()), (once_each(10), 4));

    // One of them is refused by its number: the rest goes without it.
    splunk.next("/event", [refusal(400, 15, "Error in handling indexed fields", Some(2))]);
    let more: Vec<_> =
        (0..4).map(|number| json!({"id": format!("evt_more_{number}"), "kind": "a.b"})).collect();
    let answer = host.client().post(&export("splunk"), &json!({"events": more})).await.expect(200);
    assert_eq!(
        (&answer["delivered"], &answer["rejected"][0]["id"]),
        (&json!(3), &json!("evt_more_2")),
        "{answer}"
    );
    assert!(answer["rejected"][0]["reason"].as_str().is_some_and(|reason| reason.contains("code 15")));
}

#[tokio::test(flavor = "multi_thread")]
async fn splunk_refuses_what_an_operator_must_mend() {
    let splunk = Splunk::acknowledging(0).await.expect("a double");
    let host = with_splunk(&splunk, "").await;
    for (options, reason) in [
        (json!({"index": FOREIGN_INDEX}), "code 7 (Incorrect index)"),
        (json!({"acknowledgement": "off"}), "code 10 (Data channel is missing)"),
        (json!({"hec_token": "another-token-of-the-caller"}), "code 4 (Invalid token)"),
    ] {
        let mut body = options.clone();
        body["events"] = json!(events(2, 1));
        let answer = host.client().post(&export("splunk"), &body).await.expect(200);
        assert_eq!((&answer["delivered"], answer["rejected"].as_array().map(Vec::len)), (&json!(0), Some(2)));
        assert!(
            answer["rejected"][1]["reason"].as_str().is_some_and(|said| said.contains(reason)),
            "{answer}"
        );
    }
    assert!(splunk.counts().is_empty());
    let wrong = json!({"events": events(1, 1), "acknowledgement": "perhaps"});
    assert_eq!(host.client().post(&export("splunk"), &wrong).await.status, 400);
    let elsewhere =
        json!({"events": events(1, 1), "intake_url": "https://splunk.example.com/services/collector"});
    assert_eq!(host.client().post(&export("splunk"), &elsewhere).await.status, 422);
    assert!(!host.log().contains(TOKEN) && !host.log().contains("another-token-of-the-caller"));
}

#[tokio::test(flavor = "multi_thread")]
async fn splunk_needs_no_configuration() {
    let splunk = Splunk::start().await.expect("a double");
    without_configuration("splunk", &splunk.origin(), "hec_token").await;
    assert_eq!(splunk.posts(), 0);
}
