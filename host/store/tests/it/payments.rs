use std::sync::Arc;

use hardpoint_domain::money::Credits;
use hardpoint_store::payments::{self, Payment, Subscription};
use hardpoint_store::{Lane, StoreError, credits};

use crate::support::{Fixture, at, event, on_both};

on_both!(
    a_notice_is_taken_once_with_its_effect,
    a_notice_whose_effect_fails_is_taken_again,
    a_payment_is_booked_once_also_after_its_refund,
    who_asked_too_early_does_not_change_a_payment,
    who_asked_too_early_does_not_change_a_subscription,
    the_last_customer_is_used_and_the_first_is_known,
);

const ORG: &str = "org_0";

const fn micros(micros: i64) -> Credits {
    Credits::from_micros(micros)
}

/// Takes a notice and books what it says; whether this was the first to do so.
async fn booked(db: &Fixture, notice: &'static str) -> Result<bool, StoreError> {
    let write = db.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            if !payments::claim(tx, notice, "checkout.session.completed", at(0)).await? {
                return Ok(false);
            }
            credits::open(tx, ORG, true, at(0)).await?;
            let name = format!("pay:{notice}");
            credits::pay_in(tx, ORG, &name, "top_up", micros(50), at(0)).await?;
            tx.append(&event(&format!("evt_of_{notice}"), Some(ORG), 0), &[]).await?;
            Ok(true)
        })
    });
    write.await
}

async fn available(db: &Fixture) -> Credits {
    let found = credits::get(&mut db.store.read().await.unwrap(), ORG).await.unwrap();
    found.map(|found| found.account.available).unwrap_or_default()
}

