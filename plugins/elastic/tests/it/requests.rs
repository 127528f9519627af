use hardpoint_sdk::FailureKind;
use hardpoint_sdk::exporter::Event;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Sent, delivery};

use super::{batch, created, event, events, lines, to_elastic};

fn sent(count: usize, settings: Value) -> Sent {
    let done = to_elastic(events(count), settings).answer(created(count)).every_way();
    assert!(done.all_delivered(count) && done.saved.is_none(), "{done:?}");
    done.sent.into_iter().next().unwrap()
}

#[test]
fn one_post_with_all_documents() {
    let sent = sent(3, json!({}));
    assert_eq!((sent.method.as_str(), sent.gzip), ("POST", true));
    let (path, query) = sent.url.split_once('?').unwrap();
    assert_eq!(path, "https://es.example.com:9243/logs-hardpoint.audit-default/_bulk");
    assert_eq!(
        query,
        "filter_path=errors,error,status,items.*.status,items.*.error.type,items.*.error.reason,\
         items.*.error.caused_by.reason,items.*.failure_store"
    );
    let headers = [
        ("accept", "application/json"),
        ("authorization", "ApiKey {secret:api_key}"),
        ("content-type", "application/x-ndjson"),
    ];
    assert_eq!(sent.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let lines = lines(&sent);
    assert_eq!(lines.len(), 6);
    for number in 0..3 {
        let id = format!("evt_{number}");
        assert_eq!(lines[2 * number], json!({ "create": { "_id": id } }));
        assert_eq!(lines[2 * number + 1]["event"]["id"], id);
    }
}

#[test]
fn the_address_and_the_credentials_are_the_setting_s() {
    for (settings, path, credentials) in [
        (
            json!({ "intake_url": "https://p.example/es/" }),
            "https://p.example/es/logs-hardpoint.audit-default/_bulk",
            Some("ApiKey {secret:api_key}"),
        ),
        (
            json!({ "data_stream": "logs-a-b", "auth": "basic" }),
            "https://es.example.com:9243/logs-a-b/_bulk",
            Some("Basic {secret:basic_auth|base64}"),
        ),
        (json!({ "auth": "none" }), "https://es.example.com:9243/logs-hardpoint.audit-default/_bulk", None),
    ] {
        let sent = sent(1, settings);
        assert_eq!(sent.url.split_once('?').unwrap().0, path);
        assert_eq!(sent.header("authorization"), credentials);
    }
    assert!(sent(1, json!({ "pipeline": "logs@custom" })).url.ends_with("&pipeline=logs@custom"));
}

#[test]
fn no_events_need_no_request() {
    let done = to_elastic(events(0), json!({})).run();
    assert!(done.sent.is_empty() && done.all_delivered(0));
}

#[test]
fn ids_that_elasticsearch_would_not_take_are_its_own() {
    let with_id = |id: &str| {
        let event = Event { id: id.to_owned(), ..event(1, "{}") };
        let done = to_elastic(batch(vec![event]), json!({})).answer(created(1)).run();
        lines(&done.sent[0]).remove(0)
    };
    let longest = "x".repeat(512);
    assert_eq!(with_id(&longest), json!({ "create": { "_id": longest } }));
    assert_eq!(with_id(&(longest + "x")), json!({ "create": {} }));
    assert_eq!(with_id(&"é".repeat(257)), json!({ "create": {} }));
    assert_eq!(with_id(""), json!({ "create": {} }));
    assert_eq!(with_id("a\"\n\u{0}"), json!({ "create": { "_id": "a\"\n\u{0}" } }));
}

#[test]
fn what_exceeds_a_request_is_split_before_it_is_sent() {
    // 10,000,000 bytes exactly, and one more.
    let large = |padding: usize| batch(vec![event(0, "x".repeat(padding)), event(1, "{}")]);
    let empty = to_elastic(large(0), json!({})).answer(created(2)).run();
    let room = 10_000_000 - empty.sent[0].body.len();
    let fits = to_elastic(large(room), json!({})).answer(created(2)).run();
    assert!(fits.all_delivered(2) && fits.sent[0].body.len() == 10_000_000);
    let done = to_elastic(large(room + 1), json!({})).run();
    assert!(done.is_split && done.sent.is_empty() && done.verdicts.is_empty());
    // Alone it may go: Elasticsearch takes more.
    let alone = batch(vec![event(0, "x".repeat(11_000_000))]);
    assert!(to_elastic(alone, json!({})).answer(created(1)).run().all_delivered(1));
}

#[test]
fn nothing_is_sent_nowhere() {
    let done = delivery::<elastic::Elastic>(events(1), json!({})).run();
    let failure = done.failure.unwrap();
    assert_eq!((failure.kind, failure.param.as_deref()), (FailureKind::InvalidRequest, Some("intake_url")));
}
