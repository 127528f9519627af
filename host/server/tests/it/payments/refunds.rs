//! Money that goes back, and the credits that were bought with it.

use super::*;

fn charge(session: &str, refunded: i64) -> Value {
    json!({
        "id": format!("ch_{session}"), "object": "charge", "payment_intent": format!("pi_{session}"),
        "amount": 4_500, "amount_refunded": refunded, "currency": "usd",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_takes_back_its_share() {
    let (app, shelf, tenant) = scene().await;
    let organization = &tenant.organization;
    let session = shelf.checkout("cs_1", organization, "price_50");
    notify(&app, "evt_1", "checkout.session.completed", session).await;
    assert_eq!(notify(&app, "evt_2", "charge.refunded", charge("cs_1", 1_500)).await, "done");
    assert_eq!(available(&app, organization).await, FIFTY - 16_666_666);
    // The last and the one before change places.
    assert_eq!(notify(&app, "evt_4", "charge.refunded", charge("cs_1", 4_500)).await, "done");
    assert_eq!(available(&app, organization).await, 0);
    assert_eq!(notify(&app, "evt_3", "charge.refunded", charge("cs_1", 3_000)).await, "done");
    assert_eq!(notify(&app, "evt_2", "charge.refunded", charge("cs_1", 1_500)).await, "known");
    assert_eq!(available(&app, organization).await, 0);
    let taken = "billing.credits_taken_back";
    assert_eq!(kinds(&app).await, ["billing.credits_purchased", taken, taken]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refund_that_comes_first_is_not_forgotten() {
    let (app, shelf, tenant) = scene().await;
    let organization = &tenant.organization;
    let session = shelf.checkout("cs_1", organization, "price_50");
    assert_eq!(notify(&app, "evt_2", "charge.refunded", charge("cs_1", 4_500)).await, "unmatched");
    assert_eq!(notify(&app, "evt_1", "checkout.session.completed", session).await, "done");
    assert_eq!(available(&app, organization).await, 0);
    let (unmatched, bought) = ("billing.payment_unmatched", "billing.credits_purchased");
    assert_eq!(kinds(&app).await, [unmatched, bought, "billing.credits_taken_back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_spent_before_its_refund_is_told() {
    let (app, shelf, tenant) = scene().await;
    let organization = &tenant.organization;
    let session = shelf.checkout("cs_1", organization, "price_50");
    notify(&app, "evt_1", "checkout.session.completed", session).await;
    let body = json!({"organizationId": organization, "amountCents": -3_000, "reason": "spent"});
    app.post("/api/v1/billing/credits", &body).await.expect(200);
    assert_eq!(notify(&app, "evt_2", "charge.refunded", charge("cs_1", 4_500)).await, "done");
    assert_eq!(available(&app, organization).await, 0);
    assert_eq!(last(&app, "billing.credits_taken_back").await["amount_micro_credits"], 20_000_000);
    assert_eq!(last(&app, "billing.refund_uncovered").await["amount_micro_credits"], 30_000_000);
    // Nothing is left of it to be taken: what comes in later is another payment's.
    let session = shelf.checkout("cs_2", organization, "price_50");
    notify(&app, "evt_3", "checkout.session.completed", session).await;
    assert_eq!(notify(&app, "evt_4", "charge.refunded", charge("cs_1", 4_500)).await, "done");
    assert_eq!(available(&app, organization).await, FIFTY);
}
