//! A waker that knows when its task is awake already.
//!
//! A connection and the body that comes over it wake each other. Where both are polled by one task, such a
//! wake-up would only make the task run once more for nothing, and tokio rouse another thread to see whether
//! it can take it over; that costs more than handling a piece of a stream does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Wake, Waker};

use futures_util::task::AtomicWaker;

/// Nobody polls: a wake-up goes to the task.
const IDLE: u8 = 0;
/// The task polls: a wake-up is noted.
const POLLING: u8 = 1;
/// The task polls, and there was a wake-up.
const NOTED: u8 = 2;

#[derive(Debug)]
pub(super) struct Relay {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Relay {
    /// The relay, and its side that is handed to what is polled.
    pub(super) fn new() -> (Arc<Self>, Waker) {
        let relay = Arc::new(Self { state: AtomicU8::new(IDLE), task: AtomicWaker::new() });
        (Arc::clone(&relay), Waker::from(relay))
    }

    /// Lets go of the task.
    pub(super) fn forget(&self) {
        drop(self.task.take());
    }

    /// Before a poll by the task behind `waker`.
    pub(super) fn start(&self, waker: &Waker) {
        self.task.register(waker);
        self.state.store(POLLING, Ordering::SeqCst);
    }

    /// After a poll that came to nothing: whether to poll again, since something woke up meanwhile.
    pub(super) fn must_repeat(&self) -> bool {
        let ended = self.state.compare_exchange(POLLING, IDLE, Ordering::SeqCst, Ordering::SeqCst);
        if ended.is_err() {
            self.state.store(POLLING, Ordering::SeqCst);
        }
        ended.is_err()
    }

    /// After a poll that came to something: whoever asks for more polls again anyway.
    pub(super) fn stop(&self) {
        self.state.store(IDLE, Ordering::SeqCst);
    }
}

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        match self.state.compare_exchange(POLLING, NOTED, Ordering::SeqCst, Ordering::SeqCst) {
            Ok(_) | Err(NOTED) => {}
            Err(_) => self.task.wake(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_task_is_woken_once_and_never_by_itself() {
        let task = Arc::new(Woken::default());
        let woken = || task.0.load(Ordering::SeqCst);
        let (relay, waker) = Relay::new();
        waker.wake_by_ref();

        relay.start(&Waker::from(Arc::clone(&task)));
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert!(relay.must_repeat(), "what was noted is not lost");
        assert!(!relay.must_repeat());
        assert_eq!(woken(), 0);

        waker.wake_by_ref();
        waker.wake_by_ref();
        assert_eq!(woken(), 1, "registered once, woken once");

        relay.start(&Waker::from(Arc::clone(&task)));
        relay.stop();
        relay.forget();
        waker.wake_by_ref();
        assert_eq!((woken(), Arc::strong_count(&task)), (1, 1));
    }
}
