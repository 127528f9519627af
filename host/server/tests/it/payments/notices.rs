//! Notices of a payment provider's: which are taken, and what is booked of them.

use std::time::Duration;

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_signed_is_taken() {
    let (app, shelf, tenant) = scene().await;
    let session = shelf.checkout("cs_1", &tenant.organization, "price_50");
    let body = event("evt_1", "checkout.session.completed", session);
    let now = seconds(&app);
    for signature in [
        None,
        Some(String::new()),
        Some("t=1,v1=00".to_owned()),
        Some(signed(now, &body, "whsec_other")),
        Some(signed(now, &format!("{body} "), SECRET)),
        Some(signed(now - 302, &body, SECRET)),
        Some(signed(now + 302, &body, SECRET)),
        Some(signed(now, &body, SECRET).replace("v1=", "v0=")),
    ] {
        let answer = send(&app, &body, signature.as_deref()).await.expect(401);
        assert_eq!(answer["error"]["type"], "invalid_signature", "{signature:?}");
    }
    // What was overheard is worth nothing five minutes later.
    let overheard = signed(now, &body, SECRET);
    app.clock().advance(Duration::from_secs(302));
    send(&app, &body, Some(&overheard)).await.expect(401);
    assert_eq!((shelf.asked(), available(&app, &tenant.organization).await), (0, 0));
    // Signed, and still nothing that can be taken.
    for (body, status) in [
        ("[]".to_owned(), 400),
        ("{}".to_owned(), 400),
        (event("../evt", "charge.refunded", json!({})), 400),
        (event("evt_1", "customer.subscription.created", json!({"id": "../customers"})), 400),
        (event("evt_1", "checkout.session.completed", json!({})), 400),
        (event("evt_1", "charge.refunded", json!({"payment_intent": "../customers"})), 400),
        (event("evt_1", "charge.dispute.created", json!({"payment_intent": 7})), 400),
        (event("evt_1", "customer.subscription.updated", json!({"id": "sub_of_another_account"})), 502),
        (" ".repeat((1 << 20) + 1), 413),
    ] {
        let answer = send(&app, &body, Some(&signed(seconds(&app), &body, SECRET))).await;
        assert_eq!(answer.status, status, "{body:.80}: {}", answer.text());
    }
    assert_eq!(notify(&app, "evt_2", "invoice.paid", json!({"id": "in_1"})).await, "ignored");
    assert!(kinds(&app).await.is_empty());
    // While the secret is replaced there are two signatures.
    let now = seconds(&app);
    let (old, new) = (signed(now, &body, "whsec_old"), signed(now, &body, SECRET));
    let both = format!("{old},{}", new.split_once(',').unwrap().1);
    assert_eq!(send(&app, &body, Some(&both)).await.expect(200)["outcome"], "done");
}

#[tokio::test(flavor = "multi_thread")]
async fn credits_are_booked_once_and_only_when_they_are_paid() {
    let (app, shelf, tenant) = scene().await;
    let organization = &tenant.organization;
    let mut session = shelf.checkout("cs_1", organization, "price_50");
    session["payment_status"] = json!("unpaid");
    shelf.put("checkout/sessions/cs_1", session.clone());
    let (completed, paid) = ("checkout.session.completed", "checkout.session.async_payment_succeeded");
    assert_eq!(notify(&app, "evt_1", completed, session.clone()).await, "ignored");
    assert_eq!(available(&app, organization).await, 0);
    session["payment_status"] = json!("paid");
    shelf.put("checkout/sessions/cs_1", session.clone());
    assert_eq!(notify(&app, "evt_2", paid, session.clone()).await, "done");
    assert_eq!(available(&app, organization).await, FIFTY);
    // The same notice, and another of the same payment.
    let asked = shelf.asked();
    assert_eq!(notify(&app, "evt_2", paid, session.clone()).await, "known");
    assert_eq!(shelf.asked(), asked);
    assert_eq!(notify(&app, "evt_1", completed, session).await, "known");
    assert_eq!(available(&app, organization).await, FIFTY);
    assert_eq!(kinds(&app).await, ["billing.credits_purchased"]);
    let about = last(&app, "billing.credits_purchased").await;
    assert_eq!(
        about,
        json!({
            "session": "cs_1", "prices": ["price_50"], "notice": "evt_2", "transfer": "pay:pi_cs_1",
            "amount_micro_credits": FIFTY,
        })
    );
    let books = Accounts::of(app.app())
        .books(&Principal::Cli, Some(organization), hardpoint_store::Window { limit: 10, offset: 0 })
        .await
        .unwrap();
    assert_eq!(books.1.iter().map(|(_, sum)| sum.micros()).sum::<i64>(), 0);
    assert_eq!(books.0[0].transfer_id, "pay:pi_cs_1");
    // Twice the same, of two packs.
    let mut session = shelf.checkout("cs_2", organization, "price_50");
    session["line_items"]["data"][0]["quantity"] = json!(2);
    shelf.put("checkout/sessions/cs_2", session.clone());
    assert_eq!(notify(&app, "evt_3", completed, session).await, "done");
    assert_eq!(available(&app, organization).await, 3 * FIFTY);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fits_nothing_here_is_told_to_operators_and_may_come_again() {
    let (app, shelf, tenant) = scene().await;
    let completed = "checkout.session.completed";
    let never = format!("org_{}", "0".repeat(32));
    let session = shelf.checkout("cs_1", &never, "price_50");
    assert_eq!(notify(&app, "evt_1", completed, session.clone()).await, "unmatched");
    assert_eq!(notify(&app, "evt_1", completed, session).await, "unmatched");
    let session = shelf.checkout("cs_2", &tenant.organization, "price_of_something_else");
    assert_eq!(notify(&app, "evt_2", completed, session).await, "unmatched");
    let mut session = shelf.checkout("cs_3", &tenant.organization, "price_50");
    session["payment_status"] = json!("no_payment_required");
    shelf.put("checkout/sessions/cs_3", session.clone());
    assert_eq!(notify(&app, "evt_3", completed, session).await, "unmatched");
    shelf.subscription("sub_1", &tenant.organization, "price_of_something_else", "active");
    let id = json!({"id": "sub_1"});
    assert_eq!(notify(&app, "evt_4", "customer.subscription.created", id).await, "unmatched");
    let told = told(&app).await;
    let reasons: Vec<_> = told.iter().map(|event| event.after.as_ref().unwrap()["reason"].clone()).collect();
    assert_eq!(reasons, ["unknown_organization", "unknown_price", "nothing_was_paid", "unknown_price"]);
    assert!(told.iter().all(|event| event.kind == "billing.payment_unmatched"));
    let of: Vec<_> = told.iter().map(|event| event.organization_id.as_deref()).collect();
    let whose = Some(tenant.organization.as_str());
    assert_eq!(of, [None, whose, None, whose]);
    assert_eq!(
        (available(&app, &tenant.organization).await, plan(&app, &tenant.organization).await),
        (0, "free".into())
    );
    // Somebody has seen to it, and has it sent again.
    let session = shelf.checkout("cs_2", &tenant.organization, "price_50");
    assert_eq!(notify(&app, "evt_2", completed, session).await, "done");
    assert_eq!(available(&app, &tenant.organization).await, FIFTY);
}
