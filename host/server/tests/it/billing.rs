//! What requests cost: reserved, charged, bounded by balance and budget.

use std::time::Duration;

use futures_util::future::join_all;
use hardpoint_domain::time::Timestamp;
use hardpoint_server::service::accounts::{Accounts, Principal};
use hardpoint_server::worker::leases;
use hardpoint_store::events;
use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, fixture};

/// A thousand micro-credits for a token read, two thousand for one written. "be good!" is answered with
/// "well-behaved", which by their lengths are two tokens and three: 8,000 micro-credits.
const MODEL: &str = r#"
[[models]]
id = "m"
binding = "hostile-model"
max_output_tokens = 20
[models.prices]
input = 1_000_000_000
output = 2_000_000_000
[[models]]
id = "free"
binding = "hostile-model"
[completions]
attempts = 1
[plans.professional]
credits = 0
"#;

const COST: i64 = 8_000;
/// 8 bytes and 32 around the message and as many around the request; 20 tokens written.
const MOST: i64 = (8 + 32 + 32) * 1_000 + 20 * 2_000;

async fn app() -> TestApp {
    app_with("").await
}

async fn app_with(more: &str) -> TestApp {
    TestApp::with(&format!("{MODEL}{more}"), &[("m.wasm", fixture("hostile-model"))]).await
}

