//! How durations are spread: counters in buckets, each a quarter of an octave wide, from a microsecond to an
//! hour. A percentile is exact to a fifth.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Four buckets an octave, 32 octaves.
const BUCKETS: usize = 128;

/// Counts durations; costs one atomic addition each.
#[derive(Debug)]
pub(crate) struct Histogram([AtomicU64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// Half of all were at most `p50`, and so on. Microseconds; zero where nothing was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: u64,
    /// 95 of a hundred.
    pub p95: u64,
    /// 99 of a hundred.
    pub p99: u64,
}

impl Histogram {
    pub(crate) fn count(&self, duration: Duration) {
        self.0[bucket(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))].fetch_add(1, Relaxed);
    }

    pub(crate) fn percentiles(&self) -> Percentiles {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Relaxed)).collect();
        let total: u64 = counts.iter().sum();
        let at = |hundredths: u64| {
            let wanted = (total * hundredths).div_ceil(100).max(1);
            let mut seen = 0;
            let found = counts.iter().position(|count| {
                seen += count;
                seen >= wanted
            });
            found.map_or(0, upper)
        };
        Percentiles { p50: at(50), p95: at(95), p99: at(99) }
    }
}

/// Which bucket a number of microseconds is in: its highest bit and the two after it.
fn bucket(micros: u64) -> usize {
    let micros = micros.max(1);
    let octave = micros.ilog2();
    let quarter = if octave < 2 { (micros << (2 - octave)) & 3 } else { (micros >> (octave - 2)) & 3 };
    (octave as usize * 4 + quarter as usize).min(BUCKETS - 1)
}

/// The largest number of microseconds in a bucket.
fn upper(bucket: usize) -> u64 {
    let (octave, quarter) = (bucket / 4, bucket as u64 % 4);
    let next = (5 + quarter) << octave;
    next.div_ceil(4) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_is_in_its_bucket() {
        for micros in (0..10_000).chain([1 << 20, (1 << 30) + 7, u64::MAX]) {
            let found = bucket(micros);
            if found < BUCKETS - 1 {
                assert!(upper(found) >= micros.max(1), "{micros}: {found}");
                assert!(found < 8 || upper(found - 1) < micros, "{micros}: {found}");
            }
        }
    }

    #[test]
    fn percentiles_are_exact_to_a_fifth() {
        let histogram = Histogram::default();
        assert_eq!(histogram.percentiles(), Percentiles::default());
        for micros in 1..=1_000 {
            histogram.count(Duration::from_micros(micros));
        }
        let Percentiles { p50, p95, p99 } = histogram.percentiles();
        for (exact, found) in [(500, p50), (950, p95), (990, p99)] {
            assert!(found >= exact && found <= exact * 6 / 5, "{exact}: {found}");
        }
    }
}
