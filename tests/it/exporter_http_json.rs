//! The exporter `http-json` against endpoints that want different things.

use std::collections::BTreeMap;

use hardpoint_tests::double::collector::{Collector, Shape, Wants};
use hardpoint_tests::double::script::Script;
use hardpoint_tests::host::{Host, Options};
use serde_json::{Value, json};

const PATH: &str = "/api/v1/audit-logs/siem/http-json/export";
const CREDENTIAL: &str = "s3cret-\"credential\"-0123";

/// A host whose `http-json` sends to the double, with these settings and a credential of the operator's.
async fn host(collector: &Collector, settings: &str) -> Host {
    let (origin, address) = (collector.origin(), collector.origin().replace("http://", ""));
    let config = format!(
        r#"
[egress]
allow_internal = ["{address}"]

[secrets.collector]
value = '{CREDENTIAL}'
audience = "{origin}"

[bindings.http-json]
plugin = "http-json"
secrets = {{ credential = "collector" }}

[bindings.http-json.settings]
url = "{origin}/in"
{settings}

[bindings.http-json.grant]
http = ["PATCH,POST,PUT {origin}/in"]
secrets = ["credential"]
"#
    );
    Host::start(Options::new().shipped("http-json").config(&config)).await
}

fn events(count: usize, padding: usize) -> Vec<Value> {
    let event = |number| {
        json!({
            "id": format!("evt_{number:05}"), "kind": "document.read", "time": 1_700_000_000_000_000_u64,
            "actor": {"kind": "user", "id": "usr_1"}, "note": "x".repeat(padding),
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
async fn every_shape_arrives_once_within_its_limits() {
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode(CREDENTIAL);
    let table = [
        (
            "max_events = 100\nmax_bytes = 100000",
            Wants {
                headers: vec![
                    ("authorization", format!("Bearer {CREDENTIAL}")),
                    ("content-type", "application/json".to_owned()),
                ],
                max_events: 100,
                max_bytes: 100_000,
                ..Wants::default()
            },
            300,
        ),
        (
            "shape = \"lines\"\ngzip = true\nauth = \"basic\"\nmethod = \"PUT\"\nquery = { source = \"a b\" }",
            Wants {
                method: "PUT",
                target: "/in?source=a%20b",
                headers: vec![
                    ("authorization", format!("Basic {basic}")),
                    ("content-type", "application/x-ndjson".to_owned()),
                ],
                shape: Shape::Lines,
                gzip: true,
                ..Wants::default()
            },
            1_000,
        ),
        // More requests than one delivery makes.
        (
            "shape = \"event\"\nauth = \"raw\"\nauth_header = \"x-api-key\"\nheaders = { x-source = \"hardpoint\" }",
            Wants {
                headers: vec![("x-api-key", CREDENTIAL.to_owned()), ("x-source", "hardpoint".to_owned())],
                shape: Shape::Event,
                ..Wants::default()
            },
            230,
        ),
        (
            "shape = \"object\"\nmember = \"records\"\nauth = \"none\"\nbody_credential = \"token\"",
            Wants {
                shape: Shape::Object("records"),
                member: Some(("token", CREDENTIAL.to_owned())),
                ..Wants::default()
            },
            1_000,
        ),
        (
            "auth = \"none\"\nbody_credential = \"token\"",
            Wants { member: Some(("token", CREDENTIAL.to_owned())), ..Wants::default() },
            100,
        ),
    ];
    for (settings, wants, count) in table {
        let collector = Collector::start(wants).await.expect("a double");
        let host = host(&collector, settings).await;
        let answer = export(&host, &events(count, 500)).await;
        assert_eq!(answer["delivered"], count, "{settings}: {answer} {:?}", collector.refusals());
        assert_eq!(collector.counts(), once_each(count), "{settings}");
        assert_eq!(collector.refusals(), Vec::<String>::new(), "{settings}");
        let order: Vec<_> = collector.accepted().iter().map(|event| event["id"].to_string()).collect();
        assert!(order.is_sorted(), "{settings}: events arrive in their order");
        assert!(!host.log().contains(CREDENTIAL) && !answer.to_string().contains(CREDENTIAL));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_look_as_the_settings_say() {
    let collector = Collector::start(Wants::default()).await.expect("a double");
    let settings = r#"
omit = ["note"]
rename = { kind = "type", time = "@timestamp" }
copy = { user = "actor.id" }
constants = { product = "hardpoint", tags = ["audit"] }
time_format = "rfc3339"
"#;
    let host = host(&collector, settings).await;
    assert_eq!(export(&host, &events(1, 10)).await["delivered"], 1);
    let expected = json!({
        "id": "evt_00000", "type": "document.read", "@timestamp": "2023-11-14T22:13:20.000000Z",
        "actor": {"kind": "user", "id": "usr_1"}, "user": "usr_1", "product": "hardpoint", "tags": ["audit"],
    });
    assert_eq!(collector.accepted(), [expected]);
    // An export has settings of its own.
    let body = json!({ "events": events(1, 10), "wrap": "event", "constants": {}, "rename": {}, "copy": {} });
    host.client().post(PATH, &body).await.expect(200);
    assert_eq!(collector.accepted()[1]["event"]["kind"], "document.read");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_heeded() {
    let collector = Collector::start(Wants::default()).await.expect("a double");
    let host = host(&collector, "drop = [\"410\"]").await;
    // Busy, broken off, busy again: everything arrives once.
    let busy = Script::new().status(429).header("retry-after", "0");
    collector.next([
        busy.clone(),
        Script::new().broken(),
        Script::new().status(503).header("retry-after", "1"),
    ]);
    let answer = export(&host, &events(5, 10)).await;
    assert_eq!(answer["delivered"], 5, "{answer}");
    assert_eq!((collector.counts(), collector.requests()), (once_each(5), 4));

    // One that the endpoint refuses is found, and the others arrive.
    let mut mixed: Vec<Value> =
        (0..50).map(|number| json!({"id": format!("evt_m{number}"), "kind": "a.b"})).collect();
    mixed[31]["refuse"] = json!(true);
    let answer = export(&host, &mixed).await;
    assert_eq!(
        (&answer["delivered"], &answer["rejected"][0]["id"]),
        (&json!(49), &json!("evt_m31")),
        "{answer}"
    );
    let reason = answer["rejected"].to_string();
    assert!(reason.contains("422") && reason.contains("an event that is not wanted"), "{reason}");
    assert!(collector.counts().values().all(|count| *count == 1));

    // Given up by a status of the settings; parked by one that is the operator's to mend.
    for (status, says) in
        [(410, "the endpoint answered 410"), (403, "are the credential, auth and auth_header")]
    {
        let before = collector.requests();
        collector.next([Script::new().status(status)]);
        let answer = export(&host, &events(2, 10)).await;
        assert_eq!(answer["delivered"], 0, "{answer}");
        assert_eq!(answer["rejected"].as_array().map(Vec::len), Some(2), "{answer}");
        assert!(answer["rejected"].to_string().contains(says), "{answer}");
        assert_eq!(collector.requests() - before, 1, "nothing is tried again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_never_among_the_settings() {
    let collector = Collector::start(Wants::default()).await.expect("a double");
    let host = host(&collector, "").await;
    for headers in [json!({"Authorization": "Bearer abc"}), json!({"bad header": "x"}), json!({"x": "a\nb"})]
    {
        let body = json!({ "events": events(1, 1), "headers": headers });
        let answer = host.client().post(PATH, &body).await;
        assert!(matches!(answer.status, 400 | 422), "{headers}: {}", answer.text());
    }
    let elsewhere = json!({ "events": events(1, 1), "url": "https://elsewhere.example.com/in" });
    assert_eq!(host.client().post(PATH, &elsewhere).await.status, 422);
    assert_eq!(collector.requests(), 0);
}
