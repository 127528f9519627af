//! When the reading of a document is tried again, and when it is given up.

use std::time::Duration;

use crate::failure::FailureKind;
use crate::retry::RetryPolicy;

/// What failed without anybody saying that the document is at fault is tried so patiently: for an hour or two.
pub const POLICY: RetryPolicy = RetryPolicy {
    attempts: 12,
    base: Duration::from_secs(5),
    cap: Duration::from_secs(30 * 60),
    retry_after_cap: Duration::from_secs(60 * 60),
};

/// Times in a row that a host may go down, or its claim lapse, while it is at one document. What ends hosts is not tried
/// for ever.
const LAPSES: u32 = 10;

/// What becomes of a document after its reading failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// It is tried again after so long.
    Again(Duration),
    /// It is given up.
    GiveUp,
}

/// What follows from the failure of an attempt, counted from 1. `unit_random` is in `0.0..1.0`.
///
/// What the document itself is the reason of (it cannot be read, or a parser trapped or ran over a limit on it) would
/// end the same way again. An engine that is away, or a host without room, says nothing about the document; and no
/// attempt is counted where there was no room.
pub fn after(kind: FailureKind, attempt: u32, retry_after: Option<Duration>, unit_random: f64) -> Next {
    use FailureKind::*;
    match kind {
        InvalidRequest | Unsupported | ContentFiltered | Plugin => Next::GiveUp,
        Busy | Paused => Next::Again(retry_after.unwrap_or(POLICY.base).min(POLICY.cap)),
        Authentication | Denied | RateLimited | Overloaded | Upstream | Protocol | Connect | Timeout
        | Reset => {
            let asked = retry_after.map(|asked| asked.min(POLICY.retry_after_cap));
            POLICY.backoff(attempt, asked, spread(unit_random)).map_or(Next::GiveUp, Next::Again)
        }
    }
}

/// The same for the making of its vectors. That the model's provider is away, refuses this host or does not know the model
/// says nothing about the document, and ends when somebody mends it: the vectors wait for that, however long.
pub fn after_embedding(
    kind: FailureKind,
    attempt: u32,
    retry_after: Option<Duration>,
    unit_random: f64,
) -> Next {
    use FailureKind::*;
    match kind {
        Authentication | Denied | Unsupported => waits(attempt, unit_random),
        RateLimited | Overloaded | Upstream | Connect | Timeout | Reset => {
            patiently(attempt, retry_after, unit_random)
        }
        kind => after(kind, attempt, retry_after, unit_random),
    }
}

/// What follows where an attempt, counted from 1, failed for want of something that somebody may bring at any time: it is
/// tried again for ever, ever more rarely.
pub fn waits(attempt: u32, unit_random: f64) -> Next {
    patiently(attempt, None, unit_random)
}

fn patiently(attempt: u32, retry_after: Option<Duration>, unit_random: f64) -> Next {
    let patient = RetryPolicy { attempts: u32::MAX, ..POLICY };
    let asked = retry_after.map(|asked| asked.min(POLICY.retry_after_cap));
    patient.backoff(attempt, asked, spread(unit_random)).map_or(Next::Again(POLICY.cap), Next::Again)
}

/// Whether a document whose claims lapsed so often is given up.
pub const fn is_given_up(lapses: u32) -> bool {
    lapses >= LAPSES
}

/// Half of a wait at least: twelve attempts are to last, not to be spent in a lucky minute.
fn spread(unit_random: f64) -> f64 {
    0.5 + unit_random.clamp(0.0, 1.0) / 2.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_document_is_the_reason_of_is_final() {
        use FailureKind::*;
        for kind in [InvalidRequest, Unsupported, ContentFiltered, Plugin] {
            assert_eq!(after(kind, 1, None, 0.5), Next::GiveUp, "{kind:?}");
        }
        for kind in
            [Authentication, Denied, RateLimited, Overloaded, Upstream, Protocol, Connect, Timeout, Reset]
        {
            assert!(matches!(after(kind, 11, None, 0.5), Next::Again(_)), "{kind:?}");
            assert_eq!(after(kind, 12, None, 0.5), Next::GiveUp, "{kind:?}");
        }
        for kind in [Busy, Paused] {
            assert_eq!(after(kind, 1_000, None, 0.5), Next::Again(Duration::from_secs(5)), "{kind:?}");
        }
    }

    #[test]
    fn it_lasts_for_an_hour_or_two() {
        let total = |random| {
            let wait = |attempt| match after(FailureKind::Connect, attempt, None, random) {
                Next::Again(wait) => wait,
                Next::GiveUp => Duration::ZERO,
            };
            (1..=12).map(wait).sum::<Duration>().as_secs() / 60
        };
        assert_eq!((total(0.0), total(1.0)), (51, 102));
    }

    #[test]
    fn vectors_wait_for_a_provider_a_key_and_for_money_as_long_as_it_takes() {
        use FailureKind::*;
        for kind in
            [Authentication, Denied, Unsupported, RateLimited, Overloaded, Upstream, Connect, Timeout, Reset]
        {
            assert_eq!(after_embedding(kind, 1_000, None, 1.0), Next::Again(POLICY.cap), "{kind:?}");
        }
        let asked = |seconds| after_embedding(RateLimited, 1_000, Some(Duration::from_secs(seconds)), 0.0);
        let jitter = POLICY.base / 2;
        assert_eq!(asked(60), Next::Again(Duration::from_secs(60) + jitter));
        assert_eq!(asked(86_400), Next::Again(POLICY.retry_after_cap + jitter));
        assert_eq!(waits(1, 1.0), Next::Again(POLICY.base));
        for kind in [InvalidRequest, ContentFiltered, Plugin] {
            assert_eq!(after_embedding(kind, 1, None, 0.5), Next::GiveUp, "{kind:?}");
        }
        assert_eq!(after_embedding(Protocol, 12, None, 0.5), Next::GiveUp, "what it answers is of no use");
    }

    #[test]
    fn ten_hosts_that_went_down_over_it_are_enough() {
        assert_eq!([0, 9, 10, 11].map(is_given_up), [false, false, true, true]);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_it_may_be(attempt in 1..12_u32, asked in proptest::option::of(0..100_000_u64), random in 0.0..1.0_f64) {
            let asked = asked.map(Duration::from_secs);
            let Next::Again(wait) = after(FailureKind::Overloaded, attempt, asked, random) else {
                return Err(TestCaseError::fail("it is tried again"));
            };
            prop_assert!(wait <= POLICY.retry_after_cap + POLICY.base);
            prop_assert!(wait >= asked.map_or(POLICY.base / 2, |asked| asked.min(POLICY.retry_after_cap)));
        }
    }
}
