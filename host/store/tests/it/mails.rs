use std::time::Duration;

use hardpoint_store::Lane;
use hardpoint_store::mails::{self, Claimed, NewMail};

use crate::support::{Fixture, at, on_both};

on_both!(
    a_mail_is_one_hosts_at_a_time,
    what_nobody_gets_is_claimed_like_all_else,
    what_is_soonest_too_late_goes_first,
    what_is_too_late_is_forgotten,
);

const LEASE: Duration = Duration::from_secs(60);

fn mail(id: &str) -> NewMail {
    NewMail {
        id: id.into(),
        key_id: "mk_1".into(),
        sealed: b"\0sealed".into(),
        is_addressed: true,
        due_at: at(0),
        expires_at: at(300),
    }
}

async fn queue(db: &Fixture, mail: NewMail) {
    let write = db.store.write(Lane::Request, |tx| Box::pin(async move { mails::insert(tx, &mail).await }));
    write.await.unwrap();
}

async fn claim(db: &Fixture, claim: &'static str, key: &'static str, seconds: i64) -> Vec<Claimed> {
    let write = db.store.write(Lane::Request, move |tx| {
        Box::pin(async move { mails::claim(tx, claim, key, 10, at(seconds), LEASE).await })
    });
    write.await.unwrap()
}

async fn a_mail_is_one_hosts_at_a_time(db: Fixture) {
    let twin = db.twin().await;
    queue(&db, mail("mail_1")).await;
    assert!(claim(&db, "c0", "mk_other", 1).await.is_empty(), "who cannot open it leaves it");
    let first = claim(&db, "c1", "mk_1", 1).await;
    assert_eq!((first[0].attempt, first[0].sealed.as_slice()), (1, b"\0sealed".as_slice()));
    assert!(claim(&twin, "c2", "mk_1", 2).await.is_empty());
    assert!(!mails::is_due(&mut twin.store.read().await.unwrap(), "mk_1", at(2)).await.unwrap());
    // The lease ends; the first host's word no longer counts.
    let second = claim(&twin, "c3", "mk_1", 61).await;
    assert_eq!((second[0].id.as_str(), second[0].attempt), ("mail_1", 2));
    let complete = |claim: &'static str| {
        db.store.write(Lane::Request, move |tx| {
            Box::pin(async move { mails::complete(tx, "mail_1", claim).await })
        })
    };
    let release = db.store.write(Lane::Request, |tx| {
        Box::pin(async move { mails::release(tx, "mail_1", "c3", at(100)).await })
    });
    assert!(!complete("c1").await.unwrap());
    assert!(release.await.unwrap());
    assert!(claim(&db, "c4", "mk_1", 99).await.is_empty());
    assert_eq!(claim(&db, "c5", "mk_1", 100).await[0].attempt, 3);
    assert!(complete("c5").await.unwrap());
    assert_eq!(db.rows("mails").await, 0);
}

async fn what_nobody_gets_is_claimed_like_all_else(db: Fixture) {
    queue(&db, NewMail { is_addressed: false, ..mail("mail_1") }).await;
    queue(&db, NewMail { due_at: at(50), ..mail("mail_2") }).await;
    let due = async |seconds| {
        mails::is_due(&mut db.store.read().await.unwrap(), "mk_1", at(seconds)).await.unwrap()
    };
    assert!(due(0).await);
    let claimed = claim(&db, "c1", "mk_1", 49).await;
    assert_eq!(
        claimed.iter().map(|mail| (&*mail.id, mail.is_addressed)).collect::<Vec<_>>(),
        [("mail_1", false)]
    );
    assert!(!due(49).await);
    assert!(due(50).await);
    let mut conn = db.store.read().await.unwrap();
    assert_eq!(mails::count(&mut conn).await.unwrap(), 2);
    assert_eq!(mails::count_under(&mut conn, "mk_1").await.unwrap(), 1);
    assert_eq!(mails::count_under(&mut conn, "mk_2").await.unwrap(), 0);
}

async fn what_is_soonest_too_late_goes_first(db: Fixture) {
    // More invitations than are claimed at once, and a PIN that came after all of them.
    for number in 0..15 {
        queue(&db, NewMail { expires_at: at(9_000), ..mail(&format!("mail_{number:02}")) }).await;
    }
    queue(&db, NewMail { due_at: at(1), ..mail("mail_pin") }).await;
    let claimed = claim(&db, "c1", "mk_1", 1).await;
    assert_eq!((claimed.len(), claimed[0].id.as_str()), (10, "mail_pin"));
    assert_eq!(claim(&db, "c2", "mk_1", 1).await.len(), 6);
}

async fn what_is_too_late_is_forgotten(db: Fixture) {
    queue(&db, mail("mail_1")).await;
    queue(&db, NewMail { is_addressed: false, ..mail("mail_2") }).await;
    queue(&db, NewMail { expires_at: at(301), ..mail("mail_3") }).await;
    let forget =
        db.store.write(Lane::Request, |tx| Box::pin(async move { mails::forget(tx, at(300)).await }));
    assert_eq!(forget.await.unwrap(), ["mail_1"]);
    assert_eq!(db.rows("mails").await, 1);
}
