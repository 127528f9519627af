//! A breaker for each endpoint: after several failures in a row nothing is sent but a probe every few minutes, and
//! the first success pulls forward what failed before.
//!
//! It is the endpoint's, whichever host sends: its state is kept with the endpoint.

use std::time::Duration;

use crate::time::Timestamp;

/// Failures in a row that open it.
pub const THRESHOLD: u32 = 5;

/// How long after one probe the next is sent, give or take a tenth. So an endpoint that answers for ten minutes is
/// noticed in the first three, and the rest is for its backlog.
pub const PROBE_EVERY: Duration = Duration::from_secs(120);

/// The longest that one is ever put off. What says more was written by a host whose clock was wrong, and counts for
/// nothing.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(2 * PROBE_EVERY.as_secs());

/// How an endpoint has been doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Failures since the last success.
    pub failures: u32,
    /// When the next probe may be sent; none while it is closed.
    pub probe_at: Option<Timestamp>,
    /// When it last recovered: what failed before is tried again without waiting for its time. None once all was.
    pub recovered_at: Option<Timestamp>,
}

/// What may be sent to an endpoint at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// All that is due.
    All,
    /// One delivery, due or not, to see whether it answers again.
    Probe,
    /// Nothing.
    Nothing,
}

impl Breaker {
    /// Whether nothing but probes is sent.
    pub const fn is_open(&self) -> bool {
        self.probe_at.is_some()
    }

    /// What may be sent now.
    pub fn admit(&self, now: Timestamp) -> Admission {
        match self.probe_at {
            None => Admission::All,
            Some(at) if at <= now || at > now.plus(LONGEST_PAUSE) => Admission::Probe,
            Some(_) => Admission::Nothing,
        }
    }

    /// A probe is sent; no other one before it had its time. `unit_random` is in `0.0..1.0`.
    pub fn probing(&mut self, now: Timestamp, unit_random: f64) {
        self.probe_at = Some(now.plus(pause(unit_random)));
    }

    /// An attempt succeeded.
    pub fn succeeded(&mut self, now: Timestamp) {
        if self.is_open() {
            self.recovered_at = Some(now);
        }
        self.failures = 0;
        self.probe_at = None;
    }

    /// An attempt failed. While it is open that tells nothing new: the probe that is under way has set the time of the
    /// next one, and others were under way when it opened.
    pub fn failed(&mut self, now: Timestamp, unit_random: f64) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= THRESHOLD && !self.is_open() {
            self.probe_at = Some(now.plus(pause(unit_random)));
            self.recovered_at = None;
        }
    }
}

fn pause(unit_random: f64) -> Duration {
    PROBE_EVERY.mul_f64(0.9 + 0.2 * unit_random.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn open() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..THRESHOLD {
            breaker.failed(at(0), 0.5);
        }
        breaker
    }

    #[test]
    fn opens_after_failures_in_a_row_and_probes() {
        let mut breaker = Breaker::default();
        for _ in 1..THRESHOLD {
            breaker.failed(at(0), 0.5);
        }
        assert_eq!(breaker.admit(at(0)), Admission::All);
        breaker.failed(at(0), 0.5);
        assert_eq!((breaker.admit(at(119)), breaker.admit(at(120))), (Admission::Nothing, Admission::Probe));
        // It opened by a clock that was hours ahead.
        assert_eq!(
            (breaker.admit(at(-120)), breaker.admit(at(-121))),
            (Admission::Nothing, Admission::Probe)
        );
        breaker.probing(at(120), 0.5);
        assert_eq!(breaker.admit(at(120)), Admission::Nothing, "one probe at a time");
        breaker.failed(at(140), 0.5);
        assert_eq!(breaker.admit(at(240)), Admission::Probe, "counted from probe to probe");
        breaker.probing(at(240), 0.5);
        breaker.succeeded(at(241));
        assert_eq!((breaker.admit(at(241)), breaker.recovered_at), (Admission::All, Some(at(241))));
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let mut breaker = Breaker::default();
        for _ in 0..20 {
            for _ in 1..THRESHOLD {
                breaker.failed(at(0), 0.5);
            }
            breaker.succeeded(at(0));
        }
        assert_eq!(breaker, Breaker::default(), "nor was there anything to recover from");
    }

    #[test]
    fn who_fails_again_while_recovering_is_left_alone_again() {
        let mut breaker = open();
        breaker.probing(at(120), 0.5);
        breaker.succeeded(at(120));
        for _ in 0..THRESHOLD {
            breaker.failed(at(121), 0.5);
        }
        assert_eq!((breaker.admit(at(121)), breaker.recovered_at), (Admission::Nothing, None));
    }

    proptest! {
        /// Between probes there are less than three minutes, whatever fails meanwhile.
        #[test]
        fn probes_are_never_far(fails in prop::collection::vec((0_i64..600, 0.0..1.0), 0..50), unit in 0.0..1.0) {
            let mut breaker = open();
            breaker.probing(at(0), unit);
            for (second, unit) in fails {
                breaker.failed(at(second), unit);
            }
            prop_assert_eq!(breaker.admit(at(107)), Admission::Nothing);
            prop_assert_eq!(breaker.admit(at(133)), Admission::Probe);
        }
    }
}
