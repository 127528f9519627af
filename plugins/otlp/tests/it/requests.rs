use hardpoint_sdk::FailureKind;
use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{Answer, Sent};

use super::{batch, event, events, prepared, run, taken};

fn sent(settings: Value) -> Sent {
    let done = run(events(1), settings, taken());
    assert!(done.all_delivered(1), "{done:?}");
    done.sent.into_iter().next().unwrap()
}

#[test]
fn one_post_of_one_resource_and_scope() {
    let done = prepared(events(3), json!({}), taken()).every_way();
    assert!(done.all_delivered(3), "{done:?}");
    let sent = &done.sent[0];
    assert_eq!((sent.method.as_str(), sent.url.as_str()), ("POST", "https://otlp.example.com/v1/logs"));
    let headers = [("authorization", "Bearer {secret:credential}"), ("content-type", "application/json")];
    assert_eq!(sent.headers, headers.map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(sent.gzip);
    let request = sent.json();
    let resource_logs = request["resourceLogs"].as_array().unwrap();
    assert_eq!((request.as_object().unwrap().len(), resource_logs.len()), (1, 1));
    let resource =
        json!({ "attributes": [{ "key": "service.name", "value": { "stringValue": "hardpoint" } }] });
    assert_eq!(resource_logs[0]["resource"], resource);
    let scope_logs = resource_logs[0]["scopeLogs"].as_array().unwrap();
    assert_eq!((scope_logs.len(), &scope_logs[0]["scope"]), (1, &json!({ "name": "hardpoint" })));
    let ids: Vec<&Value> = scope_logs[0]["logRecords"]
        .as_array()
        .unwrap()
        .iter()
        .map(|record| {
            &record["attributes"]
                .as_array()
                .unwrap()
                .iter()
                .find(|pair| pair["key"] == "log.record.uid")
                .unwrap()["value"]
        })
        .collect();
    let id = |id: &str| json!({ "stringValue": id });
    assert_eq!(ids, [&id("evt_0"), &id("evt_1"), &id("evt_2")]);
}

#[test]
fn resource_and_scope_are_settings() {
    let settings = json!({
        "service_name": "audit", "scope_name": "lib", "scope_version": "1.2", "scope": { "a": true },
        "resource": {
            "deployment.environment.name": "prod", "service.name": "not this", "host.cpus": 4, "load": 0.5,
            "tags": ["x", null], "none": null,
        },
    });
    let request = sent(settings).json();
    let resource = super::attributes(&request["resourceLogs"][0]["resource"]["attributes"]);
    assert_eq!(resource["service.name"], json!({ "stringValue": "audit" }));
    assert_eq!(resource["deployment.environment.name"], json!({ "stringValue": "prod" }));
    assert_eq!(resource["host.cpus"], json!({ "intValue": "4" }));
    assert_eq!(resource["load"], json!({ "doubleValue": 0.5 }));
    assert_eq!(resource["tags"], json!({ "arrayValue": { "values": [{ "stringValue": "x" }, {}] } }));
    assert_eq!(resource["none"], json!({}));
    assert_eq!(
        request["resourceLogs"][0]["scopeLogs"][0]["scope"],
        json!({
            "name": "lib", "version": "1.2", "attributes": [{ "key": "a", "value": { "boolValue": true } }],
        })
    );
}

#[test]
fn the_address_is_completed() {
    for (settings, url) in [
        (json!({ "endpoint": "https://c.example:4318" }), "https://c.example:4318/v1/logs"),
        (json!({ "endpoint": "https://c.example/" }), "https://c.example/v1/logs"),
        (json!({ "endpoint": "https://c.example/otlp" }), "https://c.example/otlp/v1/logs"),
        (json!({ "endpoint": "https://c.example/otlp/v1/logs" }), "https://c.example/otlp/v1/logs"),
        (json!({ "endpoint": "https://c.example/v1/logs/" }), "https://c.example/v1/logs"),
        (json!({ "endpoint": "https://c.example/in", "path": "" }), "https://c.example/in"),
        (json!({ "endpoint": "https://c.example", "path": "/logs" }), "https://c.example/logs"),
    ] {
        assert_eq!(sent(settings).url, url);
    }
}

#[test]
fn headers_and_the_credential() {
    let raw =
        sent(json!({ "auth": "raw", "auth_header": "Api-Key", "headers": { "X-Scope-OrgID": "team" } }));
    assert_eq!(raw.header("api-key"), Some("{secret:credential}"));
    assert_eq!((raw.header("x-scope-orgid"), raw.header("authorization")), (Some("team"), None));
    let basic = sent(json!({ "auth": "basic", "gzip": false }));
    assert_eq!(basic.header("authorization"), Some("Basic {secret:credential|base64}"));
    assert!(!basic.gzip);
    let prefixed = sent(json!({ "auth": "raw", "auth_prefix": "Api-Token " }));
    assert_eq!(prefixed.header("authorization"), Some("Api-Token {secret:credential}"));
    for settings in [
        json!({ "headers": { "Authorization": "x" } }),
        json!({ "headers": { "content-type": "x" } }),
        json!({ "headers": { "content-encoding": "br" } }),
        json!({ "encoding": "yaml" }),
    ] {
        let mut settings = settings;
        settings["endpoint"] = json!("https://c.example");
        let done = hardpoint_sdk::testing::delivery::<otlp::Otlp>(events(1), settings.clone()).run();
        assert_eq!(done.failure.expect("refused").kind, FailureKind::Unsupported, "{settings}");
    }
}

#[test]
fn no_events_need_no_request() {
    let settings = json!({ "endpoint": "https://c.example" });
    assert!(hardpoint_sdk::testing::delivery::<otlp::Otlp>(events(0), settings).run().all_delivered(0));
}

#[test]
fn a_request_has_20_mib_at_most() {
    let large = |count: usize, size: usize| {
        batch((0..count).map(|number| event(number, json!({ "x": "y".repeat(size) }))).collect())
    };
    let settings = json!({ "endpoint": "https://c.example" });
    let fits = run(large(20, 1_000_000), json!({}), Answer::new(200));
    assert!(fits.all_delivered(20) && fits.sent[0].bytes.len() < 20 << 20);
    let done = hardpoint_sdk::testing::delivery::<otlp::Otlp>(large(22, 1_000_000), settings.clone()).run();
    assert!(done.is_split && done.verdicts.is_empty() && done.sent.is_empty());
    let done = hardpoint_sdk::testing::delivery::<otlp::Otlp>(large(1, 21 << 20), settings).run();
    let said = format!("{:?}", done.verdicts[&0]);
    assert!(said.contains("OTLP allows 20971520"), "{said}");
}
