//! The promise, tried out: a week of events to endpoints that fail, are slow and come and go, under a clock that only
//! the simulation moves. Of deliveries whose endpoint answers 2xx for at least ten consecutive minutes within their 72
//! hours, at least 99.9 % are delivered.
//!
//! What sends here is the schedule, the breaker and the window, over an outbox in memory that claims as the store does.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::answer::Outcome;
use super::breaker::{Admission, Breaker};
use super::schedule::{self, LIFE};
use super::window::Window;
use crate::time::{Rng, Timestamp};

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const WEEK: i64 = 7 * 24 * HOUR;
/// How long after it was accepted a delivery's endpoint may answer for the promise to hold.
const PROMISED: i64 = 72 * HOUR;
const TEN_MINUTES: i64 = 10 * MINUTE;
/// As long as an attempt may take.
const LIMIT: i64 = 20 * SECOND;

/// How an endpoint behaves.
#[derive(Clone, Copy)]
struct Behaviour {
    name: &'static str,
    /// It answers well in the first `up` of every `period`, beginning at `phase`.
    up: i64,
    period: i64,
    phase: i64,
    /// How long a good answer takes.
    takes: i64,
    /// How long a bad one takes, and what it asks for.
    fails_after: i64,
    retry_after: Option<u64>,
    /// Also while it is up so many of a hundred attempts fail.
    fails: f64,
    /// One event in so many is never taken; none with 0.
    poison: usize,
}

const HEALTHY: Behaviour = Behaviour {
    name: "healthy",
    up: WEEK,
    period: WEEK,
    phase: 0,
    takes: SECOND / 5,
    fails_after: SECOND / 5,
    retry_after: None,
    fails: 0.0,
    poison: 0,
};

const BEHAVIOURS: [Behaviour; 12] = [
    HEALTHY,
    Behaviour { name: "slow", takes: 15 * SECOND, ..HEALTHY },
    Behaviour { name: "away for two days and a half", up: 24 * HOUR, period: 84 * HOUR, ..HEALTHY },
    Behaviour { name: "there ten minutes in two hours", up: TEN_MINUTES, period: 2 * HOUR, ..HEALTHY },
    Behaviour {
        name: "there ten minutes in a day",
        up: TEN_MINUTES,
        period: 24 * HOUR,
        phase: HOUR,
        ..HEALTHY
    },
    Behaviour {
        name: "there ten minutes in 71 hours",
        up: TEN_MINUTES,
        period: 71 * HOUR,
        phase: 50 * HOUR,
        ..HEALTHY
    },
    Behaviour {
        name: "times out but for ten minutes in six hours",
        up: TEN_MINUTES,
        period: 6 * HOUR,
        fails_after: LIMIT,
        ..HEALTHY
    },
    Behaviour {
        name: "slow, and there a quarter of an hour in three hours",
        up: 15 * MINUTE,
        period: 3 * HOUR,
        takes: 3 * SECOND,
        ..HEALTHY
    },
    Behaviour {
        name: "asks for an hour but for ten minutes in four hours",
        up: TEN_MINUTES,
        period: 4 * HOUR,
        retry_after: Some(3_600),
        ..HEALTHY
    },
    Behaviour { name: "there eleven minutes in an hour", up: 11 * MINUTE, period: HOUR, ..HEALTHY },
    Behaviour { name: "takes one event in fifty never", poison: 50, ..HEALTHY },
    Behaviour { name: "never there", up: 0, ..HEALTHY },
];

impl Behaviour {
    fn is_up(&self, at: i64) -> bool {
        (at - self.phase).rem_euclid(self.period) < self.up
    }

    /// Whether an attempt that begins then is answered well.
    fn answers(&self, at: i64, event: usize, rng: &Dice) -> bool {
        let is_poison = self.poison > 0 && event.is_multiple_of(self.poison);
        // All of its answer has to come while it is there.
        self.is_up(at) && self.is_up(at + self.takes) && rng.unit() >= self.fails && !is_poison
    }

    /// Whether the promise speaks of a delivery that was accepted then.
    fn is_promised(&self, accepted: i64, event: usize) -> bool {
        if self.poison > 0 && event.is_multiple_of(self.poison) {
            return false;
        }
        let begin = (accepted - self.phase).rem_euclid(self.period);
        // What is left of the present time that it is there, or the next one.
        let left = (self.up - begin).max(0);
        left >= TEN_MINUTES || (self.up >= TEN_MINUTES && self.period - begin + TEN_MINUTES <= PROMISED)
    }
}

/// Seeded, so that every run is the same.
struct Dice(AtomicU64);

