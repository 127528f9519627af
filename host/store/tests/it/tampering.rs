//! Many write to the log at once, and the chain holds; then somebody who has the database does to it what they can, at
//! random places, and each of it is found there.

use std::io::Write;

use hardpoint_domain::chain::Hash;
use hardpoint_domain::chain::checkpoint::{Checkpoint, Signer};
use hardpoint_domain::chain::verify::{Fault, Finding};
use hardpoint_domain::seal::MasterKey;
use hardpoint_domain::time::Rng;
use hardpoint_store::integrity::{Integrity, broken_behind, verify};
use hardpoint_store::testing::damage;
use hardpoint_store::{Lane, chain, checkpoints};
use tokio::time::Instant;

use crate::chain::number;
use crate::support::{Fixture, at, event, on_both};

on_both!(what_is_done_to_the_log_is_found);

const WRITERS: usize = 16;

/// Events of each writer: few, or as many as this variable says.
fn events_each() -> usize {
    let given = std::env::var("HARDPOINT_AUDIT_EVENTS").ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(25)
}

struct Fixed;
impl Rng for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// Places that look chosen at random, and are the same each time.
struct Places(u64);

impl Places {
    fn up_to(&mut self, most: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as i64 % most + 1
    }
}

/// The log, and how it was.
struct Log {
    db: Fixture,
    signer: Signer,
    count: i64,
}

impl Log {
    async fn written(db: Fixture) -> Self {
        let (each, begun) = (events_each(), Instant::now());
        let writers = (0..WRITERS).map(|writer| {
            let store = db.store.clone();
            tokio::spawn(async move {
                for number in 0..each {
                    let organization = format!("org_{}", writer % 4);
                    let event = event(&format!("evt_{writer}_{number}"), Some(&organization), number as i64);
                    let write = store
                        .write(Lane::Request, |tx| Box::pin(async move { tx.append(&event, &[]).await }));
                    write.await.unwrap();
                }
            })
        });
        let writers = futures_util::future::join_all(writers);
        let count = (WRITERS * each) as i64;
        // A sequencer is at it all the while.
        let numbering = async { while number(&db, 256).await.head < count {} };
        let (written, ()) = tokio::join!(writers, numbering);
        written.into_iter().for_each(|writer| writer.unwrap());
        tell(format_args!(
            "{:?}: {count} events written and numbered in {:?}",
            db.store.engine(),
            begun.elapsed()
        ));
        db.direct().await.run("CREATE TABLE saved AS SELECT * FROM events").await;
        let signer = Signer::of(&MasterKey::generate(&Fixed)).unwrap();
        Self { db, signer, count }
    }

    /// As it was.
    async fn restore(&self) {
        let mut direct = self.db.direct().await;
        direct.run("DELETE FROM events; INSERT INTO events SELECT * FROM saved").await;
        let last = format!(
            "UPDATE audit_head SET seq = {0}, hash = (SELECT hash FROM events WHERE seq = {0})",
            self.count
        );
        direct.run(&last).await;
    }

    async fn verified(&self, kept: Vec<Checkpoint>) -> Integrity {
        verify(&self.db.store, vec![self.signer.public_key()], kept, |_, _| ()).await.unwrap()
    }

    async fn hash_at(&self, seq: i64) -> Hash {
        let rows =
            checkpoints::rows(&mut self.db.store.read().await.unwrap(), seq - 1, seq, 1).await.unwrap();
        rows[0].hash.clone().try_into().unwrap()
    }

    async fn signed(&self, seq: i64) -> Checkpoint {
        self.signer.sign(seq, self.hash_at(seq).await, at(0)).unwrap()
    }

    /// Does this to the log, and fails unless a fault of this kind is told at this place; then it is as before.
    async fn finds(&self, what: &str, sql: &str, fault: Fault, seq: i64, kept: Vec<Checkpoint>) {
        self.db.direct().await.run(sql).await;
        let report = self.verified(kept).await.report;
        let is_told = |found: &Finding| found.fault == fault && (found.seq..=found.to).contains(&seq);
        assert!(report.findings.iter().any(is_told), "{what} at {seq}: {report:?}");
        self.restore().await;
    }

    /// Does this to the log, and fails unless this is where it does not go on from checkpoints of these places.
    async fn breaks(&self, sql: &str, seq: i64, expected: &[(i64, Option<Fault>)]) {
        let mut signed = Vec::new();
        for (from, fault) in expected.iter().filter(|(from, _)| *from > 0) {
            signed.push((self.signed(*from).await, fault));
        }
        self.db.direct().await.run(sql).await;
        let mut conn = self.db.store.read().await.unwrap();
        let head = chain::head(&mut conn).await.unwrap();
        for (checkpoint, fault) in signed {
            let from = checkpoint.seq;
            let found = broken_behind(&mut conn, checkpoint, &head).await.unwrap();
            assert_eq!(found.map(|found| found.fault), *fault, "{sql} at {seq}, from {from}");
        }
        drop(conn);
        self.restore().await;
    }

