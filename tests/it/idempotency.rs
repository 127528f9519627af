//! `Idempotency-Key` against what it guards from: many at once, a host that dies, two hosts.

use futures_util::future::join_all;
use hardpoint_tests::client::{Answer, Client};
use hardpoint_tests::double::openai::{OpenAi, Reply};
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use http::Method;
use serde_json::Value;

use crate::lifecycle::new_database;
use crate::scene::{entries, says, scene, streamed, upstream};

const COMPLETIONS: &str = "/api/v1/chat/completions";

async fn post(client: &Client, name: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("idempotency-key", name)];
    client.send(Method::POST, COMPLETIONS, &headers, body.to_string()).await
}

fn is_first(answer: &Answer) -> bool {
    answer.status == 200 && answer.header("idempotency-replayed").is_none()
}

/// One was carried out, and the others were told so or given its answer.
fn one_of(answers: &[Answer]) {
    assert_eq!(answers.iter().filter(|answer| is_first(answer)).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.expect(409)["error"]["type"], "request_in_progress");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_at_once_the_provider_sees_one() {
    let scene = scene(&["gpt"]).await;
    let body = streamed(&says("gpt", "once"));
    let answers = join_all((0..1_000).map(|_| post(&scene.client, "one", &body))).await;
    one_of(&answers);
    assert_eq!(scene.double.seen_for("gpt").len(), 1);
    let first = answers.iter().find(|answer| is_first(answer)).expect("one");
    let again = post(&scene.client, "one", &body).await;
    assert_eq!((again.header("idempotency-replayed"), &again.body), (Some("true"), &first.body));
    assert!(again.text().ends_with("data: [DONE]\n\n"));
    assert_eq!(scene.double.seen_for("gpt").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_dies_with_its_host_is_not_done_again() {
    let mut scene = scene(&["paced"]).await;
    let gate = Gate::closed();
    scene.double.on("paced", [Reply::text("one two three").paced(&gate).into()]);
    for (number, body) in [says("paced", "count"), streamed(&says("paced", "count"))].iter().enumerate() {
        let (name, client) = (format!("name {number}"), scene.client.clone());
        let headers = [("content-type", "application/json"), ("idempotency-key", name.as_str())];
        let sent = client.try_send(Method::POST, COMPLETIONS, &headers, body.to_string());
        let dying = async {
            scene.double.wait_for("paced", number + 1).await;
            scene.host.kill();
        };
        let (answer, ()) = tokio::join!(sent, dying);
        assert!(answer.is_err());
        scene.host.restart().await;
        scene.client = scene.host.client();
        until("the model", || async {
            (scene.client.get("/api/v1/models/paced").await.status == 200).then_some(())
        })
        .await;
        let again = post(&scene.client, &name, body).await.expect(409);
        assert_eq!(again["error"]["type"], "outcome_unknown", "{again}");
        assert_eq!(scene.double.seen_for("paced").len(), number + 1);
    }
}

/// Two hosts on one PostgreSQL.
async fn two_hosts(double: &OpenAi, models: &[&str], database: &str) -> [Host; 2] {
    let url = new_database(database);
    let options = || {
        let options = Options::new().shipped("openai").config(&upstream(double)).config(&entries(models));
        options.env("HARDPOINT__DATABASE__URL", &url)
    };
    [Host::start(options()).await, Host::start(options()).await]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_carry_out_one() {
    let double = OpenAi::start().await.expect("a double");
    let [mut one, other] = two_hosts(&double, &["gpt", "paced"], "twice").await;
    let clients = [one.client(), Client::new(other.origin(), Some(one.key()))];
    let body = says("gpt", "once");
    let asked = (0..300).map(|number| post(&clients[number % 2], "one", &body));
    one_of(&join_all(asked).await);
    assert_eq!(double.seen_for("gpt").len(), 1);
    // What the one answered the other gives again.
    let mut told = Vec::new();
    for client in &clients {
        told.push(post(client, "one", &body).await);
    }
    assert_eq!((told[0].expect(200), &told[0].body), (told[1].json(), &told[1].body));

    // What one was at when it died the other does not do either: first it waits for it, then it gives it up.
    let gate = Gate::closed();
    double.on("paced", [Reply::text("one two three").paced(&gate).into()]);
    let body = says("paced", "count");
    let headers = [("content-type", "application/json"), ("idempotency-key", "two")];
    let sent = clients[0].try_send(Method::POST, COMPLETIONS, &headers, body.to_string());
    let dying = async {
        double.wait_for("paced", 1).await;
        one.kill();
    };
    assert!(tokio::join!(sent, dying).0.is_err());
    let first = post(&clients[1], "two", &body).await.expect(409);
    assert_eq!(first["error"]["type"], "request_in_progress");
    until("the lease to run out", || async {
        let told = post(&clients[1], "two", &body).await.expect(409);
        (told["error"]["type"] == "outcome_unknown").then_some(())
    })
    .await;
    assert_eq!(double.seen_for("paced").len(), 1);
}
