//! Payments against a double of Stripe that holds what we send to its documents: from the page to the credits and the
//! plan, however often a notice comes, whoever signs it, and whichever host is killed meanwhile.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use hardpoint_tests::client::{Answer, Client};
use hardpoint_tests::double::stripe::{KEY, Stripe, WEBHOOK_SECRET, signed};
use hardpoint_tests::gate::Gate;
use hardpoint_tests::host::{Host, Options};
use hardpoint_tests::patience::until;
use hardpoint_tests::process;
use http::Method;
use serde_json::{Value, json};

use crate::lifecycle::new_database;

const CHECKOUT: &str = "/api/v1/billing/checkout";
const WEBHOOK: &str = "/api/v1/billing/webhook";
const FIFTY: i64 = 50_000_000;

/// A host that sells by a double of Stripe, and an organisation on `free`.
struct Shop {
    stripe: Stripe,
    host: Host,
    organization: String,
    key: String,
}

impl Shop {
    async fn open(url: Option<&str>) -> Self {
        let stripe = Stripe::start().await.expect("a double");
        let config = format!(
            r#"
[egress]
allow_internal = ["{address}"]

[billing.stripe]
address = "{origin}"
api_key = {{ env = "STRIPE_API_KEY" }}
webhook_secret = {{ env = "STRIPE_WEBHOOK_SECRET" }}
success_url = "https://app.example.com/paid?session={{CHECKOUT_SESSION_ID}}"
cancel_url = "https://app.example.com/billing"
return_url = "https://app.example.com/billing"
prices = [
    {{ id = "price_standard", plan = "standard" }},
    {{ id = "price_professional", plan = "professional" }},
    {{ id = "price_50", credits = 50 }},
]

[plans.free]
credits = 0
"#,
            address = stripe.address(),
            origin = stripe.origin(),
        );
        let options = Options::new()
            .config(&config)
            .env("STRIPE_API_KEY", KEY)
            .env("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET);
        let options = match url {
            Some(url) => options.env("HARDPOINT__DATABASE__URL", url),
            None => options,
        };
        let host = Host::start(options).await;
        let made = |arguments: &[&str]| {
            let output = host.command(arguments);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
        };
        let organization = made(&["org", "create", "Acme & Söhne", "--plan", "free", "--json"]);
        let organization = organization["id"].as_str().expect("an id").to_owned();
        let key = made(&["key", "new", "--org", &organization, "--role", "admin", "--unlimited", "--json"]);
        let key = key["key"].as_str().expect("a key").to_owned();
        Self { stripe, host, organization, key }
    }

    /// With the key of an administrator of the organisation.
    fn client(&self) -> Client {
        Client::new(self.host.origin(), Some(&self.key))
    }

    /// Opens a page to buy something, under a name.
    async fn checkout(&self, name: &str, body: Value) -> Answer {
        let headers = [("content-type", "application/json"), ("idempotency-key", name)];
        self.client().send(Method::POST, CHECKOUT, &headers, body.to_string()).await
    }

    /// The id of such a page.
    async fn session(&self, name: &str, body: Value) -> String {
        let opened = self.checkout(name, body).await.expect(200);
        let id = opened["id"].as_str().expect("an id").to_owned();
        assert_eq!(opened["url"], self.stripe.session(&id)["url"]);
        id
    }

    /// Sends a notice as Stripe does.
    async fn notify(&self, event: &str) -> Answer {
        send(&self.host, event, &signed(WEBHOOK_SECRET, now(), event)).await.expect("an answer")
    }

    async fn outcome(&self, event: &str) -> String {
        let answer = self.notify(event).await.expect(200);
        answer["outcome"].as_str().expect("a word").to_owned()
    }

    async fn standing(&self) -> Value {
        self.client().get("/api/v1/billing").await.expect(200)
    }

    async fn balance(&self) -> i64 {
        self.standing().await["balanceMicroCredits"].as_i64().expect("a number")
    }

    async fn plan(&self) -> String {
        self.standing().await["planKey"].as_str().expect("a plan").to_owned()
    }

    /// Entries of the books that are of payments: their kinds, oldest first. All sums are nothing.
    fn entries(&self) -> Vec<String> {
        let books = self.host.command(&["credits", "books", &self.organization, "--limit", "100", "--json"]);
        let books: Value = serde_json::from_slice(&books.stdout).expect("JSON");
        let sums = books["accounts"].as_object().expect("accounts").values();
        assert_eq!(sums.map(|sum| sum.as_i64().expect("a sum")).sum::<i64>(), 0, "{books}");
        let entries = books["entries"].as_array().expect("entries").iter();
        let of_credits = entries.filter(|entry| entry["account"] == "credits");
        let mut kinds: Vec<_> =
            of_credits.map(|entry| entry["kind"].as_str().expect("a kind").to_owned()).collect();
        kinds.reverse();
        kinds
    }
}

async fn send(host: &Host, event: &str, signature: &str) -> Result<Answer, String> {
    let headers = [("content-type", "application/json; charset=utf-8"), ("stripe-signature", signature)];
    host.anonymous().try_send(Method::POST, WEBHOOK, &headers, event.to_owned()).await
}

/// Unix time: the host's clock is the real one here.
#[allow(clippy::disallowed_methods)]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_page_to_the_credits_and_back() {
    let shop = Shop::open(None).await;
    let session = shop.session("order-1", json!({"credits": 50})).await;
    let seen = shop.stripe.session(&session);
    assert_eq!(
        (&seen["mode"], &seen["client_reference_id"], &seen["metadata"]["organization_id"]),
        (&json!("payment"), &json!(shop.organization), &json!(shop.organization))
    );
    assert_eq!(seen["success_url"], "https://app.example.com/paid?session={CHECKOUT_SESSION_ID}");
    assert_eq!(seen["cancel_url"], "https://app.example.com/billing");
    assert_eq!(seen["copied"]["organization_id"], json!(shop.organization));
    // Nobody has paid yet, whatever page they come back from.
    assert_eq!(shop.balance().await, 0);
    let event = shop.stripe.pay(&session);
    assert_eq!(shop.outcome(&event).await, "done");
    assert_eq!(shop.balance().await, FIFTY);
    for _ in 0..3 {
        assert_eq!(shop.outcome(&event).await, "known");
    }
    assert_eq!(shop.outcome(&shop.stripe.other_event()).await, "ignored");
    assert_eq!((shop.balance().await, shop.entries()), (FIFTY, vec!["top_up".to_owned()]));
    // Half of it goes back, then the rest.
    let half = shop.stripe.refund(&session, 2_250);
    assert_eq!(shop.outcome(&half).await, "done");
    assert_eq!(shop.balance().await, FIFTY / 2);
    let rest = shop.stripe.refund(&session, 2_250);
    assert_eq!(shop.outcome(&rest).await, "done");
    assert_eq!((shop.balance().await, shop.entries().len()), (0, 3));
    // A page of the merchant's own, which knows the organisation by what its address says.
    let link = shop.stripe.pay_link(&shop.organization, "price_50");
    assert_eq!(shop.outcome(&link).await, "done");
    assert_eq!(shop.balance().await, FIFTY);
    let link = shop.stripe.pay_link(&shop.organization, "price_unknown_here");
    assert_eq!(shop.outcome(&link).await, "unmatched");
    let link = shop.stripe.pay_link("somebody", "price_50");
    assert_eq!(shop.outcome(&link).await, "unmatched");
    assert_eq!(shop.balance().await, FIFTY);
    assert_eq!(shop.stripe.refusals(), Vec::<String>::new());
    let log = shop.host.log();
    assert!(!log.contains(KEY) && !log.contains(WEBHOOK_SECRET), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_again_of_a_payment_is_given_again() {
    let shop = Shop::open(None).await;
    let session = shop.session("order-1", json!({"credits": 50})).await;
    assert_eq!(shop.outcome(&shop.stripe.pay(&session)).await, "done");
    let disputed = shop.stripe.dispute(&session, 4_500);
    assert_eq!(shop.outcome(&disputed).await, "done");
    assert_eq!(shop.balance().await, 0);
    let won = shop.stripe.close_dispute(&session, "won");
    assert_eq!(shop.outcome(&won).await, "done");
    assert_eq!(shop.balance().await, FIFTY);
    let refunded = shop.stripe.refund(&session, 4_500);
    assert_eq!(shop.outcome(&refunded).await, "done");
    assert_eq!(shop.balance().await, 0);
    let failed = shop.stripe.fail_refund(&session);
    assert_eq!(shop.outcome(&failed).await, "done");
    for event in [&disputed, &refunded, &won, &failed] {
        assert_eq!(shop.outcome(event).await, "known");
    }
    let kinds = ["top_up", "refund", "refund", "refund", "refund"].map(str::to_owned);
    assert_eq!((shop.balance().await, shop.entries()), (FIFTY, kinds.to_vec()));
    assert_eq!(shop.stripe.refusals(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_page_to_the_plan_and_back() {
    let shop = Shop::open(None).await;
    let session = shop.session("order-1", json!({"planKey": "starter"})).await;
    let completed = shop.stripe.pay(&session);
    let (subscription, created) = shop.stripe.subscription(&session);
    // In whichever order they come.
    assert_eq!(shop.outcome(&created).await, "done");
    assert_eq!(shop.outcome(&completed).await, "done");
    assert_eq!(shop.outcome(&created).await, "known");
    assert_eq!(shop.plan().await, "standard");
    shop.checkout("order-2", json!({"planKey": "professional"})).await.expect(409);
    let portal = shop.client().post("/api/v1/billing/portal", &json!({})).await.expect(200);
    assert!(portal["url"].as_str().expect("a page").starts_with("https://billing.stripe.com/"), "{portal}");
    let updated = shop.stripe.change(&subscription, "active", "price_professional");
    assert_eq!(shop.outcome(&updated).await, "done");
    assert_eq!(shop.plan().await, "professional");
    // The end is heard of before what went before it.
    let late = shop.stripe.change(&subscription, "past_due", "price_professional");
    let deleted = shop.stripe.change(&subscription, "canceled", "price_professional");
    assert_eq!(shop.outcome(&deleted).await, "done");
    assert_eq!(shop.outcome(&late).await, "done");
    assert_eq!(shop.plan().await, "free");
    assert_eq!((shop.balance().await, shop.stripe.counts()), (0, (1, 1)));
    assert_eq!(shop.stripe.refusals(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_opened_once_also_when_its_answer_is_lost() {
    let shop = Shop::open(None).await;
    let order = json!({"credits": 50});
    shop.stripe.lose(1);
    let lost = shop.checkout("order-1", order.clone()).await.expect(502);
    assert_eq!(lost["error"]["type"], "billing_provider_unreachable");
    shop.stripe.lose(0);
    let first = shop.checkout("order-1", order.clone()).await.expect(200);
    // It was a customer whose making was lost; now a page.
    shop.stripe.lose(1);
    shop.checkout("order-2", order.clone()).await.expect(502);
    let second = shop.checkout("order-2", order.clone()).await.expect(200);
    assert_ne!(first["id"], second["id"]);
    assert_eq!(shop.stripe.counts(), (1, 2));
    assert_eq!(shop.checkout("order-2", order.clone()).await.expect(200), second);
    // Without a name each is another.
    shop.client().post(CHECKOUT, &order).await.expect(200);
    shop.client().post(CHECKOUT, &order).await.expect(200);
    assert_eq!(shop.stripe.counts(), (1, 4));
    // Everybody at once is one customer.
    let all = (0..20).map(|_| async { shop.client().post(CHECKOUT, &order).await.status });
    assert_eq!(join_all(all).await, [200; 20]);
    assert_eq!(shop.stripe.counts(), (1, 24));
    assert_eq!(shop.stripe.refusals(), Vec::<String>::new());
    // The account is another: whoever is not known there is made anew.
    shop.stripe.forget_customers();
    let session = shop.session("order-3", order).await;
    assert_eq!((shop.stripe.counts().0, shop.stripe.refusals().len()), (1, 1));
    assert_eq!(shop.outcome(&shop.stripe.pay(&session)).await, "done");
    assert_eq!(shop.balance().await, FIFTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_sign_is_not_believed() {
    let shop = Shop::open(None).await;
    let event = shop.stripe.pay(&shop.session("order-1", json!({"credits": 50})).await);
    let (good, looked) = (signed(WEBHOOK_SECRET, now(), &event), shop.stripe.gets());
    let other = event.replace("paid", "pa1d");
    for (body, signature) in [
        (&event, String::new()),
        (&event, signed("whsec_of_another_endpoint", now(), &event)),
        (&event, signed(WEBHOOK_SECRET, now() - 330, &event)),
        (&event, signed(WEBHOOK_SECRET, now() + 330, &event)),
        (&event, signed(WEBHOOK_SECRET, now(), &other)),
        (&other, good.clone()),
        (&event, good.replace("v1=", "v2=")),
    ] {
        let answer = send(&shop.host, body, &signature).await.expect("an answer").expect(401);
        assert_eq!(answer["error"]["type"], "invalid_signature", "{signature}");
    }
    let unsigned = shop.host.anonymous().post(WEBHOOK, &json!({"id": "evt_1"})).await;
    assert_eq!(unsigned.expect(401)["error"]["type"], "invalid_signature");
    let huge = format!("{event}{}", " ".repeat(1 << 20));
    let answer = send(&shop.host, &huge, &signed(WEBHOOK_SECRET, now(), &huge)).await.expect("an answer");
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!((shop.balance().await, shop.stripe.gets()), (0, looked));
    assert_eq!(send(&shop.host, &event, &good).await.expect("an answer").expect(200)["outcome"], "done");
    assert_eq!(shop.balance().await, FIFTY);
}

/// The same notice from a thousand connections.
async fn a_thousand_at_once(url: Option<&str>) {
    let shop = Shop::open(url).await;
    let event = shop.stripe.pay(&shop.session("order-1", json!({"credits": 50})).await);
    let mut done = 0;
    let mut left = 1_000;
    while left > 0 {
        let all = (0..left).map(|_| shop.notify(&event));
        let answers = join_all(all).await;
        let outcome = |answer: &Answer| (answer.status == 200).then(|| answer.json()["outcome"].clone());
        done += answers.iter().filter(|answer| outcome(answer) == Some(json!("done"))).count();
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            // Whoever could not be served comes again, as Stripe does.
            assert!(matches!(answer.status, 502..=504), "{} {}", answer.status, answer.text());
        }
        left = answers.iter().filter(|answer| answer.status != 200).count();
    }
    assert_eq!((done, shop.balance().await, shop.entries()), (1, FIFTY, vec!["top_up".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_comes_a_thousand_times_at_once_is_booked_once() {
    a_thousand_at_once(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_that_comes_a_thousand_times_at_once_is_booked_once_on_postgresql() {
    a_thousand_at_once(Some(&new_database("payments"))).await;
}

/// Kills the host while it looks into what a notice says, and when it has answered.
async fn killed_in_between(url: Option<&str>) {
    let mut shop = Shop::open(url).await;
    let gate = Gate::closed();
    shop.stripe.behind(&gate);
    let event = shop.stripe.pay(&shop.session("order-1", json!({"credits": 50})).await);
    let signature = signed(WEBHOOK_SECRET, now(), &event);
    let headers = [("content-type", "application/json"), ("stripe-signature", signature.as_str())];
    let client = shop.host.anonymous();
    let (lost, ()) = tokio::join!(client.try_send(Method::POST, WEBHOOK, &headers, event.clone()), async {
        until("the host to look", || async { (shop.stripe.gets() == 1).then_some(()) }).await;
        process::signal(shop.host.pid(), "KILL");
    });
    assert!(lost.is_err(), "{lost:?}");
    gate.open();
    shop.host.restart().await;
    assert_eq!(shop.balance().await, 0);
    // Stripe heard nothing, and sends it again; also to a host that was killed right after it had answered.
    assert_eq!(shop.outcome(&event).await, "done");
    shop.host.restart().await;
    assert_eq!(shop.outcome(&event).await, "known");
    assert_eq!((shop.balance().await, shop.entries()), (FIFTY, vec!["top_up".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_over_a_notice_books_it_later() {
    killed_in_between(None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_over_a_notice_books_it_later_on_postgresql() {
    killed_in_between(Some(&new_database("payments_killed"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_share_a_database_book_a_payment_once() {
    let url = new_database("payments_shared");
    let shop = Shop::open(Some(&url)).await;
    let folder = shop.host.folder().join("hardpoint.toml");
    let config = std::fs::read_to_string(folder).expect("a configuration");
    // All sections but those that every host begins with.
    let (_, config) = config.split_once("[egress]").expect("our part of it");
    let options = Options::new()
        .config(&format!("[egress]{config}"))
        .env("STRIPE_API_KEY", KEY)
        .env("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET)
        .env("HARDPOINT__DATABASE__URL", &url);
    let other = Host::start(options).await;
    let event = shop.stripe.pay(&shop.session("order-1", json!({"credits": 50})).await);
    let signature = signed(WEBHOOK_SECRET, now(), &event);
    let all = (0..40).map(|turn| send(if turn % 2 == 0 { &shop.host } else { &other }, &event, &signature));
    let answers = join_all(all).await;
    let words: Vec<_> =
        answers.into_iter().map(|answer| answer.expect("an answer").expect(200)["outcome"].clone()).collect();
    assert_eq!(words.iter().filter(|word| **word == "done").count(), 1, "{words:?}");
    assert!(words.iter().all(|word| *word == "done" || *word == "known"), "{words:?}");
    assert_eq!((shop.balance().await, shop.entries().len()), (FIFTY, 1));
}
