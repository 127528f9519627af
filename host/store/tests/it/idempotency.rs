use std::sync::Arc;

use hardpoint_store::idempotency::{self, Claim, Known, State};
use hardpoint_store::{Lane, StoreError};

use crate::support::{Fixture, at, on_both};

on_both!(
    of_many_who_claim_a_name_one_has_it,
    an_answer_is_there_until_it_is_over,
    names_are_of_one_key_of_one_organisation,
    a_lease_is_prolonged_and_given_up,
    what_was_released_can_be_claimed_again,
    what_is_over_is_swept_a_few_at_a_time,
    the_oldest_answers_make_room,
);

fn claim(id: &str, name: &str, seconds: i64) -> Claim {
    Claim {
        id: id.into(),
        organization_id: "org_1".into(),
        key_id: "key_1".into(),
        name: name.into(),
        fingerprint: [7; 32],
        lease_until: at(seconds + 30),
        expires_at: at(seconds + 86_400),
    }
}

/// Claims at the time at which the claim's lease began.
async fn take(db: &Fixture, claim: Claim) -> bool {
    let now = at(claim.lease_until.seconds() - at(0).seconds() - 30);
    let write = db
        .store
        .write(Lane::Request, move |tx| Box::pin(async move { idempotency::claim(tx, &claim, now).await }));
    write.await.unwrap()
}

async fn found(db: &Fixture, name: &str, seconds: i64) -> Option<Known> {
    let mut conn = db.store.read().await.unwrap();
    idempotency::find(&mut conn, "org_1", "key_1", name, at(seconds)).await.unwrap()
}

