use hardpoint_sdk::exporter::Event;
use hardpoint_sdk::serde_json::{Value, json};

use super::{batch, body, event, events, processed, to_pagerduty};

fn alert(event: Event, settings: Value) -> Value {
    let done = to_pagerduty(batch(vec![event]), settings).answer(processed()).run();
    assert!(done.all_delivered(1), "{done:?}");
    done.sent[0].json()
}

#[test]
fn one_post_an_event() {
    let script = (0..3).fold(to_pagerduty(events(3), json!({})), |script, _| script.answer(processed()));
    let done = script.every_way();
    assert!(done.all_delivered(3) && done.saved.is_none(), "{done:?}");
    for (number, sent) in done.sent.iter().enumerate() {
        assert_eq!(
            (sent.method.as_str(), sent.url.as_str(), sent.gzip),
            ("POST", "https://events.pagerduty.com/v2/enqueue", false)
        );
        let headers = [("accept", "application/json"), ("content-type", "application/json")];
        assert_eq!(sent.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(sent.json()["dedup_key"], format!("hardpoint-evt_{number}"));
        assert_eq!(sent.json()["routing_key"], "{secret:routing_key|json}");
    }
    assert!(to_pagerduty(events(0), json!({})).run().all_delivered(0));
}

#[test]
fn the_address_is_the_setting_s() {
    for (intake_url, url) in [
        ("https://events.eu.pagerduty.com", "https://events.eu.pagerduty.com/v2/enqueue"),
        ("https://events.eu.pagerduty.com/", "https://events.eu.pagerduty.com/v2/enqueue"),
        ("https://events.eu.pagerduty.com/v2/enqueue", "https://events.eu.pagerduty.com/v2/enqueue"),
        ("http://127.0.0.1:8080/other", "http://127.0.0.1:8080/other"),
    ] {
        let settings = json!({ "intake_url": intake_url });
        let done = to_pagerduty(events(1), settings).answer(processed()).run();
        assert_eq!(done.sent[0].url, url);
    }
}

#[test]
fn a_whole_alert() {
    let settings = json!({
        "intake_url": "https://events.pagerduty.com/v2/enqueue",
        "event_action": "trigger",
        "source": "sekuire.audit",
        "severity": "critical",
        "component": "agent-control-plane",
        "group": "governance",
        "class": "audit",
        "dedup_key_prefix": "sekuire-audit",
        "tags": ["env:prod", "team:secops"],
    });
    assert_eq!(
        alert(event(1, body(1)), settings),
        json!({
            "routing_key": "{secret:routing_key|json}",
            "event_action": "trigger",
            "dedup_key": "sekuire-audit-evt_1",
            "payload": {
                "summary": "plugin.approved: plugin openai by key ops, success",
                "source": "sekuire.audit",
                "severity": "critical",
                "timestamp": "2023-11-14T22:13:20.123Z",
                "component": "agent-control-plane",
                "group": "governance",
                "class": "audit",
                "custom_details": {
                    "event_id": "evt_1",
                    "tags": ["env:prod", "team:secops"],
                    "event": body(1),
                },
            },
        })
    );
}

#[test]
fn what_is_not_there_is_left_out() {
    assert_eq!(
        alert(Event { time: 0, ..event(1, "{}") }, json!({})),
        json!({
            "routing_key": "{secret:routing_key|json}",
            "event_action": "trigger",
            "dedup_key": "hardpoint-evt_1",
            "payload": {
                "summary": "plugin.approved",
                "source": "hardpoint",
                "severity": "info",
                "class": "plugin.approved",
                "custom_details": { "event_id": "evt_1", "event": {} },
            },
        })
    );
}

#[test]
fn the_severity_follows_the_outcome() {
    for (outcome, severity) in [
        (json!("success"), "info"),
        (json!("failure"), "error"),
        (json!("refused"), "warning"),
        (json!("another"), "info"),
        (json!({}), "info"),
    ] {
        let of = |settings| {
            alert(event(1, json!({ "outcome": outcome })), settings)["payload"]["severity"].clone()
        };
        assert_eq!(of(json!({})), severity, "{outcome}");
        assert_eq!(of(json!({ "severity": "warning" })), "warning", "{outcome}");
    }
}

#[test]
fn hostile_bodies_stay_data() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for body in
        ["", "no JSON", "{", "[1, 2]", "null", "\"},\"routing_key\":\"x\"}\u{0}\n\u{1F600}", "{} {}", &deep]
    {
        let alert = alert(event(1, body), json!({}));
        assert_eq!(alert["payload"]["custom_details"]["event"], json!(body));
        assert_eq!(alert["routing_key"], "{secret:routing_key|json}");
    }
    let exact = r#"{"n":1.000000000000000000000000001e400,"t":"\u00e9"}"#;
    let done = to_pagerduty(batch(vec![event(1, exact)]), json!({})).answer(processed()).run();
    assert!(done.sent[0].body.contains(exact), "{}", done.sent[0].body);
}
