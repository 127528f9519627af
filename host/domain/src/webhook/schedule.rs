//! When a delivery is tried: seventeen times over 72 hours, at fixed offsets from when it was accepted.

use std::time::Duration;

use crate::time::Timestamp;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

/// The offsets, in seconds from acceptance.
pub const OFFSETS: [u64; 17] = [
    0,
    5,
    30,
    2 * MINUTE,
    5 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    8 * HOUR,
    16 * HOUR,
    24 * HOUR,
    36 * HOUR,
    48 * HOUR,
    60 * HOUR,
    72 * HOUR,
];

/// An attempt may be earlier or later than its offset by so much of the gap before it.
const JITTER: f64 = 0.1;

/// How long after acceptance a delivery is a dead letter at the latest: after the last attempt and its jitter, and
/// what may keep it from being made. Nothing is tried later.
pub const LIFE: Duration = Duration::from_secs(74 * HOUR);

/// When to try again after an attempt that began at `began` and failed, or has been failing until `now`; none after
/// the last one. What was missed meanwhile is not made up for.
///
/// Which offset is next is told by the time alone, so that attempts out of turn (a probe, a backlog that is pulled
/// forward) cost none of the seventeen. `retry_after` is honoured within the gap that follows: it puts an attempt
/// off, but never beyond the one after it. `unit_random` is in `0.0..1.0`.
pub fn next(
    accepted: Timestamp,
    began: Timestamp,
    now: Timestamp,
    retry_after: Option<Duration>,
    unit_random: f64,
) -> Option<Timestamp> {
    let elapsed = began.since(accepted);
    let index = (0..OFFSETS.len()).find(|&index| earliest(index) > elapsed)?;
    let jitter = gap(index).mul_f64(2.0 * JITTER * unit_random.clamp(0.0, 1.0));
    let planned = accepted.plus(earliest(index) + jitter).max(now);
    let Some(asked) = retry_after else { return Some(planned) };
    let bound = if index + 1 < OFFSETS.len() { earliest(index + 1) } else { latest(index) };
    Some(planned.max(now.plus(asked).min(accepted.plus(bound))))
}

/// The first moment at which an attempt may be made, from acceptance.
fn earliest(index: usize) -> Duration {
    offset(index).saturating_sub(gap(index).mul_f64(JITTER))
}

/// The last one.
fn latest(index: usize) -> Duration {
    offset(index) + gap(index).mul_f64(JITTER)
}

fn offset(index: usize) -> Duration {
    Duration::from_secs(OFFSETS[index])
}

/// Between an offset and the one before it.
fn gap(index: usize) -> Duration {
    index.checked_sub(1).map_or(Duration::ZERO, |before| offset(index).saturating_sub(offset(before)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACCEPTED: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        ACCEPTED.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn the_schedule_without_jitter() {
        let mut at = ACCEPTED;
        for &offset in &OFFSETS[1..] {
            at = next(ACCEPTED, at, at, None, 0.5).unwrap();
            assert_eq!(at, after(offset));
        }
        assert_eq!(next(ACCEPTED, at, at, None, 0.5), None);
    }

    #[test]
    fn what_was_missed_is_not_made_up_for() {
        let late = after(3 * HOUR);
        assert_eq!(next(ACCEPTED, late, late, None, 0.5), Some(after(4 * HOUR)));
        // An attempt that takes longer than the gap is followed by the next one at once.
        assert_eq!(next(ACCEPTED, ACCEPTED, after(20), None, 0.5), Some(after(20)));
        assert_eq!(next(ACCEPTED, after(80 * HOUR), after(80 * HOUR), None, 0.5), None);
        // A clock that was put back.
        assert!(next(ACCEPTED, ACCEPTED.minus(Duration::from_secs(9)), ACCEPTED, None, 0.5).is_some());
    }

    #[test]
    fn what_the_endpoint_asks_for_is_honoured_within_the_gap() {
        let asked = |seconds, retry_after| {
            let began = after(seconds);
            next(ACCEPTED, began, began, Some(Duration::from_secs(retry_after)), 0.5).unwrap()
        };
        assert_eq!(asked(30, 10), after(2 * MINUTE), "no earlier than planned");
        assert_eq!(asked(30, 200), after(230));
        assert_eq!(asked(30, 10_000), after(5 * MINUTE - 18), "never beyond the attempt after it");
        assert!(asked(60 * HOUR, u64::MAX) <= after(72 * HOUR + HOUR * 12 / 10), "nor beyond the last");
    }

    proptest! {
        #[test]
        fn seventeen_attempts_each_near_its_offset(
            units in prop::array::uniform16(0.0..1.0),
            took in prop::array::uniform16(0_u64..2_000),
        ) {
            let mut began = ACCEPTED;
            for (index, (unit, took)) in units.into_iter().zip(took).enumerate() {
                let now = began.plus(Duration::from_millis(took));
                let due = next(ACCEPTED, began, now, None, unit);
                prop_assert!(due.is_some(), "attempt {}", index + 2);
                let due = due.unwrap_or_default();
                let offset = due.since(ACCEPTED).as_secs_f64();
                let (planned, gap) = (super::offset(index + 1).as_secs_f64(), gap(index + 1).as_secs_f64());
                prop_assert!((offset - planned).abs() <= 0.1 * gap + 0.001, "{offset} for {planned}");
                began = due;
            }
            prop_assert_eq!(next(ACCEPTED, began, began, None, 0.5), None);
        }

        #[test]
        fn time_goes_on_and_ends(elapsed in 0_u64..75 * HOUR, took in 0_u64..100, asked: Option<u32>, unit in 0.0..1.0) {
            let (began, now) = (after(elapsed), after(elapsed + took));
            let asked = asked.map(|seconds| Duration::from_secs(seconds.into()));
            if let Some(due) = next(ACCEPTED, began, now, asked, unit) {
                prop_assert!(due >= now && due > began);
                prop_assert!(due <= ACCEPTED.plus(LIFE).max(now));
                // Whatever is asked for, so many attempts remain as would without it, or one less.
                let following = OFFSETS.iter().filter(|&&offset| after(offset) > due).count();
                let planned = OFFSETS.iter().filter(|&&offset| after(offset) > now).count();
                prop_assert!(following + 2 >= planned, "{following} of {planned}");
            }
        }
    }
}
