//! What a hit is worth on the scale that clients see: from 0 to 1, and from [`RELEVANT`] on a source of an answer.
//!
//! Each embedding model has a cosine of its own at which what is on the topic parts from what is not. That cut-off is
//! put at [`RELEVANT`], 0 and 1 stay where they are, and between them the scale is straight.

/// What the cut-off of every model is shown as, and the threshold where nobody names another.
pub const RELEVANT: f64 = 0.70;

/// What full text alone knows is a share of what the question could reach at most; this much of it is relevant. A
/// word that a passage of mean length has once reaches 1 / 2.2 of its most (BM25 with k1 = 1.2): so this is a passage
/// that has, once each, words which together make up half of the question's weight. Of 113 questions that a collection
/// answers it left 103, and of 20 that it does not, 2.
const LEXICAL_CUT_OFF: f64 = 0.5 / 2.2;

/// The scale of one embedding model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Calibration {
    cut_off: f64,
}

impl Calibration {
    /// all-MiniLM-L6-v2: 0.30 parted 225 questions on the topic from 20 off it.
    pub const MINILM: Self = Self { cut_off: 0.30 };

    /// Of a model of which nobody said where its cut-off is.
    pub const USUAL: Self = Self { cut_off: 0.30 };

    /// The scale of a model with this cut-off, a cosine; none where that is not between 0 and 1.
    pub fn new(cut_off: f64) -> Option<Self> {
        (cut_off > 0.0 && cut_off < 1.0).then_some(Self { cut_off })
    }

    /// The `similarity_score` of a cosine. Less than 0 is 0, what is no number too.
    pub fn similarity(self, cosine: f64) -> f64 {
        if cosine.is_nan() {
            return 0.0;
        }
        let cosine = cosine.clamp(0.0, 1.0);
        let score = if cosine <= self.cut_off {
            RELEVANT * (cosine / self.cut_off)
        } else {
            // Down from 1, so that 1 stays 1 to the last digit.
            1.0 - (1.0 - RELEVANT) * ((1.0 - cosine) / (1.0 - self.cut_off))
        };
        score.clamp(0.0, 1.0)
    }

    /// The cosine that has this `similarity_score`: what a threshold asks of a search.
    pub fn cosine(self, similarity: f64) -> f64 {
        let similarity = if similarity.is_nan() { 1.0 } else { similarity.clamp(0.0, 1.0) };
        if similarity <= RELEVANT {
            self.cut_off * (similarity / RELEVANT)
        } else {
            1.0 - (1.0 - self.cut_off) * ((1.0 - similarity) / (1.0 - RELEVANT))
        }
    }
}

/// The `similarity_score` of a hit where no embedder is loaded: its BM25 `score` as a share of the most that any
/// passage could reach with this question (of each of its words the inverse document frequency times k1 + 1, summed).
/// It is to be marked as lexical: it knows words, not meanings.
pub fn lexical(score: f64, attainable: f64) -> f64 {
    if !(score > 0.0 && attainable > 0.0) {
        return 0.0;
    }
    Calibration { cut_off: LEXICAL_CUT_OFF }.similarity(score / attainable)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_and_the_cut_off_stand_where_they_should() {
        for calibration in [Calibration::MINILM, Calibration { cut_off: 0.82 }] {
            for (cosine, score) in [(-1.0, 0.0), (0.0, 0.0), (calibration.cut_off, RELEVANT), (1.0, 1.0)] {
                assert_eq!(calibration.similarity(cosine), score, "{cosine}");
            }
        }
        assert!((Calibration::MINILM.similarity(0.15) - 0.35).abs() < 1e-12);
        assert!((Calibration::MINILM.similarity(0.65) - 0.85).abs() < 1e-12);
        assert_eq!(Calibration::MINILM.similarity(f64::NAN), 0.0);
        assert_eq!([0.0, 1.0, -0.3, f64::NAN].map(Calibration::new), [None; 4]);
    }

    #[test]
    fn words_that_make_up_half_of_a_question_are_relevant() {
        let best = 9.0 * 2.2;
        assert_eq!([lexical(0.0, best), lexical(5.0, 0.0), lexical(f64::NAN, best)], [0.0; 3]);
        assert!(lexical(4.6, best) >= RELEVANT, "half of the weight, once each");
        assert!(lexical(4.4, best) < RELEVANT);
        assert_eq!((lexical(best, best), lexical(2.0 * best, best)), (1.0, 1.0));
    }

    proptest! {
        #[test]
        fn it_rises_with_the_cosine(cut_off in 0.01..0.99_f64, a in -1.0..=1.0_f64, b in -1.0..=1.0_f64) {
            let calibration = Calibration::new(cut_off).unwrap();
            let (less, more) = (calibration.similarity(a.min(b)), calibration.similarity(a.max(b)));
            prop_assert!(less <= more);
            prop_assert!((0.0..=1.0).contains(&less) && (0.0..=1.0).contains(&more));
            if a.min(b) >= 0.0 && (a - b).abs() > 1e-9 {
                prop_assert!(less < more, "what differs is told apart");
            }
        }

        #[test]
        fn what_is_above_the_cut_off_is_relevant(cut_off in 0.01..0.99_f64, cosine in -1.0..=1.0_f64) {
            let score = Calibration::new(cut_off).unwrap().similarity(cosine);
            prop_assert_eq!(score >= RELEVANT, cosine >= cut_off);
        }

        #[test]
        fn a_threshold_leads_back_to_its_cosine(cut_off in 0.01..0.99_f64, similarity in 0.0..=1.0_f64) {
            let calibration = Calibration::new(cut_off).unwrap();
            prop_assert!((calibration.similarity(calibration.cosine(similarity)) - similarity).abs() < 1e-9);
        }

        #[test]
        fn lexical_scores_rise_too(best in 0.1..100.0_f64, a in 0.0..100.0_f64, b in 0.0..100.0_f64) {
            prop_assert!(lexical(a.min(b), best) <= lexical(a.max(b), best));
        }
    }
}
