//! Money that goes back, by a refund or a dispute, and the credits that were bought with it.

use super::*;

/// What a refund or a dispute tells of itself: nothing but the payment is read of it.
fn of(session: &str) -> Value {
    json!({"id": format!("ch_{session}"), "payment_intent": format!("pi_{session}"), "amount_refunded": 1})
}

/// A host, and an organisation that has bought fifty credits for 45 dollars.
async fn bought() -> (TestApp, Shelf, Tenant) {
    let (app, shelf, tenant) = scene().await;
    let session = shelf.checkout("cs_1", &tenant.organization, "price_50");
    notify(&app, "evt_1", "checkout.session.completed", session).await;
    (app, shelf, tenant)
}

async fn spend(app: &TestApp, organization: &str, cents: i64) {
    let body = json!({"organizationId": organization, "amountCents": -cents, "reason": "spent"});
    app.post("/api/v1/billing/credits", &body).await.expect(200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_takes_back_its_share() {
    let (app, shelf, tenant) = bought().await;
    let organization = &tenant.organization;
    shelf.went_back("cs_1", &[(1_500, "succeeded")], &[]);
    assert_eq!(notify(&app, "evt_2", "charge.refunded", of("cs_1")).await, "done");
    assert_eq!(available(&app, organization).await, FIFTY - 16_666_666);
    // Notices change places: each leads to what is there now.
    shelf.went_back("cs_1", &[(1_500, "succeeded"), (1_500, "pending"), (1_500, "succeeded")], &[]);
    assert_eq!(notify(&app, "evt_4", "charge.refunded", of("cs_1")).await, "done");
    assert_eq!(available(&app, organization).await, 0);
    assert_eq!(notify(&app, "evt_3", "charge.refunded", of("cs_1")).await, "done");
    assert_eq!(notify(&app, "evt_2", "charge.refunded", of("cs_1")).await, "known");
    assert_eq!(available(&app, organization).await, 0);
    let taken = "billing.credits_taken_back";
    assert_eq!(kinds(&app).await, ["billing.credits_purchased", taken, taken]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_comes_first_is_not_forgotten() {
    let (app, shelf, tenant) = scene().await;
    let organization = &tenant.organization;
    let session = shelf.checkout("cs_1", organization, "price_50");
    shelf.went_back("cs_1", &[(4_500, "succeeded")], &[]);
    assert_eq!(notify(&app, "evt_2", "charge.refunded", of("cs_1")).await, "unmatched");
    assert_eq!(notify(&app, "evt_1", "checkout.session.completed", session).await, "done");
    assert_eq!(available(&app, organization).await, 0);
    let (unmatched, bought) = ("billing.payment_unmatched", "billing.credits_purchased");
    assert_eq!(kinds(&app).await, [unmatched, bought, "billing.credits_taken_back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_before_its_refund_is_told() {
    let (app, shelf, tenant) = bought().await;
    let organization = &tenant.organization;
    spend(&app, organization, 3_000).await;
    shelf.went_back("cs_1", &[(4_500, "succeeded")], &[]);
    assert_eq!(notify(&app, "evt_2", "charge.refunded", of("cs_1")).await, "done");
    assert_eq!(available(&app, organization).await, 0);
    assert_eq!(last(&app, "billing.credits_taken_back").await["amount_micro_credits"], 20_000_000);
    assert_eq!(last(&app, "billing.refund_uncovered").await["amount_micro_credits"], 30_000_000);
    // Nothing is left of it to be taken: what comes in later is another payment's.
    let session = shelf.checkout("cs_2", organization, "price_50");
    notify(&app, "evt_3", "checkout.session.completed", session).await;
    assert_eq!(notify(&app, "evt_4", "charge.refunded", of("cs_1")).await, "done");
    assert_eq!(available(&app, organization).await, FIFTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hosts_hold_does_not_escape_a_refund() {
    let (app, shelf, tenant) = bought().await;
    let organization = tenant.organization.clone();
    // Forty are kept for requests that are under way.
    let now = app.app().clock.now();
    let wish = credits::Wish {
        organization_id: organization.clone(),
        prepaid: true,
        monthly: Credits::ZERO,
        need: Credits::from_micros(40_000_000),
        wanted: Credits::ZERO,
        lease: "lse_1".to_owned(),
        now,
        expires_at: now.plus(Duration::from_secs(75)),
    };
    let write =
        app.app().store.write(Lane::Request, |tx| Box::pin(async move { credits::lease(tx, &wish).await }));
    assert!(write.await.unwrap().0.is_ok());
    shelf.went_back("cs_1", &[(4_500, "succeeded")], &[]);
    assert_eq!(notify(&app, "evt_2", "charge.refunded", of("cs_1")).await, "done");
    let close = app.app().store.write(Lane::Bulk, move |tx| {
        Box::pin(async move { leases::close(tx, vec!["lse_1".to_owned()], now).await })
    });
    close.await.unwrap();
    assert_eq!(available(&app, &organization).await, 0);
    assert!(!kinds(&app).await.contains(&"billing.refund_uncovered".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_fails_gives_again_what_was_taken() {
    let (app, shelf, tenant) = bought().await;
    let organization = &tenant.organization;
    spend(&app, organization, 3_000).await;
    shelf.went_back("cs_1", &[(4_500, "pending")], &[]);
    assert_eq!(notify(&app, "evt_2", "charge.refunded", of("cs_1")).await, "done");
    assert_eq!(available(&app, organization).await, 0);
    shelf.went_back("cs_1", &[(4_500, "failed")], &[]);
    assert_eq!(notify(&app, "evt_3", "refund.failed", of("cs_1")).await, "done");
    // What was spent is spent.
    assert_eq!(available(&app, organization).await, 20_000_000);
    assert_eq!(last(&app, "billing.credits_given_again").await["amount_micro_credits"], 20_000_000);
    // A notice from before that is late.
    assert_eq!(notify(&app, "evt_0", "charge.refunded", of("cs_1")).await, "done");
    assert_eq!(available(&app, organization).await, 20_000_000);
    // Another attempt, of as much.
    shelf.went_back("cs_1", &[(4_500, "failed"), (4_500, "succeeded")], &[]);
    assert_eq!(notify(&app, "evt_4", "charge.refunded", of("cs_1")).await, "done");
    assert_eq!(available(&app, organization).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispute_takes_back_until_it_is_won() {
    let (app, shelf, tenant) = bought().await;
    let organization = &tenant.organization;
    // A bank inquires.
    shelf.went_back("cs_1", &[], &[(4_500, "warning_needs_response")]);
    assert_eq!(notify(&app, "evt_2", "charge.dispute.created", of("cs_1")).await, "done");
    assert_eq!(available(&app, organization).await, FIFTY);
    shelf.went_back("cs_1", &[], &[(4_500, "needs_response")]);
    assert_eq!(notify(&app, "evt_3", "charge.dispute.updated", of("cs_1")).await, "done");
    assert_eq!(available(&app, organization).await, 0);
    // A refund beside it takes nothing twice.
    shelf.went_back("cs_1", &[(1_500, "succeeded")], &[(4_500, "under_review")]);
    assert_eq!(notify(&app, "evt_4", "charge.refunded", of("cs_1")).await, "done");
    assert_eq!(available(&app, organization).await, 0);
    shelf.went_back("cs_1", &[(1_500, "succeeded")], &[(4_500, "won")]);
    assert_eq!(notify(&app, "evt_5", "charge.dispute.closed", of("cs_1")).await, "done");
    assert_eq!(available(&app, organization).await, FIFTY - 16_666_666);
    shelf.went_back("cs_1", &[(1_500, "succeeded")], &[(4_500, "won"), (3_000, "lost")]);
    assert_eq!(notify(&app, "evt_6", "charge.dispute.closed", of("cs_1")).await, "done");
    assert_eq!(available(&app, organization).await, 0);
    let (taken, given) = ("billing.credits_taken_back", "billing.credits_given_again");
    assert_eq!(kinds(&app).await, ["billing.credits_purchased", taken, given, taken]);
}

/// An answer that was asked for earlier, and comes later, is not believed.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_asked_too_early_is_asked_again() {
    let (app, shelf, tenant) = bought().await;
    shelf.went_back("cs_1", &[(4_500, "pending")], &[]);
    let gate = Arc::new(Notify::new());
    *shelf.hold_path.lock().unwrap() = Some(("/v1/refunds".to_owned(), gate.clone()));
    let slow = async { notify(&app, "evt_2", "charge.refunded", of("cs_1")).await };
    let fast = async {
        while shelf.hold_path.lock().unwrap().is_some() {
            tokio::task::yield_now().await;
        }
        shelf.went_back("cs_1", &[(4_500, "failed")], &[]);
        let outcome = notify(&app, "evt_3", "refund.failed", of("cs_1")).await;
        gate.notify_one();
        outcome
    };
    assert_eq!(tokio::join!(slow, fast), ("done".to_owned(), "done".to_owned()));
    assert_eq!(available(&app, &tenant.organization).await, FIFTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_of_no_payment_is_told() {
    let (app, shelf, _) = bought().await;
    let object = json!({"id": "ch_9", "payment_intent": null});
    assert_eq!(notify(&app, "evt_2", "charge.refunded", object).await, "unmatched");
    assert_eq!(last(&app, "billing.payment_unmatched").await["reason"], "unknown_payment");
    // The provider does not know it either: the notice is to come again.
    let body = event("evt_3", "charge.dispute.created", of("cs_9"));
    send(&app, &body, Some(&signed(seconds(&app), &body, SECRET))).await.expect(502);
    assert_eq!(shelf.asked.lock().unwrap().last().unwrap(), "/v1/payment_intents/pi_cs_9");
}
