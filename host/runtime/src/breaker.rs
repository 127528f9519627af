//! A breaker for each binding and organisation: after several faults in a row it refuses that
//! organisation's calls for a while, then lets one through to see. Others are not refused: what makes a
//! plugin fail may be the request, and one caller must not switch a model off for everybody.
//!
//! While it is open only faults of the call that was let through count: others were under way when it opened, and
//! their faults tell nothing that is not known.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hardpoint_domain::time::Timestamp;

/// Faults in a row that open the breaker.
const THRESHOLD: u32 = 5;
/// How long it stays open the first time; doubled each time a call that was let through to see meets a fault.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Calls that were let through to see and are not over, of one organisation. Of more, the oldest counts no more.
const TRIALS: usize = 16;

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
    /// The requests whose calls were let through to see, the newest last. One that is longer under way than its
    /// pause tells nothing yet, so another follows.
    trials: Vec<String>,
    /// Whether the newest of them ended and told nothing, so that the next may follow at once.
    is_given_back: bool,
}

/// A call that was let through to see. Dropped without an outcome (its client left, there was no room), it is given
/// back: that says nothing of the plugin.
#[derive(Debug)]
pub(crate) struct Trial {
    breaker: Arc<Breaker>,
    organization: String,
    request: String,
}

impl Drop for Trial {
    fn drop(&mut self) {
        self.breaker.give_back(&self.organization, &self.request);
    }
}

