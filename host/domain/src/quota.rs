//! How many requests may come in, and how many tokens they may take: counted in fixed UTC windows, so that everybody
//! knows when the next one begins.
//!
//! A host counts in memory, and only what it has leased from the store beforehand, in small blocks. So hosts that
//! share a store never admit more than a limit together; what a host had leased and not used when it stopped is
//! lost to that window, and to no other.
//!
//! What a request takes is one of each sort that it is of, and of tokens what it may use at most; what it did not use
//! is free again when it ends, as long as the window lasts.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::time::Timestamp;

/// A stretch of UTC time that begins at a whole minute, hour or day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
}

impl Window {
    /// How long it is.
    pub const fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        })
    }

    /// When the window began that `now` is in.
    pub fn begin(self, now: Timestamp) -> Timestamp {
        let length = self.length().as_micros() as i64;
        Timestamp::from_micros(now.micros().div_euclid(length).saturating_mul(length))
    }

    /// How far ahead of the present window another may have begun, where clocks differ or are set back. What is
    /// further ahead was begun by a clock that was wrong.
    pub fn plausible(self) -> Duration {
        self.length().max(Self::Hour.length())
    }

    /// The word for it, in the store and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Meter {
    /// Every request.
    Requests,
    /// Requests that a model answers.
    Completions,
    /// What models read and write.
    Tokens,
}

impl Meter {
    /// The word for it, in the store and in messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Completions => "completions",
            Self::Tokens => "tokens",
        }
    }
}

/// Whose requests of what sort in which window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Count {
    /// The id of a key or an organisation.
    pub subject: Arc<str>,
    /// What is counted.
    pub meter: Meter,
    /// How long.
    pub window: Window,
}

impl Count {
    /// What a limit of it is called, in answers: `requests_per_minute`.
    pub fn limit_name(&self) -> String {
        format!("{}_per_{}", self.meter.as_str(), self.window.as_str())
    }
}

/// A limit: at most so many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Of what.
    pub count: Count,
    /// How many in each window.
    pub most: u64,
}

/// The largest block of requests that is leased at once. What is left of it when a host stops is lost to the window.
const LARGEST_LEASE: u64 = 256;

impl Limit {
    /// How much a host leases at once: a sixteenth of the limit, so that what one of several hosts holds and does
    /// not use keeps little from the others. One at a time of limits that are that small.
    pub fn lease(&self) -> u64 {
        let largest = if self.count.meter == Meter::Tokens { u64::MAX } else { LARGEST_LEASE };
        (self.most / 16).clamp(1, largest)
    }
}

/// The tightest of the limits that a request for so much is never within, however long it waits; none where it may be.
pub fn never(limits: &[Limit], amount: u64) -> Option<&Limit> {
    limits.iter().filter(|limit| limit.most < amount).min_by_key(|limit| limit.most)
}

/// A wish to lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Of which limit.
    pub limit: Limit,
    /// The window that it is for.
    pub begin: Timestamp,
    /// How much, at most.
    pub size: u64,
}

/// What became of a wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Of which limit.
    pub limit: Limit,
    /// The window that it is for.
    pub begin: Timestamp,
    /// How much there is to use; none where the window is used up.
    pub size: u64,
    /// What all hosts leased of the window, this one included.
    pub granted: u64,
    /// Whether it is less than was wished: there is no more.
    pub is_last: bool,
}

/// How a limit stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The limit.
    pub limit: Limit,
    /// How many more may come in this window, as far as this host knows.
    pub remaining: u64,
    /// When the next window begins.
    pub reset: Timestamp,
}

/// Whether a request may come in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It may, and is counted. The limit that stands tightest afterwards; none where there is no limit.
    Admitted(Option<Standing>),
    /// These have to be leased first. Nothing is counted.
    Lease(Vec<Wish>),
    /// It may not, and is not counted: this limit is reached.
    Refused {
        /// The limit whose window ends last, of those that are reached.
        standing: Standing,
        /// Whoever waits this long is within all of them, if nobody else comes before.
        retry_after: Duration,
    },
}

/// What a request took of limits, to be corrected when it is known what it used.
#[derive(Debug)]
pub struct Taken {
    amount: u64,
    /// With the windows that it was taken of.
    counts: Vec<(Count, Timestamp)>,
}

/// What one host counted, for one organisation and its keys.
#[derive(Debug, Default)]
pub struct Counters(HashMap<Count, Counter>);

/// What one host leased and used of a window.
#[derive(Clone, Copy, Debug, Default)]
struct Counter {
    begin: Timestamp,
    leased: u64,
    used: u64,
    granted: u64,
    /// The limit that what is left was leased under.
    under: u64,
    /// Whether that was lowered in this window.
    lowered: bool,
    /// The limit under which there was no more.
    exhausted: Option<u64>,
}

impl Counters {
    /// Counts so much against all limits, or against none.
    pub fn admit(&mut self, limits: &[Limit], amount: u64, now: Timestamp) -> Admission {
        match self.look(limits, amount, now) {
            Admission::Admitted(_) => {}
            other => return other,
        }
        for limit in limits {
            self.current(&limit.count, now).used += amount;
        }
        Admission::Admitted(self.tightest(limits, now))
    }

