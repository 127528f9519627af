use hardpoint_sdk::exporter::Event;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Double, Sent};

use super::{batch, event, events, processed, to_pagerduty};

/// 512 KB are 512,000 bytes at the least; the routing key takes some of them.
const MOST: usize = 511_000;

fn sent(event: Event, settings: Value) -> Sent {
    let done = to_pagerduty(batch(vec![event]), settings).answer(processed()).run();
    assert!(done.all_delivered(1), "{done:?}");
    done.sent.into_iter().next().unwrap()
}

/// Bytes of an alert without its routing key.
fn size(sent: &Sent) -> usize {
    sent.body.len() - r#""routing_key":"{secret:routing_key|json}","#.len()
}

#[test]
fn an_alert_of_the_largest_size_and_one_byte_more() {
    let of =
        |padding: usize| sent(event(1, json!({ "text": "x".repeat(padding) })), json!({ "tags": ["a:b"] }));
    let room = MOST - size(&of(0));
    let whole = of(room);
    assert_eq!(size(&whole), MOST);
    assert_eq!(whole.json()["payload"]["custom_details"].get("truncated"), None);

    let double = Double::new();
    let cut = of(room + 1);
    assert_eq!(size(&cut), MOST);
    let details = &cut.json()["payload"]["custom_details"];
    assert_eq!(
        (&details["truncated"], &details["tags"], &details["event_id"]),
        (&json!(true), &json!(["a:b"]), &json!("evt_1"))
    );
    assert!(details["event"].as_str().is_some_and(|text| text.starts_with("{\"text\":\"xxx")));
    assert_eq!(double.log()[0].1, "event evt_1 is larger than an alert may be and was cut");
}

#[test]
fn what_grows_in_json_is_cut_by_its_size_there() {
    for text in ["\"", "\\", "\n", "\u{1}", "\u{7f}", "é", "\u{1F600}", "a\u{0}é\""] {
        let cut = sent(event(1, text.repeat(600_000)), json!({}));
        // To the last letter that fits.
        assert!((MOST - 5..=MOST).contains(&size(&cut)), "{text:?}: {}", size(&cut));
        assert!(
            cut.json()["payload"]["custom_details"]["event"].as_str().is_some_and(|it| it.starts_with(text))
        );
    }
}

#[test]
fn all_that_has_a_bound_keeps_it() {
    let long = "é".repeat(400_000);
    let event =
        Event { id: long.clone(), kind: long.clone(), time: 1, body: json!({ "text": long }).to_string() };
    let settings = json!({ "dedup_key_prefix": "p".repeat(128), "tags": vec!["t".repeat(200); 100] });
    let sent = sent(event, settings);
    assert!(size(&sent) <= MOST);
    let alert = sent.json();
    let length = |value: &Value| value.as_str().unwrap().chars().count();
    assert_eq!((length(&alert["dedup_key"]), length(&alert["payload"]["summary"])), (255, 1_024));
    assert_eq!(length(&alert["payload"]["class"]), 1_024);
    assert_eq!(alert["payload"]["custom_details"].get("event_id"), None);
}

#[test]
fn long_keys_stay_different() {
    let key = |id: String| {
        sent(Event { id, ..event(1, "{}") }, json!({})).json()["dedup_key"].as_str().unwrap().to_owned()
    };
    let fits = "x".repeat(255 - "hardpoint-".len());
    assert_eq!(key(fits.clone()), format!("hardpoint-{fits}"));
    let (one, other) = (key(fits.clone() + "1"), key(fits + "2"));
    assert_eq!((one.len(), other.len(), one == other), (255, 255, false));
}

#[test]
fn a_whole_batch_needs_no_more_requests_than_are_granted() {
    let script = to_pagerduty(events(100), json!({}));
    let done = (0..100).fold(script, |script, _| script.answer(processed())).run();
    assert!(done.all_delivered(100) && done.sent.len() == 100);
    let numbers: Vec<u32> = done.sent.iter().map(|sent| sent.exchange).collect();
    assert_eq!(numbers, (0..100).collect::<Vec<u32>>());
}
