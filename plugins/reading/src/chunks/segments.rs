//! The parts that passages are put together of: sentences, with what white space follows them. Together they are
//! all of a page's text, in order.

use std::ops::Range;
use std::rc::Rc;

use unicode_segmentation::UnicodeSegmentation;

use super::tokens::{estimate, tenths, words};
use crate::pages::Page;

/// What a segment begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Border {
    /// It is a heading of this level.
    Heading(u8),
    Paragraph,
    Sentence,
}

/// A sentence, or as much of one as fits into a passage.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) page: u32,
    whole: Rc<str>,
    /// In bytes of the page's text, and in characters.
    bytes: Range<usize>,
    pub(super) characters: Range<u32>,
    pub(super) tokens: u32,
    pub(super) border: Border,
    /// The headings above it.
    pub(super) section: Rc<[Rc<str>]>,
}

impl Segment {
    pub(super) fn text(&self) -> &str {
        self.whole.get(self.bytes.clone()).unwrap_or_default()
    }

    /// Its last words, as many as so many tokens have; none if not even one fits.
    pub(super) fn tail(&self, most: u32) -> Option<Self> {
        let text = self.text();
        let words: Vec<(Range<usize>, u32)> = words(text).collect();
        let mut tenths = 0;
        let mut from = text.len();
        for (word, more) in words.into_iter().rev() {
            tenths += more;
            if tenths > most * 10 {
                break;
            }
            // Where a word begins that white space is before.
            if text[..word.start].ends_with(char::is_whitespace) || is_wide(&text[word.clone()]) {
                from = word.start;
            }
        }
        let tail = text.get(from..).filter(|tail| !tail.trim().is_empty())?;
        let skipped = text[..from].chars().count() as u32;
        Some(Self {
            whole: Rc::clone(&self.whole),
            bytes: self.bytes.start + from..self.bytes.end,
            characters: self.characters.start + skipped..self.characters.end,
            tokens: estimate(tail),
            border: Border::Sentence,
            section: Rc::clone(&self.section),
            page: self.page,
        })
    }
}

fn is_wide(word: &str) -> bool {
    word.chars()
        .next()
        .is_some_and(|letter| matches!(letter, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}'))
}

/// The segments of a page, none with more than so many tokens.
pub(super) fn of(page: &Page, most: u32) -> Vec<Segment> {
    let whole: Rc<str> = page.text.as_str().into();
    let none: Rc<[Rc<str>]> = Rc::from([]);
    let mut segments = Vec::new();
    let mut characters = 0;
    for (bytes, border) in borders(page) {
        let mut border = border;
        for part in parts(&whole, bytes, most) {
            let text = &whole[part.clone()];
            let end = characters + text.chars().count() as u32;
            segments.push(Segment {
                page: page.number,
                tokens: estimate(text),
                whole: Rc::clone(&whole),
                bytes: part,
                characters: characters..end,
                border,
                section: Rc::clone(&none),
            });
            characters = end;
            border = Border::Sentence;
        }
    }
    segments
}

/// Headings, and what is between them by paragraphs and sentences.
fn borders(page: &Page) -> Vec<(Range<usize>, Border)> {
    let text = page.text.as_str();
    let mut found = Vec::new();
    let mut at = 0;
    for heading in &page.headings {
        if heading.start < at || heading.end > text.len() || heading.start >= heading.end {
            continue;
        }
        sentences(text, at..heading.start, &mut found);
        let after = text[heading.end..].len() - text[heading.end..].trim_start().len();
        at = heading.end + after;
        found.push((heading.start..at, Border::Heading(heading.level)));
    }
    sentences(text, at..text.len(), &mut found);
    found
}

fn sentences(text: &str, range: Range<usize>, found: &mut Vec<(Range<usize>, Border)>) {
    let mut at = range.start;
    while at < range.end {
        let rest = &text[at..range.end];
        // A paragraph with the empty lines after it.
        let end = rest.find("\n\n").map_or(rest.len(), |end| {
            let after = &rest[end..];
            end + after.len() - after.trim_start_matches(['\n', ' ', '\t']).len()
        });
        let paragraph = &rest[..end.max(1)];
        // The ends of wrapped lines end no sentence (UAX #29 thinks so).
        let unwrapped = paragraph.replace('\n', " ");
        let mut border = Border::Paragraph;
        for (from, sentence) in unwrapped.split_sentence_bound_indices() {
            found.push((at + from..at + from + sentence.len(), border));
            border = Border::Sentence;
        }
        at += paragraph.len();
    }
}

/// A sentence in parts of at most so many tokens: by its lines, then by its words, then by what is one character
/// to a reader.
fn parts(text: &str, range: Range<usize>, most: u32) -> Vec<Range<usize>> {
    let sentence = &text[range.clone()];
    if fits(sentence, most) {
        return vec![range];
    }
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut gathered = Gathered { most, start: range.start, end: range.start, tenths: 0 };
    for line in sentence.split_inclusive('\n') {
        if fits(line, most) {
            gathered.add(line.len(), tenths(line), &mut parts);
            continue;
        }
        // Words by UAX #29, which never part what is one character to a reader.
        for word in line.split_word_bounds() {
            if fits(word, most) {
                gathered.add(word.len(), tenths(word), &mut parts);
                continue;
            }
            for cluster in word.graphemes(true) {
                if cluster.len() <= LONGEST_CLUSTER {
                    let is_letter = cluster.bytes().all(|byte| byte.is_ascii_alphabetic());
                    let part = if is_letter { 3 } else { tenths(cluster) };
                    gathered.add(cluster.len(), part, &mut parts);
                } else {
                    cluster.chars().for_each(|letter| gathered.add(letter.len_utf8(), 10, &mut parts));
                }
            }
        }
    }
    if gathered.start < gathered.end {
        parts.push(gathered.start..gathered.end);
    }
    parts
}

/// What is one character to a reader is cut where it has more marks than anybody can read, in bytes.
const LONGEST_CLUSTER: usize = 256;
/// A part in bytes: white space has no tokens.
const LONGEST_PART: usize = 8 << 10;

fn fits(text: &str, most: u32) -> bool {
    text.len() <= LONGEST_PART && estimate(text) <= most
}

struct Gathered {
    most: u32,
    start: usize,
    end: usize,
    tenths: u32,
}

impl Gathered {
    fn add(&mut self, length: usize, tenths: u32, parts: &mut Vec<Range<usize>>) {
        let is_full = self.tenths + tenths > self.most * 10 || self.end - self.start + length > LONGEST_PART;
        if is_full && self.start < self.end {
            parts.push(self.start..self.end);
            self.start = self.end;
            self.tenths = 0;
        }
        self.end += length;
        self.tenths += tenths;
    }
}
