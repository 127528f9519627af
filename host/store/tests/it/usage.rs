use std::time::Duration;

use hardpoint_store::call_records::{self, CallRecord, Outcome};
use hardpoint_store::usage::{self, Used};
use hardpoint_store::{Lane, Window};

use crate::call_records::record;
use crate::support::{Fixture, at, on_both};

on_both!(a_key_uses_what_its_records_say, no_claim_is_too_large_to_be_summed, the_history_of_a_key);

const MINUTE: Duration = Duration::from_secs(60);

async fn insert(db: &Fixture, records: Vec<CallRecord>) {
    let write =
        db.store.write(Lane::Request, |tx| Box::pin(async move { call_records::insert(tx, &records).await }));
    write.await.unwrap();
}

/// `at(0)` is twenty seconds into a minute.
async fn a_key_uses_what_its_records_say(db: Fixture) {
    let mine = |seconds: i64| CallRecord { key_id: Some("key_1".into()), ..record(seconds) };
    let failed = CallRecord { outcome: Outcome::Failed, output_tokens: 0, ..mine(40) };
    let theirs = CallRecord { key_id: Some("key_2".into()), ..record(41) };
    insert(&db, vec![mine(0), mine(39), failed, theirs, mine(99), mine(200)]).await;
    let mut conn = db.store.read().await.unwrap();
    let used = usage::of_key(&mut conn, "key_1", at(0), at(200), MINUTE).await.unwrap();
    let of = |start, requests, failed, input_tokens, cached_input_tokens, output_tokens| Used {
        start: at(start),
        requests,
        failed,
        input_tokens,
        cached_input_tokens,
        output_tokens,
    };
    assert_eq!(used, [of(-20, 2, 0, 24, 6, 90), of(40, 2, 1, 24, 6, 45)]);
    assert_eq!(usage::of_key(&mut conn, "key_3", at(0), at(200), MINUTE).await.unwrap(), []);
}

async fn no_claim_is_too_large_to_be_summed(db: Fixture) {
    let claim =
        |seconds| CallRecord { key_id: Some("key_1".into()), output_tokens: u64::MAX, ..record(seconds) };
    insert(&db, vec![claim(0), claim(1)]).await;
    let mut conn = db.store.read().await.unwrap();
    let used = usage::of_key(&mut conn, "key_1", at(-60), at(60), MINUTE).await.unwrap();
    assert_eq!(used[0].output_tokens, 2_000_000_000_000);
}

async fn the_history_of_a_key(db: Fixture) {
    insert(&db, (0..20).map(record).collect()).await;
    let mut conn = db.store.read().await.unwrap();
    let window = Window { limit: 2, offset: 1 };
    let page = call_records::page_of_key(&mut conn, "key_3", window).await.unwrap();
    assert_eq!(page, [record(15), record(11)]);
    assert_eq!(call_records::count_of_key(&mut conn, "key_3").await.unwrap(), 5);
    assert!(call_records::any_of_key(&mut conn, "key_3").await.unwrap());
    assert!(!call_records::any_of_key(&mut conn, "key_4").await.unwrap());
}
