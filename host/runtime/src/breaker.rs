//! A breaker for each binding: after several faults in a row it refuses calls for a while, then lets
//! one through to see.

use std::sync::Mutex;
use std::time::Duration;

use hardpoint_domain::time::Timestamp;

/// Faults in a row that open the breaker.
const THRESHOLD: u32 = 5;
/// How long it stays open the first time; doubled each time the trial call fails.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default, Clone, Copy)]
struct State {
    faults: u32,
    pauses: u32,
    open_until: Option<Timestamp>,
}

impl Breaker {
    /// Whether a call may go through now; how long to wait otherwise. When a pause is over one call
    /// passes and the rest wait for its outcome.
    pub(crate) fn admit(&self, now: Timestamp) -> Result<(), Duration> {
        let mut state = self.lock();
        match state.open_until {
            None => Ok(()),
            Some(until) if now < until => Err(until.since(now)),
            Some(_) => {
                state.open_until = Some(now.plus(pause(state.pauses)));
                Ok(())
            }
        }
    }

    pub(crate) fn succeeded(&self) {
        let mut state = self.lock();
        if state.faults > 0 || state.open_until.is_some() {
            *state = State::default();
        }
    }

    pub(crate) fn faulted(&self, now: Timestamp) {
        let mut state = self.lock();
        state.faults = state.faults.saturating_add(1);
        if state.faults >= THRESHOLD {
            state.open_until = Some(now.plus(pause(state.pauses)));
            state.pauses = state.pauses.saturating_add(1);
        }
    }

    /// Whether calls are being refused at `now`.
    pub(crate) fn is_open(&self, now: Timestamp) -> bool {
        self.lock().open_until.is_some_and(|until| now < until)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn pause(pauses: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << pauses.min(8)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn opens_after_five_faults_in_a_row_and_probes_once_a_pause() {
        let breaker = Breaker::default();
        for _ in 0..4 {
            breaker.faulted(at(0));
        }
        assert_eq!(breaker.admit(at(0)), Ok(()));
        breaker.faulted(at(0));
        assert_eq!(breaker.admit(at(1)), Err(Duration::from_secs(4)));
        assert_eq!(breaker.admit(at(5)), Ok(()), "one probe");
        assert!(breaker.admit(at(5)).is_err(), "and only one");
        breaker.faulted(at(6));
        assert_eq!(breaker.admit(at(6)), Err(Duration::from_secs(10)), "the pause doubles");
        assert_eq!(breaker.admit(at(16)), Ok(()));
        breaker.succeeded();
        assert_eq!(breaker.admit(at(16)), Ok(()));
        assert!(!breaker.is_open(at(16)));
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let breaker = Breaker::default();
        for _ in 0..20 {
            for _ in 0..4 {
                breaker.faulted(at(0));
            }
            breaker.succeeded();
        }
        assert_eq!(breaker.admit(at(0)), Ok(()));
    }
}