impl Rng for Dice {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            // SplitMix64.
            let mut x = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            chunk.copy_from_slice(&(x ^ (x >> 31)).to_le_bytes()[..chunk.len()]);
        }
    }
}

/// What of the rules holds in a simulation.
#[derive(Clone, Copy)]
struct Rules {
    /// The first success pulls the backlog forward.
    pulls: bool,
    /// While nothing succeeds, probes are sent.
    probes: bool,
}

struct Delivery {
    accepted: i64,
    due: i64,
    attempted: Option<i64>,
    attempts: u32,
}

/// An attempt under way: when it ends, which delivery, when it began, whether it succeeds.
type UnderWay = Reverse<(i64, usize, i64, bool)>;

/// One endpoint, its outbox, and who sends.
struct Lane {
    behaviour: Behaviour,
    rules: Rules,
    dice: Dice,
    deliveries: Vec<Delivery>,
    /// Those that wait, by when they are due.
    waiting: BTreeSet<(i64, usize)>,
    under_way: BinaryHeap<UnderWay>,
    breaker: Breaker,
    window: Window,
    delivered: Vec<bool>,
    swept_at: i64,
}

/// What became of a week.
#[derive(Debug, Default)]
struct Tally {
    promised: usize,
    kept: usize,
    delivered: usize,
    all: usize,
    attempts: u64,
}

