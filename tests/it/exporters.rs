//! `POST /audit-logs/siem/{exporter}/export`, by an exporter that somebody else built and by the one for Datadog.

use std::collections::BTreeMap;
use std::process::Command;

use hardpoint_tests::component::fixture;
use hardpoint_tests::double::datadog::{self, Datadog};
use hardpoint_tests::double::plain::Plain;
use hardpoint_tests::double::script::Script;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use serde_json::{Value, json};

use crate::operator::{plugin, serving};

pub(crate) fn events(count: usize, padding: usize) -> Vec<Value> {
    let event = |number| {
        json!({
            "id": format!("evt_{number:05}"), "kind": "document.read", "actor": {"kind": "user", "id": "usr_1"},
            "note": "x".repeat(padding),
        })
    };
    (0..count).map(event).collect()
}

pub(crate) fn once_each(count: usize) -> BTreeMap<String, u32> {
    (0..count).map(|number| (format!("evt_{number:05}"), 1)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_built_elsewhere_is_copied_granted_and_delivers() {
    let collector = Plain::start().await.expect("a double");
    collector.on("/ingest", Script::new().status(204));
    let url = format!("{}/ingest", collector.server().origin());
    let config = format!(
        "[egress]\nallow_internal = [\"{}\"]\n[bindings.elsewhere]\nplugin = \"elsewhere\"\nsettings = {{ url = \"{url}\" }}\n",
        collector.server().address()
    );
    let host = Host::start(Options::new().config(&config)).await;
    let client = host.client();
    let body = json!({
        "events": events(3, 10), "url": url, "authenticated": true, "token": "t0ken-of-the-caller",
    });
    let path = "/api/v1/audit-logs/siem/elsewhere/export";
    assert_eq!(client.post(path, &body).await.status, 404);

    let built = host.folder().join("built-elsewhere.wasm");
    std::fs::write(&built, fixture("elsewhere")).expect("written");
    let copied = Command::new("cp").arg(&built).arg(host.plugins_folder().join("elsewhere.wasm")).status();
    assert!(copied.is_ok_and(|status| status.success()));
    let waiting = until("the exporter to wait for approval", || async {
        let answer = client.get("/api/v1/plugins/elsewhere").await;
        (answer.status == 200
            && answer.json()["state"] == "pending_approval"
            && answer.json()["reason"].is_string())
        .then(|| answer.json())
    })
    .await;
    assert!(waiting["reason"].to_string().contains("hardpoint plugin grant elsewhere"), "{waiting}");
    assert_eq!(client.post(path, &body).await.status, 404, "nothing runs before it is allowed");

    let granted = host.command(&["plugin", "grant", "elsewhere", "--yes"]);
    assert!(granted.status.success(), "{}", String::from_utf8_lossy(&granted.stderr));
    serving(&client, "elsewhere", "1.2.3").await;
    let answer = client.post(path, &body).await.expect(200);
    assert_eq!(
        (&answer["exporter"], &answer["matched"], &answer["delivered"]),
        (&json!("elsewhere"), &json!(3), &json!(3))
    );
    assert_eq!(answer["rejected"], json!([]));

    let arrived = collector.seen();
    assert_eq!(arrived.len(), 1);
    assert_eq!(arrived[0].headers["x-token"], "t0ken-of-the-caller");
    let lines: Vec<Value> = String::from_utf8_lossy(&arrived[0].body)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines, events(3, 10));
    assert!(!host.log().contains("t0ken-of-the-caller"));

    // With an address of the caller's choice comes the caller's own secret, or nothing does.
    let mut bare = body.clone();
    bare["url"] = json!(format!("{}/elsewhere", collector.server().origin()));
    bare.as_object_mut().expect("an object").remove("token");
    let refused = client.post(path, &bare).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    // With it, what is internal stays closed all the same.
    bare["token"] = body["token"].clone();
    let refused = client.post(path, &bare).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert_eq!(collector.seen().len(), 1);
}

/// A host whose `datadog` sends there, with a key of the operator's.
async fn with_datadog(origin: &str) -> Host {
    let (address, key) = (origin.replace("http://", ""), datadog::KEY);
    let config = format!(
        r#"
[egress]
allow_internal = ["{address}"]

[secrets.datadog]
value = "{key}"
audience = "{origin}"

[bindings.datadog]
plugin = "datadog"
settings = {{ intake_url = "{origin}/api/v2/logs", tags = ["env:test"] }}
secrets = {{ api_key = "datadog" }}

[bindings.datadog.grant]
http = ["POST {origin}/api/v2/logs"]
secrets = ["api_key"]
"#
    );
    Host::start(Options::new().shipped("datadog").config(&config)).await
}

const DATADOG: &str = "/api/v1/audit-logs/siem/datadog/export";

#[tokio::test(flavor = "multi_thread")]
async fn datadog_gets_each_event_once_within_its_limits() {
    let intake = Datadog::start().await.expect("a double");
    let host = with_datadog(&intake.origin()).await;
    // More than one request may hold; then, more than the host's own limit on bodies.
    for (count, padding) in [(1_000, 4_000), (40, 300_000)] {
        let before = intake.requests();
        let answer = host.client().post(DATADOG, &json!({"events": events(count, padding)})).await;
        if padding > 100_000 {
            // JSON over the host's own limit on bodies is refused before anything is sent.
            assert_eq!(answer.status, 413, "{}", answer.text());
            assert_eq!(intake.requests(), before);
            continue;
        }
        let answer = answer.expect(200);
        assert_eq!((&answer["matched"], &answer["delivered"]), (&json!(count), &json!(count)), "{answer}");
        assert_eq!(intake.counts(), once_each(count));
        assert!(intake.requests() - before >= 2);
    }
    let too_many = host.client().post(DATADOG, &json!({"events": events(1_001, 1)})).await;
    assert_eq!(too_many.status, 400, "{}", too_many.text());
    assert_eq!(intake.refusals(), Vec::<String>::new());
    let log = &intake.accepted()[0];
    assert!(log["ddtags"].as_str().is_some_and(|tags| tags.contains("env:test")), "{log}");
    assert!(log["message"].is_string() && log["ddsource"].is_string() && log["service"].is_string(), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn datadog_is_asked_again_until_it_has_everything() {
    let intake = Datadog::start().await.expect("a double");
    let host = with_datadog(&intake.origin()).await;
    let limited = datadog::error(429, "Too Many Requests").header("x-ratelimit-reset", "1");
    intake.next([limited, datadog::error(503, "Service Unavailable")]);
    let answer = host.client().post(DATADOG, &json!({"events": events(10, 10)})).await.expect(200);
    assert_eq!((&answer["delivered"], &answer["rejected"]), (&json!(10), &json!([])), "{answer}");
    assert_eq!((intake.counts(), intake.requests()), (once_each(10), 3));

    // Too large as it is: in halves it fits.
    intake.next([datadog::error(413, "Payload Too Large")]);
    let more: Vec<Value> =
        (0..4).map(|number| json!({"id": format!("evt_more_{number}"), "kind": "a.b"})).collect();
    let answer = host.client().post(DATADOG, &json!({"events": more})).await.expect(200);
    assert_eq!(answer["delivered"], 4, "{answer}");
    assert_eq!(intake.requests(), 6);
    assert!(intake.counts().values().all(|count| *count == 1), "{:?}", intake.counts());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_itself_is_exported() {
    let intake = Datadog::start().await.expect("a double");
    let host = with_datadog(&intake.origin()).await;
    let client = host.client();
    host.drop_plugin("prober", &fixture("prober"));
    until("the prober to wait for approval", || async {
        (client.get("/api/v1/plugins/prober").await.status == 200).then_some(())
    })
    .await;
    let digest = plugin(&client, "prober").await["digest"].clone();
    client.post("/api/v1/plugins/prober/approve", &json!({"digest": digest})).await;
    let answer = client.post(DATADOG, &json!({"limit": 1_000})).await.expect(200);
    let matched = answer["matched"].as_u64().expect("a number");
    assert!(matched > 0, "{answer}");
    assert_eq!(answer["delivered"], matched, "{answer}");
    let counts = intake.counts();
    assert_eq!(counts.len() as u64, matched, "{counts:?}");
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_secret_stays_with_its_address() {
    let (intake, other) =
        (Datadog::start().await.expect("a double"), Datadog::start().await.expect("a double"));
    let host = with_datadog(&intake.origin()).await;
    let elsewhere = format!("{}/api/v2/logs", other.origin());
    let answer = host.client().post(DATADOG, &json!({"events": events(1, 1), "intake_url": elsewhere})).await;
    assert_eq!(answer.status, 422, "{}", answer.text());
    let wrong = host.client().post(DATADOG, &json!({"events": events(1, 1), "intake_url": "nowhere"})).await;
    assert!(matches!(wrong.status, 400 | 422), "{}", wrong.text());
    assert_eq!((other.requests(), intake.requests()), (0, 0));
    assert!(!answer.text().contains(datadog::KEY));
}

/// Whoever waits learns within seconds that nobody is there, and an operator finds it counted.
#[tokio::test(flavor = "multi_thread")]
async fn a_destination_that_is_away_is_told_by_its_cause() {
    let nobody =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address");
    let host = with_datadog(&format!("http://{nobody}")).await;
    let answer = host.client().post(DATADOG, &json!({"events": events(2, 1)})).await.expect(200);
    assert_eq!((&answer["delivered"], answer["rejected"].as_array().map(Vec::len)), (&json!(0), Some(2)));
    let reason = answer["rejected"][0]["reason"].as_str().expect("a reason");
    let cause = format!("{nobody} cannot be reached: Connection refused");
    assert!(reason.contains("offered 4 times") && reason.contains(&cause), "{reason}");
    let live = plugin(&host.client(), "datadog").await["live"].clone();
    assert_eq!((&live["failures"], &live["faults"]), (&json!({"connect": 4}), &json!({})), "{live}");
    let last = live["errors"][0]["message"].as_str().expect("a message");
    assert!(last.starts_with("2 of 2 events were not taken: ") && last.contains(&cause), "{last}");
}
