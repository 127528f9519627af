//! A question made clearer by what it found: the passages that come first are taken for good, and the vector of the
//! question is moved towards theirs (Rocchio, 1971; for vectors of texts Li, Mourad, Zhuang, Koopman and Zuccon, 2023).

use alloc::vec::Vec;

use crate::fusion::{Fused, root};
use crate::index::Ranked;

/// What the mean of the passages counts where the question counts 1, as Rocchio's formula usually has it.
const WEIGHT: f32 = 0.75;

/// `question`, moved towards the mean of `found`, each brought to length 1. Vectors of another dimension, or without a
/// direction, are left out; none left leaves the question as it is.
pub fn moved(question: &[f32], found: &[Vec<f32>]) -> Vec<f32> {
    let mut mean = alloc::vec![0.0; question.len()];
    for vector in found.iter().filter(|vector| vector.len() == question.len()) {
        let scale = inverse_length(vector);
        mean.iter_mut().zip(vector).for_each(|(sum, component)| *sum += component * scale);
    }
    let (own, of_mean) = (inverse_length(question), WEIGHT * inverse_length(&mean));
    question.iter().zip(&mean).map(|(own_part, mean)| own_part * own + mean * of_mean).collect()
}

/// Hits as a list by new cosines, best first; without those that have none.
pub fn ranked(hits: &[Fused], cosines: &[Option<f32>]) -> Vec<Ranked> {
    let mut known: Vec<(&Fused, f32)> =
        hits.iter().zip(cosines).filter_map(|(hit, cosine)| Some((hit, (*cosine)?))).collect();
    known.sort_by(|a, b| b.1.total_cmp(&a.1));
    let ranked = |((hit, score), rank): ((&Fused, f32), u32)| Ranked {
        chunk_id: hit.chunk_id.clone(),
        document_id: hit.document_id.clone(),
        rank,
        score,
    };
    known.into_iter().zip(1..).map(ranked).collect()
}

/// One over the length; 0 for what has none.
fn inverse_length(vector: &[f32]) -> f32 {
    let length = root(vector.iter().map(|component| component * component).sum());
    if length > 0.0 { 1.0 / length } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::{moved, ranked};
    use crate::fusion::Fused;

    fn assert_close(found: &[f32], expected: &[f32]) {
        assert_eq!(found.len(), expected.len());
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} {expected:?}");
    }

    #[test]
    fn moves_by_directions_alone() {
        assert_close(&moved(&[2.0, 0.0], &[vec![0.0, 8.0]]), &[1.0, 0.75]);
        let half = 0.75 / 2.0_f32.sqrt();
        assert_close(&moved(&[1.0, 0.0], &[vec![0.0, 0.1], vec![9.0, 0.0]]), &[1.0 + half, half]);
    }

    #[test]
    fn what_has_no_direction_does_not_move_it() {
        for found in [vec![], vec![vec![0.0, 0.0]], vec![vec![1.0]], vec![vec![0.0, 3.0], vec![0.0, -3.0]]] {
            assert_close(&moved(&[3.0, 4.0], &found), &[0.6, 0.8]);
        }
    }

    #[test]
    fn new_cosines_make_a_new_list() {
        let hits =
            ["a", "b", "c"].map(|id| Fused { chunk_id: id.into(), document_id: "d".into(), score: 1.0 });
        let list = ranked(&hits, &[Some(0.2), None, Some(0.9)]);
        let told: Vec<_> = list.iter().map(|hit| (hit.chunk_id.as_str(), hit.rank, hit.score)).collect();
        assert_eq!(told, [("c", 1, 0.9), ("a", 2, 0.2)]);
    }
}
