use std::sync::Arc;

use hardpoint_domain::money::Credits;
use hardpoint_store::call_records::{self, CallRecord, Cursor, Filter, Outcome};
use hardpoint_store::{CallRecorder, Lane, StoreError};

use crate::support::{Fixture, Noon, at, on_both};

on_both!(
    a_record_comes_back_whole,
    any_number_is_inserted,
    the_same_again_is_no_harm,
    records_are_listed_newest_first,
    many_callers_share_batches,
    records_nobody_waits_for_are_written,
    a_bad_record_takes_no_other_with_it,
    numbers_beyond_a_column_are_capped,
    what_was_refused_is_forgotten_the_oldest_first,
);

pub(crate) fn record(number: i64) -> CallRecord {
    CallRecord {
        id: format!("call_{number:05}"),
        request_id: format!("req_{number:05}"),
        time: at(number),
        organization_id: Some(format!("org_{}", number % 2)),
        key_id: Some(format!("key_{}", number % 4)),
        method: "POST".into(),
        route: "/api/v1/chat/completions".into(),
        status: 200,
        error_type: None,
        error_message: None,
        duration_us: 1_234,
        model: Some("small".into()),
        binding: Some("openai".into()),
        plugin: Some("openai".into()),
        plugin_version: Some("1.0.0".into()),
        input_tokens: 12,
        cached_input_tokens: 3,
        output_tokens: 45,
        streamed: true,
        deltas: 40,
        bytes_sent: 9_000,
        outcome: Outcome::Completed,
        charge: Credits::ZERO,
        rates: None,
    }
}

async fn insert(db: &Fixture, records: Vec<CallRecord>) -> Result<(), StoreError> {
    db.store
        .write(Lane::Request, |tx| Box::pin(async move { call_records::insert(tx, &records).await }))
        .await
}

async fn list(db: &Fixture, filter: Filter<'_>, before: Option<&Cursor>, limit: u32) -> Vec<CallRecord> {
    call_records::list(&mut db.store.read().await.unwrap(), filter, before, limit).await.unwrap()
}

async fn a_record_comes_back_whole(db: Fixture) {
    let refused = CallRecord {
        organization_id: None,
        key_id: None,
        status: 401,
        error_type: Some("authentication_error".into()),
        error_message: Some("Nobody knows this key.".into()),
        model: None,
        binding: None,
        plugin: None,
        plugin_version: None,
        streamed: false,
        outcome: Outcome::Failed,
        ..record(2)
    };
    insert(&db, vec![record(1), refused.clone()]).await.unwrap();
    assert_eq!(list(&db, Filter::All, None, 10).await, [refused, record(1)]);
}

async fn any_number_is_inserted(db: Fixture) {
    let mut next = 0;
    for count in [0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 100] {
        insert(&db, (next..next + count).map(record).collect()).await.unwrap();
        next += count;
        assert_eq!(db.rows("call_records").await, next);
    }
    let expected: Vec<_> = (0..next).rev().map(record).collect();
    assert_eq!(list(&db, Filter::All, None, 1_000).await, expected);
}

async fn the_same_again_is_no_harm(db: Fixture) {
    insert(&db, vec![record(1)]).await.unwrap();
    insert(&db, vec![record(0), record(1), record(2)]).await.unwrap();
    assert_eq!(db.rows("call_records").await, 3);
}

async fn records_are_listed_newest_first(db: Fixture) {
    let mut records: Vec<_> = (0..20).map(record).collect();
    // Three of one moment: the id decides.
    records[11].time = at(12);
    records[13].time = at(12);
    insert(&db, records.clone()).await.unwrap();
    records.sort_by(|a, b| (b.time, &b.id).cmp(&(a.time, &a.id)));
    for (filter, wanted) in [
        (Filter::All, vec!["key_0", "key_1", "key_2", "key_3"]),
        (Filter::Organization("org_1"), vec!["key_1", "key_3"]),
        (Filter::Key { organization_id: "org_0", key_id: "key_2" }, vec!["key_2"]),
        (Filter::Key { organization_id: "org_1", key_id: "key_2" }, vec![]),
    ] {
        let expected: Vec<_> = records
            .iter()
            .filter(|record| wanted.contains(&record.key_id.as_deref().unwrap()))
            .cloned()
            .collect();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let page = list(&db, filter, cursor.as_ref(), 3).await;
            let Some(last) = page.last() else { break };
            cursor = Some(Cursor { time: last.time, id: last.id.clone() });
            seen.extend(page);
        }
        assert_eq!(seen, expected, "{filter:?}");
    }
}

async fn many_callers_share_batches(db: Fixture) {
    let recorder = CallRecorder::start(&db.store, Arc::new(Noon));
    let callers = (0..500).map(|number| {
        let recorder = recorder.clone();
        tokio::spawn(async move { recorder.record(record(number)).await })
    });
    for caller in futures_util::future::join_all(callers).await {
        caller.unwrap().unwrap();
    }
    let expected: Vec<_> = (0..500).rev().map(record).collect();
    assert_eq!(list(&db, Filter::All, None, 1_000).await, expected);
}

async fn records_nobody_waits_for_are_written(db: Fixture) {
    let recorder = CallRecorder::start(&db.store, Arc::new(Noon));
    for number in 0..100 {
        drop(recorder.record(record(number)));
    }
    recorder.flush().await;
    assert_eq!(db.rows("call_records").await, 100);
}

async fn a_bad_record_takes_no_other_with_it(db: Fixture) {
    let recorder = CallRecorder::start(&db.store, Arc::new(Noon));
    let bad = CallRecord { model: Some("a\0b".into()), ..record(1) };
    let (one, two, three) =
        tokio::join!(recorder.record(record(0)), recorder.record(bad), recorder.record(record(2)));
    one.unwrap();
    assert!(matches!(two, Err(StoreError::InvalidText)));
    three.unwrap();
    assert_eq!(db.rows("call_records").await, 2);
}

async fn numbers_beyond_a_column_are_capped(db: Fixture) {
    insert(&db, vec![CallRecord { output_tokens: u64::MAX, ..record(1) }]).await.unwrap();
    assert_eq!(list(&db, Filter::All, None, 1).await[0].output_tokens, i64::MAX as u64);
}

async fn what_was_refused_is_forgotten_the_oldest_first(db: Fixture) {
    let with = |number, status| CallRecord { status, ..record(number) };
    // A request may cost something before it is refused.
    let charged = CallRecord { charge: Credits::from_micros(1), ..with(5, 402) };
    let refused = [with(2, 429), with(3, 403), with(4, 402), with(9, 429)];
    let kept = [charged, with(1, 200), with(6, 404), with(7, 500)];
    insert(&db, refused.iter().chain(&kept).cloned().collect()).await.unwrap();
    let forget = async |before, limit| {
        let write = db
            .store
            .write(Lane::Bulk, move |tx| Box::pin(call_records::forget_refused(tx, at(before), limit)));
        write.await.unwrap()
    };
    let refused_at = async || -> Vec<u16> {
        let found = list(&db, Filter::All, None, 100).await;
        found.into_iter().filter(|record| !kept.contains(record)).map(|record| record.status).collect()
    };
    assert_eq!((forget(9, 2).await, refused_at().await), (2, vec![429, 402]));
    assert_eq!((forget(9, 2).await, refused_at().await), (1, vec![429]));
    assert_eq!((forget(9, 2).await, db.rows("call_records").await), (0, 5));
}
