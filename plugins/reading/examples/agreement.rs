//! `cargo run --release --example agreement -- FOLDER`: how far the words that are read of the PDFs below a folder agree
//! with those of `pdftotext` (poppler-utils), by F1 over words with their counts. Debian's `-doc` packages hold many. Ends
//! with 1 where fewer than [`SHARE`] of them, or of fewer than [`FILES`], reach [`LEAST`].
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use reading::{Page, Receiver, Stopped};

/// What each file must reach, and the share of files that must.
const LEAST: f64 = 0.95;
const SHARE: f64 = 0.95;
/// Fewer show nothing.
const FILES: usize = 50;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: agreement FOLDER    (of PDFs; needs pdftotext of poppler-utils)");
        return Ok(ExitCode::from(2));
    };
    let mut files = Vec::new();
    gather(Path::new(&folder), &mut files)?;
    files.sort();
    let mut scores = Vec::new();
    for file in files {
        if let Some(expected) = pdftotext(&file)? {
            scores.push(score(&file, &words(&expected))?);
        }
    }
    scores.sort_by(f64::total_cmp);
    let good = scores.iter().filter(|score| **score >= LEAST).count();
    let median = scores.get(scores.len() / 2).copied().unwrap_or_default();
    println!("{} PDFs with text: median F1 {median:.4}, {good} at {LEAST} or more", scores.len());
    let is_enough = scores.len() >= FILES && good as f64 >= SHARE * scores.len() as f64;
    Ok(ExitCode::from(u8::from(!is_enough)))
}

/// The F1 of one file, which is printed, with the words that make the difference where it is low.
fn score(file: &Path, expected: &HashMap<String, usize>) -> Result<f64, Box<dyn Error>> {
    let bytes = std::fs::read(file)?;
    let mut text = Text::default();
    let read = reading::read(&bytes.as_slice(), "a.pdf", None, &mut text);
    let found = words(&text.0);
    let score = f1(&found, expected);
    println!("{score:.4} {} {}", file.display(), read.err().map_or(String::new(), |error| error.to_string()));
    if score < LEAST {
        println!("       more: {}", difference(&found, expected));
        println!("       less: {}", difference(expected, &found));
    }
    Ok(score)
}

/// The pages, one after the other.
#[derive(Default)]
struct Text(String);

impl Receiver for Text {
    fn title(&mut self, _: &str) -> Result<(), Stopped> {
        Ok(())
    }

    fn page(&mut self, page: Page) -> Result<(), Stopped> {
        self.0.push_str(&page.text);
        self.0.push('\n');
        Ok(())
    }

    fn progress(&mut self, _: u32, _: u32) {}
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "pdf") {
            files.push(path);
        }
    }
    Ok(())
}

/// None where it reads nothing itself: pictures, and what is no PDF.
fn pdftotext(file: &Path) -> Result<Option<String>, String> {
    let output = Command::new("pdftotext").args(["-enc", "UTF-8"]).arg(file).arg("-").output();
    let output = output.map_err(|error| format!("cannot run pdftotext (Debian's poppler-utils): {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((output.status.success() && text.split_whitespace().count() >= 20).then_some(text))
}

/// Words with their counts; ligatures as their letters, marks of punctuation at their ends left out.
fn words(text: &str) -> HashMap<String, usize> {
    let text = text
        .replace('ﬁ', "fi")
        .replace('ﬂ', "fl")
        .replace('ﬀ', "ff")
        .replace('ﬃ', "ffi")
        .replace('ﬄ', "ffl")
        .replace('\u{ad}', "-");
    let mut words = HashMap::new();
    for word in text.split_whitespace() {
        let word = word.trim_matches(|letter: char| !letter.is_alphanumeric());
        if !word.is_empty() {
            *words.entry(word.to_string()).or_default() += 1;
        }
    }
    words
}

fn f1(found: &HashMap<String, usize>, expected: &HashMap<String, usize>) -> f64 {
    let common: usize = found.iter().map(|(word, count)| *count.min(expected.get(word).unwrap_or(&0))).sum();
    let all: usize = found.values().sum::<usize>() + expected.values().sum::<usize>();
    if all == 0 { 1.0 } else { 2.0 * common as f64 / all as f64 }
}

/// The words that one has more often.
fn difference(one: &HashMap<String, usize>, other: &HashMap<String, usize>) -> String {
    let mut more: Vec<(usize, &str)> = one
        .iter()
        .map(|(word, count)| (count.saturating_sub(*other.get(word).unwrap_or(&0)), word.as_str()))
        .filter(|(count, _)| *count > 0)
        .collect();
    more.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    more.iter().take(12).map(|(count, word)| format!("{word}×{count}")).collect::<Vec<_>>().join(" ")
}
