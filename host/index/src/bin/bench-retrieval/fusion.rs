//! Two lists into one, by reciprocal rank.

use std::collections::HashMap;

use hardpoint_index::change::Found;
use uuid::Uuid;

/// As in the paper by Cormack, Clarke and Büttcher (2009).
const K: f64 = 60.0;

/// How far down each list is looked at.
pub const DEPTH: usize = 100;

/// The chunks of both lists, best first: each counts by the sum of 1 / (60 + rank).
pub fn fuse(lists: &[&[Found]]) -> Vec<Uuid> {
    let mut scores: HashMap<Uuid, f64> = HashMap::new();
    for list in lists {
        for (rank, found) in (1..).zip(*list) {
            *scores.entry(found.chunk).or_default() += 1.0 / (K + f64::from(rank));
        }
    }
    let mut fused: Vec<(Uuid, f64)> = scores.into_iter().collect();
    fused.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    fused.into_iter().map(|(chunk, _)| chunk).collect()
}
