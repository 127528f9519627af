//! Mutated files: `HARDPOINT_MUTATIONS` of each kind, 100 where it is not set. Each ends with pages or with a
//! reason; work is counted in bytes that were asked for and handed over, so the bound holds on any machine.

use std::cell::Cell;
use std::io::{Cursor, Read};

use reading::{Error, Page, Receiver, Source, Stopped};

use super::samples;

fn count() -> u64 {
    let count = std::env::var("HARDPOINT_MUTATIONS").ok();
    count.map_or(100, |count| count.parse().expect("HARDPOINT_MUTATIONS is a number"))
}

/// A xorshift generator (Marsaglia, 2003): the same mutations each time.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }
}

/// Some to many bytes changed, taken out, doubled, or cut off.
fn mutated(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=dice.below(8) {
        let at = dice.below(bytes.len());
        let length = dice.below(40).min(bytes.len() - at);
        match dice.below(8) {
            0..=2 if at < bytes.len() => bytes[at] = dice.next() as u8,
            3 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            4 => drop(bytes.drain(at..at + length)),
            5 => {
                let part = bytes[at..at + length].to_vec();
                let to = dice.below(bytes.len() + 1);
                bytes.splice(to..to, part);
            }
            6 => {
                const NUMBERS: [&str; 8] =
                    ["0", "-1", "4294967295", "9223372036854775807", "1e308", "65536", "2 0 R", "[[[["];
                let number = NUMBERS[dice.below(NUMBERS.len())].bytes();
                let end = (at + number.len()).min(bytes.len());
                bytes.splice(at..end, number);
            }
            _ if dice.below(4) == 0 => bytes.truncate(at),
            _ => {}
        }
        if bytes.is_empty() {
            break;
        }
    }
    bytes
}

/// An archive with one of its parts mutated, then packed again: most of what is wrong gets past the checksums.
fn repacked(bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut zip = zip::ZipArchive::new(Cursor::new(bytes)).expect("a whole archive");
    let chosen = dice.below(zip.len());
    let mut parts = Vec::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).expect("a whole archive");
        let name = entry.name().expect("a name").into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("a whole archive");
        if index == chosen {
            content = mutated(&content, dice);
        }
        parts.push((name, content));
    }
    let parts: Vec<(&str, &[u8])> =
        parts.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect();
    samples::archive(&parts)
}

/// Counts what is asked for.
struct Metered<'b> {
    bytes: &'b [u8],
    read: Cell<u64>,
}

impl Source for Metered<'_> {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<usize, Stopped> {
        let length = self.bytes.read_at(offset, into)?;
        self.read.set(self.read.get() + length as u64 + 1);
        Ok(length)
    }
}

/// Checks and counts what is handed over.
#[derive(Default)]
struct Checked {
    pages: u32,
    bytes: usize,
}

impl Receiver for Checked {
    fn title(&mut self, title: &str) -> Result<(), Stopped> {
        assert!(!title.trim().is_empty() && title.chars().count() <= 500);
        Ok(())
    }

    fn page(&mut self, page: Page) -> Result<(), Stopped> {
        self.pages += 1;
        assert_eq!(page.number, self.pages);
        assert!(page.headings.iter().all(|heading| page.text.get(heading.start..heading.end).is_some()));
        self.bytes += page.text.len();
        Ok(())
    }

    fn progress(&mut self, done: u32, total: u32) {
        assert!(done <= total);
    }
}

fn bounded(bytes: &[u8], filename: &str) -> bool {
    let source = Metered { bytes, read: Cell::new(0) };
    let mut checked = Checked::default();
    let result = reading::read(&source, filename, None, &mut checked);
    assert!(!matches!(result, Err(Error::Stopped)), "nothing stopped it");
    let most = 64 * (bytes.len() as u64 + 4_096);
    assert!(source.read.get() <= most, "{} bytes read of {}", source.read.get(), bytes.len());
    assert!(checked.bytes as u64 <= 1_000 * most && checked.pages <= 50_000);
    result.is_ok()
}

fn mutate(filename: &str, mutate: impl Fn(&[u8], &mut Dice) -> Vec<u8>) {
    let (_, original) = samples::all().into_iter().find(|(name, _)| *name == filename).expect("a sample");
    let (mut read, mut refused) = (0, 0);
    for seed in 1..=count() {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let bytes = mutate(&original, &mut dice);
        match bounded(&bytes, filename) {
            true => read += 1,
            false => refused += 1,
        }
    }
    println!("{filename}: {read} read, {refused} refused");
    // A mutation that never matters tests nothing, nor does one that always does.
    assert!(read > 0);
}

#[test]
fn of_pdf() {
    mutate("a.pdf", mutated);
}

#[test]
fn of_docx() {
    mutate("a.docx", mutated);
    mutate("a.docx", repacked);
}

#[test]
fn of_pptx() {
    mutate("a.pptx", mutated);
    mutate("a.pptx", repacked);
}

#[test]
fn of_xlsx() {
    mutate("a.xlsx", mutated);
    mutate("a.xlsx", repacked);
}

#[test]
fn of_html() {
    mutate("a.html", mutated);
}

#[test]
fn of_markdown() {
    mutate("a.md", mutated);
}

#[test]
fn of_csv() {
    mutate("a.csv", mutated);
}

#[test]
fn of_json() {
    mutate("a.json", mutated);
}

#[test]
fn of_plain_text() {
    mutate("a.txt", mutated);
}
