use hardpoint_sdk::FailureKind;
use hardpoint_sdk::exporter::Event;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Delivered, delivery};

use super::{NOW, batch, event, events, ids, objects, success, to_splunk};

fn run(settings: Value) -> Delivered {
    let done = to_splunk(events(3), settings).answer(success()).every_way();
    assert!(done.all_delivered(3), "{done:?}");
    done
}

fn envelope(event: Event, settings: Value) -> Value {
    let done = to_splunk(batch(vec![event]), settings).answer(success()).run();
    assert!(done.all_delivered(1), "{done:?}");
    objects(&done.sent[0]).remove(0)
}

#[test]
fn one_post_with_all_events() {
    let done = run(json!({ "acknowledgement": "off" }));
    assert_eq!((done.sent.len(), done.saved), (1, None));
    let sent = &done.sent[0];
    assert_eq!((sent.method.as_str(), sent.gzip), ("POST", true));
    let headers = [
        ("accept", "application/json"),
        ("authorization", "Splunk {secret:hec_token}"),
        ("content-type", "application/json"),
    ];
    assert_eq!(sent.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert_eq!(ids(sent), ["evt_0", "evt_1", "evt_2"]);
}

#[test]
fn the_address_is_the_setting_s() {
    let standard = "https://splunk.example.com:8088/services/collector/event";
    for (intake_url, url, channel) in [
        ("https://splunk.example.com:8088", standard, true),
        ("https://splunk.example.com:8088/", standard, true),
        ("https://splunk.example.com:8088/services/collector", standard, true),
        ("https://splunk.example.com:8088/services/collector/", standard, true),
        (standard, standard, false),
        (
            "https://p.example/hec/services/collector/event/1.0",
            "https://p.example/hec/services/collector/event/1.0",
            false,
        ),
        ("https://p.example/hec", "https://p.example/hec/event", true),
    ] {
        let sent = run(json!({ "intake_url": intake_url })).sent.remove(0);
        assert_eq!(sent.url, url, "{intake_url}");
        assert_eq!(sent.header("x-splunk-request-channel").is_some(), channel, "{intake_url}");
    }
}

#[test]
fn a_whole_event() {
    let settings = json!({
        "intake_url": "https://splunk.example.com:8088/services/collector",
        "source": "sekuire:audit",
        "sourcetype": "_json",
        "host": "api-node-1",
        "index": "main",
        "tags": ["env:prod", "team:secops"],
        "fields": { "site": "eu", "event_id": "mine", "tags": "mine" },
    });
    let body = r#"{"id":"evt_1","n":1.000000000000000000000001e40}"#;
    let done = to_splunk(batch(vec![event(1, body)]), settings).answer(success()).run();
    assert_eq!(
        objects(&done.sent[0])[0],
        json!({
            "time": 1_699_999_940.123,
            "host": "api-node-1",
            "source": "sekuire:audit",
            "sourcetype": "_json",
            "index": "main",
            "fields": { "event_id": "evt_1", "tags": ["env:prod", "team:secops"], "site": "eu" },
            "event": { "id": "evt_1", "n": 1e40 },
        })
    );
    // As it was written, and never 1.69e9, which Splunk takes for an error in the fields.
    assert!(done.sent[0].body.starts_with(r#"{"time":1699999940.123,"#), "{}", done.sent[0].body);
    assert!(done.sent[0].body.contains(body));
}

#[test]
fn what_is_not_there_is_left_out() {
    let expected = json!({
        "time": 1_699_999_940.123, "sourcetype": "_json", "fields": { "event_id": "evt_1" }, "event": {},
    });
    assert_eq!(envelope(event(1, "{}"), json!({})), expected);
    let timeless = Event { time: 0, ..event(1, "{}") };
    assert_eq!(envelope(timeless, json!({})).get("time"), None);
    let last = Event { time: u64::MAX, ..event(1, "{}") };
    assert_eq!(envelope(last, json!({}))["time"], 18_446_744_073_709.55);
    assert_eq!(NOW % 1_000_000, 0);
}

#[test]
fn hostile_bodies_stay_data() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    for body in ["no JSON", "{", "[1, 2]", "null", "\"}{\"event\":1}\u{0}\n\u{1F600}", "{} {}", &deep] {
        assert_eq!(envelope(event(1, body), json!({}))["event"], json!(body));
    }
    // The collector refuses a blank event.
    for body in ["", " \n"] {
        let blank = envelope(event(1, body), json!({}));
        assert_eq!(blank["event"], json!({ "id": "evt_1", "kind": "plugin.approved" }));
    }
}

#[test]
fn no_events_need_no_request() {
    let done = to_splunk(events(0), json!({})).run();
    assert!(done.sent.is_empty() && done.all_delivered(0));
}

#[test]
fn what_exceeds_a_request_is_split_before_it_is_sent() {
    // 1,000,000 bytes exactly, and one more.
    let large = |padding: usize| {
        let text = "x".repeat(padding);
        batch(vec![event(0, json!({ "text": text })), event(1, "{}")])
    };
    let first = to_splunk(large(0), json!({})).answer(success()).run();
    let room = 1_000_000 - first.sent[0].body.len();
    let fits = to_splunk(large(room), json!({})).answer(success()).run();
    assert!(fits.all_delivered(2) && fits.sent[0].body.len() == 1_000_000);
    let done = to_splunk(large(room + 1), json!({})).run();
    assert!(done.is_split && done.sent.is_empty());
    // Alone it may go: Splunk Enterprise takes more.
    let alone = batch(vec![event(0, json!({ "text": "x".repeat(1_200_000) }))]);
    assert!(to_splunk(alone, json!({})).answer(Answer::new(200)).run().all_delivered(1));
}

#[test]
fn nothing_is_sent_nowhere() {
    let done = delivery::<splunk::Splunk>(events(1), json!({})).run();
    let failure = done.failure.unwrap();
    assert_eq!((failure.kind, failure.param.as_deref()), (FailureKind::InvalidRequest, Some("intake_url")));
}
