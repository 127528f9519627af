//! The exporter `otlp` against a collector, in both encodings.

use std::collections::BTreeMap;

use hardpoint_tests::double::otlp::{self, Otlp};
use hardpoint_tests::double::script::Script;
use hardpoint_tests::host::{Host, Options};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/audit-logs/siem/otlp/export";

/// A host whose `otlp` sends to the double, with a token of the operator's.
async fn host(collector: &Otlp, settings: &str) -> Host {
    let (origin, token) = (collector.origin(), otlp::TOKEN);
    let address = origin.replace("http://", "");
    let config = format!(
        r#"
[egress]
allow_internal = ["{address}"]

[secrets.collector]
value = "{token}"
audience = "{origin}"

[bindings.otlp]
plugin = "otlp"
secrets = {{ credential = "collector" }}

[bindings.otlp.settings]
endpoint = "{origin}"
{settings}

[bindings.otlp.grant]
http = ["POST {origin}"]
secrets = ["credential"]
"#
    );
    Host::start(Options::new().shipped("otlp").config(&config)).await
}

fn events(count: usize, padding: usize) -> Vec<Value> {
    let event = |number| {
        json!({
            "id": format!("evt_{number:05}"), "kind": "document.read", "time": 1_700_000_000_000_000_u64,
            "actor": {"kind": "user", "id": "usr_1"}, "outcome": "refused", "note": "x".repeat(padding),
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "before": {"n": -7, "f": 0.5, "t": true, "z": null, "l": [1, "a", {"b": []}]},
        })
    };
    (0..count).map(event).collect()
}

fn once_each(count: usize) -> BTreeMap<String, u32> {
    (0..count).map(|number| (format!("evt_{number:05}"), 1)).collect()
}

async fn export(host: &Host, events: &[Value]) -> Value {
    host.client().post(PATH, &json!({ "events": events })).await.expect(200)
}

#[tokio::test(flavor = "multi_thread")]
async fn both_encodings_say_the_same_and_every_record_arrives_once() {
    let mut said = Vec::new();
    for encoding in ["json", "protobuf"] {
        let collector = Otlp::start().await.expect("a double");
        let settings = format!(
            "encoding = \"{encoding}\"\nservice_name = \"audit\"\nresource = {{ \"deployment.environment.name\" = \"test\" }}"
        );
        let host = host(&collector, &settings).await;
        let answer = export(&host, &events(1_000, 2_000)).await;
        assert_eq!(answer["delivered"], 1_000, "{answer} {:?}", collector.refusals());
        assert_eq!(collector.counts(), once_each(1_000));
        assert_eq!(collector.refusals(), Vec::<String>::new());
        assert!(collector.requests() >= 2, "more than one batch holds");
        assert!(!host.log().contains(otlp::TOKEN));
        let mut records = collector.records();
        for record in &mut records {
            record.as_object_mut().expect("an object").remove("observedTimeUnixNano");
        }
        let mut request = collector.last();
        request["resourceLogs"][0]["scopeLogs"][0]["logRecords"] = Value::Null;
        said.push((records, request));
    }
    assert_eq!(said[0], said[1]);
    let record = &said[0].0[0];
    assert_eq!(
        (&record["severityText"], &record["severityNumber"], &record["eventName"], &record["timeUnixNano"]),
        (&json!("WARN"), &json!(13), &json!("document.read"), &json!("1700000000000000000"))
    );
    assert_eq!(record["traceId"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(record["body"]["stringValue"], "document.read by user usr_1, refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_asked_again_when_it_may_be() {
    let collector = Otlp::start().await.expect("a double");
    let host = host(&collector, "").await;
    let later = Script::new().status(503).header("retry-after", "1");
    collector.next([
        otlp::failure(429, "slow down").header("retry-after", "0"),
        Script::new().broken(),
        later,
    ]);
    let answer = export(&host, &events(5, 10)).await;
    assert_eq!(answer["delivered"], 5, "{answer}");
    assert_eq!((collector.counts(), collector.requests()), (once_each(5), 4));

    // Not retryable by the protocol: one request, and the reason in the collector's words.
    for (status, says) in [(500, "disk full"), (401, "disk full"), (408, "disk full")] {
        let before = collector.requests();
        collector.next([otlp::failure(status, "disk full")]);
        let answer = export(&host, &events(2, 10)).await;
        assert_eq!((&answer["delivered"], collector.requests() - before), (&json!(0), 1), "{answer}");
        assert!(answer["rejected"].to_string().contains(says), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_for_one_request_goes_in_halves() {
    let collector = Otlp::start().await.expect("a double");
    collector.takes(3);
    let host = host(&collector, "encoding = \"protobuf\"").await;
    let answer = export(&host, &events(10, 10)).await;
    assert_eq!(answer["delivered"], 10, "{answer}");
    assert_eq!(collector.counts(), once_each(10));
    assert!(collector.refusals().iter().all(|why| why == "too many records"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_success_is_told_and_not_repeated() {
    let collector = Otlp::start().await.expect("a double");
    let host = host(&collector, "").await;
    collector.next([otlp::partial(1, "attribute too long"), otlp::partial(0, "please upgrade")]);
    let answer = export(&host, &events(3, 10)).await;
    assert_eq!((&answer["delivered"], answer["rejected"].as_array().map(Vec::len)), (&json!(0), Some(3)));
    assert!(answer["rejected"][0].to_string().contains("rejected 1 of the request's 3 records"), "{answer}");
    assert!(answer.to_string().contains("attribute too long"), "{answer}");
    let answer = export(&host, &events(3, 10)).await;
    assert_eq!((&answer["delivered"], collector.requests()), (&json!(3), 2), "{answer}");
    let logs = host.client().get("/api/v1/plugins/otlp/logs").await.text();
    assert!(logs.contains("please upgrade"), "{logs}");
}

/// In the sandbox the stack is small, and so is the memory.
#[tokio::test(flavor = "multi_thread")]
async fn odd_events_arrive_too() {
    for encoding in ["json", "protobuf"] {
        let collector = Otlp::start().await.expect("a double");
        let host = host(&collector, &format!("encoding = \"{encoding}\"\nbody = \"event\"")).await;
        let deep = (0..100)
            .fold(json!(1), |inner, level| if level % 2 == 0 { json!([inner]) } else { json!({"a": inner}) });
        let many: Vec<u8> = vec![1; 450_000];
        let odd = [
            json!({"id": "evt_deep", "kind": "a.b", "deep": deep}),
            json!({"id": "evt_many", "kind": "a.b", "many": many}),
            json!({"id": "evt_long", "kind": "a.b", "long": "\u{1F600}".repeat(600_000)}),
        ];
        let answer = export(&host, &odd).await;
        assert_eq!(answer["delivered"], 3, "{encoding}: {answer} {:?}", collector.refusals());
        let expected = odd.iter().map(|event| (event["id"].as_str().unwrap().to_owned(), 1)).collect();
        assert_eq!(collector.counts(), expected);
    }
}
