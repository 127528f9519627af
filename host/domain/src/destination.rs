//! How events go to a standing destination: in order, one batch at a time, at least once.
//!
//! The log is the queue, and a destination has a place in it. How much is offered at once grows while everything is
//! taken, by steps, and is halved when nothing is (AIMD): with one batch at a time that alone adapts to what the other
//! side can bear. An event that others get past is told from a destination that takes nothing: what fails is cut in
//! halves until one event is left; that one is a dead letter only once others were taken while it was not. So nothing
//! is given up because a destination is away, however long.

pub mod places;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::{Failure, FailureKind};
use crate::webhook;

/// Failures in a row after which a batch as such is suspected, whatever the reason that was given.
const SUSPICIOUS: u32 = 3;
/// Times that an event was not taken by itself, after which others are tried in its place in turn with it.
const ASIDE: u32 = 3;
/// Times that an event was not taken, and times that others were meanwhile, after which it is a dead letter. What was
/// before one of the others was not taken either does not count: that was the destination.
const STRIKES: u32 = 9;
const PASSED: u32 = 4;
/// The same of an event that the destination itself put off while it took others: well over an hour, with usual waits.
const PUT_OFF: u32 = 24;
/// Others that are tried in its place, one after the other.
const OTHERS: u32 = 32;
/// A batch grows by this part of the most that it may hold.
const STEP: u32 = 32;
/// The pause where the host had no room.
const NO_ROOM: Duration = Duration::from_secs(1);
/// The longest wait that a destination may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(3_600);

/// How much one batch may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// Events.
    pub events: u32,
    /// Bytes of their bodies together. An event that is larger goes alone.
    pub bytes: u64,
}

/// How long to wait after failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The bound of the first wait; it doubles with every further failure.
    pub first: Duration,
    /// The bound of every wait that the destination did not ask for.
    pub longest: Duration,
}

/// How far a destination is. What is kept beside the cursor is [`text`](Self::text).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// The place in the log up to which every event is settled: delivered, or a dead letter.
    #[serde(skip)]
    pub cursor: i64,
    /// Places after it that are settled all the same.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub ahead: BTreeSet<i64>,
    /// Events to offer at once; the limit on batches where that is less.
    pub width: u32,
    /// Batches in a row of which nothing was settled.
    pub failures: u32,
    /// The last place of a batch that is searched for what spoils it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spoilt_to: Option<i64>,
    /// The first event that is not settled, where it was not taken though others were, or though it came alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspect: Option<Suspect>,
}

/// An event that may be at fault itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspect {
    /// Its place in the log.
    pub seq: i64,
    /// Times that it was not taken.
    pub strikes: u32,
    /// Times that others were meanwhile.
    pub passed: u32,
    /// Whether another one is tried next, to see.
    pub aside: bool,
    /// The last one that was tried in its place and was not taken either.
    pub tried: i64,
    /// Others that are tried after the next one, before it is its own turn again.
    #[serde(default)]
    pub more: u32,
    /// Whether the destination itself put it off.
    #[serde(default)]
    pub put_off: bool,
}

/// An event that waits, in a part of the log that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its place.
    pub seq: i64,
    /// Bytes of its body.
    pub bytes: u64,
}

/// What an attempt made of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The other side has it.
    Delivered,
    /// Not before so long.
    Later(Duration),
    /// It can never be delivered, for this reason.
    Dropped(String),
    /// Nobody said.
    Open,
}

/// What one attempt came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// One for each event that was offered, in order.
    pub verdicts: Vec<Verdict>,
    /// It was refused as it is, and may go in halves.
    pub split: bool,
    /// Why nothing can be delivered until somebody has acted.
    pub parked: Option<String>,
    /// Why it ended too soon.
    pub failure: Option<Failure>,
    /// What the wire said where events were put off: no connection, an answer that refused.
    pub cause: Option<Failure>,
}

/// How long somebody wants waited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The destination: that is waited in full.
    pub there: Duration,
    /// Its exporter, whose pauses are no longer than any other wait of ours.
    pub here: Duration,
}

/// When to go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// At once.
    Go,
    /// After so long.
    Wait(Duration),
    /// When somebody has acted upon this.
    Park(String),
}

/// What follows from an attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// How far the destination is now.
    pub progress: Progress,
    /// Events that the other side has.
    pub delivered: u32,
    /// Places of events that it will never have, and why.
    pub dead: Vec<(i64, String)>,
    /// When to go on.
    pub next: Next,
    /// What was wrong, for people.
    pub trouble: Option<String>,
}

impl Default for Progress {
    fn default() -> Self {
        Self::from(0)
    }
}

impl Suspect {
    fn new(seq: i64) -> Self {
        Self { seq, strikes: 0, passed: 0, aside: false, tried: seq, more: 0, put_off: false }
    }
}

