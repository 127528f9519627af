//! Passages: about as many tokens each as an embedder reads well, cut between sentences and at headings, and each
//! overlapping the one before a little, so that nothing is found in no passage for having been cut in two.

mod segments;
mod tokens;

use std::collections::VecDeque;
use std::rc::Rc;

use crate::pages::Page;
use segments::{Border, Segment};
pub use tokens::estimate;

/// How passages are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Tokens of a passage, as [`estimate`] counts them.
    pub tokens: u32,
    /// How many of them it has in common with the one before; at most half.
    pub overlap: u32,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { tokens: 200, overlap: 30 }
    }
}

/// A passage. Its text is that of its first page from `start` on, what pages are between, and that of its last
/// page up to `end`, joined by line feeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// From 0, ascending without gaps.
    pub ordinal: u32,
    /// Without white space around it; never empty.
    pub text: String,
    /// The headings that it stands under and that are not in its text, outermost first.
    pub headings: Vec<String>,
    /// The page on which it begins.
    pub first_page: u32,
    /// The page on which it ends.
    pub last_page: u32,
    /// Where it begins: characters (Unicode scalar values) from the beginning of the first page's text.
    pub start: u32,
    /// Where it ends: characters from the beginning of the last page's text.
    pub end: u32,
}

/// A passage is ended after so many bytes, whatever its tokens: white space has none.
const LONGEST: usize = 16 << 10;

/// Cuts pages into passages, page by page.
pub struct Chunker {
    sizes: Sizes,
    /// The headings that what comes next stands under, with their levels.
    section: Vec<(u8, Rc<str>)>,
    /// What is gathered for the next passage.
    open: VecDeque<Segment>,
    tokens: u32,
    bytes: usize,
    /// How many of those are repeated from the passage before.
    repeated: usize,
    ordinal: u32,
}

impl Chunker {
    /// Cuts into passages of this size.
    pub fn new(sizes: Sizes) -> Self {
        let tokens = sizes.tokens.max(16);
        Self {
            sizes: Sizes { tokens, overlap: sizes.overlap.min(tokens / 2) },
            section: Vec::new(),
            open: VecDeque::new(),
            tokens: 0,
            bytes: 0,
            repeated: 0,
            ordinal: 0,
        }
    }

    /// Takes the next page, and gives the passages that end on it. A page with a title of its own begins a new one.
    pub fn page(&mut self, page: &Page) -> Vec<Chunk> {
        let mut done = Vec::new();
        if let Some(title) = &page.title {
            done.extend(self.rest());
            self.open.clear();
            (self.tokens, self.bytes, self.repeated) = (0, 0, 0);
            self.section = vec![(1, title.as_str().into())];
        }
        // So that a heading has room beside the longest sentence.
        for mut segment in segments::of(page, self.sizes.tokens - self.sizes.tokens / 8) {
            if let Border::Heading(level) = segment.border {
                self.section.retain(|(known, _)| *known < level);
                segment.section = self.path();
                self.section.push((level, segment.text().trim().into()));
            } else {
                segment.section = self.path();
            }
            if self.ends_before(&segment) {
                done.extend(self.end(self.sizes.tokens.saturating_sub(segment.tokens)));
                self.repeat(&segment);
            }
            self.tokens += segment.tokens;
            self.bytes += segment.text().len();
            self.open.push_back(segment);
        }
        done
    }

    /// The last passages.
    pub fn finish(mut self) -> Vec<Chunk> {
        self.rest()
    }

    /// All that is gathered, with headings that nothing follows.
    fn rest(&mut self) -> Vec<Chunk> {
        std::iter::from_fn(|| self.end(0)).collect()
    }

    fn path(&self) -> Rc<[Rc<str>]> {
        self.section.iter().map(|(_, heading)| Rc::clone(heading)).collect()
    }

    /// Where a passage is full; earlier where something new begins and it is long enough to stand alone.
    fn ends_before(&self, next: &Segment) -> bool {
        if self.open.len() <= self.repeated {
            return false;
        }
        let (tokens, most) = (self.tokens, self.sizes.tokens);
        if tokens + next.tokens > most || self.bytes + next.text().len() > LONGEST {
            return true;
        }
        match next.border {
            Border::Heading(1 | 2) => tokens * 3 >= most,
            Border::Heading(_) => tokens * 2 >= most,
            Border::Paragraph => tokens * 10 >= most * 9,
            Border::Sentence => false,
        }
    }

