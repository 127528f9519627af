//! What goes wrong between a destination and us: per event, what becomes of it is what the double counts.

use hardpoint_tests::client::Client;
use hardpoint_tests::double::datadog::{self, Datadog, error};
use hardpoint_tests::double::script::Script;
use hardpoint_tests::double::tls::Tls;
use hardpoint_tests::host::Host;
use hardpoint_tests::patience::until;
use serde_json::json;

use super::{ALL, Bound, complete, customer, happen, ids, log, options, settled, shown, standing};

/// A host with a destination at a double, and a second double for the oracle.
struct Scene {
    intake: Datadog,
    oracle: Datadog,
    host: Host,
    client: Client,
    destination: String,
}

impl Scene {
    async fn start() -> Self {
        let (intake, oracle) =
            (Datadog::start().await.expect("a double"), Datadog::start().await.expect("a double"));
        let bound = [Bound::datadog("team", &intake), Bound::datadog("oracle", &oracle)];
        let host = Host::start(options(&bound, "")).await;
        let client = Client::new(host.origin(), Some(&customer(&host).1));
        let destination = standing(&client, "team").await;
        Self { intake, oracle, host, client, destination }
    }

    /// Lets things happen while the next requests are answered like this, and gives how many events came twice.
    async fn survives(&self, scripts: Vec<Script>, taken: Vec<Script>) -> usize {
        let pause = |what: &str| format!("{ALL}/{}/{what}", self.destination);
        // What is under way when it is paused comes again.
        settled(&self.client, &self.destination).await;
        self.client.post(&pause("pause"), &json!({})).await.expect(200);
        let before = ids(&self.intake).len();
        let happened = happen(&self.client, 12).await;
        self.intake.next(scripts);
        self.intake.next_taken(taken);
        self.client.post(&pause("resume"), &json!({})).await.expect(200);
        let standing = settled(&self.client, &self.destination).await;
        assert_eq!(
            (&standing["state"], &standing["dead_letters"]),
            (&json!("active"), &json!(0)),
            "{standing}"
        );
        complete(&log(&self.client, &self.oracle).await, &ids(&self.intake), before + happened)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_comes_whatever_goes_wrong() {
    let scene = Scene::start().await;
    let limited = || error(429, "Too Many Requests").header("retry-after", "0");
    let half = || Script::new().status(202).header("content-length", "100").bytes("{\"errors\": ");
    let burst: Vec<Script> = std::iter::repeat_with(limited).take(5).collect();
    assert_eq!(scene.survives(burst, vec![]).await, 0);
    assert_eq!(scene.survives(vec![error(503, "Service Unavailable"), error(500, "?")], vec![]).await, 0);
    assert_eq!(scene.survives(vec![error(413, "Payload Too Large"), error(413, "Still")], vec![]).await, 0);
    assert_eq!(scene.survives(vec![Script::new().broken(), Script::new().silence()], vec![]).await, 0);
    // It has them and says otherwise, or nothing: they come twice, and none is missing.
    let twice =
        scene.survives(vec![], vec![error(500, "after all"), half().broken(), half().silence()]).await;
    assert!(twice > 0, "nothing came twice");
    assert_eq!(scene.intake.refusals(), Vec::<String>::new());
    assert!(scene.host.log().contains("a destination did not take all"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_refused_parks_it_and_a_later_one_gets_everything() {
    let scene = Scene::start().await;
    scene.intake.next([error(403, "Forbidden")]);
    let happened = happen(&scene.client, 5).await;
    let parked = until("it to be parked", || async {
        let shown = shown(&scene.client, &scene.destination).await;
        (shown["state"] == "parked").then_some(shown)
    })
    .await;
    assert!(parked["reason"].as_str().is_some_and(|reason| reason.contains("403")), "{parked}");
    assert!(!parked.to_string().contains(datadog::KEY));
    let resumed = scene.host.command(&["siem", "resume", &scene.destination]);
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    settled(&scene.client, &scene.destination).await;
    let twice = complete(&log(&scene.client, &scene.oracle).await, &ids(&scene.intake), happened);
    assert_eq!(twice, 0);
}

/// A dead letter that is put off again keeps neither the log waiting nor is it one once the log has brought it.
#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_is_put_off_stops_nothing() {
    let scene = Scene::start().await;
    let one = format!("{ALL}/{}", scene.destination);
    let letters = || async {
        let page = scene.client.get(&format!("{one}/dead-letters")).await.expect(200);
        (page["total"].as_i64().expect("a number"), page["data"][0].clone())
    };
    settled(&scene.client, &scene.destination).await;
    let before = ids(&scene.intake).len();
    scene.intake.next([error(413, "Payload Too Large")]);
    happen(&scene.client, 1).await;
    until("a dead letter", || async { (letters().await.0 == 1).then_some(()) }).await;
    let requests = scene.intake.requests();
    scene.intake.next([error(503, "Service Unavailable").header("retry-after", "3600")]);
    scene.client.post(&format!("{one}/dead-letters/replay"), &json!({})).await.expect(200);
    until("it to be put off", || async { (scene.intake.requests() > requests).then_some(()) }).await;
    happen(&scene.client, 2).await;
    settled(&scene.client, &scene.destination).await;
    assert_eq!(ids(&scene.intake).len(), before + 2);
    let (total, letter) = letters().await;
    assert_eq!((total, &letter["is_replayed"]), (1, &json!(true)));
    assert!(letter["next_attempt_at"].is_string(), "{letter}");

    scene.client.post(&format!("{one}/replay"), &json!({"cursor": 0})).await.expect(200);
    until("it to be none any more", || async { (letters().await.0 == 0).then_some(()) }).await;
    complete(&log(&scene.client, &scene.oracle).await, &ids(&scene.intake), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_over_holds_everything_back_until_it_is_renewed() {
    let (intake, oracle) =
        (Datadog::start().await.expect("a double"), Datadog::start().await.expect("a double"));
    let address = intake.origin().replace("http://", "").parse().expect("an address");
    let front = Tls::expired_before(address).await.expect("a double");
    let folder = tempfile::tempdir().expect("a folder");
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, front.certificates()).expect("certificates");
    let team = Bound { origin: front.origin(), ..Bound::datadog("team", &intake) };
    let egress = format!("extra_roots = \"{}\"\n", roots.display());
    let host = Host::start(options(&[team, Bound::datadog("oracle", &oracle)], &egress)).await;
    let client = Client::new(host.origin(), Some(&customer(&host).1));
    let destination = standing(&client, "team").await;
    let happened = happen(&client, 5).await;
    let waiting = until("it to be told", || async {
        let shown = shown(&client, &destination).await;
        shown["last_error"].is_object().then_some(shown)
    })
    .await;
    assert_eq!((intake.requests(), &waiting["state"]), (0, &json!("active")), "{waiting}");
    front.renew();
    let settled = settled(&client, &destination).await;
    assert_eq!(settled["dead_letters"], 0);
    complete(&log(&client, &oracle).await, &ids(&intake), happened);
}

/// Sixteen at once are well, and eight are in trouble: more of those keep nobody waiting.
#[tokio::test(flavor = "multi_thread")]
async fn dead_destinations_keep_none_waiting_that_is_well() {
    let (intake, silent) =
        (Datadog::start().await.expect("a double"), Datadog::start().await.expect("a double"));
    let bound = [Bound::datadog("team", &intake), Bound::datadog("silent", &silent)];
    let host = Host::start(options(&bound, "")).await;
    let client = Client::new(host.origin(), Some(&customer(&host).1));
    let well = standing(&client, "team").await;
    silent.next(std::iter::repeat_with(|| Script::new().silence()).take(1_000));
    for number in 0..20 {
        let body = json!({"name": format!("dead {number}"), "exporter": "silent"});
        client.post(ALL, &body).await.expect(201);
    }
    until("the dead ones to be in trouble", || async {
        let all = client.get(&format!("{ALL}?page_size=100")).await.expect(200);
        let troubled = |one: &&serde_json::Value| one["last_error"].is_object();
        (all["data"].as_array().expect("a list").iter().filter(troubled).count() == 20).then_some(())
    })
    .await;
    for _ in 0..3 {
        happen(&client, 1).await;
        let standing = settled(&client, &well).await;
        assert_eq!(standing["last_error"], serde_json::Value::Null, "{standing}");
    }
    assert_eq!(ids(&intake).len(), 4);
}
