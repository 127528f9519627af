//! How good a list is, how long things took, how much memory they take.

use std::collections::HashMap;
use std::time::Duration;

/// Measures of one list, or their mean over many.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quality {
    pub ndcg: f64,
    pub recall: f64,
    pub reciprocal_rank: f64,
}

/// Of the first ten. Gains are the grades themselves, discounted by log₂(rank + 1), as trec_eval has it; recall
/// and reciprocal rank count every grade above 0 as relevant.
pub fn quality(list: &[u32], grades: &HashMap<u32, u32>) -> Quality {
    let discounted = |gains: &[u32]| -> f64 {
        (2_u32..).zip(gains).map(|(place, gain)| f64::from(*gain) / f64::from(place).log2()).sum()
    };
    let gains: Vec<u32> = list.iter().take(10).map(|id| grades.get(id).copied().unwrap_or(0)).collect();
    let mut ideal: Vec<u32> = grades.values().copied().collect();
    ideal.sort_unstable_by(|a, b| b.cmp(a));
    ideal.truncate(10);
    let relevant = grades.values().filter(|grade| **grade > 0).count();
    let first = gains.iter().position(|gain| *gain > 0);
    Quality {
        ndcg: discounted(&gains) / discounted(&ideal).max(f64::MIN_POSITIVE),
        recall: gains.iter().filter(|gain| **gain > 0).count() as f64 / relevant.max(1) as f64,
        reciprocal_rank: first.map_or(0.0, |place| 1.0 / (place + 1) as f64),
    }
}

/// The mean.
pub fn mean(all: &[Quality]) -> Quality {
    let count = all.len().max(1) as f64;
    let mean = |of: fn(&Quality) -> f64| all.iter().map(of).sum::<f64>() / count;
    Quality {
        ndcg: mean(|one| one.ndcg),
        recall: mean(|one| one.recall),
        reciprocal_rank: mean(|one| one.reciprocal_rank),
    }
}

/// The median and the 99th of a hundred, in milliseconds.
pub fn percentiles(mut times: Vec<Duration>) -> (f64, f64) {
    times.sort_unstable();
    let at = |part: f64| {
        let place = (times.len() as f64 * part) as usize;
        times.get(place.min(times.len().saturating_sub(1))).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    (at(0.5), at(0.99))
}

/// The time that this thread was on a core; the kernel counts it up every few milliseconds, so it is for sums of many.
pub fn cpu_time() -> Duration {
    let schedule = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = schedule.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

/// What the process has in memory that no file backs, in MiB.
pub fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kibibytes.unwrap_or(0.0) / 1024.0
}
