//! Tasks that must be finished before the process ends, though nobody waits for their answer:
//! the record of a request whose client left, say.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;

/// A handle on the tasks under way; clones share them.
#[derive(Clone, Debug)]
pub struct Background(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    runtime: Handle,
    under_way: AtomicUsize,
    idle: Notify,
}

impl Background {
    /// Tasks run on `runtime`, which may differ from the thread that spawns them: a drop can happen anywhere.
    pub fn new(runtime: Handle) -> Self {
        Self(Arc::new(Shared { runtime, under_way: AtomicUsize::new(0), idle: Notify::new() }))
    }

    /// Runs `task` to its end.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        /// Counts down even where the task panics.
        struct Running(Arc<Shared>);
        impl Drop for Running {
            fn drop(&mut self) {
                if self.0.under_way.fetch_sub(1, Ordering::AcqRel) == 1 {
                    self.0.idle.notify_waiters();
                }
            }
        }
        self.0.under_way.fetch_add(1, Ordering::AcqRel);
        let running = Running(self.0.clone());
        self.0.runtime.spawn(async move {
            let _running = running;
            task.await;
        });
    }

    /// Waits until no task is under way, at most for `limit`. Says whether all were finished.
    pub async fn drain(&self, limit: Duration) -> bool {
        tokio::time::timeout(limit, async {
            loop {
                let idle = self.0.idle.notified();
                tokio::pin!(idle);
                idle.as_mut().enable();
                if self.0.under_way.load(Ordering::Acquire) == 0 {
                    return;
                }
                idle.await;
            }
        })
        .await
        .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn draining_waits_for_what_is_under_way_and_survives_panics() {
        let background = Background::new(Handle::current());
        let (open, gate) = tokio::sync::oneshot::channel::<()>();
        background.spawn(async move {
            let _ = gate.await;
        });
        background.spawn(async { panic!("on purpose") });
        assert!(!background.drain(Duration::from_millis(20)).await);
        let _ = open.send(());
        assert!(background.drain(Duration::from_secs(5)).await);
    }
}
