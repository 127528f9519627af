use hardpoint_sdk::exporter::{Event, Verdict};
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Delivered};

use super::{batch, event, processed, to_pagerduty};

fn of_kind(number: usize, kind: &str, body: Value) -> Event {
    Event { kind: kind.to_owned(), ..event(number, body) }
}

fn run(events: Vec<Event>, settings: Value) -> Delivered {
    let count = events.len();
    let script = to_pagerduty(batch(events), settings);
    let done = (0..count).fold(script, |script, _| script.answer(processed())).every_way();
    assert!(done.all_delivered(count), "{done:?}");
    done
}

#[test]
fn what_was_triggered_can_be_resolved_by_exporting_it_again() {
    for action in ["acknowledge", "resolve"] {
        let triggered = run(vec![event(1, "{}")], json!({})).sent[0].json();
        let ended = run(vec![event(1, "{}")], json!({ "event_action": action })).sent[0].json();
        let expected = json!({
            "routing_key": "{secret:routing_key|json}",
            "event_action": action,
            "dedup_key": triggered["dedup_key"],
        });
        assert_eq!(ended, expected);
    }
}

#[test]
fn auto_goes_by_the_type_and_by_what_it_is_about() {
    let about = json!({ "target": { "kind": "incident", "id": "inc_1" } });
    let auto = json!({ "event_action": "auto" });
    for (kind, action) in [
        ("incident.opened", "trigger"),
        ("incident.acknowledged", "acknowledge"),
        ("incident.resolved", "resolve"),
        ("incident.recovered", "resolve"),
        ("incident.cleared", "resolve"),
        ("incident.closed", "resolve"),
        ("incident.unresolved", "trigger"),
    ] {
        let sent = run(vec![of_kind(1, kind, about.clone())], auto.clone()).sent[0].json();
        assert_eq!(
            (&sent["event_action"], &sent["dedup_key"]),
            (&json!(action), &json!("hardpoint-incident-incident-inc_1"))
        );
    }
    for (kind, body, key) in [
        ("resolved", json!({ "target": { "id": "x" } }), "hardpoint---x"),
        ("a.b.resolved", json!({ "dedup_key": "mine", "target": { "id": "x" } }), "hardpoint-mine"),
        ("a.resolved", json!({ "dedup_key": "", "target": { "kind": "t" } }), "hardpoint-evt_1"),
        ("a.resolved", json!({ "dedup_key": 7, "target": "t" }), "hardpoint-evt_1"),
        ("", json!({}), "hardpoint-evt_1"),
    ] {
        let sent = run(vec![of_kind(1, kind, body)], auto.clone()).sent[0].json();
        assert_eq!(sent["dedup_key"], key, "{kind}");
    }
    // A key that the event brings is for `auto` only.
    let sent = run(vec![of_kind(1, "a.b", json!({ "dedup_key": "mine" }))], json!({})).sent[0].json();
    assert_eq!(sent["dedup_key"], "hardpoint-evt_1");
}

#[test]
fn a_resolution_does_not_overtake_its_trigger() {
    let about = json!({ "target": { "kind": "incident", "id": "inc_1" } });
    let events = vec![of_kind(0, "incident.opened", about.clone()), of_kind(1, "incident.resolved", about)];
    let done = run(events.clone(), json!({ "event_action": "auto" }));
    let actions: Vec<Value> = done.sent.iter().map(|sent| sent.json()["event_action"].clone()).collect();
    assert_eq!(actions, ["trigger", "resolve"]);
    // It is not sent while the trigger's fate is open, nor after it was put off.
    let done =
        to_pagerduty(batch(events), json!({ "event_action": "auto" })).answer(Answer::new(503)).every_way();
    assert_eq!(done.sent.len(), 1);
    assert!(done.verdicts.values().all(|verdict| *verdict == Verdict::RetryAfter(5_000)), "{done:?}");
}
