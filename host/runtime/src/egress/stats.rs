//! What went out, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter that several threads add to and nobody synchronises by.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of one origin.
#[derive(Debug, Default)]
pub(super) struct OriginCounters {
    pub(super) requests: Counter,
    pub(super) failures: Counter,
    pub(super) connections: Counter,
    pub(super) bytes_sent: Counter,
    pub(super) bytes_received: Counter,
}

/// What went to one origin since the host started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginStats {
    /// `https://host[:port]`.
    pub origin: String,
    /// Requests that were permitted.
    pub requests: u64,
    /// Requests without an answer, and answers without an end.
    pub failures: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// Connections that wait for a request at the moment.
    pub idle: usize,
    /// Bytes of bodies sent.
    pub bytes_sent: u64,
    /// Bytes of bodies received.
    pub bytes_received: u64,
}

/// What egress did since the host started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EgressStats {
    /// Requests that were refused before anything left the host.
    pub refusals: u64,
    /// By origin, in order.
    pub origins: Vec<OriginStats>,
}
