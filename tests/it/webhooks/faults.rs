//! What goes wrong between us and an endpoint: of each delivery, what its history says is what the endpoint saw.

use std::collections::BTreeMap;
use std::time::Duration;

use hardpoint_tests::client::Client;
use hardpoint_tests::double::front::{Fault, Front};
use hardpoint_tests::double::script::Script;
use hardpoint_tests::double::sink::Sink;
use hardpoint_tests::double::tls::Tls;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use serde_json::{Value, json};

use super::{ENDPOINTS, endpoint, invite};

/// Events of each endpoint: fewer than failures in a row that have it left alone.
const EVENTS: usize = 4;

/// What an endpoint does, what the attempts come to that fail, and how many webhooks it gets twice.
struct Row {
    path: &'static str,
    faults: Vec<Fault>,
    /// The statuses of their answers; none where there was none.
    failed: Vec<Option<u64>>,
    twice: usize,
}

fn rows(elsewhere: &Sink) -> Vec<Row> {
    let answers = |status: u16| Fault::Instead(Script::new().status(status));
    let limited = || Fault::Instead(Script::new().status(429).header("retry-after", "1"));
    let away = Script::new().status(307).header("location", &elsewhere.url("/away"));
    let row = |path, faults, failed, twice| Row { path, faults, failed, twice };
    let failure = |status| vec![Some(status)];
    vec![
        row("/well", vec![], vec![], 0),
        row("/burst", (0..EVENTS).map(|_| limited()).collect(), vec![Some(429); EVENTS], 0),
        row("/unavailable", vec![answers(503), answers(500)], vec![Some(500), Some(503)], 0),
        row("/too-large", vec![answers(413)], failure(413), 0),
        row("/redirect", vec![Fault::Instead(away)], failure(307), 0),
        row("/reset", vec![Fault::Instead(Script::new().broken())], vec![None], 0),
        row("/silent", vec![Fault::Instead(Script::new().silence())], vec![None], 0),
        row("/taken-then-500", vec![Fault::Otherwise(Script::new().status(500))], failure(500), 1),
        // A status that says that it has it is enough, whatever becomes of the rest.
        row("/half", vec![Fault::Half], vec![], 0),
        row("/stalled", vec![Fault::Stalled], vec![], 0),
        row("/drip", vec![Fault::Drip(Duration::from_millis(100))], vec![], 0),
    ]
}

/// The deliveries to an endpoint, once all of them are made.
async fn made(client: &Client, endpoint: &Value, count: usize) -> Vec<Value> {
    let path = format!("{ENDPOINTS}/{}/deliveries?page_size=100", endpoint["id"].as_str().expect("an id"));
    until("the deliveries to be made", || async {
        let page = client.get(&path).await.expect(200);
        let all = page["data"].as_array().expect("a list").clone();
        (all.len() == count && all.iter().all(|one| one["state"] == "delivered")).then_some(all)
    })
    .await
}

/// The statuses of the attempts that failed, of all deliveries; and that of each but the last failed.
fn failures(deliveries: &[Value]) -> Vec<Option<u64>> {
    let mut failed = Vec::new();
    for delivery in deliveries {
        let attempts = delivery["attempts"].as_array().expect("a list");
        assert_eq!(delivery["attempt_count"], json!(attempts.len()), "{delivery}");
        let (last, before) = attempts.split_last().expect("an attempt");
        assert!(last["error"].is_null(), "{delivery}");
        assert!(before.iter().all(|attempt| attempt["error"].is_string()), "{delivery}");
        failed.extend(before.iter().map(|attempt| attempt["status"].as_u64()));
    }
    failed.sort_unstable();
    failed
}

#[tokio::test(flavor = "multi_thread")]
async fn every_webhook_comes_whatever_goes_wrong() {
    let (sink, elsewhere) = (Sink::start().await.expect("a double"), Sink::start().await.expect("a double"));
    let rows = rows(&elsewhere);
    let (mut fronts, mut allowed) = (Vec::new(), Vec::new());
    for row in &rows {
        sink.on(row.path, [Script::new().bytes("it is all here, thank you")]);
        let front = Front::before(sink.server().address()).await.expect("a front");
        front.next(row.faults.clone());
        allowed.push(front.address().to_string());
        fronts.push(front);
    }
    let host = Host::start(
        Options::new().config(&format!("[egress]\nallow_internal_webhooks = {}\n", json!(allowed))),
    )
    .await;
    let client = host.client();
    let mut endpoints = Vec::new();
    for (row, front) in rows.iter().zip(&fronts) {
        endpoints
            .push(endpoint(&client, &format!("{}{}", front.origin(), row.path), &["user.created"]).await);
    }
    for number in 0..EVENTS {
        invite(&client, number).await;
    }
    for ((row, front), endpoint) in rows.iter().zip(&fronts).zip(&endpoints) {
        let deliveries = made(&client, endpoint, EVENTS).await;
        assert_eq!((failures(&deliveries), front.unmet()), (row.failed.clone(), 0), "{}", row.path);
        let got = sink.ids(row.path);
        let told = |one: &Value| one["webhook_id"].as_str().expect("an id").to_owned();
        let expected: BTreeMap<String, usize> = deliveries
            .iter()
            .map(|one| (told(one), got.get(&told(one)).copied().unwrap_or_default()))
            .collect();
        assert_eq!(got, expected, "{}: nothing else came", row.path);
        assert!(got.values().all(|came| *came > 0), "{}: {got:?}", row.path);
        assert_eq!(got.values().filter(|came| **came > 1).count(), row.twice, "{}: {got:?}", row.path);
    }
    assert_eq!(elsewhere.server().connections_accepted(), 0, "nobody follows a redirect");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_over_is_a_failure_until_it_is_renewed() {
    let sink = Sink::start().await.expect("a double");
    let front = Tls::expired_before(sink.server().address()).await.expect("a double");
    let folder = tempfile::tempdir().expect("a folder");
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, front.certificates()).expect("certificates");
    let config = format!(
        "[egress]\nallow_internal_webhooks = [\"{}\"]\nextra_roots = \"{}\"\n",
        front.origin().replace("https://", ""),
        roots.display()
    );
    let host = Host::start(Options::new().config(&config)).await;
    let client = host.client();
    let made_endpoint = endpoint(&client, &format!("{}/hook", front.origin()), &["user.created"]).await;
    invite(&client, 1).await;
    let id = made_endpoint["id"].as_str().expect("an id");
    until("it to be told", || async {
        let page = client.get(&format!("{ENDPOINTS}/{id}/deliveries")).await.expect(200);
        page["data"][0]["last_error"].as_str().is_some_and(|error| error.contains("TLS")).then_some(())
    })
    .await;
    assert_eq!(sink.seen("/hook").len(), 0, "nothing is sent to who cannot show who they are");
    front.renew();
    let deliveries = made(&client, &made_endpoint, 1).await;
    let failed = failures(&deliveries);
    assert!(!failed.is_empty() && failed.iter().all(Option::is_none), "{deliveries:?}");
    assert_eq!(sink.ids("/hook").into_values().collect::<Vec<_>>(), [1]);
}
