//! From letters to words and lines, by where they stand.

use hayro_font::kurbo::{Point, Vec2};

use super::layout::Glyph;

/// A gap of so much of the size parts words.
const WORD_GAP: f64 = 0.13;
/// Letters that stand this much lower or higher begin another line, unless they are small and close by: indices.
const LINE_SHIFT: f64 = 0.45;
/// A step back of this much begins another line.
const STEP_BACK: f64 = 0.6;
/// A gap of so much is one between columns.
const COLUMN_GAP: f64 = 4.0;

/// Letters that stand on one line, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: String,
    /// The size of most of its letters.
    pub(super) size: f64,
    /// Where it begins and ends on its baseline.
    pub(super) start: Point,
    pub(super) end: Point,
    /// Of length 1.
    pub(super) direction: Vec2,
    letters: usize,
    last: Last,
}

/// The letter that was added last.
#[derive(Clone, Debug)]
struct Last {
    start: Point,
    text: std::rc::Rc<str>,
    size: f64,
}

impl Line {
    fn new(letter: &Glyph, direction: Vec2) -> Self {
        Self {
            text: letter.text.to_string(),
            size: letter.size,
            start: letter.start,
            end: letter.end,
            direction,
            letters: 1,
            last: Last { start: letter.start, text: letter.text.clone(), size: letter.size },
        }
    }

    /// Adds a letter if it goes on where the line ends.
    fn add(&mut self, letter: &Glyph, direction: Vec2) -> bool {
        let size = self.size.max(letter.size).max(0.01);
        let across = Vec2::new(-self.direction.y, self.direction.x);
        let shift = (letter.start - self.start).dot(across).abs();
        let gap = (letter.start - self.end).dot(self.direction);
        let is_index = letter.size < 0.85 * self.size || self.last.size < 0.85 * self.size;
        let most = if is_index && gap.abs() < 0.4 * size { 0.8 } else { LINE_SHIFT };
        if self.direction.dot(direction) < 0.95
            || shift > most * size
            || gap < -STEP_BACK * size
            || gap > COLUMN_GAP * size
        {
            return false;
        }
        // Bold by drawing twice.
        let moved = letter.start - self.last.start;
        if letter.text == self.last.text && moved.hypot() < 0.12 * size && !letter.text.trim().is_empty() {
            return true;
        }
        let parts = gap > WORD_GAP * self.last.size.min(letter.size).max(0.01);
        let has_space = self.text.ends_with(' ') || letter.text.starts_with(' ');
        if parts && !has_space && !joins_without_space(&self.text, &letter.text) {
            self.text.push(' ');
        }
        if letter.text.as_ref() != " " || !self.text.ends_with(' ') {
            self.text.push_str(&letter.text);
        }
        self.letters += 1;
        // The size of most: the first one may be an initial.
        if self.letters == 2 || (letter.size - self.size).abs() > 0.01 && self.letters < 6 {
            self.size = letter.size;
        }
        self.end = letter.end;
        self.last = Last { start: letter.start, text: letter.text.clone(), size: letter.size };
        true
    }
}

/// Between ideographs there are gaps and no spaces.
fn joins_without_space(before: &str, after: &str) -> bool {
    let is_wide = |letter: char| matches!(letter, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}');
    before.chars().next_back().is_some_and(is_wide) && after.chars().next().is_some_and(is_wide)
}

/// Lines in the order in which they are drawn.
pub(super) fn lines(letters: &[Glyph]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for letter in letters {
        let length = letter.direction.hypot();
        if !(length.is_finite() && length > 0.0 && letter.size.is_finite()) {
            continue;
        }
        let direction = letter.direction / length;
        if let Some(line) = lines.last_mut()
            && line.add(letter, direction)
        {
            continue;
        }
        lines.push(Line::new(letter, direction));
    }
    for line in &mut lines {
        line.text = in_reading_order(line.text.trim());
    }
    lines.retain(|line| !line.text.is_empty());
    lines
}

/// Hebrew and Arabic are drawn from left to right; they are read the other way.
fn in_reading_order(line: &str) -> String {
    let is_rtl = |letter: char| matches!(letter, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}');
    let rtl = line.chars().filter(|letter| is_rtl(*letter)).count();
    if rtl == 0 {
        return line.to_string();
    }
    let turned = |word: &str| match word.chars().any(is_rtl) {
        true => word.chars().rev().collect::<String>(),
        false => word.to_string(),
    };
    let words: Vec<String> = line.split(' ').map(turned).collect();
    let letters = line.chars().filter(|letter| letter.is_alphabetic()).count();
    if rtl * 2 > letters { words.into_iter().rev().collect::<Vec<_>>().join(" ") } else { words.join(" ") }
}