    /// What would become of so much, without counting it.
    pub fn look(&mut self, limits: &[Limit], amount: u64, now: Timestamp) -> Admission {
        let mut wishes = Vec::new();
        let mut reached: Option<Standing> = None;
        for limit in limits {
            let counter = self.current(&limit.count, now);
            counter.heed(limit.most);
            let after = counter.used.saturating_add(amount);
            if after <= counter.leased.min(limit.most) {
                continue;
            }
            if after > limit.most || counter.is_exhausted(limit.most) {
                let standing = counter.standing(limit);
                let is_later = reached.as_ref().is_none_or(|other| standing.reset > other.reset);
                reached = if is_later { Some(standing) } else { reached };
            } else {
                let size = limit.lease().max(after.saturating_sub(counter.leased));
                wishes.push(Wish { limit: limit.clone(), begin: counter.begin, size });
            }
        }
        if let Some(standing) = reached {
            let retry_after = standing.reset.since(now);
            return Admission::Refused { standing, retry_after };
        }
        if wishes.is_empty() { Admission::Admitted(None) } else { Admission::Lease(wishes) }
    }

    /// Counts so much, which is to be corrected when it is known how much it really was. Nothing is taken where it is
    /// not admitted.
    pub fn take(&mut self, limits: &[Limit], amount: u64, now: Timestamp) -> (Admission, Taken) {
        let admission = self.admit(limits, amount, now);
        let limits = if matches!(admission, Admission::Admitted(_)) { limits } else { &[] };
        let counts = limits.iter().map(|limit| (limit.count.clone(), self.current(&limit.count, now).begin));
        (admission, Taken { amount, counts: counts.collect() })
    }

    /// Counts what was used in the place of what was taken, where the window lasts.
    pub fn correct(&mut self, taken: Taken, used: u64) {
        for (count, begin) in taken.counts {
            if let Some(counter) = self.0.get_mut(&count).filter(|counter| counter.begin == begin) {
                counter.correct(taken.amount, used);
            }
        }
    }

    /// Takes what was leased. A lease of another window than the present one is lost.
    pub fn receive(&mut self, lease: &Lease) {
        let counter = self.0.entry(lease.limit.count.clone()).or_default();
        if counter.begin == lease.begin {
            counter.leased += lease.size;
            counter.granted = lease.granted;
            counter.under = lease.limit.most;
            counter.exhausted = lease.is_last.then_some(lease.limit.most);
        }
    }

    /// The limit that stands tightest: with the fewest left; of several, the one that lasts longest.
    pub fn tightest(&mut self, limits: &[Limit], now: Timestamp) -> Option<Standing> {
        let standings = limits.iter().map(|limit| self.current(&limit.count, now).standing(limit));
        let standings: Vec<Standing> = standings.collect();
        standings.into_iter().min_by_key(|standing| (standing.remaining, -standing.reset.micros()))
    }

    /// Forgets windows that are over.
    pub fn forget(&mut self, now: Timestamp) {
        self.0.retain(|count, counter| counter.begin >= count.window.begin(now));
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The counter of the window that `now` is in. A clock that is set back stays in the later window: nothing is
    /// admitted twice. But one that was so far ahead that it was wrong keeps nobody out until then.
    fn current(&mut self, count: &Count, now: Timestamp) -> &mut Counter {
        let begin = count.window.begin(now);
        if !self.0.contains_key(count) {
            self.make_room(now);
            self.0.insert(count.clone(), Counter { begin, ..Counter::default() });
        }
        let counter = self.0.entry(count.clone()).or_default();
        if begin > counter.begin || counter.begin > begin.plus(count.window.plausible()) {
            *counter = Counter { begin, ..Counter::default() };
        }
        counter
    }

    /// Keys come and go: before there is more to remember, what is over is forgotten.
    fn make_room(&mut self, now: Timestamp) {
        if self.0.len() == self.0.capacity() {
            self.forget(now);
        }
    }
}

impl Counter {
    /// What was leased under a higher limit gives no more: hosts together would exceed the lower one with it.
    fn heed(&mut self, most: u64) {
        if most < self.under {
            self.leased = self.leased.min(self.used);
            (self.under, self.lowered) = (most, true);
        }
    }

    /// What was leased under a higher limit gives no more either when it comes back.
    fn correct(&mut self, taken: u64, used: u64) {
        let before = self.used;
        self.used = before.saturating_sub(taken).saturating_add(used);
        if self.lowered {
            self.leased = self.leased.saturating_sub(before.saturating_sub(self.used));
        }
    }

    /// There may be more under a limit that was raised since.
    fn is_exhausted(&self, most: u64) -> bool {
        self.exhausted.is_some_and(|under| most <= under)
    }

    fn standing(&self, limit: &Limit) -> Standing {
        let unused = self.leased.saturating_sub(self.used);
        let free = if self.is_exhausted(limit.most) { 0 } else { limit.most.saturating_sub(self.granted) };
        Standing {
            limit: limit.clone(),
            remaining: free.saturating_add(unused).min(limit.most.saturating_sub(self.used)),
            reset: self.begin.plus(limit.count.window.length()),
        }
    }
}

#[cfg(test)]
mod tests;