impl Report {
    /// An attempt that decided nothing.
    pub fn failed(count: usize, failure: Failure) -> Self {
        Self {
            verdicts: vec![Verdict::Open; count],
            split: false,
            parked: None,
            failure: Some(failure),
            cause: None,
        }
    }

    /// Whose fault it is that nothing can be delivered, and no event's.
    pub fn park(&self) -> Option<String> {
        let of_failure = self
            .failure
            .as_ref()
            .filter(|failure| matches!(failure.kind, FailureKind::Authentication | FailureKind::Denied));
        self.parked.clone().or_else(|| of_failure.map(|failure| failure.message.clone()))
    }

    fn failure_is(&self, kinds: &[FailureKind]) -> bool {
        self.failure.as_ref().is_some_and(|failure| kinds.contains(&failure.kind))
    }

    /// Nothing reached the destination, whether its exporter failed by that or put everything off.
    fn is_unconnected(&self) -> bool {
        let why = self.failure.as_ref().or(self.cause.as_ref());
        why.is_some_and(|failure| failure.kind == FailureKind::Connect)
    }

    /// The longest waits that were asked for. Where nobody answered, the exporter's is a pause like our own, and there
    /// is but ours.
    pub fn asked(&self) -> Asked {
        let asked = |failure: &Option<Failure>| failure.as_ref().and_then(|failure| failure.retry_after);
        let there = asked(&self.failure).max(asked(&self.cause)).unwrap_or_default().min(LONGEST_ASKED);
        if self.cause.as_ref().is_some_and(|cause| cause.status.is_none()) {
            return Asked { there, here: Duration::ZERO };
        }
        let later = self.verdicts.iter().filter_map(|verdict| match verdict {
            Verdict::Later(asked) => Some(*asked),
            _ => None,
        });
        Asked { there, here: later.max().unwrap_or_default() }
    }
}

impl Patience {
    /// The longest that any wait may be.
    pub fn at_most(&self) -> Duration {
        self.longest.max(LONGEST_ASKED.mul_f64(1.1))
    }

    /// The wait after so many failures, from 1: half of the bound at least. What the destination asked for is waited
    /// in full, and up to a tenth more, so that not all come back at once. `unit_random` is in `0.0..1.0`.
    pub fn wait(&self, failures: u32, asked: Asked, unit_random: f64) -> Duration {
        let jitter = unit_random.clamp(0.0, 1.0);
        let bound = self.first.saturating_mul(1 << failures.saturating_sub(1).min(30)).min(self.longest);
        let own = (bound + bound.mul_f64(jitter)) / 2;
        let here = asked.here.min(self.longest);
        own.max(here.mul_f64(0.75 + jitter / 4.0)).max(asked.there.mul_f64(1.0 + jitter / 10.0))
    }
}

impl Progress {
    /// From this place in the log on: what stands there is settled.
    pub fn from(cursor: i64) -> Self {
        Self { cursor, ahead: BTreeSet::new(), width: u32::MAX, failures: 0, spoilt_to: None, suspect: None }
    }

    /// As it was kept. A text that cannot be read costs no event: everything after the cursor is offered again.
    pub fn read(cursor: i64, text: &str) -> Self {
        let kept: Self = serde_json::from_str(text).unwrap_or_default();
        Self { cursor, ..kept }
    }

