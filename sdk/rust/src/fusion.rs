//! One order out of several: of what full text found and what was nearest, say.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::index::Ranked;

/// How lists are made one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// Each hit counts `1 / (k + rank)` in each list that it is in (Cormack, Clarke and Büttcher, 2009). Scores are
    /// not looked at, so lists of any scale go together; 60 is the usual `k`.
    ReciprocalRank {
        /// How little the first ranks stand out.
        k: f32,
    },
    /// Scores, stretched so that a list's last hit has 0 and its first has 1.
    RelativeScore,
    /// Scores, stretched so that three standard deviations below a list's mean are 0 and three above are 1: as
    /// [`Method::RelativeScore`], but one far outlier does not press all others together.
    Distribution,
}

/// Reciprocal rank with `k` = 60.
impl Default for Method {
    fn default() -> Self {
        Self::ReciprocalRank { k: 60.0 }
    }
}

/// A list with what it counts.
#[derive(Clone, Copy, Debug)]
pub struct List<'a> {
    /// Best first.
    pub hits: &'a [Ranked],
    /// 0 for not at all; only what weights are to each other matters.
    pub weight: f32,
}

/// A hit of at least one list.
#[derive(Clone, Debug, PartialEq)]
pub struct Fused {
    /// The chunk that was found.
    pub chunk_id: String,
    /// The document it is of.
    pub document_id: String,
    /// What the hits are ordered by; the method's own scale.
    pub score: f32,
}