async fn answer(db: &Fixture, id: &'static str) {
    let write = db.store.write(Lane::Request, move |tx| {
        Box::pin(async move { idempotency::answer(tx, id, 201, r#"[["a","b"]]"#, b"\0said").await })
    });
    write.await.unwrap();
}

async fn of_many_who_claim_a_name_one_has_it(db: Fixture) {
    let db = Arc::new(db);
    let twin = Arc::new(db.twin().await);
    let claims = (0..200).map(|number| {
        let on = Arc::clone(if number % 2 == 0 { &db } else { &twin });
        tokio::spawn(async move { take(&on, claim(&format!("req_{number}"), "one", 0)).await })
    });
    let mut taken = 0;
    for claim in claims.collect::<Vec<_>>() {
        taken += usize::from(claim.await.unwrap());
    }
    assert_eq!(taken, 1);
    assert_eq!(db.rows("idempotency").await, 1);
}

async fn an_answer_is_there_until_it_is_over(db: Fixture) {
    assert!(take(&db, claim("req_1", "one", 0)).await);
    let running = found(&db, "one", 1).await.unwrap();
    assert_eq!(
        (running.state, running.lease_until, running.status, running.fingerprint),
        (State::Running, at(30), None, vec![7; 32])
    );
    answer(&db, "req_1").await;
    let known = found(&db, "one", 86_399).await.unwrap();
    assert_eq!((known.state, known.status), (State::Answered, Some(201)));
    assert_eq!(
        (known.headers.as_deref(), known.body.as_deref()),
        (Some(r#"[["a","b"]]"#), Some(&b"\0said"[..]))
    );
    assert!(!take(&db, claim("req_2", "one", 86_399)).await);
    assert_eq!(found(&db, "one", 86_400).await, None);
    // The name is free again, and nothing is left of the first answer.
    assert!(take(&db, claim("req_3", "one", 86_400)).await);
    let known = found(&db, "one", 86_401).await.unwrap();
    assert_eq!((known.state, known.status, known.body), (State::Running, None, None));
    // Who comes late with the answer of before changes nothing.
    answer(&db, "req_1").await;
    assert_eq!(found(&db, "one", 86_401).await.unwrap().state, State::Running);
}

async fn names_are_of_one_key_of_one_organisation(db: Fixture) {
    assert!(take(&db, claim("req_1", "one", 0)).await);
    for (number, (organization, key, name)) in
        [("org_2", "key_1", "one"), ("org_1", "key_2", "one"), ("org_1", "key_1", "One")]
            .into_iter()
            .enumerate()
    {
        let other = Claim {
            organization_id: organization.into(),
            key_id: key.into(),
            ..claim(&format!("req_other_{number}"), name, 0)
        };
        assert!(take(&db, other).await, "{organization} {key} {name}");
    }
    assert_eq!(db.rows("idempotency").await, 4);
    let nul = db.store.write(Lane::Request, |tx| {
        Box::pin(async move { idempotency::claim(tx, &claim("req_nul", "a\0b", 0), at(0)).await })
    });
    assert!(matches!(nul.await, Err(StoreError::InvalidText)));
}

async fn a_lease_is_prolonged_and_given_up(db: Fixture) {
    assert!(take(&db, claim("req_1", "one", 0)).await);
    let lease =
        |until| db.store.write(Lane::Bulk, move |tx| Box::pin(idempotency::lease(tx, "req_1", until)));
    lease(at(60)).await.unwrap();
    assert_eq!(found(&db, "one", 1).await.unwrap().lease_until, at(60));
    db.store.write(Lane::Request, |tx| Box::pin(idempotency::lose_all(tx, at(5)))).await.unwrap();
    assert_eq!(found(&db, "one", 1).await.unwrap().lease_until, at(5));
    // It is not done again all the same, and if the answer comes after all it counts.
    assert!(!take(&db, claim("req_2", "one", 10)).await);
    answer(&db, "req_1").await;
    lease(at(90)).await.unwrap();
    let known = found(&db, "one", 100).await.unwrap();
    assert_eq!((known.state, known.lease_until), (State::Answered, at(5)));
}

async fn what_was_released_can_be_claimed_again(db: Fixture) {
    let release =
        |id: &'static str| db.store.write(Lane::Request, move |tx| Box::pin(idempotency::release(tx, id)));
    assert!(take(&db, claim("req_1", "one", 0)).await);
    release("req_2").await.unwrap();
    assert!(!take(&db, claim("req_2", "one", 1)).await);
    release("req_1").await.unwrap();
    assert!(take(&db, claim("req_2", "one", 1)).await);
    answer(&db, "req_2").await;
    release("req_2").await.unwrap();
    assert_eq!(found(&db, "one", 2).await.unwrap().state, State::Answered);
    db.store.write(Lane::Request, |tx| Box::pin(idempotency::not_kept(tx, "req_2"))).await.unwrap();
    assert_eq!(found(&db, "one", 2).await.unwrap().state, State::NotKept);
}

async fn what_is_over_is_swept_a_few_at_a_time(db: Fixture) {
    for number in 0..5 {
        assert!(take(&db, claim(&format!("req_{number}"), &format!("name {number}"), number)).await);
    }
    let sweep =
        |seconds| db.store.write(Lane::Bulk, move |tx| Box::pin(idempotency::sweep(tx, at(seconds), 2)));
    assert_eq!(sweep(86_399).await.unwrap(), 0);
    assert_eq!(sweep(86_403).await.unwrap(), 2);
    assert_eq!(sweep(86_403).await.unwrap(), 2);
    assert_eq!(sweep(86_403).await.unwrap(), 0);
    assert_eq!(db.rows("idempotency").await, 1);
}

async fn the_oldest_answers_make_room(db: Fixture) {
    for number in 0..6 {
        assert!(take(&db, claim(&format!("req_{number}"), &format!("name {number}"), number)).await);
    }
    let other = Claim { organization_id: "org_2".into(), ..claim("req_other", "one", 0) };
    assert!(take(&db, other).await);
    // Each has 16 bytes; the last is under way.
    for id in ["req_0", "req_1", "req_2", "req_3", "req_4", "req_other"] {
        answer(&db, id).await;
    }
    let over = async |most| idempotency::over(&mut db.store.read().await.unwrap(), most).await.unwrap();
    assert_eq!(over(80).await, []);
    assert_eq!(over(79).await, [("org_1".to_owned(), 80)]);
    let make_room = |bytes, most| {
        db.store.write(Lane::Bulk, move |tx| {
            Box::pin(async move { idempotency::make_room(tx, "org_1", bytes, most).await })
        })
    };
    assert_eq!(make_room(17, 20).await.unwrap(), 32);
    assert_eq!(make_room(1_000, 1).await.unwrap(), 16);
    assert_eq!(over(0).await, [("org_1".to_owned(), 32), ("org_2".to_owned(), 16)]);
    let mut states = Vec::new();
    for number in 0..6 {
        let known = found(&db, &format!("name {number}"), 10).await.unwrap();
        assert_eq!(known.body.is_some(), known.state == State::Answered);
        states.push(known.state);
    }
    use State::{Answered, NotKept, Running};
    assert_eq!(states, [NotKept, NotKept, NotKept, Answered, Answered, Running]);
    // The names are not free for that.
    assert!(!take(&db, claim("req_again", "name 0", 10)).await);
}