    /// To be kept beside the cursor.
    pub fn text(&self) -> String {
        // Numbers, a list of them and flags always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Which attempt the next one is, from 1.
    pub fn attempt(&self) -> u32 {
        self.failures.max(self.suspect.map_or(0, |suspect| suspect.strikes)).saturating_add(1)
    }

    /// Events to read of the log so that there is a full batch, and others in a suspect's place.
    pub fn reach(&self, most: Most) -> u32 {
        let settled = u32::try_from(self.ahead.len()).unwrap_or(u32::MAX);
        self.width.min(most.events).max(OTHERS + 1).saturating_add(settled)
    }

    /// Which of the events that wait are offered next, by their positions, in order; none where nothing waits.
    pub fn choose(&self, waiting: &[Waiting], most: Most) -> Vec<usize> {
        let is_open = |one: &Waiting| one.seq > self.cursor && !self.ahead.contains(&one.seq);
        let mut open = waiting.iter().enumerate().filter(|(_, one)| is_open(one));
        if let Some(suspect) = self.suspect.filter(|suspect| suspect.aside) {
            // Another one each time: what stands next to it may be no better.
            let mut others = open.clone().filter(|(_, one)| one.seq != suspect.seq).take(OTHERS as usize);
            let first = others.clone().next().or_else(|| open.next());
            let next = others.find(|(_, one)| one.seq > suspect.tried).or(first);
            return next.map(|(at, _)| at).into_iter().collect();
        }
        let width = self.width.min(most.events).max(1) as usize;
        let (mut chosen, mut bytes) = (Vec::new(), 0_u64);
        for (at, one) in open.take(width) {
            bytes = bytes.saturating_add(one.bytes);
            let is_beyond = bytes > most.bytes || self.spoilt_to.is_some_and(|end| one.seq > end);
            if is_beyond && !chosen.is_empty() {
                break;
            }
            chosen.push(at);
        }
        chosen
    }

    /// Goes past what is settled. `waiting` is every event for this destination that is not, in order, of the log from
    /// the cursor to `read_to`.
    pub fn pass(&mut self, waiting: impl IntoIterator<Item = i64>, read_to: i64) {
        let open = waiting.into_iter().find(|seq| *seq > self.cursor && !self.ahead.contains(seq));
        self.cursor = open.map_or(read_to, |seq| seq - 1).max(self.cursor);
        self.ahead = self.ahead.split_off(&(self.cursor + 1));
        self.spoilt_to = self.spoilt_to.filter(|end| *end > self.cursor);
        self.suspect = self.suspect.filter(|suspect| suspect.seq > self.cursor);
    }

    /// What follows from an attempt at events of these places. The cursor stays where it is until
    /// [`pass`](Self::pass). `unit_random` is in `0.0..1.0`.
    pub fn after(&self, offered: &[i64], report: &Report, most: Most, wait: Patience, random: f64) -> Step {
        let mut step = self.note(offered, report);
        let open: Vec<i64> =
            offered.iter().copied().filter(|seq| !step.progress.ahead.contains(seq)).collect();
        if let Some(reason) = report.park() {
            (step.next, step.trouble) = (Next::Park(reason.clone()), Some(reason));
            return step;
        }
        let is_settled = open.len() < offered.len();
        if open.is_empty() {
            let is_taken = step.delivered > 0;
            step.progress.all_settled(offered, is_taken, most);
        } else if !is_settled && report.failure_is(&[FailureKind::Busy, FailureKind::Paused]) {
            // Nobody was asked, so nothing is known that was not before.
            step.next = Next::Wait(report.asked().there.max(NO_ROOM));
            return step;
        } else if report.split {
            step.refused_as_it_is(offered, &open);
        } else {
            step.put_off(offered, &open, report);
            step.next = Next::Wait(wait.wait(step.progress.attempt() - 1, report.asked(), random));
        }
        step.trouble = trouble(report, &open);
        step
    }

    /// What follows where nothing could be offered at all, for this reason.
    pub fn held_up(&self, reason: String, wait: Patience, random: f64) -> Step {
        let progress = Self { failures: self.failures.saturating_add(1), ..self.clone() };
        let next = Next::Wait(wait.wait(progress.failures, Asked::default(), random));
        Step { next, trouble: Some(reason), ..Step::idle(progress) }
    }

    /// What follows where nothing may be delivered until somebody has acted upon this.
    pub fn parked(&self, reason: String) -> Step {
        Step { next: Next::Park(reason.clone()), trouble: Some(reason), ..Step::idle(self.clone()) }
    }

    /// Notes the verdicts.
    fn note(&self, offered: &[i64], report: &Report) -> Step {
        let mut step = Step::idle(self.clone());
        for (seq, verdict) in offered.iter().zip(&report.verdicts) {
            match verdict {
                Verdict::Delivered => {
                    step.delivered += 1;
                    step.progress.ahead.insert(*seq);
                }
                Verdict::Dropped(reason) => step.bury(*seq, reason.clone()),
                Verdict::Later(_) | Verdict::Open => {}
            }
        }
        step
    }

    fn all_settled(&mut self, offered: &[i64], is_taken: bool, most: Most) {
        self.failures = 0;
        match &mut self.suspect {
            Some(suspect) if suspect.aside && !offered.contains(&suspect.seq) => {
                suspect.passed = suspect.passed.saturating_add(u32::from(is_taken));
                suspect.aside = suspect.more > 0;
                suspect.more = suspect.more.saturating_sub(1);
                return;
            }
            _ => self.suspect = None,
        }
        let width = self.width.min(most.events).max(1);
        self.width = match self.spoilt_to {
            // What spoils it is in the other half.
            Some(end) if offered.last().is_some_and(|last| *last < end) => width.div_ceil(2),
            _ => width.saturating_add((most.events / STEP).max(1)),
        };
    }
}

impl Step {
    fn bury(&mut self, seq: i64, reason: String) {
        self.dead.push((seq, reason));
        self.progress.ahead.insert(seq);
    }

