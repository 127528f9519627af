use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::chain::checkpoint::Signer;
use crate::event::{Actor, Target};
use crate::seal::MasterKey;
use crate::time::Rng;

struct Fixed(u8);
impl Rng for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

fn signer(byte: u8) -> Signer {
    Signer::of(&MasterKey::generate(&Fixed(byte))).unwrap()
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

/// The row of an event as it is numbered, without its link.
fn row(seq: i64, event: &Event) -> Row {
    let body = serde_json::to_vec(event).unwrap();
    Row {
        seq,
        id: event.id.clone(),
        time: event.time,
        organization_id: event.organization_id.clone(),
        kind: event.kind.clone(),
        body_hash: body_hash(&body).to_vec(),
        hash: Vec::new(),
        asked_for: [
            event.workspace_id.clone(),
            event.actor.id.clone(),
            Some(event.target.id.clone()),
            event.request_id.clone(),
        ],
        body: Some(body),
    }
}

fn event(seq: i64) -> Event {
    let actor = Actor::key(format!("key_{seq}"), None);
    let event = Event::new(format!("evt_{seq}"), at(seq), "key.created", actor, Target::new("key", "key_9"));
    Event { organization_id: (seq % 3 != 0).then(|| format!("org_{}", seq % 3)), ..event }
}

/// Links rows anew from a place on, as somebody would who has the database and no key.
fn relink(rows: &mut [Row], from: usize) {
    for at in from..rows.len() {
        let previous = if at == 0 { GENESIS.to_vec() } else { rows[at - 1].hash.clone() };
        let row = &rows[at];
        let place = Place {
            seq: row.seq,
            id: &row.id,
            time: row.time,
            organization_id: row.organization_id.as_deref(),
            kind: &row.kind,
            body_hash: &row.body_hash,
        };
        rows[at].hash = link(&previous, &place).to_vec();
    }
}

fn log(count: i64) -> Vec<Row> {
    let mut rows: Vec<Row> = (1..=count).map(|seq| row(seq, &event(seq))).collect();
    relink(&mut rows, 0);
    rows
}

fn checkpoint(rows: &[Row], seq: usize, signer: &Signer) -> Checkpoint {
    signer.sign(seq as i64, rows[seq - 1].hash.clone().try_into().unwrap(), at(0)).unwrap()
}

fn verified(rows: &[Row], head: &Row, stored: Vec<Checkpoint>, kept: Vec<Checkpoint>) -> Report {
    let mut verifier = Verifier::new([signer(1).public_key()], kept);
    stored.into_iter().for_each(|checkpoint| verifier.stored(checkpoint));
    rows.iter().for_each(|row| verifier.take(row));
    verifier.finish(head.seq, &head.hash)
}

fn found(report: &Report) -> Vec<(i64, i64, Fault)> {
    report.findings.iter().map(|finding| (finding.seq, finding.to, finding.fault)).collect()
}

#[test]
fn a_log_that_nobody_touched_is_intact() {
    let rows = log(20);
    let (known, unknown) = (signer(1), signer(2));
    let stored = vec![checkpoint(&rows, 5, &known), checkpoint(&rows, 9, &unknown)];
    let report = verified(&rows, &rows[19], stored, vec![checkpoint(&rows, 20, &unknown)]);
    assert!(report.is_intact(), "{report:?}");
    assert_eq!((report.to, report.events, report.purged), (20, 20, 0));
    assert_eq!((report.checkpoints, report.last_checkpoint, report.unknown_checkpoints), (1, Some(5), 1));
    assert_eq!((report.kept_checkpoints, report.last_kept), (1, Some(20)));
    let empty = Verifier::new([], Vec::new()).finish(0, &GENESIS);
    assert!(empty.is_intact() && empty.events == 0);
}

#[test]
fn what_was_linked_anew_is_not_what_was_signed() {
    let rows = log(20);
    let (first, second) = (checkpoint(&rows, 6, &signer(1)), checkpoint(&rows, 15, &signer(1)));
    let mut changed = rows.clone();
    changed[9] = Row { hash: Vec::new(), ..row(10, &Event { kind: "key.archived".into(), ..event(10) }) };
    relink(&mut changed, 9);
    let nobody_signed = verified(&changed, &changed[19], Vec::new(), Vec::new());
    assert!(nobody_signed.is_intact(), "without a checkpoint it is as good as any other log");
    for (stored, kept) in [(vec![first.clone(), second.clone()], vec![]), (vec![], vec![first, second])] {
        let report = verified(&changed, &changed[19], stored, kept);
        assert_eq!(found(&report), [(7, 15, Fault::Rewritten)]);
    }
}

#[test]
fn what_was_cut_off_is_missed_by_the_head_or_by_a_checkpoint_kept_elsewhere() {
    let rows = log(20);
    let kept = checkpoint(&rows, 18, &signer(1));
    let report = verified(&rows[..15], &rows[19], Vec::new(), Vec::new());
    assert_eq!(found(&report), [(16, 20, Fault::Truncated)]);
    // Who also takes the head back is found only by what is kept elsewhere.
    assert!(verified(&rows[..15], &rows[14], Vec::new(), Vec::new()).is_intact());
    assert_eq!(
        found(&verified(&rows[..15], &rows[14], Vec::new(), vec![kept])),
        [(16, 18, Fault::Truncated)]
    );
    assert_eq!(found(&verified(&rows, &rows[14], Vec::new(), Vec::new())), [(20, 20, Fault::Head)]);
}

#[test]
fn a_changed_checkpoint_is_found_and_an_unknown_key_proves_nothing() {
    let rows = log(10);
    let mut forged = checkpoint(&rows, 5, &signer(1));
    forged.hash = [1; 32];
    assert_eq!(found(&verified(&rows, &rows[9], vec![forged.clone()], Vec::new())), [(5, 5, Fault::Forged)]);
    let unknown = signer(2).sign(5, [1; 32], at(0)).unwrap();
    let report = verified(&rows, &rows[9], vec![unknown], Vec::new());
    assert!(report.is_intact() && report.checkpoints == 0 && report.unknown_checkpoints == 1);
}

fn purge(seq: i64, organization: &str, count: u64, before: i64) -> Row {
    let told = Event {
        organization_id: Some(organization.to_owned()),
        after: Some(json!({ "count": count, "before_micros": before })),
        ..Event::new(format!("evt_{seq}"), at(100), PURGED, Actor::system(), Target::new("organization", "o"))
    };
    row(seq, &told)
}

#[test]
fn bodies_may_be_gone_where_a_purge_tells_of_them() {
    let mut rows = log(9);
    rows.push(purge(10, "org_1", 2, 5));
    relink(&mut rows, 9);
    let erase = |rows: &mut Vec<Row>, seq: usize| {
        rows[seq - 1].body = None;
        rows[seq - 1].asked_for = Default::default();
    };
    erase(&mut rows, 1);
    erase(&mut rows, 4);
    let report = verified(&rows, &rows[9], Vec::new(), Vec::new());
    assert!(report.is_intact() && report.purged == 2, "{report:?}");
    // One too many, one too young, one of another organisation, one of the platform's.
    for (seq, finding) in [(7, (1, 7, Fault::Erased)), (2, (2, 2, Fault::Erased)), (3, (3, 3, Fault::Erased))]
    {
        let mut more = rows.clone();
        erase(&mut more, seq);
        assert_eq!(found(&verified(&more, &rows[9], Vec::new(), Vec::new())), [finding]);
    }
    let mut swapped = rows.clone();
    (swapped[0].body, swapped[6].body) = (Some(serde_json::to_vec(&event(1)).unwrap()), None);
    swapped[0].asked_for = row(1, &event(1)).asked_for;
    assert_eq!(found(&verified(&swapped, &rows[9], Vec::new(), Vec::new())), [(4, 7, Fault::Erased)]);
}

#[test]
fn findings_do_not_fill_the_memory() {
    let mut rows = log(500);
    rows.iter_mut().for_each(|row| row.body = Some(b"{}".to_vec()));
    let report = verified(&rows, &rows[499], Vec::new(), Vec::new());
    assert_eq!((report.findings.len(), report.more_findings), (100, 400));
}

/// What somebody does to a log.
#[derive(Clone, Copy, Debug)]
enum Tamper {
    EditBody,
    EditBodyAndHash,
    EditColumn(usize),
    Delete,
    DeleteAndRenumber,
    SwapBodies,
    SwapRows,
    Move,
    Insert,
}

fn tampered(rows: &[Row], tamper: Tamper, one: usize, other: usize) -> Vec<Row> {
    let mut rows = rows.to_vec();
    match tamper {
        Tamper::EditBody => rows[one].body = Some(serde_json::to_vec(&event(999)).unwrap()),
        Tamper::EditBodyAndHash => {
            let hash = rows[one].hash.clone();
            rows[one] = Row { hash, ..row(rows[one].seq, &event(rows[one].seq + 100)) };
        }
        Tamper::EditColumn(0) => rows[one].kind = "key.used".into(),
        Tamper::EditColumn(1) => rows[one].time = at(-1),
        Tamper::EditColumn(2) => rows[one].organization_id = Some("org_9".into()),
        Tamper::EditColumn(3) => rows[one].id = "evt_x".into(),
        Tamper::EditColumn(4) => rows[one].hash[0] ^= 1,
        Tamper::EditColumn(column) => rows[one].asked_for[column % 4] = Some("other".into()),
        Tamper::Delete => drop(rows.remove(one)),
        Tamper::DeleteAndRenumber => {
            rows.remove(one);
            rows[one..].iter_mut().for_each(|row| row.seq -= 1);
        }
        Tamper::SwapBodies => {
            let (a, b) = (rows[one].body.take(), rows[other].body.take());
            (rows[one].body, rows[other].body) = (b, a);
        }
        Tamper::SwapRows => {
            rows.swap(one, other);
            rows.iter_mut().enumerate().for_each(|(at, row)| row.seq = at as i64 + 1);
        }
        Tamper::Move => {
            let moved = rows.remove(one);
            rows.insert(other, moved);
            rows.iter_mut().enumerate().for_each(|(at, row)| row.seq = at as i64 + 1);
        }
        Tamper::Insert => {
            rows.insert(one, row(one as i64 + 1, &event(999)));
            rows.iter_mut().enumerate().for_each(|(at, row)| row.seq = at as i64 + 1);
        }
    }
    rows
}

proptest! {
    /// Whatever is done, and wherever, is found there.
    #[test]
    fn every_tampering_is_found_where_it_is(
        count in 3_usize..40,
        one in any::<prop::sample::Index>(),
        step in any::<prop::sample::Index>(),
        tamper in prop_oneof![
            Just(Tamper::EditBody), Just(Tamper::EditBodyAndHash), (0_usize..9).prop_map(Tamper::EditColumn),
            Just(Tamper::Delete), Just(Tamper::DeleteAndRenumber), Just(Tamper::SwapBodies),
            Just(Tamper::SwapRows), Just(Tamper::Move), Just(Tamper::Insert),
        ],
    ) {
        let rows = log(count as i64);
        // The last one of all may only be cut off, which is another test's.
        let one = one.index(count - 1);
        let other = (one + 1 + step.index(count - 1)) % count;
        let changed = tampered(&rows, tamper, one, other);
        let report = verified(&changed, &rows[count - 1], Vec::new(), Vec::new());
        let first = match tamper {
            Tamper::SwapBodies | Tamper::SwapRows | Tamper::Move => one.min(other),
            _ => one,
        } as i64 + 1;
        prop_assert!(
            report.findings.iter().any(|finding| (finding.seq..=finding.to).contains(&first)),
            "{tamper:?} at {first}: {report:?}"
        );
        prop_assert!(report.findings.iter().all(|finding| finding.seq >= first), "{tamper:?} {report:?}");
    }
}
