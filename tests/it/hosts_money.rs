//! Money on two hosts that share a PostgreSQL: a cap under a crowd, and a host that stands still for longer than its
//! leases live.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use futures_util::future::join_all;
use hardpoint_tests::client::{Client, Events, Next};
use hardpoint_tests::double::openai::{OpenAi, Reply};
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use hardpoint_tests::process;
use serde_json::{Value, json};

use crate::hosts::{both, two_hosts};
use crate::lifecycle::new_database;
use crate::money::{agreed, client, count, customer, micros, recorded, settled};
use crate::scene::{says, streamed, upstream};

const COMPLETIONS: &str = "/api/v1/chat/completions";

/// A thousand micro-credits for a token read, two for one written.
const PRICED: &str = r#"
[[models]]
id = "gpt"
binding = "upstream"
max_output_tokens = 20
[models.prices]
input = 1_000_000_000
output = 2_000_000_000

[[models]]
id = "paced"
binding = "upstream"
max_output_tokens = 20
[models.prices]
input = 1_000_000_000
output = 2_000_000_000

[plans.professional]
credits = 0
"#;

/// Thirty tokens.
fn question(model: &str) -> Value {
    says(model, "a ".repeat(30).trim())
}

/// Twenty tokens.
fn answer() -> Reply {
    Reply::text("b ".repeat(20).trim())
}

/// What the question and the answer cost, in micro-credits.
const COST: i64 = 70_000;

/// What is spent before it is told otherwise.
const CENTS: i64 = 500;
const MOST: i64 = CENTS * 10_000;

/// For what takes longer than a test usually waits: a lease lives for 75 seconds.
const LONG: Duration = Duration::from_secs(180);

/// Two hosts that sell what the double answers.
async fn sellers(double: &OpenAi, database: &str) -> [Host; 2] {
    let options = || {
        let options = Options::new().shipped("openai").config(&upstream(double)).config(PRICED);
        // That a host stands still is no reason to end its streams.
        options.env("HARDPOINT__EGRESS__GAP_TIMEOUT", "10m").env("HARDPOINT__SERVER__STALL_TIMEOUT", "10m")
    };
    let hosts = two_hosts(&new_database(database), options).await;
    for client in both(&hosts, hosts[0].key()) {
        until("the models", || async {
            (client.get("/api/v1/models/gpt").await.json()["status"] == "available").then_some(())
        })
        .await;
    }
    hosts
}

/// Spends one after the other on either host, until less is left of `most` than one request may cost. Gives how many
/// passed, and what one may cost.
async fn use_up(clients: &[&Client], most: i64) -> (usize, i64) {
    let spending = async {
        let mut passed = 0;
        loop {
            for client in clients {
                let answer = client.post(COMPLETIONS, &question("gpt")).await;
                if answer.status == 200 {
                    passed += 1;
                    continue;
                }
                let needed = micros(&answer.expect(402), "needed_micro_credits");
                // That there is no more is believed for a second, and the other host may have held it.
                let spent = micros(&settled(client).await, "spentMicroCredits");
                if most - spent < needed {
                    return (passed, needed);
                }
            }
        }
    };
    tokio::time::timeout(LONG, spending).await.expect("money is left and nobody is given it")
}

