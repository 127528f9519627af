use std::sync::Arc;

use hardpoint_domain::budget::{Budget, Grant, Short};
use hardpoint_domain::money::Credits;
use hardpoint_domain::pool::Spent;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::call_records::{self, CallRecord, Filter};
use hardpoint_store::credits::{self, Credited, Wish};
use hardpoint_store::testing::raw;
use hardpoint_store::{CallRecorder, Ended, Lane, StoreError, leases, organizations, progress};

use crate::between::Between;
use crate::call_records::record;
use crate::support::{Fixture, Noon, at, on_both, organization};

on_both!(
    what_is_leased_and_spent_adds_up,
    a_lease_is_no_more_than_there_is,
    a_new_month_begins_with_what_the_plan_adds,
    a_larger_plan_adds_the_rest_in_the_same_month,
    a_payment_of_one_name_comes_once,
    what_was_spent_of_a_lease_that_was_taken_back_is_charged_to_its_organisation,
    who_takes_a_lease_back_charges_what_its_requests_had_cost,
    a_request_that_ended_is_not_charged_again_by_who_takes_its_lease_back,
    hosts_that_lease_at_once_get_all_of_it_and_no_more,
    a_lease_that_is_renewed_is_not_taken_back,
);

const ORG: &str = "org_0";

const fn micros(micros: i64) -> Credits {
    Credits::from_micros(micros)
}

