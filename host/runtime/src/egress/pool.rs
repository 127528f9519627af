//! Connections that wait for their next request, by origin.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use super::connection::Connection;
use super::stats::{OriginCounters, OriginStats};

/// A grant for `*.example.com` must not make the host remember every name below it.
const MAX_ORIGINS: usize = 1_024;

/// A connection is a kilobyte or two and changes hands with every request.
type Waiting = Vec<Box<Connection>>;

/// All origins that something was sent to.
#[derive(Debug)]
pub(super) struct Pool {
    /// By `https://host[:port]`.
    origins: RwLock<HashMap<Box<str>, Arc<OriginPool>>>,
    idle_timeout: Duration,
    max_idle: usize,
    is_swept: AtomicBool,
}

/// One origin: its waiting connections, the last used on top, and what was counted.
pub(super) struct OriginPool {
    pub(super) origin: Box<str>,
    pub(super) counters: OriginCounters,
    idle: Mutex<Waiting>,
}

impl Pool {
    pub(super) fn new(idle_timeout: Duration, max_idle: usize) -> Arc<Self> {
        Arc::new(Self {
            origins: RwLock::default(),
            idle_timeout,
            max_idle,
            is_swept: AtomicBool::new(false),
        })
    }

    pub(super) fn origin(&self, origin: &str) -> Arc<OriginPool> {
        if let Some(known) = self.origins.read().unwrap_or_else(PoisonError::into_inner).get(origin) {
            return Arc::clone(known);
        }
        let mut origins = self.origins.write().unwrap_or_else(PoisonError::into_inner);
        if origins.len() >= MAX_ORIGINS {
            origins.retain(|_, pool| Arc::strong_count(pool) > 1 || !pool.idle().is_empty());
        }
        let new = || {
            let (counters, idle) = (OriginCounters::default(), Mutex::default());
            Arc::new(OriginPool { origin: origin.into(), counters, idle })
        };
        Arc::clone(origins.entry(origin.into()).or_insert_with(new))
    }

    /// A connection that is still good.
    pub(super) fn take(&self, origin: &OriginPool) -> Option<Box<Connection>> {
        loop {
            // The lock is not held while a connection is looked at.
            let mut connection = origin.idle().pop()?;
            if connection.is_fresh(self.idle_timeout) && connection.is_ready() {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection whose answer was read to its end, if it can serve another.
    pub(super) fn give_back(self: &Arc<Self>, origin: &OriginPool, mut connection: Box<Connection>) {
        if !connection.is_ready() {
            return;
        }
        connection.start_waiting();
        let mut idle = origin.idle();
        if idle.len() < self.max_idle {
            idle.push(connection);
        }
        drop(idle);
        self.have_swept();
    }

    /// Sees to it that connections nobody asks for again are closed in time.
    fn have_swept(self: &Arc<Self>) {
        if self.is_swept.load(Ordering::Relaxed) || self.is_swept.swap(true, Ordering::AcqRel) {
            return;
        }
        match tokio::runtime::Handle::try_current() {
            Ok(handle) => drop(handle.spawn(sweep(Arc::downgrade(self), self.idle_timeout / 2))),
            Err(_) => self.is_swept.store(false, Ordering::Release),
        }
    }

    /// How many connections are left.
    fn close_stale(&self) -> usize {
        let origins: Vec<_> =
            self.origins.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        let count = |origin: &Arc<OriginPool>| {
            let mut idle = origin.idle();
            idle.retain_mut(|connection| connection.is_fresh(self.idle_timeout) && connection.is_ready());
            idle.len()
        };
        origins.iter().map(count).sum()
    }

    pub(super) fn stats(&self) -> Vec<OriginStats> {
        let origins = self.origins.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = origins.values().map(|origin| origin.stats()).collect();
        all.sort_unstable_by(|a, b| a.origin.cmp(&b.origin));
        all
    }
}

/// Runs while connections wait, and holds no pool alive.
async fn sweep(pool: Weak<Pool>, pause: Duration) {
    loop {
        tokio::time::sleep(pause.max(Duration::from_millis(10))).await;
        let Some(pool) = pool.upgrade() else { return };
        if pool.close_stale() > 0 {
            continue;
        }
        pool.is_swept.store(false, Ordering::Release);
        // A connection that came back before the flag was down has nobody else to close it.
        if pool.close_stale() == 0 || pool.is_swept.swap(true, Ordering::AcqRel) {
            return;
        }
    }
}

impl OriginPool {
    fn idle(&self) -> MutexGuard<'_, Waiting> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stats(&self) -> OriginStats {
        OriginStats {
            origin: self.origin.to_string(),
            requests: self.counters.requests.get(),
            failures: self.counters.failures.get(),
            connections: self.counters.connections.get(),
            idle: self.idle().len(),
            bytes_sent: self.counters.bytes_sent.get(),
            bytes_received: self.counters.bytes_received.get(),
        }
    }
}

impl std::fmt::Debug for OriginPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OriginPool({})", self.origin)
    }
}