async fn a_notice_is_taken_once_with_its_effect(db: Fixture) {
    db.organization(ORG).await;
    let db = Arc::new(db);
    let hosts = [Arc::clone(&db), Arc::new(db.twin().await)];
    let all = (0..1_000).map(|turn| {
        let host = Arc::clone(&hosts[turn % 2]);
        tokio::spawn(async move { booked(&host, "evt_1").await })
    });
    let mut first = 0;
    for taken in all.collect::<Vec<_>>() {
        match taken.await.unwrap() {
            Ok(taken) => first += u32::from(taken),
            // A database that is asked by a thousand at once may make some come again.
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
    }
    assert_eq!((first, available(&db).await), (1, micros(50)));
    assert_eq!((db.rows("payment_notices").await, db.rows("events").await), (1, 1));
    assert!(payments::is_known(&mut db.store.read().await.unwrap(), "evt_1").await.unwrap());
    // Until it is so old that the provider does not send it again.
    db.store.write(Lane::Bulk, |tx| Box::pin(payments::forget(tx, at(0)))).await.unwrap();
    assert_eq!(db.rows("payment_notices").await, 1);
    db.store.write(Lane::Bulk, |tx| Box::pin(payments::forget(tx, at(1)))).await.unwrap();
    assert_eq!(db.rows("payment_notices").await, 0);
}

async fn a_notice_whose_effect_fails_is_taken_again(db: Fixture) {
    // There is no such organisation yet.
    booked(&db, "evt_1").await.unwrap_err();
    assert!(!payments::is_known(&mut db.store.read().await.unwrap(), "evt_1").await.unwrap());
    db.organization(ORG).await;
    assert!(booked(&db, "evt_1").await.unwrap());
    assert!(!booked(&db, "evt_1").await.unwrap());
    assert_eq!(available(&db).await, micros(50));
}

async fn book(db: &Fixture, id: &'static str, bought: i64) -> Option<Payment> {
    let write = db.store.write(Lane::Request, move |tx| {
        Box::pin(async move { payments::book(tx, id, ORG, micros(bought), at(0)).await })
    });
    write.await.unwrap()
}

async fn refund(db: &Fixture, id: &'static str, seen: Option<i64>, refunded: i64) -> Option<Payment> {
    let write = db.store.write(Lane::Request, move |tx| {
        Box::pin(async move { payments::go_back(tx, id, seen, [4_500, refunded], at(0)).await })
    });
    write.await.unwrap()
}

async fn a_payment_is_booked_once_also_after_its_refund(db: Fixture) {
    db.organization(ORG).await;
    let payment = book(&db, "pi_1", 50).await.unwrap();
    assert_eq!((payment.credits, payment.refunded), (micros(50), 0));
    assert_eq!(book(&db, "pi_1", 70).await, None);
    // Of the other one the refund is heard of first.
    assert_eq!(refund(&db, "pi_2", None, 4_500).await.unwrap().organization_id, None);
    let payment = book(&db, "pi_2", 50).await.unwrap();
    assert_eq!((payment.paid, payment.refunded, payment.credits), (4_500, 4_500, micros(50)));
    assert_eq!(book(&db, "pi_2", 50).await, None);
}

async fn who_asked_too_early_does_not_change_a_payment(db: Fixture) {
    db.organization(ORG).await;
    let booked = book(&db, "pi_1", 50).await.unwrap();
    // Who asked before it was booked asks again.
    assert_eq!(refund(&db, "pi_1", None, 3_000).await, None);
    let first = refund(&db, "pi_1", Some(booked.revision), 3_000).await.unwrap();
    assert_eq!((first.refunded, first.organization_id.as_deref()), (3_000, Some(ORG)));
    let write = db.store.write(Lane::Request, |tx| Box::pin(payments::take_back(tx, "pi_1", micros(33))));
    write.await.unwrap();
    // Also where it is all in one moment, and what was learned is the same.
    assert_eq!(refund(&db, "pi_1", Some(booked.revision), 3_000).await, None);
    let last = refund(&db, "pi_1", Some(first.revision), 0).await.unwrap();
    assert_eq!((last.refunded, last.taken_back, last.credits), (0, micros(33), micros(50)));
    let found = payments::get(&mut db.store.read().await.unwrap(), "pi_1").await.unwrap();
    assert_eq!(found, Some(last));
    assert_eq!(refund(&db, "pi_2", Some(7), 0).await, None);
}

async fn follow(db: &Fixture, revision: i64, plan: Option<&str>, is_paid: bool) -> bool {
    let (id, organization_id) = ("sub_1".to_owned(), ORG.to_owned());
    let new = Subscription { id, organization_id, plan: plan.map(str::to_owned), is_paid, revision };
    let write = db
        .store
        .write(Lane::Request, move |tx| Box::pin(async move { payments::follow(tx, at(0), &new).await }));
    write.await.unwrap()
}

async fn who_asked_too_early_does_not_change_a_subscription(db: Fixture) {
    db.organization(ORG).await;
    assert!(follow(&db, 0, Some("professional"), true).await);
    assert!(!follow(&db, 0, Some("standard"), true).await);
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(payments::paid_plans(&mut conn, ORG).await.unwrap(), ["professional"]);
    assert_eq!(payments::subscription(&mut conn, "sub_1").await.unwrap().unwrap().revision, 1);
    drop(conn);
    assert!(follow(&db, 1, Some("professional"), false).await);
    assert!(!follow(&db, 1, Some("professional"), true).await);
    let mut conn = db.store.read().await.unwrap();
    assert!(payments::paid_plans(&mut conn, ORG).await.unwrap().is_empty());
    let found = payments::subscription(&mut conn, "sub_1").await.unwrap().unwrap();
    assert_eq!((found.revision, found.is_paid), (2, false));
    assert_eq!(payments::subscription(&mut conn, "sub_2").await.unwrap(), None);
}

async fn the_last_customer_is_used_and_the_first_is_known(db: Fixture) {
    db.organization(ORG).await;
    let keep = async |id: &'static str, seconds| {
        let write = db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { payments::keep_customer(tx, id, ORG, at(seconds)).await })
        });
        write.await.unwrap()
    };
    assert!(keep("cus_2", 0).await);
    assert!(keep("cus_1", 1).await);
    assert!(!keep("cus_1", 2).await);
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(payments::customer_of(&mut conn, ORG).await.unwrap().as_deref(), Some("cus_1"));
    assert_eq!(payments::customer_of(&mut conn, "org_1").await.unwrap(), None);
    for (id, owner) in [("cus_1", Some(ORG)), ("cus_2", Some(ORG)), ("cus_3", None)] {
        assert_eq!(payments::owner_of(&mut conn, id).await.unwrap().as_deref(), owner, "{id}");
    }
}