/// Makes one list of several, best first; equals in the order of their ids.
pub fn fuse(lists: &[List<'_>], method: Method) -> Vec<Fused> {
    let mut found: BTreeMap<&str, Fused> = BTreeMap::new();
    for list in lists {
        let scores = Scores::of(list.hits, method);
        for hit in list.hits {
            let fused = found.entry(hit.chunk_id.as_str()).or_insert_with(|| Fused {
                chunk_id: hit.chunk_id.clone(),
                document_id: hit.document_id.clone(),
                score: 0.0,
            });
            fused.score += list.weight * scores.part(hit);
        }
    }
    let mut fused: Vec<Fused> = found.into_values().collect();
    fused.sort_by(|a, b| b.score.total_cmp(&a.score));
    fused
}

/// How a list's scores become parts of a sum.
enum Scores {
    ByRank { k: f32 },
    Stretched { lowest: f32, width: f32 },
}

impl Scores {
    fn of(hits: &[Ranked], method: Method) -> Self {
        let scores = || hits.iter().map(|hit| hit.score);
        match method {
            Method::ReciprocalRank { k } => Self::ByRank { k },
            Method::RelativeScore => {
                let lowest = scores().fold(f32::INFINITY, f32::min);
                let highest = scores().fold(f32::NEG_INFINITY, f32::max);
                Self::Stretched { lowest, width: highest - lowest }
            }
            Method::Distribution => {
                let count = hits.len().max(1) as f32;
                let mean = scores().sum::<f32>() / count;
                let variance = scores().map(|score| (score - mean) * (score - mean)).sum::<f32>() / count;
                let deviation = root(variance);
                Self::Stretched { lowest: mean - 3.0 * deviation, width: 6.0 * deviation }
            }
        }
    }

    fn part(&self, hit: &Ranked) -> f32 {
        match *self {
            Self::ByRank { k } => 1.0 / (k + hit.rank as f32),
            // Where all have the same score, all are as good as the first.
            Self::Stretched { width, .. } if width <= 0.0 => 1.0,
            Self::Stretched { lowest, width } => ((hit.score - lowest) / width).clamp(0.0, 1.0),
        }
    }
}

/// The square root, by Newton's method: without `std` there is none.
pub(crate) fn root(square: f32) -> f32 {
    if !(square > 0.0 && square.is_finite()) {
        return 0.0;
    }
    let mut root = f64::from(square).max(1.0);
    for _ in 0..200 {
        let next = (root + f64::from(square) / root) / 2.0;
        if next >= root {
            break;
        }
        root = next;
    }
    root as f32
}

#[cfg(test)]
mod tests {
    use super::{List, Method, fuse, root};
    use crate::index::Ranked;

    fn list(hits: &[(&str, f32)]) -> Vec<Ranked> {
        let ranked = |(rank, (id, score)): (u32, &(&str, f32))| Ranked {
            chunk_id: (*id).to_string(),
            document_id: format!("doc-{id}"),
            rank,
            score: *score,
        };
        (1..).zip(hits).map(ranked).collect()
    }

    fn fused(lists: &[(&[(&str, f32)], f32)], method: Method) -> Vec<(String, f32)> {
        let owned: Vec<(Vec<Ranked>, f32)> =
            lists.iter().map(|(hits, weight)| (list(hits), *weight)).collect();
        let lists: Vec<List<'_>> =
            owned.iter().map(|(hits, weight)| List { hits, weight: *weight }).collect();
        fuse(&lists, method).into_iter().map(|hit| (hit.chunk_id, hit.score)).collect()
    }

    fn assert_close(found: &[(String, f32)], expected: &[(&str, f32)]) {
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((id, score), (expected_id, expected_score)) in found.iter().zip(expected) {
            assert_eq!(id, expected_id, "{found:?}");
            assert!((score - expected_score).abs() < 1e-5, "{found:?}");
        }
    }

    const TEXT: &[(&str, f32)] = &[("a", 12.0), ("b", 9.0), ("c", 3.0)];
    const NEAR: &[(&str, f32)] = &[("b", 0.8), ("d", 0.7), ("a", 0.3)];

    #[test]
    fn by_reciprocal_rank() {
        let k = Method::default();
        let expected = [
            ("b", 1.0 / 62.0 + 1.0 / 61.0),
            ("a", 1.0 / 61.0 + 1.0 / 63.0),
            ("d", 1.0 / 62.0),
            ("c", 1.0 / 63.0),
        ];
        assert_close(&fused(&[(TEXT, 1.0), (NEAR, 1.0)], k), &expected);
        assert_close(&fused(&[(TEXT, 0.0), (NEAR, 2.0)], k)[..1], &[("b", 2.0 / 61.0)]);
        assert_close(
            &fused(&[(&[("z", 1.0)], 1.0), (&[("y", 1.0)], 1.0)], k),
            &[("y", 1.0 / 61.0), ("z", 1.0 / 61.0)],
        );
        assert!(fused(&[(&[], 1.0), (&[], 1.0)], k).is_empty());
    }

    #[test]
    fn by_relative_score() {
        let expected = [("b", 6.0 / 9.0 + 1.0), ("a", 1.0), ("d", 0.8), ("c", 0.0)];
        assert_close(&fused(&[(TEXT, 1.0), (NEAR, 1.0)], Method::RelativeScore), &expected);
        assert_close(&fused(&[(&[("a", 5.0)], 0.5)], Method::RelativeScore), &[("a", 0.5)]);
    }

    #[test]
    fn by_distribution() {
        // Mean 8 and deviation the root of 14; three of them are 0.5.
        let deviation = 14.0_f32.sqrt();
        let part = |score: f32| 0.5 + (score - 8.0) / (6.0 * deviation);
        let expected = [("a", part(12.0)), ("b", part(9.0)), ("c", part(3.0))];
        assert_close(&fused(&[(TEXT, 1.0)], Method::Distribution), &expected);
        assert_close(
            &fused(&[(&[("a", 2.0), ("b", 2.0)], 1.0)], Method::Distribution),
            &[("a", 1.0), ("b", 1.0)],
        );
    }

    #[test]
    fn roots() {
        for square in [0.0, 1e-12, 0.25, 2.0, 144.0, 1e30] {
            let found = root(square);
            assert!((found - square.sqrt()).abs() <= 1e-6 * square.sqrt().max(1e-6), "{square}: {found}");
        }
        assert_eq!(root(f32::NAN), 0.0);
    }
}
