//! A breaker for each binding and organisation: after several faults in a row it refuses that
//! organisation's calls for a while, then lets one through to see. Others are not refused: what makes a
//! plugin fail may be the request, and one caller must not switch a model off for everybody.
//!
//! While it is open only faults of the call that was let through count: others were under way when it opened, and
//! their faults tell nothing that is not known.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
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
    /// Organisations that met a fault and no success since.
    troubled: Mutex<HashMap<String, State>>,
    /// How many those are, so that a call in good times takes no lock.
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct State {
    faults: u32,
    pauses: u32,
    open_until: Option<Timestamp>,
    /// The request whose call was let through to see.
    trial: Option<String>,
}

impl Breaker {
    /// Whether a request's call may go through now; how long to wait otherwise. When a pause is over one call
    /// passes and the rest wait for its outcome.
    pub(crate) fn admit(&self, organization: &str, request: &str, now: Timestamp) -> Result<(), Duration> {
        if self.count.load(Relaxed) == 0 {
            return Ok(());
        }
        let mut troubled = self.lock();
        let Some(state) = troubled.get_mut(organization) else { return Ok(()) };
        match state.open_until {
            None => Ok(()),
            Some(until) if now < until => Err(until.since(now)),
            Some(_) => {
                // One that is still out after its whole pause is no good sign.
                if state.trial.replace(request.to_owned()).is_some() {
                    state.pauses = state.pauses.saturating_add(1);
                }
                state.open_until = Some(now.plus(pause(state.pauses)));
                Ok(())
            }
        }
    }

    pub(crate) fn succeeded(&self, organization: &str) {
        if self.count.load(Relaxed) == 0 {
            return;
        }
        let mut troubled = self.lock();
        troubled.remove(organization);
        self.count.store(troubled.len(), Relaxed);
    }

    /// A request's call met a fault.
    pub(crate) fn faulted(&self, organization: &str, request: &str, now: Timestamp) {
        let mut troubled = self.lock();
        let state = troubled.entry(organization.to_owned()).or_default();
        if state.open_until.is_some() && state.trial.as_deref() != Some(request) {
            return;
        }
        state.faults = state.faults.saturating_add(1);
        if state.faults >= THRESHOLD {
            state.open_until = Some(now.plus(pause(state.pauses)));
            state.pauses = state.pauses.saturating_add(1);
            state.trial = None;
        }
        self.count.store(troubled.len(), Relaxed);
    }

    /// Until when some organisation's calls are refused; none where all pass at `now`.
    pub(crate) fn open_until(&self, now: Timestamp) -> Option<Timestamp> {
        if self.count.load(Relaxed) == 0 {
            return None;
        }
        self.lock().values().filter_map(|state| state.open_until).filter(|until| now < *until).max()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, State>> {
        self.troubled.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
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
            breaker.faulted("a", "call", at(0));
        }
        assert_eq!(breaker.admit("a", "call", at(0)), Ok(()));
        breaker.faulted("a", "call", at(0));
        assert_eq!(breaker.admit("a", "call", at(1)), Err(Duration::from_secs(4)));
        assert_eq!(breaker.admit("a", "call", at(5)), Ok(()), "one probe");
        assert!(breaker.admit("a", "call", at(5)).is_err(), "and only one");
        breaker.faulted("a", "call", at(6));
        assert_eq!(breaker.open_until(at(6)), Some(at(16)));
        assert_eq!(breaker.admit("a", "call", at(6)), Err(Duration::from_secs(10)), "the pause doubles");
        assert_eq!(breaker.admit("a", "call", at(16)), Ok(()));
        breaker.succeeded("a");
        assert_eq!(breaker.admit("a", "call", at(16)), Ok(()));
        assert_eq!(breaker.open_until(at(16)), None);
    }

    /// However many were under way when it opened, and however late they fail.
    #[test]
    fn what_began_before_it_opened_lengthens_no_pause() {
        let breaker = Breaker::default();
        for call in ["1", "2", "3", "4", "5", "6", "7", "8"] {
            breaker.faulted("a", call, at(0));
        }
        assert_eq!(breaker.open_until(at(0)), Some(at(5)));
        assert_eq!(breaker.admit("a", "trial", at(5)), Ok(()));
        breaker.faulted("a", "9", at(6));
        assert_eq!(breaker.open_until(at(6)), Some(at(15)), "only the trial's own outcome counts");
        breaker.faulted("a", "trial", at(6));
        assert_eq!(breaker.open_until(at(6)), Some(at(16)));
        breaker.faulted("a", "trial", at(7));
        assert_eq!(breaker.open_until(at(7)), Some(at(16)), "once");
    }

    /// What fails only after its pause is over is no reason to try as often as ever.
    #[test]
    fn a_trial_that_takes_long_lengthens_the_next_pause() {
        let breaker = Breaker::default();
        for _ in 0..THRESHOLD {
            breaker.faulted("a", "call", at(0));
        }
        let tried = |at_second, trial| {
            assert_eq!(breaker.admit("a", trial, at(at_second)), Ok(()));
            breaker.open_until(at(at_second))
        };
        assert_eq!(tried(5, "1"), Some(at(15)));
        assert_eq!(tried(15, "2"), Some(at(35)));
        assert_eq!(tried(35, "3"), Some(at(75)));
        breaker.succeeded("a");
        assert_eq!(breaker.open_until(at(36)), None);
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let breaker = Breaker::default();
        for _ in 0..20 {
            for _ in 0..4 {
                breaker.faulted("a", "call", at(0));
            }
            breaker.succeeded("a");
        }
        assert_eq!(breaker.admit("a", "call", at(0)), Ok(()));
    }

    #[test]
    fn one_organisation_does_not_switch_a_binding_off_for_another() {
        let breaker = Breaker::default();
        for _ in 0..50 {
            breaker.faulted("a", "call", at(0));
        }
        assert!(breaker.admit("a", "call", at(0)).is_err());
        assert_eq!(breaker.admit("b", "call", at(0)), Ok(()));
        breaker.succeeded("b");
        assert!(breaker.admit("a", "call", at(0)).is_err());
    }
}