    /// Gives what is gathered, unless all of it was given before. `room` is what the next passage has for headings.
    fn end(&mut self, room: u32) -> Option<Chunk> {
        if self.open.range(self.repeated..).all(|segment| segment.text().trim().is_empty()) {
            // White space after what was given says nothing that was not.
            self.repeated = self.open.len();
            return None;
        }
        // Headings at the end belong to what follows.
        let kept = self.open.iter().rposition(|segment| !matches!(segment.border, Border::Heading(_)));
        let kept = kept.map_or(self.open.len(), |kept| kept + 1);
        let above: u32 = self.open.range(kept..).map(|heading| heading.tokens).sum();
        let carried: Vec<Segment> = match kept > self.repeated && above <= room {
            true => self.open.drain(kept..).collect(),
            false => Vec::new(),
        };
        let chunk = chunk(&self.open, self.ordinal);
        self.ordinal += u32::from(chunk.is_some());
        if !carried.is_empty() {
            self.open.clear();
            self.open.extend(carried);
            self.recount(0);
            return chunk;
        }
        self.recount(self.open.len());
        chunk
    }

    fn recount(&mut self, repeated: usize) {
        self.repeated = repeated;
        self.tokens = self.open.iter().map(|segment| segment.tokens).sum();
        self.bytes = self.open.iter().map(|segment| segment.text().len()).sum();
    }

    /// Keeps the end of the passage before as the beginning of the next, unless something new begins.
    fn repeat(&mut self, next: &Segment) {
        if self.repeated < self.open.len() {
            // Headings, which were not given yet.
            return;
        }
        let overlap = match next.border {
            Border::Heading(_) => 0,
            _ => self.sizes.overlap,
        };
        let (mut tokens, mut from) = (0, self.open.len());
        while let Some(segment) = from.checked_sub(1).and_then(|before| self.open.get(before)) {
            // Half as much again, rather than nothing; never so much that the next one does not fit.
            let room = (overlap * 3 / 2).min(self.sizes.tokens.saturating_sub(next.tokens));
            if tokens + segment.tokens > room || tokens >= overlap {
                break;
            }
            tokens += segment.tokens;
            from -= 1;
        }
        let last = from.checked_sub(1).and_then(|before| self.open.get(before)).cloned();
        self.open.drain(..from);
        if tokens * 2 < overlap && overlap > 0 {
            // The last sentence is longer than what is wanted: its end.
            let room = (overlap - tokens).min(self.sizes.tokens.saturating_sub(next.tokens + tokens));
            if let Some(tail) = last.and_then(|last| last.tail(room)) {
                self.open.push_front(tail);
            }
        }
        self.recount(self.open.len());
    }
}

/// Segments as a passage; none if there is nothing but white space in them.
fn chunk(segments: &VecDeque<Segment>, ordinal: u32) -> Option<Chunk> {
    let first = segments.iter().position(|segment| !segment.text().trim().is_empty())?;
    let last = segments.iter().rposition(|segment| !segment.text().trim().is_empty())?;
    let (begin, end) = (&segments[first], &segments[last]);
    let mut text = String::new();
    let mut page = begin.page;
    for segment in segments.range(first..=last) {
        if segment.page != page {
            text.truncate(text.trim_end().len());
            text.push('\n');
            page = segment.page;
            text.push_str(segment.text().trim_start_matches('\n'));
        } else {
            text.push_str(segment.text());
        }
    }
    let before = begin.text().chars().take_while(|letter| letter.is_whitespace()).count() as u32;
    let after = end.text().chars().rev().take_while(|letter| letter.is_whitespace()).count() as u32;
    Some(Chunk {
        ordinal,
        text: text.trim().to_string(),
        headings: begin.section.iter().map(|heading| heading.to_string()).collect(),
        first_page: begin.page,
        last_page: end.page,
        start: begin.characters.start + before,
        end: end.characters.end - after,
    })
}
