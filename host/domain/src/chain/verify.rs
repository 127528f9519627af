//! Going along the chain, row by row, in memory that does not grow with it, and telling what does not fit and where.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::checkpoint::{Checkpoint, PublicKey};
use super::{GENESIS, Place, body_hash, link};
use crate::event::Event;
use crate::time::Timestamp;

/// The kind of the events that tell of purges. Their own bodies are never purged.
pub const PURGED: &str = "audit_log.purged";

/// Faults that are told one by one; of more, only how many.
const TOLD: usize = 100;

/// A row of the log, as it is in the database. What stands beside the body is what the log is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place.
    pub seq: i64,
    /// `evt_…`.
    pub id: String,
    /// When it happened.
    pub time: Timestamp,
    /// Whose it is.
    pub organization_id: Option<String>,
    /// `resource.verb`.
    pub kind: String,
    /// The canonical bytes; none once they were purged.
    pub body: Option<Vec<u8>>,
    /// The hash of the body.
    pub body_hash: Vec<u8>,
    /// The link.
    pub hash: Vec<u8>,
    /// The workspace, the actor, the target and the request; none once the body was purged.
    pub asked_for: [Option<String>; 4],
}

/// What does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nothing has these numbers: events were deleted.
    Missing,
    /// The log ends before these numbers: it was cut off.
    Truncated,
    /// The body is not the one that was linked: it was edited, or exchanged for another's.
    Edited,
    /// What stands beside the body is not what stands in it: the event would not be found, or found in vain.
    Disagrees,
    /// The link is not that of this event behind the one before it: it was edited, moved or exchanged.
    Unlinked,
    /// The body is gone, and no purge tells of it.
    Erased,
    /// The chain here is not the one that was signed: something in this range was changed and linked anew.
    Rewritten,
    /// A checkpoint's signature is not its key's: the checkpoint was changed.
    Forged,
    /// The head, with which the next event is to be linked, is not the end of the chain.
    Head,
}

impl Fault {
    /// In a few words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Missing => "deleted: no event has this number",
            Self::Truncated => "cut off: the log ends before it",
            Self::Edited => "edited: the body is not the one that was linked",
            Self::Disagrees => "edited: the columns are not what stands in the body",
            Self::Unlinked => "edited, moved or exchanged: the link does not follow from the event before",
            Self::Erased => "erased: the body is gone, and no purge accounts for it",
            Self::Rewritten => "rewritten: the chain is not the one that a checkpoint signed",
            Self::Forged => "a checkpoint's signature is not its key's",
            Self::Head => "the head is not the end of the chain",
        }
    }
}

/// Something that does not fit, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The first number that it is about.
    pub seq: i64,
    /// The last one.
    pub to: i64,
    /// What it is.
    pub fault: Fault,
}

/// What was looked at, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The last number that was given when it began.
    pub to: i64,
    /// Events that were there.
    pub events: u64,
    /// Of these, events whose bodies were purged.
    pub purged: u64,
    /// Checkpoints, of those in the database, that a known key signed and the chain fits.
    pub checkpoints: u64,
    /// Of those in the database, such whose key is not known here: they prove nothing.
    pub unknown_checkpoints: u64,
    /// The number of the last checkpoint that a known key signed.
    pub last_checkpoint: Option<i64>,
    /// Checkpoints that were kept elsewhere.
    pub kept_checkpoints: u64,
    /// The number of the last of these.
    pub last_kept: Option<i64>,
    /// What does not fit, in the log's order; the first hundred.
    pub findings: Vec<Finding>,
    /// How many there are beyond these.
    pub more_findings: u64,
}

impl Report {
    /// The first place where the links themselves do not fit. What became of bodies and columns is told however the
    /// chain goes on; what was linked anew and then signed is not.
    pub fn broken(&self) -> Option<Finding> {
        let is_of_links =
            |found: &&Finding| !matches!(found.fault, Fault::Edited | Fault::Disagrees | Fault::Erased);
        let untold = || self.findings.last().filter(|_| self.more_findings > 0);
        self.findings.iter().find(is_of_links).or_else(untold).copied()
    }

    /// Whether everything fits.
    pub fn is_intact(&self) -> bool {
        self.findings.is_empty()
    }
}

/// Bodies that are gone of one organisation, or that purges tell of.
#[derive(Clone, Debug)]
struct Bodies {
    count: u64,
    first: i64,
    last: i64,
    /// The latest event among them, or the end of what was purged.
    until: Timestamp,
}

/// Goes along the chain.
#[derive(Debug)]
pub struct Verifier {
    /// Keys whose signatures count.
    known: BTreeSet<PublicKey>,
    /// Checkpoints of places that were not reached yet.
    expected: BTreeMap<i64, Vec<Checkpoint>>,
    /// The last place that was looked at.
    at: i64,
    /// The link there; none where that place is missing.
    previous: Option<Vec<u8>>,
    /// The last place that a checkpoint was found good at.
    proven: i64,
    erased: BTreeMap<Option<String>, Bodies>,
    purged: BTreeMap<Option<String>, Bodies>,
    report: Report,
}

impl Verifier {
    /// From the beginning of the log. Checkpoints that were kept elsewhere are believed, whoever signed them.
    pub fn new(known: impl IntoIterator<Item = PublicKey>, kept: Vec<Checkpoint>) -> Self {
        let mut this = Self {
            known: known.into_iter().collect(),
            expected: BTreeMap::new(),
            at: 0,
            previous: Some(GENESIS.to_vec()),
            proven: 0,
            erased: BTreeMap::new(),
            purged: BTreeMap::new(),
            report: Report::default(),
        };
        for checkpoint in kept {
            this.report.kept_checkpoints += 1;
            this.report.last_kept = this.report.last_kept.max(Some(checkpoint.seq));
            this.expect(checkpoint);
        }
        this
    }