impl Breaker {
    /// Whether a request's call may go through now; how long to wait otherwise. When a pause is over one call
    /// passes and the rest wait for its outcome; it carries its [`Trial`] until then.
    pub(crate) fn admit(
        self: &Arc<Self>,
        organization: &str,
        request: &str,
        now: Timestamp,
    ) -> Result<Option<Trial>, Duration> {
        if self.count.load(Relaxed) == 0 {
            return Ok(None);
        }
        let mut troubled = self.lock();
        let Some(state) = troubled.get_mut(organization) else { return Ok(None) };
        match state.open_until {
            None => Ok(None),
            Some(until) if now < until && !state.is_given_back => Err(until.since(now)),
            Some(_) => {
                state.try_one(request, now);
                Ok(Some(Trial {
                    breaker: Arc::clone(self),
                    organization: organization.to_owned(),
                    request: request.to_owned(),
                }))
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
        let tried = state.trials.iter().position(|trial| trial == request);
        if state.open_until.is_some() && tried.is_none() {
            return;
        }
        state.faults = state.faults.saturating_add(1);
        if state.faults >= THRESHOLD {
            state.open_until = Some(now.plus(pause(state.pauses)));
            state.pauses = state.pauses.saturating_add(1);
            state.is_given_back = false;
        }
        if let Some(tried) = tried {
            state.trials.remove(tried);
        }
        self.count.store(troubled.len(), Relaxed);
    }

    /// A call that was let through to see is over. Should it have met a fault, that is told after this.
    fn give_back(&self, organization: &str, request: &str) {
        let mut troubled = self.lock();
        let Some(state) = troubled.get_mut(organization) else { return };
        state.is_given_back |= state.trials.last().is_some_and(|newest| newest == request);
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

impl State {
    fn try_one(&mut self, request: &str, now: Timestamp) {
        if std::mem::take(&mut self.is_given_back) {
            self.trials.pop();
        }
        if self.trials.len() == TRIALS {
            self.trials.remove(0);
        }
        self.trials.push(request.to_owned());
        self.open_until = Some(now.plus(pause(self.pauses)));
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

    /// One that was opened by `a`'s faults.
    fn opened() -> Arc<Breaker> {
        let breaker = Arc::<Breaker>::default();
        for _ in 0..THRESHOLD {
            breaker.faulted("a", "call", at(0));
        }
        breaker
    }

    /// A call of `a` that is let through to see.
    fn tried(breaker: &Arc<Breaker>, request: &str, now: Timestamp) -> Trial {
        breaker.admit("a", request, now).unwrap().expect("a trial")
    }

    fn passes(breaker: &Arc<Breaker>, organization: &str, now: Timestamp) -> bool {
        matches!(breaker.admit(organization, "call", now), Ok(None))
    }

    #[test]
    fn opens_after_five_faults_in_a_row_and_probes_once_a_pause() {
        let breaker = Arc::<Breaker>::default();
        for _ in 0..4 {
            breaker.faulted("a", "call", at(0));
        }
        assert!(passes(&breaker, "a", at(0)));
        breaker.faulted("a", "call", at(0));
        assert_eq!(breaker.admit("a", "call", at(1)).unwrap_err(), Duration::from_secs(4));
        let probe = tried(&breaker, "probe", at(5));
        assert!(breaker.admit("a", "call", at(5)).is_err(), "and only one");
        drop(probe);
        breaker.faulted("a", "probe", at(6));
        assert_eq!(breaker.open_until(at(6)), Some(at(16)));
        let refused = breaker.admit("a", "call", at(6)).unwrap_err();
        assert_eq!(refused, Duration::from_secs(10), "the pause doubles");
        let _probe = tried(&breaker, "probe", at(16));
        breaker.succeeded("a");
        assert!(passes(&breaker, "a", at(16)));
        assert_eq!(breaker.open_until(at(16)), None);
    }

    /// However many were under way when it opened, and however late they fail.
    #[test]
    fn what_began_before_it_opened_lengthens_no_pause() {
        let breaker = opened();
        for call in ["6", "7", "8"] {
            breaker.faulted("a", call, at(0));
        }
        assert_eq!(breaker.open_until(at(0)), Some(at(5)));
        let _trial = tried(&breaker, "trial", at(5));
        breaker.faulted("a", "9", at(6));
        assert_eq!(breaker.open_until(at(6)), Some(at(15)), "only the trial's own outcome counts");
        breaker.faulted("a", "trial", at(6));
        assert_eq!(breaker.open_until(at(6)), Some(at(16)));
        breaker.faulted("a", "trial", at(7));
        assert_eq!(breaker.open_until(at(7)), Some(at(16)), "once");
    }

    /// Its client left, or there was no room for it: that is no fault of the plugin's, and nobody waits for it.
    #[test]
    fn a_trial_without_an_outcome_is_given_back() {
        let breaker = opened();
        for _ in 0..20 {
            drop(tried(&breaker, "left", at(5)));
        }
        let trial = tried(&breaker, "trial", at(5));
        assert!(breaker.admit("a", "call", at(6)).is_err(), "one at a time");
        drop(trial);
        breaker.faulted("a", "trial", at(7));
        assert_eq!(breaker.open_until(at(7)), Some(at(17)), "doubled once");
    }

    /// A healthy stream may last: others are tried meanwhile, as often as before.
    #[test]
    fn a_trial_that_takes_long_lengthens_no_pause() {
        let breaker = opened();
        let trials = ["1", "2", "3"].map(|number| {
            let at_second = number.parse::<i64>().unwrap() * 10 - 5;
            let trial = tried(&breaker, number, at(at_second));
            assert_eq!(breaker.open_until(at(at_second)), Some(at(at_second + 10)));
            trial
        });
        // One that is not the newest keeps nobody from waiting for that, and its fault counts however late it is.
        let [first, ..] = trials;
        drop(first);
        assert!(breaker.admit("a", "call", at(26)).is_err());
        breaker.faulted("a", "1", at(27));
        assert_eq!(breaker.open_until(at(27)), Some(at(37)));
        let _next = tried(&breaker, "4", at(37));
        assert_eq!(breaker.open_until(at(37)), Some(at(57)));
        breaker.succeeded("a");
        assert_eq!(breaker.open_until(at(37)), None);
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let breaker = Arc::<Breaker>::default();
        for _ in 0..20 {
            for _ in 0..4 {
                breaker.faulted("a", "call", at(0));
            }
            breaker.succeeded("a");
        }
        assert!(passes(&breaker, "a", at(0)));
    }

    #[test]
    fn one_organisation_does_not_switch_a_binding_off_for_another() {
        let breaker = opened();
        assert!(breaker.admit("a", "call", at(0)).is_err());
        assert!(passes(&breaker, "b", at(0)));
        breaker.succeeded("b");
        assert!(breaker.admit("a", "call", at(0)).is_err());
    }
}