fn says(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

async fn complete(app: &TestApp, key: &str) -> Answer {
    app.post_as(key, "/api/v1/chat/completions", &says("m", "be good!")).await
}

/// An administrator of an organisation of its own that pays beforehand, without limits in time.
async fn customer(app: &TestApp, cents: i64) -> (String, String) {
    let tenant = app.tenant("customer").await;
    let accounts = Accounts::of(app.app());
    accounts.set_plan(&Principal::Cli, &tenant.organization, "professional").await.unwrap();
    if cents > 0 {
        credit(app, &tenant.organization, cents).await.expect(200);
    }
    (tenant.key, tenant.organization)
}

async fn credit(app: &TestApp, organization: &str, cents: i64) -> Answer {
    let body = json!({"organizationId": organization, "amountCents": cents, "reason": "a test"});
    app.post("/api/v1/billing/credits", &body).await
}

async fn events_of(app: &TestApp, organization: &str) -> Vec<String> {
    let mut conn = app.app().store.read().await.unwrap();
    let all = events::list(&mut conn, Some(organization), None, 100).await.unwrap();
    all.into_iter().map(|stored| stored.event.kind).collect()
}

async fn budget(app: &TestApp, key: &str, body: Value) -> Answer {
    app.ask(key, Method::PUT, "/api/v1/billing/budget", Some(&body)).await
}

/// How it stands when nothing is under way: what was leased and not used has gone back.
async fn settled(app: &TestApp, key: &str) -> Value {
    app.clock().advance(Duration::from_secs(6));
    leases::look(app.app()).await.unwrap();
    let found = app.get_as(key, "/api/v1/billing").await.expect(200);
    assert_eq!(found["heldMicroCredits"], 0, "{found}");
    found
}

fn micros(billing: &Value) -> (i64, i64) {
    let number = |name: &str| billing[name].as_i64().unwrap();
    (number("balanceMicroCredits"), number("spentMicroCredits"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_charged_what_it_used() {
    let app = app().await;
    let (key, organization) = customer(&app, 100).await;
    complete(&app, &key).await.expect(200);
    complete(&app, &key).await.expect(200);
    app.post_as(&key, "/api/v1/chat/completions", &says("free", "be good!")).await.expect(200);
    app.post_as(&key, "/api/v1/chat/completions", &says("m", "fail")).await.expect(502);
    let stands = settled(&app, &key).await;
    assert_eq!(micros(&stands), (1_000_000 - 2 * COST, 2 * COST));
    assert_eq!((&stands["organizationId"], &stands["spentCents"]), (&json!(organization), &json!(2)));
    let usage = app.get_as(&key, "/api/v1/usage?group_by=model,day").await.expect(200);
    let found = usage["data"].as_array().unwrap();
    assert_eq!(
        (&found[0]["model"], &found[0]["requests"], &found[0]["charge_micro_credits"], &found[0]["day"]),
        (&json!("m"), &json!(3), &json!(2 * COST), &json!("2023-11-14")),
        "{usage}"
    );
    assert_eq!(usage["total"]["charge_micro_credits"], 2 * COST);
    let rates = app.get_as(&key, "/api/v1/billing/rates").await.expect(200);
    assert_eq!(rates["rates"][1]["input"], 1_000_000_000, "{rates}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_no_credits_is_told_what_is_missing() {
    let app = app().await;
    let (key, organization) = customer(&app, 0).await;
    let refused = complete(&app, &key).await;
    assert_eq!(
        refused.expect(402),
        json!({
            "error": "insufficient_balance",
            "message": "This request may cost up to 0.112 credits, and 0 are left. Ask for less (`max_tokens`), or add credits.",
            "needed_micro_credits": MOST,
            "available_micro_credits": 0,
        })
    );
    // What costs nothing is answered, and credits are there at once.
    app.post_as(&key, "/api/v1/chat/completions", &says("free", "be good!")).await.expect(200);
    credit(&app, &organization, 12).await.expect(200);
    complete(&app, &key).await.expect(200);
    settled(&app, &key).await;
    // 0.112 is left of 0.12.
    complete(&app, &key).await.expect(200);
    settled(&app, &key).await;
    complete(&app, &key).await.expect(402);
    // A request that asks for less costs less at most.
    let mut small = says("m", "be good!");
    small["max_tokens"] = json!(4);
    app.post_as(&key, "/api/v1/chat/completions", &small).await.expect(200);
    assert_eq!(micros(&settled(&app, &key).await), (120_000 - 3 * COST, 3 * COST));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_at_once_never_spend_more_than_there_is() {
    let app = app().await;
    let (key, _) = customer(&app, 500).await;
    budget(&app, &key, json!({"spendCapCents": 400})).await.expect(200);
    let (mut asked, mut answered, mut refused, mut at_once) = (0, 0, 0, 1_000);
    loop {
        let statuses = join_all((0..at_once).map(|_| async { complete(&app, &key).await.status })).await;
        let some = statuses.iter().filter(|status| **status == StatusCode::OK).count();
        refused += statuses.iter().filter(|status| **status == StatusCode::PAYMENT_REQUIRED).count();
        (asked, answered) = (asked + at_once, answered + some);
        // Nobody is told anything else than an answer or that there is no money.
        assert_eq!(answered + refused, asked);
        let stands = settled(&app, &key).await;
        let (balance, spent) = micros(&stands);
        assert_eq!((balance + spent, spent), (5_000_000, COST * answered as i64));
        assert!(spent <= 4_000_000, "{spent}");
        if some == 0 {
            assert!(spent > 4_000_000 - MOST, "{spent}");
            assert_eq!(stands["billingState"], "active");
            break;
        }
        at_once = 100;
    }
    assert!(refused >= at_once, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_pays_for_what_was_streamed() {
    let app = app().await;
    let (key, _) = customer(&app, 100).await;
    let mut body = says("m", "text for ever");
    body["stream"] = json!(true);
    let mut request = app.request(Method::POST, "/api/v1/chat/completions", Some(&body));
    request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    let mut stream = app.begin(request).await;
    for _ in 0..4 {
        stream.body_mut().frame().await.unwrap().unwrap();
    }
    let held = app.get_as(&key, "/api/v1/billing").await.expect(200)["heldMicroCredits"].as_i64().unwrap();
    assert!(held > 0);
    drop(stream);
    app.app().calls.flush().await;
    let (balance, spent) = micros(&settled(&app, &key).await);
    // It never cost more than was reserved for it, though the model goes on for ever.
    assert!(spent > 0 && spent <= MOST + 6_000, "{spent}");
    assert_eq!(balance + spent, 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_caps_tells_and_asks_for_approval() {
    let app = app().await;
    let (key, organization) = customer(&app, 10_000).await;
    let set = json!({"spendCapCents": 50, "softCapCents": 30, "approvalThresholdCents": 20});
    let stands = budget(&app, &key, set).await.expect(200);
    assert_eq!(
        (&stands["spendCapCents"], &stands["softCapCents"], &stands["approvalThresholdCents"]),
        (&json!(50), &json!(30), &json!(20))
    );
    let mut large = says("m", "be good!");
    large["max_tokens"] = json!(100);
    let asked = app.post_as(&key, "/api/v1/chat/completions", &large).await.expect(402);
    assert_eq!(
        (&asked["error"], &asked["estimateCents"], &asked["approvalThresholdCents"]),
        (&json!("spend_approval_required"), &json!(28), &json!(20))
    );
    let approval = app.post_as(&key, "/api/v1/billing/approvals", &json!({"maxCents": 28})).await.expect(201);
    let with = |approval: &str| {
        let mut request = app.request(Method::POST, "/api/v1/chat/completions", Some(&large));
        request.headers_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
        request.headers_mut().insert("x-spend-approval", approval.parse().unwrap());
        request
    };
    let id = approval["id"].as_str().unwrap();
    app.send(with("apr_nobody")).await.expect(402);
    app.send(with(id)).await.expect(200);
    app.send(with(id)).await.expect(402);
    let listed = app.get_as(&key, "/api/v1/billing/approvals").await.expect(200);
    assert!(listed["data"][0]["requestId"].as_str().unwrap().starts_with("req_"), "{listed}");
    // Below the threshold, until the cap.
    let mut statuses = Vec::new();
    while statuses.last() != Some(&402) {
        statuses.push(complete(&app, &key).await.status.as_u16());
        settled(&app, &key).await;
    }
    let capped = complete(&app, &key).await.expect(402);
    assert_eq!((&capped["error"], &capped["spendCapCents"]), (&json!("spend_cap_exceeded"), &json!(50)));
    let (_, spent) = micros(&settled(&app, &key).await);
    assert!(spent <= 500_000 && spent > 500_000 - MOST, "{spent}");
    let kinds = events_of(&app, &organization).await;
    for (kind, count) in [
        ("billing.budget_changed", 1),
        ("billing.spending_approved", 1),
        ("billing.approval_used", 1),
        ("billing.soft_cap_reached", 1),
        ("billing.spend_cap_reached", 1),
    ] {
        assert_eq!(kinds.iter().filter(|found| *found == kind).count(), count, "{kind} in {kinds:?}");
    }
    // A cap that is raised is good at once.
    budget(&app, &key, json!({})).await.expect(200);
    complete(&app, &key).await.expect(200);
}

/// Another host leases 700,000 by its clock, and dies.
async fn lease_of_the_dead(app: &TestApp, organization: &str, now: Timestamp) {
    let wish = hardpoint_store::credits::Wish {
        organization_id: organization.to_owned(),
        prepaid: true,
        monthly: Default::default(),
        need: hardpoint_domain::money::Credits::from_micros(700_000),
        wanted: Default::default(),
        lease: "lse_of_the_dead".to_owned(),
        now,
        expires_at: now.plus(Duration::from_secs(75)),
    };
    let lease = app.app().store.write(hardpoint_store::Lane::Request, |tx| {
        Box::pin(async move { hardpoint_store::credits::lease(tx, &wish).await })
    });
    assert!(lease.await.unwrap().0.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_host_had_leased_when_it_died_comes_back() {
    let app = app().await;
    let (key, organization) = customer(&app, 100).await;
    complete(&app, &key).await.expect(200);
    lease_of_the_dead(&app, &organization, app.app().clock.now()).await;
    app.clock().advance(Duration::from_secs(10));
    leases::look(app.app()).await.unwrap();
    let held = app.get_as(&key, "/api/v1/billing").await.expect(200);
    assert_eq!(held["heldMicroCredits"], 700_000, "{held}");
    app.clock().advance(Duration::from_secs(70));
    assert_eq!(micros(&settled(&app, &key).await), (1_000_000 - COST, COST));
}

/// The run before had a clock that was years ahead; who starts alone on the database knows that it is gone.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_leased_by_a_wrong_clock_comes_back_with_the_next_start() {
    let app = app().await;
    let (key, organization) = customer(&app, 100).await;
    let ahead = app.app().clock.now().plus(Duration::from_secs(10 * 365 * 86_400));
    lease_of_the_dead(&app, &organization, ahead).await;
    leases::look(app.app()).await.unwrap();
    let held = app.get_as(&key, "/api/v1/billing").await.expect(200);
    assert_eq!(held["heldMicroCredits"], 700_000, "{held}");
    let app = app.restart().await;
    let found = app.get_as(&key, "/api/v1/billing").await.expect(200);
    assert_eq!((micros(&found), &found["heldMicroCredits"]), ((1_000_000, 0), &json!(0)), "{found}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quote_tells_the_most_and_reserves_nothing() {
    let app = app().await;
    let (key, _) = customer(&app, 0).await;
    let quote = app.post_as(&key, "/api/v1/billing/quote", &says("m", "be good!")).await.expect(200);
    assert_eq!(
        (
            &quote["maxMicroCredits"],
            &quote["maxInputTokens"],
            &quote["maxOutputTokens"],
            &quote["approvalRequired"]
        ),
        (&json!(MOST), &json!(72), &json!(20), &json!(false)),
        "{quote}"
    );
    // What is passed on to the provider as it is may be read by it.
    let mut more = says("m", "be good!");
    more["documents"] = json!(["x".repeat(1_000)]);
    let quote = app.post_as(&key, "/api/v1/billing/quote", &more).await.expect(200);
    assert!(quote["maxInputTokens"].as_i64().unwrap() > 1_072, "{quote}");
    let free = app.post_as(&key, "/api/v1/billing/quote", &says("free", "be good!")).await.expect(200);
    assert_eq!(free["maxMicroCredits"], 0);
    app.post_as(&key, "/api/v1/billing/quote", &says("nobody", "be good!")).await.expect(422);
    settled(&app, &key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_plan_adds_is_there_before_anybody_spends() {
    let app = app_with("[plans.standard]\ncredits = 2\n").await;
    let tenant = app.tenant("customer").await;
    let accounts = Accounts::of(app.app());
    accounts.set_plan(&Principal::Cli, &tenant.organization, "standard").await.unwrap();
    let stands = async || {
        let found = app.get_as(&tenant.key, "/api/v1/billing").await.expect(200);
        (micros(&found).0, found["billingState"].clone())
    };
    assert_eq!(stands().await, (2_000_000, json!("active")));
    app.post_as(&tenant.key, "/api/v1/billing/quote", &says("m", "be good!")).await.expect(200);
    complete(&app, &tenant.key).await.expect(200);
    settled(&app, &tenant.key).await;
    assert_eq!(stands().await, (2_000_000 - COST, json!("active")));
    // The next month's, once, and what was left.
    app.clock().advance(Duration::from_secs(31 * 24 * 3_600));
    assert_eq!(stands().await, (4_000_000 - COST, json!("active")));
    complete(&app, &tenant.key).await.expect(200);
    settled(&app, &tenant.key).await;
    assert_eq!(stands().await, (4_000_000 - 2 * COST, json!("active")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_workspace_s_key_does_is_of_that_workspace() {
    let app = app().await;
    let (key, organization) = customer(&app, 100).await;
    budget(&app, &key, json!({"softCapCents": 1})).await.expect(200);
    let all = format!("/api/v1/orgs/{organization}/workspaces");
    let workspace = app.post_as(&key, &all, &json!({"name": "One"})).await.expect(201)["id"].clone();
    let wanted = json!({"workspace_id": workspace, "role": "member"});
    let bound = app.post_as(&key, "/api/v1/api_keys", &wanted).await.expect(201)["key"].clone();
    complete(&app, bound.as_str().unwrap()).await.expect(200);
    settled(&app, &key).await;
    complete(&app, &key).await.expect(200);
    let usage = app.get_as(&key, "/api/v1/usage?group_by=workspace").await.expect(200);
    let charged = |workspace: &Value| {
        let mut shares = usage["data"].as_array().unwrap().iter();
        shares.find(|share| share["workspace_id"] == *workspace).unwrap()["charge_micro_credits"].clone()
    };
    assert_eq!((charged(&workspace), charged(&Value::Null)), (json!(COST), json!(COST)), "{usage}");
    let mut conn = app.app().store.read().await.unwrap();
    let events = events::list(&mut conn, Some(&organization), None, 100).await.unwrap();
    let reached = events.iter().find(|stored| stored.event.kind == "billing.soft_cap_reached").unwrap();
    assert_eq!(reached.event.workspace_id.as_deref(), workspace.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn money_is_its_organisation_s_alone() {
    let app = app().await;
    let (key, organization) = customer(&app, 700).await;
    let other = app.tenant("other").await;
    assert_eq!(micros(&app.get_as(&other.key, "/api/v1/billing").await.expect(200)).0, 0);
    let body = json!({"organizationId": other.organization, "amountCents": 5});
    app.post_as(&key, "/api/v1/billing/credits", &body).await.expect(403);
    for (body, field) in [
        (json!({"organizationId": organization, "amountCents": 0}), "amountCents"),
        (json!({"organizationId": organization, "amountCents": i64::MAX}), "amountCents"),
        (json!({"organizationId": organization, "amountCents": 1, "colour": 1}), "colour"),
        (json!({"organizationId": organization, "amountCents": 1, "reference": "a b"}), "reference"),
        (json!({"amountCents": 1}), "organizationId"),
    ] {
        let refused = app.post("/api/v1/billing/credits", &body).await.expect(400);
        assert_eq!(refused["error"]["details"]["field"], field, "{body}");
    }
    credit(&app, "org_nobody", 5).await.expect(404);
    for (body, status) in [
        (json!({"spendCapCents": -1}), 400),
        (json!({"spendCapCents": "5"}), 400),
        (json!({"capCents": 5}), 400),
        (json!({"spendCapCents": 5, "softCapCents": 6}), 422),
    ] {
        budget(&app, &key, body).await.expect(status);
    }
    // The same payment twice.
    let paid = json!({"organizationId": organization, "amountCents": 5, "reference": "invoice-17"});
    app.post("/api/v1/billing/credits", &paid).await.expect(200);
    let again = app.post("/api/v1/billing/credits", &paid).await.expect(200);
    assert_eq!(micros(&again).0, 7_050_000);
    // A name is its organisation's: another one's payment of that name is another payment.
    let elsewhere =
        json!({"organizationId": other.organization, "amountCents": 5, "reference": "invoice-17"});
    assert_eq!(micros(&app.post("/api/v1/billing/credits", &elsewhere).await.expect(200)).0, 50_000);
    app.get_as(&key, "/api/v1/usage?range=2000d").await.expect(400);
    app.get_as(&key, "/api/v1/usage?group_by=colour").await.expect(400);
    let limits = app.get_as(&key, "/api/v1/limits").await.expect(200);
    assert!(limits["organization"].is_object() && limits["key"].is_object(), "{limits}");
}
