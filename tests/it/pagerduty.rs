//! Exports to PagerDuty.

use hardpoint_tests::double::pagerduty::{KEY, PagerDuty, error};
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::Host;
use hardpoint_tests::patience::until;
use serde_json::json;

use crate::exporters::{events, once_each};
use crate::siem::{export, exporting};

async fn with_pagerduty(pagerduty: &PagerDuty) -> Host {
    // As it stands in the configuration, in a string of TOML.
    let key = KEY.replace('\\', "\\\\").replace('"', "\\\"");
    exporting("pagerduty", &pagerduty.origin(), "/v2/enqueue", "", ("routing_key", &key)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_gets_each_event_once() {
    let pagerduty = PagerDuty::start().await.expect("a double");
    let host = with_pagerduty(&pagerduty).await;
    let body = json!({
        "events": events(250, 100), "event_action": "trigger", "source": "sekuire.audit", "severity": "info",
        "component": "agent-control-plane", "group": "governance", "class": "audit",
        "dedup_key_prefix": "sekuire-audit", "tags": ["env:prod", "team:secops"],
    });
    let answer = host.client().post(&export("pagerduty"), &body).await.expect(200);
    assert_eq!((&answer["matched"], &answer["delivered"]), (&json!(250), &json!(250)), "{answer}");
    assert_eq!((pagerduty.counts(), pagerduty.refusals()), (once_each(250), Vec::new()));
    assert_eq!(pagerduty.requests(), 250);
    let accepted = &pagerduty.accepted()[0];
    let payload = &accepted["payload"];
    assert_eq!((&payload["source"], &payload["severity"]), (&json!("sekuire.audit"), &json!("info")));
    assert_eq!(
        (&payload["component"], &payload["group"]),
        (&json!("agent-control-plane"), &json!("governance"))
    );
    assert_eq!(
        (&payload["class"], &payload["custom_details"]["tags"][1]),
        (&json!("audit"), &json!("team:secops"))
    );
    assert!(accepted["dedup_key"].as_str().is_some_and(|key| key.starts_with("sekuire-audit-evt_")));

    // The same events again resolve what they triggered.
    let body =
        json!({"events": events(2, 1), "event_action": "resolve", "dedup_key_prefix": "sekuire-audit"});
    let answer = host.client().post(&export("pagerduty"), &body).await.expect(200);
    assert_eq!(answer["delivered"], 2, "{answer}");
    assert_eq!(pagerduty.alerts()["sekuire-audit-evt_00001"], ["trigger", "resolve"]);
    assert!(!host.log().contains(KEY));
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_is_sent_a_few_at_once() {
    let pagerduty = PagerDuty::start().await.expect("a double");
    let host = with_pagerduty(&pagerduty).await;
    let gate = Gate::closed();
    pagerduty.behind(&gate);
    let client = host.client();
    let exporting = tokio::spawn(async move {
        client.post(&export("pagerduty"), &json!({"events": events(20, 1)})).await.expect(200)
    });
    // Each answer lets one more come, and no more than that: whoever sent five at once would show below.
    for answered in 0..=16 {
        let expected = 4 + answered;
        until("the next request", || async { (pagerduty.requests() >= expected).then_some(()) }).await;
        gate.let_pass(1);
    }
    gate.open();
    let answer = exporting.await.expect("an answer");
    assert_eq!((&answer["delivered"], pagerduty.counts()), (&json!(20), once_each(20)), "{answer}");
    assert_eq!(pagerduty.most_under_way(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_is_asked_again_until_it_has_everything() {
    let pagerduty = PagerDuty::start().await.expect("a double");
    let host = with_pagerduty(&pagerduty).await;
    let limited = error(429, "Request Limit Exceeded").header("retry-after", "1");
    pagerduty.next([limited, error(400, "'payload.summary' is missing or blank")]);
    let answer =
        host.client().post(&export("pagerduty"), &json!({"events": events(10, 10)})).await.expect(200);
    assert_eq!(answer["delivered"], 9, "{answer}");
    let rejected = answer["rejected"].as_array().expect("a list");
    assert_eq!(rejected.len(), 1, "{answer}");
    assert!(
        rejected[0]["reason"].as_str().is_some_and(|reason| reason.contains("payload.summary")),
        "{answer}"
    );
    let counts = pagerduty.counts();
    assert!(counts.len() == 9 && counts.values().all(|count| *count == 1), "{counts:?}");
    assert_eq!(pagerduty.refusals(), Vec::<String>::new());

    // Larger than an alert may be: the alert says so and holds the beginning.
    let large = json!([{"id": "evt_large", "kind": "a.b", "text": "é".repeat(400_000)}]);
    let answer = host.client().post(&export("pagerduty"), &json!({"events": large})).await.expect(200);
    assert_eq!(answer["delivered"], 1, "{answer}");
    let accepted = pagerduty.accepted();
    assert_eq!(accepted.last().expect("one")["payload"]["custom_details"]["truncated"], true);
    assert_eq!(pagerduty.counts()["evt_large"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_refuses_a_wrong_key_once() {
    let pagerduty = PagerDuty::start().await.expect("a double");
    let host = with_pagerduty(&pagerduty).await;
    let body = json!({"events": events(50, 1), "routing_key": "another-key-of-the-caller-000000"});
    let answer = host.client().post(&export("pagerduty"), &body).await.expect(200);
    assert_eq!((&answer["delivered"], answer["rejected"].as_array().map(Vec::len)), (&json!(0), Some(50)));
    let reason = answer["rejected"][49]["reason"].as_str().expect("a text");
    assert!(reason.contains("is the routing key right"), "{reason}");
    assert_eq!(pagerduty.requests(), 4);
    let elsewhere =
        json!({"events": events(1, 1), "intake_url": "https://events.eu.pagerduty.com/v2/enqueue"});
    assert_eq!(host.client().post(&export("pagerduty"), &elsewhere).await.status, 422);
    let wrong = json!({"events": events(1, 1), "severity": "terrible"});
    assert_eq!(host.client().post(&export("pagerduty"), &wrong).await.status, 400);
    assert!(!host.log().contains("another-key-of-the-caller"));
}