    /// Smaller ones may pass: that is no failure of anybody's, and no reason to wait.
    fn refused_as_it_is(&mut self, offered: &[i64], open: &[i64]) {
        if let [only] = offered {
            self.bury(*only, "the destination refused it though it was sent alone".to_owned());
            return;
        }
        self.progress.width = half(open.len());
        self.progress.spoilt_to = open.last().copied();
    }

    fn put_off(&mut self, offered: &[i64], open: &[i64], report: &Report) {
        let is_settled = open.len() < offered.len();
        let progress = &mut self.progress;
        progress.failures = if is_settled { 0 } else { progress.failures.saturating_add(1) };
        if !is_settled && !report.is_unconnected() {
            progress.width = half(offered.len());
            let is_suspicious = progress.failures >= SUSPICIOUS || report.failure_is(&SPOILT);
            if is_suspicious {
                progress.spoilt_to = offered.last().copied();
            }
        }
        if let Some(suspect) = progress.suspect.as_mut().filter(|suspect| suspect.aside) {
            // Nor is that one taken: so far it is the destination that takes nothing.
            (suspect.aside, suspect.more, suspect.passed) = (false, 0, 0);
            suspect.strikes = suspect.strikes.min(ASIDE);
            suspect.tried = offered.first().copied().unwrap_or_default();
        } else if (is_settled || offered.len() == 1) && !report.is_unconnected() {
            open.iter().take(1).for_each(|seq| self.blame(*seq, offered, report));
        }
    }

    fn blame(&mut self, seq: i64, offered: &[i64], report: &Report) {
        let others_pass = self.delivered > 0;
        let known = self.progress.suspect.filter(|suspect| suspect.seq == seq);
        let mut suspect = known.unwrap_or_else(|| Suspect::new(seq));
        suspect.strikes = suspect.strikes.saturating_add(1);
        suspect.passed = suspect.passed.saturating_add(u32::from(others_pass));
        suspect.aside = !others_pass && suspect.strikes >= ASIDE;
        // One and two in turn: no destination that fails every so manieth time does so for this one alone.
        suspect.more = suspect.strikes % 2;
        suspect.put_off |= is_put_off(seq, offered, report, others_pass);
        let most = if suspect.put_off { PUT_OFF } else { STRIKES };
        if suspect.strikes < most || suspect.passed < PASSED {
            self.progress.suspect = Some(suspect);
            return;
        }
        let cause = report.failure.as_ref().or(report.cause.as_ref());
        let cause = cause.map(|failure| format!(" ({})", failure.message));
        let times = suspect.strikes;
        let reason = format!("it was not taken {times} times while others were{}", cause.unwrap_or_default());
        self.progress.suspect = None;
        self.bury(seq, reason);
    }
}

impl Step {
    /// Nothing was offered, and that is as it should be.
    pub fn idle(progress: Progress) -> Self {
        Self { progress, delivered: 0, dead: Vec::new(), next: Next::Go, trouble: None }
    }
}

/// Failures that are more likely one event's than the destination's.
const SPOILT: [FailureKind; 5] = [
    FailureKind::InvalidRequest,
    FailureKind::Unsupported,
    FailureKind::ContentFiltered,
    FailureKind::Protocol,
    FailureKind::Plugin,
];

/// Whether a destination of these kinds gets events of this one: patterns as [`webhook::is_pattern`] has them; all
/// kinds where none is named.
pub fn takes(kinds: &[String], kind: &str) -> bool {
    kinds.is_empty() || webhook::takes(kinds, kind)
}

/// Whether the destination spoke of this event: it took others, or what it answered was no refusal of the request.
fn is_put_off(seq: i64, offered: &[i64], report: &Report, others_pass: bool) -> bool {
    let verdict = offered.iter().position(|one| *one == seq).and_then(|at| report.verdicts.get(at));
    let is_told = others_pass || (report.failure.is_none() && report.cause.is_none());
    is_told && matches!(verdict, Some(Verdict::Later(_)))
}

fn half(count: usize) -> u32 {
    u32::try_from(count / 2).unwrap_or(u32::MAX).max(1)
}

fn trouble(report: &Report, open: &[i64]) -> Option<String> {
    if let Some(failure) = &report.failure {
        return Some(failure.message.clone());
    }
    let put_off = report.verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Later(_))).count();
    match (report.split, put_off, open.len()) {
        (true, ..) => Some("the destination refused a batch as it was; it goes in halves".to_owned()),
        (_, 0, _) | (_, _, 0) => None,
        (_, count, _) => {
            let cause = report.cause.as_ref().map(|cause| format!(": {}", cause.message)).unwrap_or_default();
            Some(format!("the destination put {count} events off{cause}"))
        }
    }
}

#[cfg(test)]
mod tests;