    /// The statements that edit an event and link all from there on anew, as who has the database and no key would.
    async fn rewritten(&self, from: i64) -> String {
        damage::rewritten(&self.db.store, from).await.unwrap()
    }
}

async fn what_is_done_to_the_log_is_found(db: Fixture) {
    let log = Log::written(db).await;
    let mut places = Places(20_260_101);
    let last = log.count;
    let begun = Instant::now();
    let intact = log.verified(vec![log.signed(last).await]).await;
    assert!(intact.report.is_intact() && intact.unnumbered == 0, "{intact:?}");
    assert_eq!((intact.report.events, intact.report.to), (last as u64, last));
    tell(format_args!("verified in {:?}", begun.elapsed()));

    // Each time the whole log is put back; of a long one once is enough.
    for _ in 0..if last > 10_000 { 1 } else { 3 } {
        let (a, b) = (places.up_to(last / 2 - 1), last / 2 + places.up_to(last / 2 - 1));
        let other = format!("(SELECT body FROM saved WHERE seq = {b})");
        let edit = format!("UPDATE events SET body = {other} WHERE seq = {a}");
        log.finds("an edit", &edit, Fault::Edited, a, vec![]).await;
        let with_hash = format!(
            "UPDATE events SET body = {other}, body_hash = (SELECT body_hash FROM saved WHERE seq = {b}) \
             WHERE seq = {a}"
        );
        log.finds("an edit with its hash", &with_hash, Fault::Unlinked, a, vec![]).await;
        let column = format!("UPDATE events SET time = time + 1 WHERE seq = {a}");
        log.finds("another time", &column, Fault::Unlinked, a, vec![]).await;
        let column = format!("UPDATE events SET actor_id = 'somebody' WHERE seq = {a}");
        log.finds("another actor", &column, Fault::Disagrees, a, vec![]).await;
        let erase = format!("UPDATE events SET body = NULL WHERE seq = {a}");
        log.finds("a body that is gone", &erase, Fault::Erased, a, vec![]).await;

        for seq in [0, -a] {
            let insert = format!(
                "UPDATE saved SET seq = {seq}, id = 'evt_new' WHERE seq = {a}; \
                 INSERT INTO events SELECT * FROM saved WHERE seq = {seq}; \
                 UPDATE saved SET seq = {a}, id = (SELECT id FROM events WHERE seq = {a}) WHERE seq = {seq}"
            );
            log.finds("an event before the first", &insert, Fault::Unlinked, seq, vec![]).await;
        }
        let delete = format!("DELETE FROM events WHERE seq = {a}");
        log.finds("a deletion", &delete, Fault::Missing, a, vec![]).await;
        let close_up = format!(
            "{delete}; UPDATE events SET seq = 1 - seq WHERE seq > {a}; UPDATE events SET seq = -seq WHERE seq < 0"
        );
        log.finds("a deletion that was closed up", &close_up, Fault::Unlinked, a, vec![]).await;
        let swap = format!(
            "UPDATE events SET seq = -seq WHERE seq IN ({a}, {b}); \
             UPDATE events SET seq = {b} WHERE seq = -{a}; UPDATE events SET seq = {a} WHERE seq = -{b}"
        );
        log.finds("a swap", &swap, Fault::Unlinked, a, vec![]).await;
        log.finds("a swap", &swap, Fault::Unlinked, b, vec![]).await;

        let cut = format!("DELETE FROM events WHERE seq > {b}");
        log.finds("a cut", &cut, Fault::Truncated, b + 1, vec![]).await;
        let whole = format!(
            "{cut}; UPDATE audit_head SET seq = {b}, hash = (SELECT hash FROM events WHERE seq = {b})"
        );
        let kept = log.signed(last).await;
        log.finds("a cut with its head", &whole, Fault::Truncated, b + 1, vec![kept.clone()]).await;
        let from = (last - places.up_to(last.min(300) - 2)).max(2);
        let rewrite = log.rewritten(from).await;
        log.finds("a rewritten tail", &rewrite, Fault::Rewritten, from, vec![kept]).await;
        log.breaks(&rewrite, from, &[(from - 1, None), (from, Some(Fault::Rewritten))]).await;
        log.breaks(&whole, b, &[(b, None), (b + 1, Some(Fault::Truncated))]).await;
        log.breaks(&swap, a, &[(a - 1, Some(Fault::Unlinked)), (b, Some(Fault::Rewritten))]).await;
        log.breaks(&delete, a, &[(a - 1, Some(Fault::Missing)), (a + 1, None)]).await;
        // It is told all the same, and the link covers the body that was.
        log.breaks(&edit, a, &[(a - 1, None)]).await;
    }
    assert!(log.verified(vec![]).await.report.is_intact(), "as it was");
}

/// Figures of a long run; not by `eprintln!`, which the test harness keeps to itself.
fn tell(what: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{what}");
}