/// Looks for ever at what was spent. What is held is read a moment before that, so they are not added up.
async fn never_more(client: &Client, most: i64) -> Infallible {
    loop {
        let stands = client.get("/api/v1/billing").await.expect(200);
        assert!(micros(&stands, "spentMicroCredits") <= most, "{stands}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_thousand_at_once_over_two_hosts_a_cap_lets_through_what_it_says() {
    let double = OpenAi::start().await.expect("a double");
    double.on("gpt", [answer().into()]);
    let hosts = sellers(&double, "cap").await;
    let (organization, key) = customer(&hosts[0], 100_000).await;
    let capped = hosts[0].command(&["credits", "budget", &organization, "--spend-cap", "5"]);
    assert!(capped.status.success(), "{}", String::from_utf8_lossy(&capped.stderr));
    let [one, other] = both(&hosts, &key);
    let body = question("gpt");
    let asked = (0..1_000).map(|number| [&one, &other][number % 2].post(COMPLETIONS, &body));
    let answers = tokio::select! {
        answers = join_all(asked) => answers,
        never = never_more(&other, MOST) => match never {},
    };
    let (passed, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    for refused in &refused {
        assert_eq!(refused.expect(402)["error"], "spend_cap_exceeded");
    }
    assert!(!passed.is_empty() && !refused.is_empty());
    let (more, largest) = use_up(&[&one, &other], MOST).await;
    let spent = agreed(&hosts[1], &other, &organization, 1_000_000_000).await;
    assert!(spent <= MOST && spent > MOST - largest, "{spent}");
    assert_eq!(spent, COST * (passed.len() + more) as i64);
}

/// A stream that got so far, and how to let it go on.
struct Stream {
    events: Events,
    gate: Gate,
    request: String,
}

/// Begins streams of which two words came.
async fn begin(double: &OpenAi, client: &Client, streams: usize) -> Vec<Stream> {
    let mut begun = Vec::new();
    for _ in 0..streams {
        let gate = Gate::closed();
        double.on("paced", [answer().paced(&gate).into()]);
        gate.let_pass(3);
        let mut events = client.stream(COMPLETIONS, &streamed(&question("paced"))).await;
        assert_eq!(events.status, 200);
        for _ in 0..2 {
            assert!(matches!(events.next().await, Next::Data(_)));
        }
        let request = events.headers["request-id"].to_str().expect("an id").to_owned();
        begun.push(Stream { events, gate, request });
    }
    begun
}

/// Waits until so many seconds have begun by the host's own clock.
async fn goes_on(client: &Client, seconds: usize) {
    let begun = std::sync::Mutex::new(HashSet::new());
    until("the host's clock to go on", || async {
        let date = client.get("/healthz").await.header("date").expect("a date").to_owned();
        let mut begun = begun.lock().expect("no panic");
        begun.insert(date);
        (begun.len() > seconds).then_some(())
    })
    .await;
}

/// Its leases are taken back meanwhile, and what is known of its requests is charged; when it goes on, it spends
/// nothing of what it held, and what it settles late is charged once and as far as there is money.
async fn stands_still(hosts: &[Host; 2], double: &OpenAi) {
    let (organization, key) = customer(&hosts[0], CENTS).await;
    let [one, other] = both(hosts, &key);
    let operator = client(&hosts[1], hosts[0].key());
    // The progress of a request is written down when it has been under way for two seconds.
    let mut streams = begin(double, &one, 4).await;
    let noted: HashSet<String> = streams.iter().map(|stream| stream.request.clone()).collect();
    goes_on(&one, 10).await;
    streams.extend(begin(double, &one, 4).await);
    process::signal(hosts[0].pid(), "STOP");
    let body = question("gpt");
    join_all((0..40).map(|_| other.post(COMPLETIONS, &body))).await;
    assert!(micros(&other.get("/api/v1/billing").await.expect(200), "heldMicroCredits") > 0);
    settled(&other).await;
    let swept = recorded(&operator, &other).await;
    let unknown: Vec<_> = noted.iter().filter(|request| !swept.contains_key(*request)).collect();
    assert!(unknown.is_empty(), "nothing was charged of {unknown:?}");
    use_up(&[&other], MOST).await;

    process::signal(hosts[0].pid(), "CONT");
    // Over new connections: it may have given up idle ones meanwhile.
    let [one, _] = both(hosts, &key);
    // Nothing of what it held is left to it, and elsewhere there is nothing either.
    let late = join_all((0..40).map(|_| one.post(COMPLETIONS, &body))).await;
    for refused in &late {
        assert_eq!(refused.expect(402)["error"], "insufficient_balance");
    }
    for Stream { events, gate, request } in streams {
        gate.open();
        let told = events.rest().await;
        assert!(told.done, "{request}: {told:?}");
        assert!(recorded(&operator, &other).await.contains_key(&request), "{request}");
    }
    let spent = agreed(&hosts[1], &other, &organization, MOST).await;
    assert!(spent <= MOST, "{spent}");
    let after = recorded(&operator, &other).await;
    for request in &noted {
        assert_eq!(after[request], swept[request], "it was settled a second time");
    }

    // It goes on as before.
    let body = json!({"organizationId": organization, "amountCents": 100});
    hosts[0].client().post("/api/v1/billing/credits", &body).await.expect(200);
    one.post(COMPLETIONS, &question("gpt")).await.expect(200);
    let after = agreed(&hosts[0], &one, &organization, MOST + 1_000_000).await;
    assert_eq!(after, spent + COST);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_stands_still_for_longer_than_its_leases_live_does_no_harm() {
    let double = OpenAi::start().await.expect("a double");
    double.on("gpt", [answer().into()]);
    let hosts = sellers(&double, "stopped").await;
    for _ in 0..count("HARDPOINT_STOPS", 1) {
        stands_still(&hosts, &double).await;
    }
}
