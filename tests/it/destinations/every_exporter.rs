//! One table of faults, against every exporter that we ship: of each event, what became of it by our account is what
//! the double counts.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use hardpoint_tests::client::Client;
use hardpoint_tests::double::collector::{Collector, Wants};
use hardpoint_tests::double::datadog::{self, Datadog};
use hardpoint_tests::double::elastic::{self, Elastic};
use hardpoint_tests::double::front::{Fault, Front};
use hardpoint_tests::double::otlp::{self, Otlp};
use hardpoint_tests::double::pagerduty::{self, PagerDuty};
use hardpoint_tests::double::script::Script;
use hardpoint_tests::double::splunk::{self, Splunk};
use hardpoint_tests::host::Host;
use hardpoint_tests::patience::until;
use serde_json::{Value, json};

use super::{ALL, Bound, Counts, customer, happen, ids, log, options, settled, shown, standing};

/// Events of a row.
const EVENTS: usize = 12;
const CREDENTIAL: &str = "a-credential-0123456789";

/// What goes wrong, whether events may come twice then, and the exporter that goes on only when somebody resumes it.
struct Row {
    what: &'static str,
    faults: Vec<Fault>,
    may_repeat: bool,
    parks: Option<&'static str>,
}

/// An exporter, its double, and what goes wrong between them.
struct Scene {
    plugin: &'static str,
    path: &'static str,
    secret: (&'static str, &'static str),
    front: Front,
    counts: Box<dyn Fn() -> Counts + Send + Sync>,
    destination: String,
    /// Events that it did not take.
    dead: BTreeSet<String>,
}

impl Scene {
    async fn before(
        (plugin, origin, path): (&'static str, String, &'static str),
        secret: (&'static str, &'static str),
        counts: impl Fn() -> Counts + Send + Sync + 'static,
    ) -> Self {
        let address: SocketAddr = origin.replace("http://", "").parse().expect("an address");
        let front = Front::before(address).await.expect("a front");
        let counts = Box::new(counts);
        Self { plugin, path, secret, front, counts, destination: String::new(), dead: BTreeSet::new() }
    }

    fn bound(&self) -> Bound<'static> {
        let Self { plugin, path, secret, .. } = *self;
        Bound { name: plugin, plugin, origin: self.front.origin(), path, secret }
    }

    async fn switch(&self, client: &Client, to: &str) {
        client.post(&format!("{ALL}/{}/{to}", self.destination), &json!({})).await.expect(200);
    }

    /// Waits until all is delivered, or a dead letter.
    async fn comes_through(&self, client: &Client, row: &Row) -> Value {
        if row.parks == Some(self.plugin) {
            until("it to be parked", || async {
                (shown(client, &self.destination).await["state"] == "parked").then_some(())
            })
            .await;
            self.switch(client, "resume").await;
        }
        settled(client, &self.destination).await
    }

    /// Reads which events it did not take.
    async fn note_letters(&mut self, client: &Client) {
        let path = format!("{ALL}/{}/dead-letters?page_size=100", self.destination);
        let letters = client.get(&path).await.expect(200);
        for letter in letters["data"].as_array().expect("a list") {
            self.dead.insert(letter["event_id"].as_str().expect("an id").to_owned());
        }
    }

    /// That every event came once, or is a dead letter; twice only where that may be.
    fn agrees(&self, row: &Row, log: &[String], new: &[String]) {
        let Self { plugin, dead, .. } = self;
        let (what, counts) = (row.what, (self.counts)());
        for id in log {
            let came = counts.get(id).copied().unwrap_or_default();
            assert_ne!(came > 0, dead.contains(id), "{plugin}, {what}: {id} came {came} times");
        }
        let twice = new.iter().filter(|id| counts.get(*id).is_some_and(|came| *came > 1)).count();
        assert!(twice == 0 || row.may_repeat, "{plugin}, {what}: {twice} came more than once");
        let strangers = counts.keys().filter(|id| id.starts_with("evt_") && !log.contains(id)).count();
        assert_eq!(strangers, 0, "{plugin}, {what}: more came than happened");
        assert_eq!(self.front.unmet(), 0, "{plugin}, {what}: it was not asked often enough");
    }
}