fn day(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn wish(lease: &str, need: i64) -> Wish {
    let now = day("2026-03-10");
    Wish {
        organization_id: ORG.to_owned(),
        prepaid: true,
        monthly: Credits::ZERO,
        need: micros(need),
        wanted: micros(need),
        lease: lease.to_owned(),
        now,
        expires_at: now.plus(std::time::Duration::from_secs(60)),
    }
}

async fn with_credits(db: &Fixture, amount: i64) {
    let new = organization(ORG);
    let write = db.store.write(Lane::Request, move |tx| {
        Box::pin(async move {
            organizations::create(tx, &new).await?;
            credits::open(tx, ORG, true, day("2026-03-01")).await?;
            if amount > 0 {
                credits::pay_in(tx, ORG, "first", "top_up", micros(amount), day("2026-03-01")).await?;
            }
            Ok(())
        })
    });
    write.await.unwrap();
}

async fn lease(db: &Fixture, wish: Wish) -> Result<Grant, Short> {
    let write = db.store.write(Lane::Request, |tx| Box::pin(async move { credits::lease(tx, &wish).await }));
    write.await.unwrap().0
}

async fn close(db: &Fixture, lease: &str) {
    let ids = vec![lease.to_owned()];
    db.store.write(Lane::Bulk, |tx| Box::pin(leases::close(tx, ids, day("2026-03-10")))).await.unwrap();
}

async fn sweep(db: &Fixture, now: Timestamp) -> usize {
    db.store.write(Lane::Bulk, move |tx| Box::pin(leases::sweep(tx, now, now))).await.unwrap()
}

async fn account(db: &Fixture) -> Credited {
    credits::get(&mut db.store.read().await.unwrap(), ORG).await.unwrap().unwrap()
}

async fn available(db: &Fixture) -> i64 {
    account(db).await.account.available.micros()
}

/// What the entries of each account add up to; and that all of them add up to nothing, and to what the account says.
async fn books(db: &Fixture) -> Vec<(String, i64)> {
    let mut conn = db.store.read().await.unwrap();
    let sums = credits::balances(&mut conn, ORG).await.unwrap();
    assert_eq!(sums.iter().map(|(_, sum)| *sum).sum::<Credits>(), Credits::ZERO, "{sums:?}");
    let credits =
        sums.iter().find(|(account, _)| account == "credits").map_or(Credits::ZERO, |(_, sum)| *sum);
    assert_eq!(credits, account(db).await.account.available, "{sums:?}");
    sums.into_iter().map(|(account, sum)| (account, sum.micros())).collect()
}

fn ended(number: i64, lease: &str, cost: i64, closes: bool) -> Ended {
    let spent = vec![Spent { block: lease.into(), amount: micros(cost), closes }];
    let record = CallRecord {
        organization_id: Some(ORG.to_owned()),
        charge: micros(cost),
        rates: Some("v1".to_owned()),
        ..record(number)
    };
    Ended { record, spent, noted: false }
}

async fn end(db: &Fixture, ended: Vec<Ended>) {
    let recorder = CallRecorder::start(&db.store, Arc::new(Noon));
    let written: Vec<_> = ended.into_iter().map(|ended| recorder.record(ended)).collect();
    for written in written {
        written.await.unwrap();
    }
}

async fn charges(db: &Fixture) -> Vec<(String, i64)> {
    let mut conn = db.store.read().await.unwrap();
    let found = call_records::list(&mut conn, Filter::Organization(ORG), None, 100).await.unwrap();
    found.into_iter().map(|record| (record.id, record.charge.micros())).collect()
}

async fn what_is_leased_and_spent_adds_up(db: Fixture) {
    with_credits(&db, 1_000).await;
    assert_eq!(lease(&db, wish("lse_1", 300)).await.unwrap().amount, micros(300));
    assert_eq!((available(&db).await, account(&db).await.account.committed), (700, micros(300)));
    end(&db, vec![ended(1, "lse_1", 100, false), ended(2, "lse_1", 50, false)]).await;
    end(&db, vec![ended(3, "lse_1", 20, true)]).await;
    let sums = [("credits", 830), ("leased", 0), ("paid_in", -1_000), ("spent", 170)];
    assert_eq!(books(&db).await, sums.map(|(account, sum)| (account.to_owned(), sum)));
    assert_eq!(account(&db).await.account.committed, micros(170));
    // Closed again, by its host or by another, nothing changes.
    close(&db, "lse_1").await;
    assert_eq!(sweep(&db, day("2027-01-01")).await, 0);
    assert_eq!(available(&db).await, 830);
    let charged: i64 = charges(&db).await.into_iter().map(|(_, charge)| charge).sum();
    assert_eq!(charged, 170);
}

async fn a_lease_is_no_more_than_there_is(db: Fixture) {
    with_credits(&db, 1_000).await;
    assert_eq!(lease(&db, wish("lse_1", 1_001)).await, Err(Short::Balance { left: micros(1_000) }));
    let budget = Budget { spend_cap: Some(micros(600)), ..Budget::default() };
    let set = db.store.write(Lane::Request, move |tx| Box::pin(credits::set_budget(tx, ORG, budget)));
    set.await.unwrap();
    assert!(lease(&db, wish("lse_2", 500)).await.is_ok());
    let short = Short::SpendCap { left: micros(100), cap: micros(600) };
    assert_eq!(lease(&db, wish("lse_3", 101)).await, Err(short));
    // What was not needed is there again.
    close(&db, "lse_2").await;
    assert!(lease(&db, wish("lse_4", 600)).await.is_ok());
    books(&db).await;
}

async fn a_new_month_begins_with_what_the_plan_adds(db: Fixture) {
    with_credits(&db, 0).await;
    let monthly = |lease, now: &str| {
        let now = day(now);
        Wish {
            monthly: micros(500),
            now,
            expires_at: now.plus(std::time::Duration::from_secs(60)),
            ..wish(lease, 100)
        }
    };
    assert!(lease(&db, monthly("lse_1", "2026-03-30")).await.is_ok());
    assert!(lease(&db, monthly("lse_2", "2026-03-31")).await.is_ok());
    assert_eq!((available(&db).await, account(&db).await.account.committed), (300, micros(200)));
    assert!(lease(&db, monthly("lse_3", "2026-04-01")).await.is_ok());
    assert_eq!((available(&db).await, account(&db).await.account.committed), (700, micros(100)));
    // What is left of a lease of the month before takes nothing from what this one has committed.
    close(&db, "lse_1").await;
    assert_eq!((available(&db).await, account(&db).await.account.committed), (800, micros(100)));
    // Whoever looks is told of what the plan adds before it is entered, and once.
    let stands = async |now: &str| {
        let mut conn = db.store.read().await.unwrap();
        let (account, _) = credits::stands(&mut conn, ORG, micros(500), day(now)).await.unwrap();
        (account.available.micros(), account.committed.micros())
    };
    assert_eq!(stands("2026-04-30").await, (800, 100));
    assert_eq!(stands("2026-05-01").await, (1_300, 0));
    assert_eq!(stands("2026-03-31").await, (800, 100));
    // A host whose clock is behind does not begin that month again.
    assert!(lease(&db, monthly("lse_4", "2026-03-31")).await.is_ok());
    assert_eq!((available(&db).await, account(&db).await.account.committed), (700, micros(200)));
    // One whose clock was years ahead keeps nobody from the months to come.
    assert!(lease(&db, monthly("lse_5", "2036-01-01")).await.is_ok());
    assert_eq!(available(&db).await, 1_100);
    assert_eq!(stands("2026-05-01").await, (1_600, 0));
    assert!(lease(&db, monthly("lse_6", "2026-05-01")).await.is_ok());
    assert_eq!((available(&db).await, account(&db).await.account.committed), (1_500, micros(100)));
    books(&db).await;
}

/// Whoever buys a plan in the middle of a month has what it includes from then on, however little the one before gave.
async fn a_larger_plan_adds_the_rest_in_the_same_month(db: Fixture) {
    with_credits(&db, 0).await;
    let on = async |lease_id: &str, plan: i64, now: &str| {
        let now = day(now);
        let wish = Wish { monthly: micros(plan), now, expires_at: now, ..wish(lease_id, 10) };
        lease(&db, wish).await.unwrap();
        close(&db, lease_id).await;
        available(&db).await
    };
    let stands = async |plan: i64, now: &str| {
        let mut conn = db.store.read().await.unwrap();
        credits::stands(&mut conn, ORG, micros(plan), day(now)).await.unwrap().0.available.micros()
    };
    assert_eq!(on("lse_1", 100, "2026-03-02").await, 100);
    // Whoever looks is told of it before it is entered.
    assert_eq!(stands(2_000, "2026-03-10").await, 2_000);
    assert_eq!(on("lse_2", 2_000, "2026-03-10").await, 2_000);
    assert_eq!(on("lse_3", 2_000, "2026-03-11").await, 2_000);
    // To a smaller one and back again, nothing is added twice.
    assert_eq!(on("lse_4", 100, "2026-03-12").await, 2_000);
    assert_eq!(on("lse_5", 2_000, "2026-03-13").await, 2_000);
    assert_eq!((stands(100, "2026-03-14").await, stands(5_000, "2026-03-14").await), (2_000, 5_000));
    assert_eq!(on("lse_6", 5_000, "2026-03-14").await, 5_000);
    assert_eq!(on("lse_7", 100, "2026-04-01").await, 5_100);
    books(&db).await;
}

async fn a_payment_of_one_name_comes_once(db: Fixture) {
    with_credits(&db, 1_000).await;
    let pay = || {
        db.store.write(Lane::Request, |tx| {
            Box::pin(credits::pay_in(tx, ORG, "first", "top_up", micros(1_000), day("2026-03-02")))
        })
    };
    assert!(matches!(pay().await, Err(StoreError::Duplicate { .. })));
    assert_eq!(available(&db).await, 1_000);
    assert!(credits::is_transferred(&mut db.store.read().await.unwrap(), "first").await.unwrap());
}

async fn what_was_spent_of_a_lease_that_was_taken_back_is_charged_to_its_organisation(db: Fixture) {
    with_credits(&db, 1_000).await;
    lease(&db, wish("lse_1", 600)).await.unwrap();
    assert_eq!(sweep(&db, day("2026-03-11")).await, 1);
    assert_eq!(available(&db).await, 1_000);
    // Somebody else leases most of it meanwhile: what the late ones cost is charged as far as there is money.
    lease(&db, wish("lse_2", 850)).await.unwrap();
    end(&db, vec![ended(1, "lse_1", 100, false), ended(2, "lse_1", 100, true)]).await;
    assert_eq!(available(&db).await, 0);
    let mut charged = charges(&db).await;
    charged.sort_by_key(|(_, charge)| *charge);
    assert_eq!(charged.iter().map(|(_, charge)| *charge).collect::<Vec<_>>(), [50, 100]);
    close(&db, "lse_2").await;
    let sums = [("credits", 850), ("leased", 0), ("paid_in", -1_000), ("spent", 150)];
    assert_eq!(books(&db).await, sums.map(|(account, sum)| (account.to_owned(), sum)));
}

async fn note(db: &Fixture, lease: &'static str, ended: &Ended) {
    let noted = [(lease.to_owned(), ended.record.clone())];
    let write = db.store.write(Lane::Bulk, |tx| Box::pin(async move { progress::put(tx, &noted).await }));
    write.await.unwrap();
}

async fn who_takes_a_lease_back_charges_what_its_requests_had_cost(db: Fixture) {
    with_credits(&db, 1_000).await;
    lease(&db, wish("lse_1", 300)).await.unwrap();
    note(&db, "lse_1", &ended(1, "lse_1", 40, false)).await;
    // The later word counts. Together they cannot have cost more than was leased.
    note(&db, "lse_1", &ended(1, "lse_1", 100, false)).await;
    note(&db, "lse_1", &ended(2, "lse_1", 250, false)).await;
    assert_eq!(sweep(&db, day("2026-03-10")).await, 0, "not yet");
    assert_eq!(sweep(&db, day("2026-03-11")).await, 1);
    let mut charged: Vec<i64> = charges(&db).await.into_iter().map(|(_, charge)| charge).collect();
    charged.sort_unstable();
    assert_eq!(charged.iter().sum::<i64>(), 300, "{charged:?}");
    let sums = [("credits", 700), ("leased", 0), ("paid_in", -1_000), ("spent", 300)];
    assert_eq!(books(&db).await, sums.map(|(account, sum)| (account.to_owned(), sum)));
    // Their host was only asleep: they have their records, and are charged once.
    let before = charges(&db).await;
    end(&db, vec![ended(1, "lse_1", 120, false), ended(2, "lse_1", 250, true)]).await;
    assert_eq!((charges(&db).await, available(&db).await), (before, 700));
}

async fn a_request_that_ended_is_not_charged_again_by_who_takes_its_lease_back(db: Fixture) {
    with_credits(&db, 1_000).await;
    lease(&db, wish("lse_1", 300)).await.unwrap();
    let done = ended(1, "lse_1", 100, false);
    end(&db, vec![done.clone()]).await;
    // Noted by a worker that was slower than the request.
    note(&db, "lse_1", &done).await;
    assert_eq!(sweep(&db, day("2026-03-11")).await, 1);
    let sums = [("credits", 900), ("leased", 0), ("paid_in", -1_000), ("spent", 100)];
    assert_eq!(books(&db).await, sums.map(|(account, sum)| (account.to_owned(), sum)));
    // Slower still: the lease is closed, and nothing is left that nobody would take out.
    note(&db, "lse_1", &done).await;
    assert_eq!(db.rows("credit_progress").await, 0);
}

async fn hosts_that_lease_at_once_get_all_of_it_and_no_more(db: Fixture) {
    with_credits(&db, 5_000_000).await;
    let hosts = [Arc::new(db.twin().await), Arc::new(db.twin().await)];
    let leases = (0..200).map(|number| {
        let host = Arc::clone(&hosts[number % 2]);
        // Each wants more than a block of what is left.
        tokio::spawn(async move { lease(&host, wish(&format!("lse_{number}"), 70_000)).await })
    });
    let (mut granted, mut refused) = (0, 0);
    for lease in leases.collect::<Vec<_>>() {
        match lease.await.unwrap() {
            Ok(grant) => granted += grant.amount.micros(),
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 0);
    assert!((5_000_000 - 70_000..=5_000_000).contains(&granted), "{granted}");
    assert_eq!(available(&db).await, 5_000_000 - granted);
    books(&db).await;
}

async fn a_lease_that_is_renewed_is_not_taken_back(db: Fixture) {
    with_credits(&db, 1_000).await;
    lease(&db, wish("lse_1", 300)).await.unwrap();
    let renew = |ids: &[&str], until: Timestamp| {
        let ids = ids.iter().map(ToString::to_string).collect();
        db.store.write(Lane::Bulk, move |tx| Box::pin(leases::renew(tx, ids, until)))
    };
    lease(&db, wish("lse_2", 300)).await.unwrap();
    assert_eq!(renew(&["lse_2", "lse_1"], day("2026-03-20")).await.unwrap(), Vec::<String>::new());
    close(&db, "lse_2").await;
    assert_eq!(sweep(&db, day("2026-03-19")).await, 0);
    assert_eq!(sweep(&db, day("2026-03-21")).await, 1);
    assert_eq!(renew(&["lse_1", "gone"], day("2026-03-22")).await.unwrap(), ["lse_1", "gone"]);
    assert!(
        !leases::any_expired(&mut db.store.read().await.unwrap(), at(i64::MAX / 2_000_000)).await.unwrap()
    );
}

/// Nobody knows then whether it came through: it is tried again, and charged once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_charged_once() {
    let Some(between) = Between::start() else { return };
    let db = Fixture::over(between.url()).await;
    with_credits(&db, 1_000).await;
    lease(&db, wish("lse_1", 300)).await.unwrap();
    between.lose_an_answer();
    end(&db, vec![ended(1, "lse_1", 100, false)]).await;
    assert!(between.has_lost());
    assert_eq!(charges(&db).await, [("call_00001".to_owned(), 100)]);
    close(&db, "lse_1").await;
    let sums = [("credits", 900), ("leased", 0), ("paid_in", -1_000), ("spent", 100)];
    assert_eq!(books(&db).await, sums.map(|(account, sum)| (account.to_owned(), sum)));
}

/// A full disk, as SQLite sees it: the file may not grow any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_spent_is_owed_until_there_is_room() {
    let db = Fixture::sqlite().await;
    with_credits(&db, 1_000_000).await;
    lease(&db, wish("lse_1", 500_000)).await.unwrap();
    let limit = async |text: &'static str| {
        db.store.write(Lane::Request, move |tx| Box::pin(async move { raw(tx, text).await })).await.unwrap();
    };
    // Less than there are: SQLite then takes the present size as the limit.
    limit("PRAGMA max_page_count = 1").await;
    let recorder = CallRecorder::start(&db.store, Arc::new(Noon));
    let mut waiting = Vec::new();
    while recorder.trouble().is_none() {
        let number = waiting.len() as i64;
        let written = tokio::spawn(recorder.record(ended(number, "lse_1", 10, false)));
        while !written.is_finished() && recorder.trouble().is_none() {
            tokio::task::yield_now().await;
        }
        waiting.push(written);
        assert!(waiting.len() < 1_000, "it never became full");
    }
    assert!(matches!(recorder.trouble(), Some(StoreError::Full)), "{:?}", recorder.trouble());
    waiting.push(tokio::spawn(recorder.record(ended(2_000, "lse_1", 10, false))));
    // What costs nothing is told at once whether it could be kept, and waits for nobody's money.
    let free = recorder.record(record(3_000)).await;
    assert!(matches!(free, Ok(()) | Err(StoreError::Full)), "{free:?}");
    limit("PRAGMA max_page_count = 1000000").await;
    let count = waiting.len() as i64;
    for written in waiting {
        written.await.unwrap().unwrap();
    }
    recorder.flush().await;
    assert!(recorder.trouble().is_none());
    close(&db, "lse_1").await;
    let charged = charges(&db).await;
    assert_eq!(charged.iter().map(|(_, charge)| charge).sum::<i64>(), 10 * count);
    let sums = books(&db).await;
    assert!(sums.contains(&("spent".to_owned(), 10 * count)), "{sums:?}");
}
