//! Which sentences bear on a question: BM25 over the sentences at hand, less what was said already.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;

use crate::text;

/// The most sentences in an answer.
const SENTENCES: usize = 3;
/// Further sentences score at least this share of the best.
const SHARE_OF_BEST: f32 = 0.45;
/// How soon more of the same word stops to matter, and how much length does (Robertson and Zaragoza).
const K1: f32 = 1.2;
const B: f32 = 0.5;

/// The places of the sentences that bear on the question, ascending; none if nothing does.
pub(crate) fn relevant(question: &str, sentences: &[&str]) -> Vec<usize> {
    let wanted: BTreeSet<String> = text::words(question).into_iter().collect();
    let bags: Vec<Vec<String>> = sentences.iter().map(|sentence| text::words(sentence)).collect();
    let scores = scores(&wanted, &bags);
    let best = scores.iter().copied().fold(0.0_f32, f32::max);
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < SENTENCES {
        let next = (0..sentences.len())
            .filter(|place| !chosen.contains(place))
            .map(|place| (place, scores[place] * novelty(&bags[place], &chosen, &bags)))
            .max_by(|(a, one), (b, other)| one.total_cmp(other).then(b.cmp(a)));
        match next {
            Some((place, score)) if score > 0.0 && score >= best * SHARE_OF_BEST => chosen.push(place),
            _ => break,
        }
    }
    chosen.sort_unstable();
    chosen
}

fn scores(wanted: &BTreeSet<String>, bags: &[Vec<String>]) -> Vec<f32> {
    let mut containing: BTreeMap<&str, f32> = BTreeMap::new();
    for bag in bags {
        let distinct: BTreeSet<&str> = bag.iter().map(String::as_str).collect();
        for word in distinct {
            *containing.entry(word).or_default() += 1.0;
        }
    }
    let count = bags.len() as f32;
    let average = bags.iter().map(Vec::len).sum::<usize>() as f32 / count.max(1.0);
    let weight = |word: &str| {
        let n = containing.get(word).copied().unwrap_or(0.0);
        log2(1.0 + (count - n + 0.5) / (n + 0.5))
    };
    let score = |bag: &Vec<String>| -> f32 {
        let length = 1.0 - B + B * bag.len() as f32 / average.max(1.0);
        let of_word = |word: &String| {
            let times = bag.iter().filter(|other| *other == word).count() as f32;
            weight(word) * times * (K1 + 1.0) / (times + K1 * length)
        };
        wanted.iter().map(of_word).sum()
    };
    bags.iter().map(score).collect()
}

/// 1 for a sentence that shares nothing with those already chosen, towards 0 the more it repeats them.
fn novelty(bag: &[String], chosen: &[usize], bags: &[Vec<String>]) -> f32 {
    let words: BTreeSet<&String> = bag.iter().collect();
    let overlap = |place: &usize| {
        let other: BTreeSet<&String> = bags[*place].iter().collect();
        let shared = words.intersection(&other).count() as f32;
        shared / (words.union(&other).count() as f32).max(1.0)
    };
    1.0 - chosen.iter().map(overlap).fold(0.0, f32::max)
}

/// The logarithm to base 2 of a positive number, to some 6 %: the exponent's bits and a straight line
/// between powers of two. Only the order of scores depends on it.
fn log2(number: f32) -> f32 {
    let bits = number.to_bits();
    let exponent = ((bits >> 23) & 0xff) as f32 - 127.0;
    let mantissa = f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000);
    exponent + mantissa - 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOWN: [&str; 5] = [
        "The town has two towers.",
        "The old tower was built in 1382 to guard the bridge.",
        "The market is on Saturdays.",
        "Bread is sold at the market, and cheese.",
        "The old tower, built in 1382, guards the bridge.",
    ];

    #[test]
    fn the_sentence_that_answers_is_found() {
        assert_eq!(relevant("When was the old tower built?", &TOWN)[0], 1);
        assert_eq!(relevant("What is sold at the market?", &TOWN), [3]);
    }

    #[test]
    fn what_was_said_is_not_said_again() {
        let chosen = relevant("Which tower guards the bridge since 1382?", &TOWN);
        assert!(!(chosen.contains(&1) && chosen.contains(&4)), "{chosen:?}");
    }

    #[test]
    fn nothing_is_found_where_nothing_bears_on_it() {
        assert!(relevant("Who invented photosynthesis?", &TOWN).is_empty());
        assert!(relevant("", &TOWN).is_empty());
        assert!(relevant("tower", &[]).is_empty());
    }

    #[test]
    fn logarithms_are_in_order() {
        let mut last = log2(0.01);
        for step in 2..10_000 {
            let next = log2(step as f32 * 0.01);
            assert!(next > last);
            assert!((next - (step as f32 * 0.01).log2()).abs() < 0.09);
            last = next;
        }
    }
}
