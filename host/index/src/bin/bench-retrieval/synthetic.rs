//! How fast and how large, with made-up chunks: 130 words each, drawn from 50,000 as often as Zipf's law has it,
//! and vectors of 384 components in directions of chance, as from behind the embedder. Questions are eight words
//! of a chunk and a vector near it. The thirty commonest words are left out of questions, as stop words are.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use hardpoint_index::change::{Change, Filter, Passage};
use hardpoint_index::fulltext::FullText;
use hardpoint_index::vectors::{Pin, Rounded, Seen, VectorChange, Vectors};
use serde_json::Map;
use uuid::Uuid;

use crate::measures::{cpu_time, memory, percentiles};
use crate::search::{CANDIDATES, Fusion, ranked};

const WORDS: usize = 50_000;
const WORDS_OF_A_CHUNK: usize = 130;
const WORDS_OF_A_QUESTION: usize = 8;
const COMMONEST: usize = 30;
const CHUNKS_OF_A_DOCUMENT: u64 = 50;
/// Chunks that are applied at once.
const BATCH: u64 = 10_000;
const DIMENSION: usize = 384;
/// Searches before those that are measured.
const WARMING: u64 = 10;

pub fn measure(sizes: &[u64], questions: usize) -> Result<()> {
    println!("synthetic, one core; {questions} searches, the best {CANDIDATES} of each list");
    println!(
        "| chunks | full text p50, p99 ms | vectors | hybrid | its CPU, mean | memory: vectors | all | on disk: text | vectors | \
         chunks a second: text | vectors | start: text | vectors |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let words = Words::new();
    for size in sizes {
        measure_one(&words, *size, questions)?;
    }
    Ok(())
}

fn measure_one(words: &Words, size: u64, questions: usize) -> Result<()> {
    let place = tempfile::tempdir()?;
    let (texts, snapshot) = (place.path().join("text"), place.path().join("vectors"));
    let text_took = fill_text(words, &texts, size)?;
    let before = memory();
    let (vectors, vectors_took) = fill_vectors(size)?;
    let of_vectors = memory() - before;
    vectors.save(&snapshot)?;
    drop(vectors);

    let begun = Instant::now();
    let full_text = FullText::open(&texts)?;
    let text_started = begun.elapsed();
    let begun = Instant::now();
    let Some(vectors) = Vectors::load(&snapshot, pin())? else { anyhow::bail!("no snapshot") };
    let vectors_started = begun.elapsed();

    let mut times: [Vec<Duration>; 3] = Default::default();
    let mut cpu = Duration::ZERO;
    // The first ones bring the files into memory.
    for number in 0..questions as u64 + WARMING {
        let (text, vector) = question(words, number, size);
        let (begun, cpu_begun) = (Instant::now(), cpu_time());
        let found = full_text.search(&text, &Filter::default(), CANDIDATES)?;
        let after_text = begun.elapsed();
        let near = vectors.nearest(&vector, Seen::default(), CANDIDATES)?;
        let after_vectors = begun.elapsed();
        let both = Fusion::default().of(&ranked(found), &ranked(near), &vector, &vectors)?;
        anyhow::ensure!(both.len() >= CANDIDATES, "the searches found too little");
        if number >= WARMING {
            times[0].push(after_text);
            times[1].push(after_vectors - after_text);
            times[2].push(begun.elapsed());
            cpu += cpu_time().saturating_sub(cpu_begun);
        }
    }
    let shown = times.map(|times| {
        let (median, worst) = percentiles(times);
        format!("{median:.1}, {worst:.1}")
    });
    let cpu = cpu.as_secs_f64() * 1e3 / questions.max(1) as f64;
    let rate = |took: Duration| size as f64 / took.as_secs_f64();
    println!(
        "| {size} | {} | {cpu:.1} ms | {of_vectors:.0} MiB | {:.0} MiB | {:.0} MiB | {:.0} MiB | {:.0} | {:.0} | {:.2} s | {:.2} s |",
        shown.join(" | "),
        memory(),
        size_of_files(&texts)?,
        size_of_files(&snapshot)?,
        rate(text_took),
        rate(vectors_took),
        text_started.as_secs_f64(),
        vectors_started.as_secs_f64(),
    );
    Ok(())
}

fn fill_text(words: &Words, folder: &Path, size: u64) -> Result<Duration> {
    let full_text = FullText::open(folder)?;
    let mut took = Duration::ZERO;
    for first in (0..size).step_by(BATCH as usize) {
        let passages: Vec<Change> = (first..size.min(first + BATCH))
            .map(|number| {
                let text = words.text(&mut Chance::of(number), WORDS_OF_A_CHUNK, 0);
                let (chunk, document) = ids(number);
                Change::Add(Passage { chunk, document, text, metadata: Map::new() })
            })
            .collect();
        let begun = Instant::now();
        full_text.apply(passages, first + 1)?;
        took += begun.elapsed();
    }
    let begun = Instant::now();
    full_text.rest()?;
    Ok(took + begun.elapsed())
}

fn fill_vectors(size: u64) -> Result<(Vectors, Duration)> {
    let mut vectors = Vectors::new(pin());
    let mut took = Duration::ZERO;
    for first in (0..size).step_by(BATCH as usize) {
        let made = (first..size.min(first + BATCH)).map(|number| {
            let (chunk, document) = ids(number);
            let vector = Rounded::of(&direction(&mut Chance::of(!number)))?;
            Ok(VectorChange::Set { chunk, document, vector })
        });
        let made: Vec<VectorChange> = made.collect::<Result<_>>()?;
        let begun = Instant::now();
        vectors.apply(made, first + 1)?;
        took += begun.elapsed();
    }
    Ok((vectors, took))
}

/// Words of a chunk, and a vector that is nearest to it.
fn question(words: &Words, number: u64, size: u64) -> (String, Vec<f32>) {
    let mut chance = Chance::of(number ^ 0x5EED);
    let chunk = chance.next() % size;
    let text = words.text(&mut Chance::of(chunk), WORDS_OF_A_QUESTION, COMMONEST);
    let noise = direction(&mut chance);
    let near = direction(&mut Chance::of(!chunk));
    (text, near.iter().zip(noise).map(|(near, noise)| near + 0.5 * noise).collect())
}

fn pin() -> Pin {
    Pin { model: "synthetic".to_owned(), dimension: DIMENSION }
}

fn ids(number: u64) -> (Uuid, Uuid) {
    // As UUIDv7 has it: time in front, chance behind.
    let of = |time: u64, salt: u64| Uuid::from_u64_pair(time << 16 | 0x7000, Chance::of(time ^ salt).next());
    (of(number, 1), of(number / CHUNKS_OF_A_DOCUMENT, 2))
}

fn direction(chance: &mut Chance) -> Vec<f32> {
    (0..DIMENSION).map(|_| (0..4).map(|_| chance.unit() as f32 - 0.5).sum()).collect()
}

/// Words by rank; the commonest are short.
struct Words {
    words: Vec<String>,
    /// How likely a word of this rank or a lower one is.
    sums: Vec<f64>,
}

impl Words {
    fn new() -> Self {
        let mut sum = 0.0;
        let sums = (1..=WORDS).map(|rank| {
            sum += 1.0 / rank as f64;
            sum
        });
        let sums = sums.collect();
        Self { words: (0..WORDS).map(word).collect(), sums }
    }

    /// `count` words, none of the `without` commonest.
    fn text(&self, chance: &mut Chance, count: usize, without: usize) -> String {
        let whole = self.sums.last().copied().unwrap_or(0.0);
        let ranks = std::iter::repeat_with(|| {
            let drawn = chance.unit() * whole;
            self.sums.partition_point(|sum| *sum < drawn).min(WORDS - 1)
        });
        let words = ranks.filter(|rank| *rank >= without).take(count);
        words.map(|rank| self.words[rank].as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// Syllables that the stemmer leaves alone.
fn word(rank: usize) -> String {
    const SYLLABLES: [&str; 16] =
        ["ba", "ko", "mu", "ta", "ro", "nu", "va", "po", "gu", "da", "fo", "lu", "ka", "to", "bu", "ma"];
    let mut left = rank + 16;
    let mut word = String::new();
    while left > 0 {
        word.push_str(SYLLABLES[left % 16]);
        left /= 16;
    }
    word
}

fn size_of_files(path: &Path) -> Result<f64> {
    let size = |path: &Path| Ok::<_, anyhow::Error>(path.metadata()?.len() as f64 / f64::from(1 << 20));
    if path.is_file() {
        return size(path);
    }
    std::fs::read_dir(path)?.map(|entry| size(&entry?.path())).sum()
}

/// SplitMix64: the same numbers each time.
struct Chance(u64);

impl Chance {
    fn of(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xD134_2543_DE82_EF95))
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// From 0 to 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