fn time(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

impl Lane {
    fn new(behaviour: Behaviour, rules: Rules, seed: u64) -> Self {
        Self {
            behaviour,
            rules,
            dice: Dice(AtomicU64::new(seed)),
            deliveries: Vec::new(),
            waiting: BTreeSet::new(),
            under_way: BinaryHeap::new(),
            breaker: Breaker::default(),
            window: Window::default(),
            delivered: Vec::new(),
            swept_at: 0,
        }
    }

    /// Plays a week of events, and as long after it as deliveries live.
    fn play(mut self, arrivals: &[i64]) -> Tally {
        let mut arrivals = arrivals.iter().copied().peekable();
        let mut now = 0;
        while let Some(next) = self.next_moment(now, arrivals.peek().copied()) {
            now = next;
            while let Some(accepted) = arrivals.next_if(|at| *at <= now) {
                self.waiting.insert((accepted, self.deliveries.len()));
                self.deliveries.push(Delivery { accepted, due: accepted, attempted: None, attempts: 0 });
                self.delivered.push(false);
            }
            while let Some(Reverse((end, id, began, is_good))) = self.under_way.peek().copied()
                && end <= now
            {
                self.under_way.pop();
                self.ended(id, began, now, is_good);
            }
            self.expire(now);
            self.claim(now);
        }
        self.tally()
    }

    /// When something happens next.
    fn next_moment(&self, now: i64, arrival: Option<i64>) -> Option<i64> {
        let ended = self.under_way.peek().map(|Reverse((end, ..))| *end);
        let has_room = self.under_way.len() < self.window.size();
        let due = match self.breaker.probe_at {
            _ if self.waiting.is_empty() || !has_room => None,
            Some(at) => Some(at.micros().max(now + SECOND)),
            // The store is looked through every second.
            None if self.breaker.recovered_at.is_some() => Some(now + SECOND),
            None => self.waiting.first().map(|(due, _)| (*due).max(now + SECOND)),
        };
        [arrival, ended, due].into_iter().flatten().min()
    }

    fn ended(&mut self, id: usize, began: i64, now: i64, is_good: bool) {
        let duration = u64::try_from((now - began) / 1_000).unwrap_or(0);
        if is_good {
            self.breaker.succeeded(time(now));
            self.window.learn(Outcome::Delivered, duration);
            self.delivered[id] = true;
            if !self.rules.pulls {
                self.breaker.recovered_at = None;
            }
            return;
        }
        self.breaker.failed(time(now), self.dice.unit());
        self.window.learn(Outcome::Failed, duration);
        let delivery = &mut self.deliveries[id];
        let asked = self.behaviour.retry_after.map(Duration::from_secs);
        let unit = self.dice.unit();
        if let Some(due) = schedule::next(time(delivery.accepted), time(began), time(now), asked, unit) {
            delivery.due = due.micros();
            self.waiting.insert((delivery.due, id));
        }
    }

    fn expire(&mut self, now: i64) {
        let life = i64::try_from(LIFE.as_micros()).unwrap_or(i64::MAX);
        let deliveries = &self.deliveries;
        // It is no matter of seconds.
        if now - self.swept_at >= TEN_MINUTES {
            self.swept_at = now;
            self.waiting.retain(|(_, id)| deliveries[*id].accepted > now - life);
        }
    }

    fn claim(&mut self, now: i64) {
        let room = self.window.size().saturating_sub(self.under_way.len());
        let admitted = self.breaker.admit(time(now));
        let (room, early) = match (admitted, self.breaker.recovered_at) {
            (Admission::Nothing, _) => return,
            (Admission::Probe, _) if !self.rules.probes => {
                // As if it were only closed again then.
                self.breaker.probe_at = None;
                return;
            }
            (Admission::Probe, _) => (room.min(1), now),
            (Admission::All, Some(recovered)) => (room, recovered.micros()),
            (Admission::All, None) => (room, i64::MIN),
        };
        let deliveries = &self.deliveries;
        let may = |(due, id): &&(i64, usize)| {
            *due <= now || deliveries[*id].attempted.is_some_and(|at| at <= early)
        };
        let bound = if early == i64::MIN { now } else { i64::MAX };
        let claimed: Vec<_> =
            self.waiting.range(..=(bound, usize::MAX)).filter(may).take(room).copied().collect();
        if claimed.is_empty() && room > 0 && admitted == Admission::All {
            self.breaker.recovered_at = None;
        }
        if !claimed.is_empty() && admitted == Admission::Probe {
            self.breaker.probing(time(now), self.dice.unit());
        }
        for (due, id) in claimed {
            self.waiting.remove(&(due, id));
            let is_good = self.behaviour.answers(now, id, &self.dice);
            let takes = if is_good { self.behaviour.takes } else { self.behaviour.fails_after };
            let delivery = &mut self.deliveries[id];
            delivery.attempted = Some(now);
            delivery.attempts += 1;
            self.under_way.push(Reverse((now + takes, id, now, is_good)));
        }
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally { all: self.deliveries.len(), ..Tally::default() };
        for (id, (delivery, is_delivered)) in self.deliveries.iter().zip(&self.delivered).enumerate() {
            let is_promised = self.behaviour.is_promised(delivery.accepted, id);
            tally.promised += usize::from(is_promised);
            tally.kept += usize::from(is_promised && *is_delivered);
            tally.delivered += usize::from(*is_delivered);
            tally.attempts += u64::from(delivery.attempts);
        }
        tally
    }
}

/// A week of events, one a minute or so, with a crowd of a hundred now and then.
fn arrivals(dice: &Dice) -> Vec<i64> {
    let (mut at, mut all) = (0, Vec::new());
    while at < WEEK {
        let crowd = if dice.unit() < 0.002 { 100 } else { 1 };
        all.extend(std::iter::repeat_n(at, crowd));
        at += (dice.unit() * 2.0 * MINUTE as f64) as i64;
    }
    all
}

fn week(behaviour: Behaviour, rules: Rules) -> Tally {
    let arrivals = arrivals(&Dice(AtomicU64::new(1)));
    Lane::new(behaviour, rules, 2).play(&arrivals)
}

#[test]
fn the_promise_is_kept() {
    let (mut promised, mut kept) = (0, 0);
    for behaviour in BEHAVIOURS {
        let tally = week(behaviour, Rules { pulls: true, probes: true });
        let Tally { promised: of, kept: so_many, delivered, all, attempts } = tally;
        println!(
            "{}: {so_many} of {of} promised, {delivered} of {all} in all, {attempts} attempts",
            behaviour.name
        );
        assert!(so_many * 1_000 >= of * 999, "{}: {tally:?}", behaviour.name);
        promised += of;
        kept += so_many;
    }
    assert!(promised > 100_000 && kept * 1_000 >= promised * 999, "{kept} of {promised}");
}

/// The test of the test: without probes, or without what follows their success, the promise is broken.
#[test]
fn the_simulation_finds_a_rule_that_is_missing() {
    for rules in [Rules { pulls: false, probes: true }, Rules { pulls: true, probes: false }] {
        let broken = BEHAVIOURS.into_iter().any(|behaviour| {
            let Tally { promised, kept, .. } = week(behaviour, rules);
            kept * 1_000 < promised * 999
        });
        assert!(broken, "nobody noticed: pulls {}, probes {}", rules.pulls, rules.probes);
    }
}

/// Who is never there is asked little more often than every two minutes.
#[test]
fn a_dead_endpoint_is_left_alone() {
    let dead = week(BEHAVIOURS[11], Rules { pulls: true, probes: true });
    let minutes = u64::try_from((WEEK + PROMISED) / MINUTE).unwrap();
    assert!(dead.delivered == 0 && dead.attempts < minutes, "{dead:?}");
}
