//! Which sentences bear on a question: BM25 over the sentences at hand, less what was said already.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::text;

/// The most sentences in an answer.
const SENTENCES: usize = 3;
/// Further sentences score at least this share of the best.
const SHARE_OF_BEST: f32 = 0.45;
/// How soon more of the same word stops to matter, and how much length does (Robertson and Zaragoza).
const K1: f32 = 1.2;
const B: f32 = 0.5;
/// Different words of the question that count. What a question is about, it says by then.
const WANTED: usize = 64;
/// So many of the best sentences are compared with each other.
const CANDIDATES: usize = 64;

/// A sentence that has a word of the question.
struct Match {
    place: usize,
    words: usize,
    /// The words of the question in it, by number, and how often.
    found: Vec<(usize, u32)>,
}

/// The places of the sentences that bear on the question, ascending; none if nothing does.
pub(crate) fn relevant(question: &str, sentences: &[&str]) -> Vec<usize> {
    let mut candidates = scored(question, sentences);
    candidates.sort_by(|(a, one), (b, other)| other.total_cmp(one).then(a.cmp(b)));
    candidates.truncate(CANDIDATES);
    let best = candidates.first().map_or(0.0, |(_, score)| *score);
    let bags: Vec<BTreeSet<String>> = candidates.iter().map(|(place, _)| bag(sentences[*place])).collect();
    let mut chosen: Vec<usize> = Vec::new();
    while chosen.len() < SENTENCES {
        let next = (0..candidates.len())
            .filter(|index| !chosen.contains(index))
            .map(|index| (index, candidates[index].1 * novelty(&bags[index], &chosen, &bags)))
            .max_by(|(a, one), (b, other)| one.total_cmp(other).then(b.cmp(a)));
        match next {
            Some((index, score)) if score > 0.0 && score >= best * SHARE_OF_BEST => chosen.push(index),
            _ => break,
        }
    }
    let mut places: Vec<usize> = chosen.into_iter().map(|index| candidates[index].0).collect();
    places.sort_unstable();
    places
}

/// The places of the sentences that share a word with the question, each with its BM25 score.
fn scored(question: &str, sentences: &[&str]) -> Vec<(usize, f32)> {
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    text::for_each_word(question, |word| {
        let number = wanted.len();
        if number < WANTED && !wanted.contains_key(word) {
            wanted.insert(word.to_string(), number);
        }
    });
    let mut containing = alloc::vec![0_u32; wanted.len()];
    let mut matches: Vec<Match> = Vec::new();
    let mut all_words = 0;
    for (place, sentence) in sentences.iter().enumerate() {
        let mut words = 0;
        let mut found: Vec<(usize, u32)> = Vec::new();
        text::for_each_word(sentence, |word| {
            words += 1;
            let Some(number) = wanted.get(word) else { return };
            match found.iter_mut().find(|(known, _)| known == number) {
                Some((_, times)) => *times += 1,
                None => found.push((*number, 1)),
            }
        });
        all_words += words;
        found.iter().for_each(|(number, _)| containing[*number] += 1);
        if !found.is_empty() {
            matches.push(Match { place, words, found });
        }
    }
    let count = sentences.len() as f32;
    let average = (all_words as f32 / count.max(1.0)).max(1.0);
    let weight = |n: f32| log2(1.0 + (count - n + 0.5) / (n + 0.5));
    let score = |it: &Match| {
        let length = 1.0 - B + B * it.words as f32 / average;
        let of_word = |(number, times): &(usize, u32)| {
            let times = *times as f32;
            weight(containing[*number] as f32) * times * (K1 + 1.0) / (times + K1 * length)
        };
        it.found.iter().map(of_word).sum::<f32>()
    };
    matches.iter().map(|it| (it.place, score(it))).collect()
}

fn bag(sentence: &str) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    text::for_each_word(sentence, |word| {
        if !words.contains(word) {
            words.insert(word.to_string());
        }
    });
    words
}

/// 1 for a sentence that shares nothing with those already chosen, towards 0 the more it repeats them.
fn novelty(words: &BTreeSet<String>, chosen: &[usize], bags: &[BTreeSet<String>]) -> f32 {
    let overlap = |index: &usize| {
        let other = &bags[*index];
        let shared = words.intersection(other).count() as f32;
        shared / (words.union(other).count() as f32).max(1.0)
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
