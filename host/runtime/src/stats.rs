//! What a plugin did: counters that cost an atomic addition each, read for metrics and states.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use serde::Serialize;

use crate::histogram::{Histogram, Percentiles};

/// Errors that are kept for whoever looks.
const ERRORS: usize = 16;
/// Origins that are counted for one plugin; what is sent to more is counted together.
const ORIGINS: usize = 64;
/// The rest of a longer one is not kept.
const LONGEST_ORIGIN: usize = 256;
/// Where what is sent to others is counted.
const OTHERS: &str = "(others)";

/// Counters of one plugin, over all its generations.
#[derive(Debug, Default)]
pub struct Stats {
    calls: AtomicU64,
    cpu_micros: AtomicU64,
    memory_peak: AtomicU64,
    cpu: Histogram,
    wall: Histogram,
    troubles: Mutex<Troubles>,
    egress: Mutex<BTreeMap<Box<str>, Sent>>,
}

#[derive(Debug, Default)]
struct Troubles {
    faults: BTreeMap<String, u64>,
    failures: BTreeMap<String, u64>,
    last: VecDeque<LastError>,
}

/// Something that went wrong in a plugin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastError {
    /// When.
    pub time: Timestamp,
    /// The request that met it.
    pub request_id: String,
    /// A fault's cause, or a failure's kind.
    pub cause: String,
    /// In words.
    pub message: String,
}

/// What was sent to one origin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sent {
    /// Requests.
    pub requests: u64,
    /// Of these, those that got no answer: refused, not connected, broken off.
    pub failures: u64,
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatsSnapshot {
    /// Sandboxes that ran.
    pub calls: u64,
    /// CPU time of guest code, in microseconds.
    pub cpu_micros: u64,
    /// CPU time of a call.
    pub cpu: Percentiles,
    /// Wall time of a call, what it waited for included.
    pub wall: Percentiles,
    /// The most linear memory that one sandbox held, in bytes.
    pub memory_peak: u64,
    /// Faults by cause: the sandbox stopped it.
    pub faults: BTreeMap<String, u64>,
    /// Failures by kind: it said itself that it could not do what was asked.
    pub failures: BTreeMap<String, u64>,
    /// The newest of both, newest first.
    pub errors: Vec<LastError>,
    /// By origin.
    pub egress: BTreeMap<String, Sent>,
}

impl Stats {
    /// The counters now.
    pub fn snapshot(&self) -> StatsSnapshot {
        let troubles = lock(&self.troubles);
        StatsSnapshot {
            calls: self.calls.load(Relaxed),
            cpu_micros: self.cpu_micros.load(Relaxed),
            cpu: self.cpu.percentiles(),
            wall: self.wall.percentiles(),
            memory_peak: self.memory_peak.load(Relaxed),
            faults: troubles.faults.clone(),
            failures: troubles.failures.clone(),
            errors: troubles.last.iter().rev().cloned().collect(),
            egress: lock(&self.egress).iter().map(|(origin, sent)| (origin.to_string(), *sent)).collect(),
        }
    }

    pub(crate) fn called(&self, cpu: Duration, wall: Duration, memory: u64) {
        self.calls.fetch_add(1, Relaxed);
        self.cpu_micros.fetch_add(u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX), Relaxed);
        self.memory_peak.fetch_max(memory, Relaxed);
        self.cpu.count(cpu);
        self.wall.count(wall);
    }

    /// The sandbox was stopped.
    pub(crate) fn faulted(&self, error: LastError) {
        let mut troubles = lock(&self.troubles);
        *troubles.faults.entry(error.cause.clone()).or_default() += 1;
        troubles.keep(error);
    }

    /// The plugin said that it failed.
    pub(crate) fn failed(&self, error: LastError) {
        let mut troubles = lock(&self.troubles);
        *troubles.failures.entry(error.cause.clone()).or_default() += 1;
        troubles.keep(error);
    }

    /// A request was sent, and answered or not.
    pub(crate) fn sent(&self, origin: &str, answered: bool) {
        let mut egress = lock(&self.egress);
        let origin = if egress.contains_key(origin) || egress.len() < ORIGINS { origin } else { OTHERS };
        let sent = match egress.get_mut(origin) {
            Some(sent) => sent,
            None => egress.entry(origin.into()).or_default(),
        };
        sent.requests += 1;
        sent.failures += u64::from(!answered);
    }
}

impl Troubles {
    fn keep(&mut self, error: LastError) {
        if self.last.len() == ERRORS {
            self.last.pop_front();
        }
        self.last.push_back(error);
    }
}

/// Scheme, host and port of a URL as a plugin worded it, whether or not it is one. What names a user may hold
/// a password: it is refused, and not repeated.
pub(crate) fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    if url[..end].contains('@') {
        return "(a user's)";
    }
    let end = (0..=end.min(LONGEST_ORIGIN)).rev().find(|at| url.is_char_boundary(*at)).unwrap_or(0);
    &url[..end]
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_cut_from_whatever_a_plugin_says() {
        assert_eq!(origin("https://a.example:8443/path?q"), "https://a.example:8443");
        assert_eq!(origin("https://a.example?q"), "https://a.example");
        assert_eq!(origin("no url"), "no url");
        assert_eq!(origin("https://user:word@a.example/@"), "(a user's)");
        assert_eq!(origin("https://a.example/@"), "https://a.example");
        assert_eq!(origin(&"\u{20ac}".repeat(1_000)).len(), 255);
    }

    #[test]
    fn origins_and_errors_are_bounded() {
        let stats = Stats::default();
        for number in 0..1_000_u16 {
            stats.sent(&format!("https://{number}.example"), number % 2 == 0);
            let error = LastError {
                time: Timestamp::default(),
                request_id: number.to_string(),
                cause: "upstream".into(),
                message: String::new(),
            };
            stats.failed(error);
        }
        let seen = stats.snapshot();
        assert_eq!((seen.egress.len(), seen.errors.len()), (ORIGINS + 1, ERRORS));
        assert_eq!(seen.egress[OTHERS], Sent { requests: 1_000 - 64, failures: 468 });
        assert_eq!((seen.errors[0].request_id.as_str(), seen.failures["upstream"]), ("999", 1_000));
    }
}
