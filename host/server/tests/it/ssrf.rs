//! Hosts that nobody outside may reach, against whatever sends to addresses that others choose: webhooks, exporters
//! and tools. Each is refused, and each refusal is in the audit log. So are names whose answers lead inside, or do so
//! from the second look-up on: the hosts that try these have a resolver of their own, which the real binary has not.

#[path = "../../../runtime/src/egress/tests/hosts.rs"]
mod hosts;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hardpoint_domain::event::{Event, Outcome};
use hardpoint_domain::seal::MasterKey;
use hardpoint_runtime::egress::Resolve;
use hardpoint_server::system::SystemRng;
use hardpoint_store::events;
use hosts::HOSTS;
use serde_json::json;
use tokio::io::AsyncReadExt;

use crate::support::{TestApp, fixture};

/// How long something may take that nothing tells of.
const PATIENCE: Duration = Duration::from_secs(60);

/// The events of a kind, once the host has written down what it counts.
async fn refusals(app: TestApp, kind: &str) -> Vec<Event> {
    let app = app.restart_at_once().await;
    let mut conn = app.app().store.read().await.unwrap();
    let all = events::list(&mut conn, None, None, 1_000).await.unwrap();
    let all: Vec<Event> =
        all.into_iter().map(|stored| stored.event).filter(|event| event.kind == kind).collect();
    assert!(all.iter().all(|event| event.outcome == Outcome::Refused && event.organization_id.is_some()));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks() {
    let app = TestApp::start().await;
    for (what, host) in HOSTS {
        for scheme in ["https", "http"] {
            let body = json!({"url": format!("{scheme}://{host}:9/")});
            let refused = app.post("/api/v1/webhook_endpoints", &body).await;
            assert_eq!(refused.status, 422, "{what}: {}", refused.text());
        }
    }
    assert_eq!(refusals(app, "webhook.refused").await.len(), 2 * HOSTS.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn exporters() {
    let config =
        "[bindings.elsewhere]\nplugin = \"elsewhere\"\nsettings = { url = \"https://example.com/in\" }\n";
    let app = TestApp::with(config, &[("elsewhere.wasm", fixture("elsewhere"))]).await;
    let digest = app.plugin("elsewhere").await["digest"].clone();
    app.post("/api/v1/plugins/elsewhere/approve", &json!({"digest": digest})).await.expect(200);
    for (what, host) in HOSTS {
        let body = json!({"events": [{"n": 1}], "url": format!("https://{host}:9/"), "token": "their-own"});
        let answer = app.post("/api/v1/audit-logs/siem/elsewhere/export", &body).await;
        let is_delivered = answer.status.is_success() && answer.json()["delivered"] != 0;
        assert!(!is_delivered, "{what}: {}", answer.text());
    }
    let refused = refusals(app, "egress.refused").await;
    let origins: BTreeSet<_> =
        refused.iter().map(|event| event.after.as_ref().unwrap()["origin"].as_str().unwrap()).collect();
    let all: Vec<_> = HOSTS.iter().map(|(_, host)| format!("https://{host}:9")).collect();
    assert_eq!(origins, all.iter().map(String::as_str).collect(), "each, as it was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn tools() {
    let mut config = String::new();
    // The grant covers each of these hosts; what refuses them is where they lead.
    let literal: Vec<_> = HOSTS.iter().filter(|(_, host)| !host.contains(['%', '１'])).collect();
    for (at, (_, host)) in literal.iter().enumerate() {
        let origin = url::Url::parse(&format!("http://{host}:9")).unwrap();
        let origin = origin.as_str().trim_end_matches('/');
        let _ = writeln!(
            config,
            "[bindings.t{at}]\nplugin = \"prober\"\nsettings = {{ target = \"{origin}/\" }}\n\
             [bindings.t{at}.grant]\nhttp = [\"GET,POST {origin}\"]\nkv = true\nscratch = true\n"
        );
    }
    let app = TestApp::with(&config, &[("prober.wasm", fixture("prober"))]).await;
    for (at, (what, host)) in literal.iter().enumerate() {
        let arguments = json!({"arguments": {"do": "send", "url": format!("http://{host}:9/")}});
        let answer = app.post(&format!("/api/v1/tools/t{at}/call"), &arguments).await.expect(200);
        assert_eq!(answer["result"]["error"], "TransportFailureKind::Denied", "{what}: {answer}");
        assert!(answer["result"]["message"].as_str().unwrap().contains("allow_internal"), "{what}: {answer}");
    }
    assert_eq!(refusals(app, "egress.refused").await.len(), literal.len());
}

/// Names, and the addresses that each look-up of them answers, in turn; the last of them for ever.
const NAMES: &[(&str, &[&[&str]])] = &[
    ("loopback.test", &[&["127.0.0.1"]]),
    ("mapped.test", &[&["::ffff:10.0.0.1"]]),
    ("nat64.test", &[&["64:ff9b::7f00:1"]]),
    ("six-to-four.test", &[&["2002:7f00:1::"]]),
    ("cgnat.test", &[&["100.64.0.1"]]),
    ("link-local.test", &[&["fe80::1"]]),
    ("metadata.test", &[&["169.254.169.254"]]),
    // One public address among the others is no excuse.
    ("mixed.test", &[&["93.184.216.34", "10.0.0.1"]]),
    // The first answer is public; nobody is there.
    ("turning.test", &[&["192.88.98.1"], &["127.0.0.1"]]),
];

#[derive(Debug, Default)]
struct Names(Mutex<HashMap<String, usize>>);

impl Resolve for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let mut asked = self.0.lock().unwrap();
        let count = asked.entry(host.to_owned()).or_default();
        let answers = NAMES.iter().find(|(name, _)| *name == host).map(|(_, answers)| *answers);
        let answer = answers.and_then(|answers| answers.get(*count).or(answers.last()));
        *count += 1;
        let found = answer.map(|addresses| addresses.iter().map(|text| text.parse().unwrap()).collect());
        Box::pin(async move { found.ok_or_else(|| io::Error::other("there is no such name")) })
    }
}

fn names() -> Arc<dyn Resolve> {
    Arc::new(Names::default())
}

/// The names that events of refusals are about, by a member of what they tell.
fn about(events: &[Event], member: &str) -> BTreeSet<String> {
    let host = |event: &Event| {
        let url = event.after.as_ref().unwrap()[member].as_str().unwrap();
        url::Url::parse(url).unwrap().host_str().unwrap().to_owned()
    };
    events.iter().map(host).collect()
}

fn all() -> BTreeSet<String> {
    NAMES.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_by_name() {
    refused_by_name("[egress]\nconnect_timeout = \"500ms\"\n").await;
}

/// A proxy would look each name up for itself: it is asked for addresses, and for public ones.
#[tokio::test(flavor = "multi_thread")]
async fn webhooks_by_name_behind_a_proxy() {
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = format!("[egress]\nproxy = \"http://{}\"\n", proxy.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(BTreeSet::new()));
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = proxy.accept().await {
            let mut head = vec![0; 1_024];
            let read = connection.read(&mut head).await.unwrap_or(0);
            let line = String::from_utf8_lossy(&head[..read]).lines().next().unwrap_or_default().to_owned();
            seen.lock().unwrap().insert(line);
        }
    });
    refused_by_name(&config).await;
    let asked = asked.lock().unwrap();
    assert_eq!(*asked, BTreeSet::from(["CONNECT 192.88.98.1:9 HTTP/1.1".to_owned()]));
}

/// Webhooks to each of the names are refused, and each refusal is told.
async fn refused_by_name(config: &str) {
    let app = TestApp::resolving(names(), config, &[]).await;
    for (name, _) in NAMES {
        let body = json!({"url": format!("https://{name}:9/"), "events": ["user.created"]});
        app.post("/api/v1/webhook_endpoints", &body).await.expect(201);
    }
    app.post("/api/v1/users", &json!({"email": "ann@example.com", "role": "member"})).await.expect(201);
    let waiting = async {
        loop {
            let mut conn = app.app().store.read().await.unwrap();
            let listed = events::list(&mut conn, None, None, 1_000).await.unwrap();
            let refused = |event: &Event| event.kind == "webhook.refused";
            let refused: Vec<Event> = listed.into_iter().map(|kept| kept.event).filter(refused).collect();
            // Who is refused is tried again too, so their number tells nothing.
            if about(&refused, "url") == all() {
                return refused;
            }
            // What went to a public address is tried again.
            app.clock().advance(Duration::from_secs(1));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let refused = tokio::time::timeout(PATIENCE, waiting).await.expect("each is refused");
    assert!(refused.iter().all(|event| event.organization_id.is_some() && event.outcome == Outcome::Refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn exporters_by_name() {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), MasterKey::generate(&SystemRng).reveal()).unwrap();
    let config = format!(
        "[secrets]\nmaster_key_file = \"{}\"\n[bindings.elsewhere]\nplugin = \"elsewhere\"\n\
         settings = {{ url = \"https://example.com/in\" }}\n",
        key.path().display()
    );
    let app = TestApp::resolving(names(), &config, &[("elsewhere.wasm", fixture("elsewhere"))]).await;
    let digest = app.plugin("elsewhere").await["digest"].clone();
    app.post("/api/v1/plugins/elsewhere/approve", &json!({"digest": digest})).await.expect(200);
    for (name, answers) in NAMES {
        let body = json!({"events": [{"n": 1}], "url": format!("https://{name}:9/"), "token": "their-own"});
        for _ in *answers {
            let answer = app.post("/api/v1/audit-logs/siem/elsewhere/export", &body).await;
            let is_delivered = answer.status.is_success() && answer.json()["delivered"] != 0;
            assert!(!is_delivered, "{name}: {}", answer.text());
        }
    }
    // A standing one is parked, until somebody has looked at it.
    let options = json!({"url": "https://metadata.test:9/", "authenticated": true, "token": "their-own"});
    let body = json!({"name": "team", "exporter": "elsewhere", "options": options});
    let made = app.post("/api/v1/siem/destinations", &body).await.expect(201);
    let one = format!("/api/v1/siem/destinations/{}", made["id"].as_str().unwrap());
    let parked = async {
        loop {
            let shown = app.get(&one).await.expect(200);
            if shown["state"] == "parked" {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let parked = tokio::time::timeout(PATIENCE, parked).await.expect("it is parked");
    assert!(parked["reason"].as_str().unwrap().contains("metadata address"), "{parked}");
    assert_eq!((&parked["delivered"], &parked["dead_letters"]), (&json!(0), &json!(0)));
    assert_eq!(about(&refusals(app, "egress.refused").await, "origin"), all());
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_by_name() {
    let mut config = "[egress]\nconnect_timeout = \"500ms\"\n\n".to_owned();
    for (at, (name, _)) in NAMES.iter().enumerate() {
        let _ = writeln!(
            config,
            "[bindings.t{at}]\nplugin = \"prober\"\nsettings = {{ target = \"https://{name}:9/\" }}\n\
             [bindings.t{at}.grant]\nhttp = [\"GET,POST https://{name}:9\"]\nkv = true\nscratch = true\n"
        );
    }
    let app = TestApp::resolving(names(), &config, &[("prober.wasm", fixture("prober"))]).await;
    for (at, (name, answers)) in NAMES.iter().enumerate() {
        let arguments = json!({"arguments": {"do": "send", "url": format!("https://{name}:9/")}});
        for time in 1..=answers.len() {
            let answer = app.post(&format!("/api/v1/tools/t{at}/call"), &arguments).await.expect(200);
            let is_denied = answer["result"]["error"] == "TransportFailureKind::Denied";
            assert_eq!(is_denied, time == answers.len(), "{name}: {answer}");
        }
    }
    assert_eq!(about(&refusals(app, "egress.refused").await, "origin"), all());
}
