//! From lines to a page: paragraphs, words that a line end parted, and headings by their size.

use std::collections::HashMap;
use std::rc::Rc;

use hayro_font::kurbo::{Point, Vec2};

use super::line::{Line, lines};
use crate::pages::Heading;

/// A letter where it stands. Points are on the baseline, `y` grows downwards.
#[derive(Clone, Debug)]
pub(super) struct Glyph {
    pub(super) text: Rc<str>,
    pub(super) start: Point,
    pub(super) end: Point,
    pub(super) size: f64,
    /// Where the line goes; of any length.
    pub(super) direction: Vec2,
}

impl Glyph {
    /// Whether it is on a page of this size.
    pub(super) fn is_within(&self, width: f64, height: f64) -> bool {
        let (x, y) = (self.start.x, self.start.y);
        x.max(self.end.x) >= 0.0 && x.min(self.end.x) <= width && y >= -self.size && y <= height + self.size
    }
}

/// Headings are larger than the text by this much, and not longer than this.
const HEADING_RATIO: f64 = 1.12;
const LONGEST_HEADING: usize = 150;
/// Lines that are this much further apart than they are high belong to different paragraphs.
const PARAGRAPH_GAP: f64 = 1.65;

/// What was learnt of a document so far: how often each size is used, in quarters of a point.
#[derive(Default)]
pub(super) struct Layout {
    sizes: HashMap<u32, usize>,
}

impl Layout {
    pub(super) fn page(&mut self, letters: Vec<Glyph>) -> (String, Vec<Heading>) {
        let mut lines = lines(&letters);
        drop(letters);
        if is_scattered(&lines) {
            lines = sorted(lines);
        }
        for line in &lines {
            *self.sizes.entry((line.size * 4.0).round() as u32).or_default() += line.text.len();
        }
        let usual = self
            .sizes
            .iter()
            .max_by_key(|(size, count)| (**count, **size))
            .map_or(10.0, |(size, _)| f64::from(*size) / 4.0);
        put_together(&lines, usual)
    }
}

fn put_together(lines: &[Line], usual: f64) -> (String, Vec<Heading>) {
    let mut text = String::new();
    let mut headings: Vec<Heading> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let level = level(line, usual);
        if let Some(before) = index.checked_sub(1).and_then(|before| lines.get(before)) {
            let was_heading = headings.last().is_some_and(|heading| heading.end == text.len());
            let goes_on = follows(before, line) && was_heading == level.is_some();
            if goes_on && parts_a_word(&text, &line.text) {
                text.pop();
            } else if goes_on && was_heading && level == headings.last().map(|heading| heading.level) {
                // A heading of two lines is one.
                text.push(' ');
                text.push_str(&line.text);
                if let Some(heading) = headings.last_mut() {
                    heading.end = text.len();
                }
                continue;
            } else if is_beside(before, line) {
                text.push_str("  ");
            } else {
                text.push_str(if goes_on { "\n" } else { "\n\n" });
            }
        }
        let start = text.len();
        text.push_str(&line.text);
        if let Some(level) = level {
            headings.push(Heading { start, end: text.len(), level });
        }
    }
    (text, headings)
}

fn level(line: &Line, usual: f64) -> Option<u8> {
    let ratio = line.size / usual.max(0.1);
    let letters = line.text.chars().filter(|letter| letter.is_alphabetic()).count();
    if ratio < HEADING_RATIO || line.text.len() > LONGEST_HEADING || letters < 3 {
        return None;
    }
    Some(match ratio {
        _ if ratio >= 1.9 => 1,
        _ if ratio >= 1.5 => 2,
        _ if ratio >= 1.25 => 3,
        _ => 4,
    })
}

/// On the same baseline: a cell of a table, or another column.
fn is_beside(before: &Line, line: &Line) -> bool {
    let across = Vec2::new(-before.direction.y, before.direction.x);
    let is_level = (line.start - before.start).dot(across).abs() < 0.3 * before.size.max(line.size);
    is_level
        && before.direction.dot(line.direction) > 0.95
        && (line.start - before.end).dot(before.direction) > 0.0
}

/// Right below, at the usual distance.
fn follows(before: &Line, line: &Line) -> bool {
    let across = Vec2::new(-before.direction.y, before.direction.x);
    let down = (line.start - before.start).dot(across);
    let size = before.size.max(line.size);
    before.direction.dot(line.direction) > 0.95 && down > 0.0 && down < PARAGRAPH_GAP * size
}

/// A hyphen at a line's end that only the line's end asked for, as far as can be told: small letters on both sides.
fn parts_a_word(before: &str, after: &str) -> bool {
    let mut letters = before.chars().rev();
    let has_hyphen = letters.next().is_some_and(|letter| matches!(letter, '-' | '\u{ad}' | '\u{2010}'));
    has_hyphen
        && letters.next().is_some_and(char::is_alphabetic)
        && after.chars().next().is_some_and(char::is_lowercase)
}

/// Whether lines are drawn in an order that nobody reads in: again and again upwards, within the same column.
fn is_scattered(lines: &[Line]) -> bool {
    let upwards = lines.windows(2).filter(|pair| {
        let (before, line) = (&pair[0], &pair[1]);
        let is_upwards = line.start.y < before.start.y - before.size;
        is_upwards && line.start.x < before.end.x && before.start.x < line.end.x
    });
    upwards.count() * 4 > lines.len() && lines.len() > 8
}

/// From above to below, and from left to right where they stand side by side.
fn sorted(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by(|a, b| a.start.y.total_cmp(&b.start.y));
    let mut rows: Vec<Vec<Line>> = Vec::new();
    for line in lines {
        match rows.last_mut() {
            Some(row) if (row[0].start.y - line.start.y).abs() < 0.4 * line.size => row.push(line),
            _ => rows.push(vec![line]),
        }
    }
    for row in &mut rows {
        row.sort_by(|a, b| a.start.x.total_cmp(&b.start.x));
    }
    rows.into_iter().flatten().collect()
}
