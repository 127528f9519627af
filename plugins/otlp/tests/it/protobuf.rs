//! The binary encoding, read by messages that are written down here once more from the protocol's files.

use hardpoint_sdk::exporter::Verdict;
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::Answer;
use prost::Message;

use super::{body, event, events, prepared, run};

#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resource_logs: Vec<ResourceLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct ResourceLogs {
    #[prost(message, optional, tag = "1")]
    resource: Option<Attributes>,
    #[prost(message, repeated, tag = "2")]
    scope_logs: Vec<ScopeLogs>,
}

#[derive(Clone, PartialEq, Message)]
struct Attributes {
    #[prost(message, repeated, tag = "1")]
    attributes: Vec<Pair>,
}

#[derive(Clone, PartialEq, Message)]
struct ScopeLogs {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(message, repeated, tag = "2")]
    log_records: Vec<Record>,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    version: String,
}

#[derive(Clone, PartialEq, Message)]
struct Record {
    #[prost(fixed64, tag = "1")]
    time_unix_nano: u64,
    #[prost(int32, tag = "2")]
    severity_number: i32,
    #[prost(string, tag = "3")]
    severity_text: String,
    #[prost(message, optional, tag = "5")]
    body: Option<Any>,
    #[prost(message, repeated, tag = "6")]
    attributes: Vec<Pair>,
    #[prost(fixed32, tag = "8")]
    flags: u32,
    #[prost(bytes = "vec", tag = "9")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "10")]
    span_id: Vec<u8>,
    #[prost(fixed64, tag = "11")]
    observed_time_unix_nano: u64,
    #[prost(string, tag = "12")]
    event_name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Pair {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(message, optional, tag = "2")]
    value: Option<Any>,
}

/// Any one of them is set.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, optional, tag = "1")]
    string: Option<String>,
    #[prost(int64, optional, tag = "3")]
    int: Option<i64>,
    #[prost(message, optional, tag = "6")]
    list: Option<Attributes>,
}

#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<Partial>,
}

#[derive(Clone, PartialEq, Message)]
struct Partial {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

fn settings() -> hardpoint_sdk::serde_json::Value {
    json!({ "encoding": "protobuf" })
}

fn answer(status: u16, body: Vec<u8>) -> Answer {
    Answer::new(status).header("content-type", "application/x-protobuf").chunk(body)
}

#[test]
fn a_request_in_binary() {
    let mut first = body(1);
    first["traceparent"] = json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    let batch = super::batch(vec![event(1, first), event(2, body(2))]);
    let done = prepared(batch, settings(), answer(200, Vec::new())).every_way();
    assert!(done.all_delivered(2), "{done:?}");
    assert_eq!(done.sent[0].header("content-type"), Some("application/x-protobuf"));
    let request = Request::decode(done.sent[0].bytes.as_slice()).unwrap();
    let logs = &request.resource_logs[0];
    assert_eq!(logs.resource.as_ref().unwrap().attributes[0].key, "service.name");
    assert_eq!(logs.scope_logs[0].scope.as_ref().unwrap().name, "hardpoint");
    let record = &logs.scope_logs[0].log_records[0];
    assert_eq!(
        (record.time_unix_nano, record.observed_time_unix_nano),
        (1_699_999_940_000_000_000, 1_700_000_000_000_000_000)
    );
    assert_eq!((record.severity_number, record.severity_text.as_str(), record.flags), (9, "INFO", 1));
    assert_eq!((record.trace_id.len(), record.trace_id[0], record.span_id[7]), (16, 0x0a, 0x31));
    assert_eq!(record.event_name, "plugin.approved");
    let said = record.body.as_ref().unwrap().string.as_deref();
    assert_eq!(said, Some("plugin.approved: plugin openai by key ops, success"));
    let of = |key: &str| {
        let pair = record.attributes.iter().find(|pair| pair.key == key);
        pair.and_then(|pair| pair.value.clone()).unwrap_or_else(|| panic!("no {key}"))
    };
    assert_eq!(of("log.record.uid").string.as_deref(), Some("evt_1"));
    assert_eq!(of("hardpoint.after.count").int, Some(2));
    assert_eq!(of("hardpoint.after.grant").list.unwrap().attributes.len(), 2);
    assert_eq!(logs.scope_logs[0].log_records.len(), 2);
}

#[test]
fn answers_in_binary() {
    let partial = |rejected, message: &str| {
        let partial_success = Some(Partial { rejected, message: message.to_owned() });
        answer(200, Response { partial_success }.encode_to_vec())
    };
    let done = prepared(events(2), settings(), partial(2, "too old")).every_way();
    let said = format!("{:?}", done.verdicts[&1]);
    assert_eq!(said, "Verdict::Drop(\"the collector rejected it: too old\")");
    assert!(run(events(2), settings(), partial(0, "beware")).all_delivered(2));
    assert!(run(events(2), settings(), partial(-1, "")).all_delivered(2));
    let refused = answer(400, Status { code: 3, message: "no body".to_owned() }.encode_to_vec());
    let done = run(events(1), settings(), refused);
    assert_eq!(
        format!("{:?}", done.verdicts[&0]),
        format!("{:?}", Verdict::Drop("the collector answered 400 (no body)".to_owned()))
    );
    // What is no protobuf, or cut off, says nothing.
    for odd in [vec![0xff; 40], vec![0x0a, 0x7f, 0x01], b"<html>".to_vec()] {
        assert!(run(events(1), settings(), answer(200, odd.clone())).all_delivered(1));
        let done = run(events(1), settings(), answer(403, odd));
        assert!(done.parked.unwrap().starts_with("the collector answered 403"));
    }
}