    /// From a checkpoint's place on: what stands before it was looked at when it was signed.
    pub fn behind(signed: Checkpoint) -> Self {
        let before = signed.seq.saturating_sub(1);
        Self { at: before, previous: None, proven: before, ..Self::new([], vec![signed]) }
    }

    /// A checkpoint of the database, of a place that is still to come.
    pub fn stored(&mut self, checkpoint: Checkpoint) {
        if self.known.contains(&checkpoint.public_key) {
            self.report.checkpoints += 1;
            self.report.last_checkpoint = self.report.last_checkpoint.max(Some(checkpoint.seq));
            self.expect(checkpoint);
        } else {
            self.report.unknown_checkpoints += 1;
        }
    }

    fn expect(&mut self, checkpoint: Checkpoint) {
        if checkpoint.is_signed() {
            self.expected.entry(checkpoint.seq).or_default().push(checkpoint);
        } else {
            self.found(checkpoint.seq, checkpoint.seq, Fault::Forged);
        }
    }

    /// The next row, in the order of their numbers.
    pub fn take(&mut self, row: &Row) {
        self.report.events += 1;
        if row.seq < 1 {
            // Numbers begin with 1: nothing was ever linked here.
            return self.found(row.seq, row.seq, Fault::Unlinked);
        }
        if row.seq > self.at + 1 {
            self.found(self.at + 1, row.seq - 1, Fault::Missing);
            self.previous = None;
        }
        self.check_body(row);
        self.check_link(row);
        self.at = row.seq;
        self.previous = Some(row.hash.clone());
        for checkpoint in self.expected.remove(&row.seq).unwrap_or_default() {
            if checkpoint.hash.as_slice() == row.hash {
                self.proven = row.seq;
            } else {
                self.found(self.proven + 1, row.seq, Fault::Rewritten);
            }
        }
    }

    fn check_body(&mut self, row: &Row) {
        let Some(body) = &row.body else { return self.note_erased(row) };
        if body_hash(body).as_slice() != row.body_hash {
            return self.found(row.seq, row.seq, Fault::Edited);
        }
        // What is no event was linked so, whatever it is.
        if let Ok(event) = serde_json::from_slice::<Event>(body) {
            if !agrees(row, &event) {
                self.found(row.seq, row.seq, Fault::Disagrees);
            }
            self.account(&event, row.seq);
        }
    }

    fn check_link(&mut self, row: &Row) {
        let Some(previous) = &self.previous else { return };
        let place = Place {
            seq: row.seq,
            id: &row.id,
            time: row.time,
            organization_id: row.organization_id.as_deref(),
            kind: &row.kind,
            body_hash: &row.body_hash,
        };
        if link(previous, &place).as_slice() != row.hash {
            self.found(row.seq, row.seq, Fault::Unlinked);
        }
    }

    fn note_erased(&mut self, row: &Row) {
        self.report.purged += 1;
        let none = Bodies { count: 0, first: row.seq, last: row.seq, until: row.time };
        let bodies = self.erased.entry(row.organization_id.clone()).or_insert(none);
        bodies.count += 1;
        bodies.last = row.seq;
        bodies.until = bodies.until.max(row.time);
    }

    /// An event that may tell of a purge. Those that were written while this went along the chain are given to it too.
    pub fn account(&mut self, event: &Event, seq: i64) {
        if event.kind != PURGED {
            return;
        }
        let told = event.after.as_ref();
        let number = |name: &str| told.and_then(|after| after[name].as_i64());
        let (Some(count), Some(before)) = (number("count"), number("before_micros")) else { return };
        let none = Bodies { count: 0, first: seq, last: seq, until: Timestamp::default() };
        let bodies = self.purged.entry(event.organization_id.clone()).or_insert(none);
        bodies.count += u64::try_from(count).unwrap_or(0);
        bodies.until = bodies.until.max(Timestamp::from_micros(before));
    }

    /// After the last row: what was found, where the chain should end as the head says.
    pub fn finish(mut self, head_seq: i64, head_hash: &[u8]) -> Report {
        let last = self.expected.keys().next_back().copied().unwrap_or(0).max(head_seq);
        if last > self.at {
            self.found(self.at + 1, last, Fault::Truncated);
        } else if self.at > head_seq || self.previous.as_deref() != Some(head_hash) {
            self.found(self.at, self.at, Fault::Head);
        }
        for (organization, erased) in std::mem::take(&mut self.erased) {
            let purged = self.purged.get(&organization);
            if purged.is_none_or(|purged| purged.count < erased.count || purged.until <= erased.until) {
                self.found(erased.first, erased.last, Fault::Erased);
            }
        }
        self.report.to = head_seq;
        self.report.findings.sort_unstable();
        self.report
    }

    fn found(&mut self, seq: i64, to: i64, fault: Fault) {
        if self.report.findings.len() < TOLD {
            self.report.findings.push(Finding { seq, to, fault });
        } else {
            self.report.more_findings += 1;
        }
    }
}

/// Whether the columns are what the body says.
fn agrees(row: &Row, event: &Event) -> bool {
    let [workspace, actor, target, request] = &row.asked_for;
    (row.id == event.id && row.time == event.time && row.kind == event.kind)
        && row.organization_id == event.organization_id
        && *workspace == event.workspace_id
        && *actor == event.actor.id
        && target.as_deref() == Some(event.target.id.as_str())
        && *request == event.request_id
}

#[cfg(test)]
mod tests;