/// All six, each before a double of its own.
async fn scenes() -> Vec<Scene> {
    let datadog = Datadog::start().await.expect("a double");
    let splunk = Splunk::start().await.expect("a double");
    let elastic = Elastic::start().await.expect("a double");
    let pagerduty = PagerDuty::start().await.expect("a double");
    let otlp = Otlp::start().await.expect("a double");
    let headers = vec![("authorization", format!("Bearer {CREDENTIAL}"))];
    let wants = Wants { headers, ..Wants::default() };
    let collector = Collector::start(wants).await.expect("a double");
    vec![
        Scene::before(("datadog", datadog.origin(), "/api/v2/logs"), ("api_key", datadog::KEY), move || {
            datadog.counts()
        })
        .await,
        Scene::before(
            ("splunk", splunk.origin(), "/services/collector"),
            ("hec_token", splunk::TOKEN),
            move || splunk.counts(),
        )
        .await,
        Scene::before(("elastic", elastic.origin(), ""), ("api_key", elastic::KEY), move || elastic.counts())
            .await,
        Scene::before(
            ("pagerduty", pagerduty.origin(), "/v2/enqueue"),
            ("routing_key", pagerduty::KEY),
            move || pagerduty.counts(),
        )
        .await,
        Scene::before(("otlp", otlp.origin(), ""), ("credential", otlp::TOKEN), move || otlp.counts()).await,
        Scene::before(("http-json", collector.origin(), "/in"), ("credential", CREDENTIAL), move || {
            collector.counts()
        })
        .await,
    ]
}

fn rows() -> Vec<Row> {
    let answers = |status: u16| Fault::Instead(Script::new().status(status).bytes("{}"));
    let after_all = |status: u16| Fault::Otherwise(Script::new().status(status).bytes("{}"));
    let limited = || Fault::Instead(Script::new().status(429).header("retry-after", "0").bytes("{}"));
    let row = |what, may_repeat, faults| Row { what, faults, may_repeat, parks: None };
    vec![
        row("nothing", false, vec![]),
        row("429 in a burst", false, (0..5).map(|_| limited()).collect()),
        row("503, 502, 504", false, vec![answers(503), answers(502), answers(504)]),
        row("413", false, vec![answers(413), answers(413)]),
        row("a reset before the answer", false, vec![Fault::Instead(Script::new().broken())]),
        // What went beside it in the same attempt is not known to have come either.
        row("no answer", true, vec![Fault::Instead(Script::new().silence())]),
        row("a reset in the middle of the answer", true, vec![Fault::Half]),
        row("half an answer", true, vec![Fault::Stalled]),
        row("an answer byte by byte", true, vec![Fault::Drip(Duration::from_millis(20))]),
        // OTLP has it that a 500 must not be tried again.
        Row { parks: Some("otlp"), ..row("taken, then 500", true, vec![after_all(500)]) },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_comes_whatever_the_exporter() {
    let (mut scenes, oracle) = (scenes().await, Datadog::start().await.expect("a double"));
    let mut bound: Vec<Bound<'_>> = scenes.iter().map(Scene::bound).collect();
    bound.push(Bound::datadog("oracle", &oracle));
    let host = Host::start(options(&bound, "")).await;
    let client = Client::new(host.origin(), Some(&customer(&host).1));
    for scene in &mut scenes {
        scene.destination = standing(&client, scene.plugin).await;
    }
    for row in rows() {
        for scene in &scenes {
            settled(&client, &scene.destination).await;
            scene.switch(&client, "pause").await;
        }
        let before = ids(&oracle);
        happen(&client, EVENTS).await;
        for scene in &scenes {
            scene.front.next(row.faults.clone());
            scene.switch(&client, "resume").await;
        }
        let log = log(&client, &oracle).await;
        let new: Vec<String> = log.iter().filter(|id| !before.contains_key(*id)).cloned().collect();
        assert!(new.len() >= EVENTS, "{} of {EVENTS} are in the log", new.len());
        for scene in &mut scenes {
            let standing = scene.comes_through(&client, &row).await;
            assert_eq!(standing["state"], "active", "{}, {}: {standing}", scene.plugin, row.what);
            let known = scene.dead.len();
            scene.note_letters(&client).await;
            // Where each event goes alone, there is nothing smaller to try.
            let lost = if scene.plugin == "pagerduty" && row.what == "413" { row.faults.len() } else { 0 };
            assert_eq!(scene.dead.len() - known, lost, "{}, {}: {standing}", scene.plugin, row.what);
            scene.agrees(&row, &log, &new);
        }
    }
}
