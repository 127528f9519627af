//! Subscriptions, and the plan that an organisation has by them, in whichever order one hears of them.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_gives_its_plan_as_long_as_it_is_paid() {
    let (app, shelf, tenant) = scene().await;
    let organization = &tenant.organization;
    let mut count = 0;
    for (id, price, status, outcome, expected) in [
        ("sub_1", "price_std", "incomplete", "ignored", "free"),
        ("sub_1", "price_std", "active", "done", "standard"),
        ("sub_1", "price_std", "past_due", "done", "standard"),
        // Changed on the provider's page.
        ("sub_1", "price_pro", "active", "done", "professional"),
        // A second one is no more than the larger one.
        ("sub_2", "price_std", "active", "done", "professional"),
        ("sub_1", "price_pro", "canceled", "done", "standard"),
        // To something that is not sold here: as it was.
        ("sub_2", "price_1", "active", "unmatched", "standard"),
        ("sub_2", "price_1", "unpaid", "done", "free"),
        ("sub_2", "price_std", "active", "done", "standard"),
    ] {
        count += 1;
        shelf.subscription(id, organization, price, status);
        let kind = "customer.subscription.updated";
        let became = notify(&app, &format!("evt_{count}"), kind, json!({"id": id})).await;
        assert_eq!(
            (became.as_str(), plan(&app, organization).await.as_str()),
            (outcome, expected),
            "{count}"
        );
    }
    // What an operator chose meanwhile stays when it ends.
    Accounts::of(app.app()).set_plan(&Principal::Cli, organization, "enterprise").await.unwrap();
    shelf.subscription("sub_2", organization, "price_std", "canceled");
    notify(&app, "evt_last", "customer.subscription.deleted", json!({"id": "sub_2"})).await;
    assert_eq!(plan(&app, organization).await, "enterprise");
    let changed = last(&app, "organization.plan_changed").await;
    assert_eq!((&changed["plan"], &changed["subscription"]), (&json!("standard"), &json!("sub_2")));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_notices_of_a_subscription_change_nothing() {
    let (app, shelf, tenant) = scene().await;
    let organization = &tenant.organization;
    shelf.subscription("sub_1", organization, "price_pro", "canceled");
    assert_eq!(notify(&app, "evt_3", "customer.subscription.deleted", json!({"id": "sub_1"})).await, "done");
    for id in ["evt_1", "evt_2"] {
        let told = json!({"id": "sub_1", "status": "active"});
        assert_eq!(notify(&app, id, "customer.subscription.updated", told).await, "done");
    }
    assert_eq!(plan(&app, organization).await, "free");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_overtaken_is_asked_for_again() {
    let (app, shelf, tenant) = scene().await;
    let (app, organization) = (Arc::new(app), tenant.organization.clone());
    let id = json!({"id": "sub_1"});
    shelf.subscription("sub_1", &organization, "price_pro", "active");
    assert_eq!(notify(&app, "evt_1", "customer.subscription.created", id.clone()).await, "done");
    // The answer to the first one is on its way while the second overtakes it.
    let held = Arc::new(Notify::new());
    *shelf.hold_next.lock().unwrap() = Some(Arc::clone(&held));
    let asked = shelf.asked();
    let first = tokio::spawn({
        let (app, id) = (Arc::clone(&app), id.clone());
        async move { notify(&app, "evt_2", "customer.subscription.updated", id).await }
    });
    while shelf.asked() == asked {
        tokio::task::yield_now().await;
    }
    shelf.subscription("sub_1", &organization, "price_pro", "canceled");
    assert_eq!(notify(&app, "evt_3", "customer.subscription.deleted", id).await, "done");
    assert_eq!(plan(&app, &organization).await, "free");
    held.notify_one();
    assert_eq!(first.await.unwrap(), "done");
    assert_eq!((shelf.asked(), plan(&app, &organization).await), (asked + 3, "free".to_owned()));
}
