//! Against `pdftotext`: the words of every PDF below the folder that `HARDPOINT_PDFS` names, by F1 over the words
//! with their counts. Without the folder there is nothing to compare; the figures are told by `--nocapture`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::try_read;

/// What each file must reach, and the share of files that must.
const LEAST: f64 = 0.95;
const SHARE: f64 = 0.95;

#[test]
fn words_agree() {
    let Ok(folder) = std::env::var("HARDPOINT_PDFS") else { return };
    let mut files = Vec::new();
    gather(Path::new(&folder), &mut files);
    files.sort();
    let mut scores: Vec<(f64, PathBuf)> = Vec::new();
    for file in files {
        let Some(expected) = pdftotext(&file) else { continue };
        let bytes = std::fs::read(&file).expect("a file");
        let (result, kept) = try_read(&bytes, "a.pdf");
        let found = words(&kept.text());
        let score = f1(&found, &words(&expected));
        println!(
            "{score:.4} {} {}",
            file.display(),
            result.err().map_or(String::new(), |error| error.to_string())
        );
        if score < LEAST {
            println!("       more: {}", difference(&found, &words(&expected)));
            println!("       less: {}", difference(&words(&expected), &found));
        }
        scores.push((score, file));
    }
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    assert!(scores.len() >= 50, "only {} PDFs with text below {folder}", scores.len());
    let good = scores.iter().filter(|(score, _)| *score >= LEAST).count();
    let median = scores[scores.len() / 2].0;
    println!("{} PDFs: median F1 {median:.4}, {good} at {LEAST} or more", scores.len());
    assert!(median >= LEAST && good as f64 >= SHARE * scores.len() as f64);
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "pdf") {
            files.push(path);
        }
    }
}

/// None where it reads nothing itself: pictures, and what is no PDF.
fn pdftotext(file: &Path) -> Option<String> {
    let output =
        Command::new("pdftotext").args(["-enc", "UTF-8"]).arg(file).arg("-").output().expect("pdftotext");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.success() && text.split_whitespace().count() >= 20).then_some(text)
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
