//! Pages of a payment provider's: who may open them, for what, and what the provider is asked and told.

use hardpoint_domain::seal::MasterKey;
use hardpoint_server::service::events::Author;
use hardpoint_server::service::vault::Vault;
use hardpoint_server::system::{self, SystemRng};

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn without_a_provider_nothing_is_sold() {
    let app = TestApp::start().await;
    let tenant = app.tenant("Payers").await;
    for (path, body) in [
        ("/api/v1/billing/checkout", json!({"planKey": "professional"})),
        ("/api/v1/billing/portal", json!({})),
        ("/api/v1/billing/webhook", json!({"id": "evt_1"})),
    ] {
        let answer = app.post_as(&tenant.key, path, &body).await.expect(503);
        assert_eq!(answer["error"]["type"], "billing_provider_not_configured", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_bought_has_to_be_for_sale_and_lead_somewhere_allowed() {
    let (app, shelf, tenant) = scene().await;
    let plan = |more: Value| {
        let mut body = json!({"planKey": "professional"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (body, status, field) in [
        (json!({}), 400, "planKey"),
        (json!({"planKey": "professional", "credits": 50}), 400, "planKey"),
        (json!({"planKey": "professional", "seats": 3}), 400, "seats"),
        (json!({"planKey": "enterprise"}), 422, "planKey"),
        (json!({"planKey": "gold"}), 422, "planKey"),
        (json!({"credits": 51}), 422, "credits"),
        (json!({"credits": -50}), 422, "credits"),
        (json!({"credits": i64::MAX}), 422, "credits"),
        (json!({"priceId": "price_1"}), 422, "priceId"),
        (plan(json!({"successUrl": "https://evil.example/"})), 422, "successUrl"),
        (plan(json!({"cancelUrl": "https://app.example.com.evil.example/"})), 422, "cancelUrl"),
        (plan(json!({"cancelUrl": "https://app.example.com:8443/"})), 422, "cancelUrl"),
        (plan(json!({"cancelUrl": "https://you@app.example.com/"})), 400, "cancelUrl"),
        (plan(json!({"successUrl": "javascript:alert(1)"})), 400, "successUrl"),
    ] {
        let answer = app.post_as(&tenant.key, "/api/v1/billing/checkout", &body).await.expect(status);
        assert_eq!(answer["error"]["details"]["field"], field, "{body}: {answer}");
    }
    let body = json!({"returnUrl": "https://evil.example/"});
    app.post_as(&tenant.key, "/api/v1/billing/portal", &body).await.expect(422);
    let member = app.key_of(hardpoint_store::keys::Role::Member).await;
    app.post_as(&member, "/api/v1/billing/checkout", &json!({"credits": 50})).await.expect(403);
    // The cards and the plan are the organisation's, not a workspace's; and nothing is paid with a test key.
    let workspaces = format!("/api/v1/orgs/{}/workspaces", tenant.organization);
    let workspace = app.post_as(&tenant.key, &workspaces, &json!({"name": "Lab"})).await.expect(201);
    for (key, why) in [
        (json!({"role": "admin", "livemode": false, "scopes": ["write:billing"]}), "test key"),
        (json!({"role": "admin", "workspace_id": workspace["id"]}), "workspace"),
    ] {
        let made = app.post_as(&tenant.key, "/api/v1/api_keys", &key).await.expect(201);
        let key = made["key"].as_str().unwrap();
        for (path, body) in [("checkout", json!({"credits": 50})), ("portal", json!({}))] {
            let refused = app.post_as(key, &format!("/api/v1/billing/{path}"), &body).await.expect(403);
            let message = refused["error"]["message"].as_str().unwrap();
            assert!(message.contains(why), "{path}: {message}");
        }
    }
    assert_eq!(shelf.asked(), 0);
    // It is not there: what the provider says is for the log, and the key for nobody.
    let answer = app.post_as(&tenant.key, "/api/v1/billing/checkout", &json!({"credits": 50})).await;
    assert_eq!(answer.expect(502)["error"]["type"], "billing_provider_refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_opened_for_a_customer_who_is_kept() {
    let (app, shelf, tenant) = scene().await;
    shelf.put("customers", json!({"id": "cus_7"}));
    shelf.put("checkout/sessions", json!({"id": "cs_1", "url": "https://checkout.example/cs_1"}));
    shelf.put("billing_portal/sessions", json!({"id": "bps_1", "url": "https://billing.example/bps_1"}));
    let opened =
        app.post_as(&tenant.key, "/api/v1/billing/checkout", &json!({"credits": 50})).await.expect(200);
    assert_eq!(opened, json!({"id": "cs_1", "url": "https://checkout.example/cs_1"}));
    let body = json!({"returnUrl": "https://app.example.com/x"});
    let opened = app.post_as(&tenant.key, "/api/v1/billing/portal", &body).await.expect(200);
    assert_eq!(opened["id"], "bps_1");
    let asked = shelf.asked.lock().unwrap().clone();
    assert_eq!(asked, ["/v1/customers", "/v1/checkout/sessions", "/v1/billing_portal/sessions"]);
    let all =
        events::list(&mut app.app().store.read().await.unwrap(), Some(&tenant.organization), None, 3).await;
    let kinds: Vec<_> = all.unwrap().into_iter().rev().map(|stored| stored.event.kind).collect();
    assert_eq!(kinds, ["billing.customer_created", "billing.checkout_started", "billing.portal_opened"]);
    // Who has a subscription changes that one.
    shelf.subscription("sub_1", &tenant.organization, "price_std", "active");
    let id = json!({"id": "sub_1"});
    assert_eq!(notify(&app, "evt_1", "customer.subscription.created", id).await, "done");
    let again =
        app.post_as(&tenant.key, "/api/v1/billing/checkout", &json!({"planKey": "professional"})).await;
    assert_eq!(again.expect(409)["error"]["type"], "subscription_exists");
    app.post_as(&tenant.key, "/api/v1/billing/checkout", &json!({"credits": 50})).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_are_kept_by_command_are_used_for_their_audience_alone() {
    let (shelf, file) = (Shelf::start().await, tempfile::NamedTempFile::new().unwrap());
    std::fs::write(file.path(), format!("{}\n", MasterKey::generate(&SystemRng).reveal())).unwrap();
    let toml = format!(
        r#"
        [egress]
        allow_internal = ["{0}"]
        [secrets]
        master_key_file = "{1}"
        [billing.stripe]
        address = "http://{0}"
        api_key = {{ secret = "stripe" }}
        webhook_secret = {{ secret = "notices" }}
        success_url = "https://app.example.com/paid"
        prices = [{{ id = "price_50", credits = 50 }}]
        "#,
        shelf.address,
        file.path().display()
    );
    let app = TestApp::with(&toml, &[]).await;
    let tenant = app.tenant("Payers").await;
    let checkout = async || {
        let answer = app.post_as(&tenant.key, "/api/v1/billing/checkout", &json!({"credits": 50})).await;
        let kind = answer.json()["error"]["type"].as_str().unwrap_or_default().to_owned();
        (answer.status.as_u16(), kind)
    };
    let keep = async |name: &str, audience: Option<&str>, value: &str| {
        let (running, rng) = (app.app(), system::rng());
        let vault = Vault {
            store: running.store.clone(),
            config: running.config.clone(),
            clock: running.clock.clone(),
            rng,
        };
        vault.set(&Author::cli(), name, audience, value).await.unwrap();
        app.settle().await;
    };
    let missed =
        || app.app().effective().missing().into_iter().map(|problem| problem.key).collect::<Vec<_>>();
    assert_eq!(missed(), ["billing.stripe.api_key.secret", "billing.stripe.webhook_secret.secret"]);
    let missing = (503, "billing_provider_not_configured".to_owned());
    assert_eq!(checkout().await, missing);
    send(&app, "{}", Some("t=1,v1=00")).await.expect(503);
    keep("notices", None, SECRET).await;
    assert_eq!(notify(&app, "evt_1", "invoice.paid", json!({"id": "in_1"})).await, "ignored");
    // This one may be sent to somebody else only.
    keep("stripe", Some("https://api.stripe.com"), "sk_test_1").await;
    assert_eq!(checkout().await, (502, "billing_provider_unreachable".to_owned()));
    assert_eq!(shelf.asked(), 0);
    keep("stripe", Some(&format!("http://{}", shelf.address)), "sk_test_1").await;
    assert!(missed().is_empty());
    shelf.put("customers", json!({"id": "cus_7"}));
    shelf.put("checkout/sessions", json!({"id": "cs_1", "url": "https://checkout.example/cs_1"}));
    assert_eq!(checkout().await, (200, String::new()));
    let shown = app.get("/api/v1/configs").await;
    assert!(!shown.text().contains("sk_test_1") && !shown.text().contains(SECRET), "{}", shown.text());
}
