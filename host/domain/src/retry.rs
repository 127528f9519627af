//! How long to wait before another attempt: exponential, with full jitter.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How often and how patiently to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Attempts in all, the first included.
    pub attempts: u32,
    /// The bound of the first wait; it doubles with every attempt.
    pub base: Duration,
    /// The bound of every wait.
    pub cap: Duration,
    /// The longest `Retry-After` worth waiting for: with a longer one there is no further attempt.
    pub retry_after_cap: Duration,
}

impl Default for RetryPolicy {
    /// Three attempts, waits of up to 0.25 s and 0.5 s, a `Retry-After` of up to 10 s.
    fn default() -> Self {
        Self {
            attempts: 3,
            base: Duration::from_millis(250),
            cap: Duration::from_secs(4),
            retry_after_cap: Duration::from_secs(10),
        }
    }
}

impl RetryPolicy {
    /// How long to wait after `attempt` attempts (1 or more) have failed; none if that was the last.
    /// `unit_random` is in `0.0..1.0`. What the other side asked for is waited in full, with the jitter
    /// of a first wait on top, so that not everybody comes back in the same moment.
    pub fn backoff(&self, attempt: u32, retry_after: Option<Duration>, unit_random: f64) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let jitter = unit_random.clamp(0.0, 1.0);
        match retry_after {
            Some(asked) if asked > self.retry_after_cap => None,
            Some(asked) => Some(asked + self.base.min(self.cap).mul_f64(jitter)),
            None => {
                let doublings = attempt.saturating_sub(1).min(31);
                let bound = self.base.saturating_mul(1 << doublings).min(self.cap);
                Some(bound.mul_f64(jitter))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const POLICY: RetryPolicy = RetryPolicy {
        attempts: 6,
        base: Duration::from_millis(100),
        cap: Duration::from_millis(1_000),
        retry_after_cap: Duration::from_secs(5),
    };

    #[test]
    fn waits_double_up_to_the_cap_and_end() {
        let full: Vec<_> = (1..=6).map(|attempt| POLICY.backoff(attempt, None, 1.0)).collect();
        let expected = [Some(100), Some(200), Some(400), Some(800), Some(1_000), None];
        assert_eq!(full, expected.map(|millis| millis.map(Duration::from_millis)));
        assert_eq!(POLICY.backoff(3, None, 0.0), Some(Duration::ZERO));
        assert_eq!(POLICY.backoff(3, None, 0.5), Some(Duration::from_millis(200)));
    }

    #[test]
    fn retry_after_is_waited_in_full_within_its_bound() {
        let asked = |seconds| Some(Duration::from_secs(seconds));
        assert_eq!(POLICY.backoff(1, asked(5), 0.0), asked(5));
        assert_eq!(POLICY.backoff(1, asked(5), 1.0), Some(Duration::from_millis(5_100)));
        assert_eq!(POLICY.backoff(1, asked(6), 0.0), None);
        assert_eq!(POLICY.backoff(6, asked(1), 0.0), None);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_it_may_be(attempt: u32, random in 0.0..1.0_f64, asked in proptest::option::of(0_u64..10_000)) {
            let asked = asked.map(Duration::from_millis);
            if let Some(wait) = POLICY.backoff(attempt, asked, random) {
                prop_assert!(wait <= asked.map_or(POLICY.cap, |asked| asked + POLICY.base));
                prop_assert!(wait >= asked.unwrap_or_default());
            }
        }
    }
}
