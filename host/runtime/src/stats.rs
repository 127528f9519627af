//! What a plugin did: counters that cost an atomic addition each, read for metrics and states.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hardpoint_domain::time::Timestamp;
use serde::Serialize;

use crate::error::Fault;

/// Counters of one plugin, over all its generations.
#[derive(Debug, Default)]
pub struct Stats {
    calls: AtomicU64,
    cpu_micros: AtomicU64,
    memory_peak: AtomicU64,
    faults: Mutex<Faults>,
}

#[derive(Debug, Default)]
struct Faults {
    by_cause: BTreeMap<&'static str, u64>,
    last: Option<LastFault>,
}

/// The newest fault of a plugin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LastFault {
    /// When.
    pub time: Timestamp,
    /// The request that met it.
    pub request_id: String,
    /// In words.
    pub message: String,
}

/// The counters at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatsSnapshot {
    /// Sandboxes that ran.
    pub calls: u64,
    /// CPU time of guest code, in microseconds.
    pub cpu_micros: u64,
    /// The most linear memory that one sandbox held, in bytes.
    pub memory_peak: u64,
    /// Faults by cause.
    pub faults: BTreeMap<&'static str, u64>,
    /// The newest of them.
    pub last_fault: Option<LastFault>,
}

impl Stats {
    /// The counters now.
    pub fn snapshot(&self) -> StatsSnapshot {
        let faults = self.lock();
        StatsSnapshot {
            calls: self.calls.load(Relaxed),
            cpu_micros: self.cpu_micros.load(Relaxed),
            memory_peak: self.memory_peak.load(Relaxed),
            faults: faults.by_cause.clone(),
            last_fault: faults.last.clone(),
        }
    }

    pub(crate) fn called(&self, cpu: Duration, memory: u64) {
        self.calls.fetch_add(1, Relaxed);
        self.cpu_micros.fetch_add(u64::try_from(cpu.as_micros()).unwrap_or(u64::MAX), Relaxed);
        self.memory_peak.fetch_max(memory, Relaxed);
    }

    pub(crate) fn faulted(&self, fault: &Fault, time: Timestamp, request_id: &str) {
        let mut faults = self.lock();
        *faults.by_cause.entry(fault.cause()).or_default() += 1;
        faults.last = Some(LastFault { time, request_id: request_id.to_owned(), message: fault.to_string() });
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
