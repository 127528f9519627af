//! What comes out of a document: pages, put together of headings, lines and blocks.

use crate::unreadable::{Error, Stopped, Unreadable};

/// A page, or the whole of a document without pages. What is very long without pages is cut into several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// From 1, ascending without gaps.
    pub number: u32,
    /// Its heading, where it has one: a slide's title, a sheet's name.
    pub title: Option<String>,
    /// Plain text without control characters but line feed and tab.
    pub text: String,
    /// The headings within the text, in order.
    pub headings: Vec<Heading>,
}

/// A line of a page that is a heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Where the line begins, in bytes of the page's text.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// 1 for the highest, up to 6.
    pub level: u8,
}

/// Where pages go.
pub trait Receiver {
    /// The document's own title.
    ///
    /// # Errors
    /// [`Stopped`], which ends the reading; the receiver itself knows why. So with [`Receiver::page`].
    fn title(&mut self, title: &str) -> Result<(), Stopped>;
    /// The next page.
    ///
    /// # Errors
    /// See [`Receiver::title`].
    fn page(&mut self, page: Page) -> Result<(), Stopped>;
    /// `done` of `total` units; the units are of no account.
    fn progress(&mut self, done: u32, total: u32);
}

/// A page without an end of its own is ended after so many bytes.
const LONGEST_PAGE: usize = 200_000;
/// The text of one document, in bytes: beyond the longest that an upload of plain text may be.
const MOST_TEXT: u64 = 160 << 20;
/// Pages of one document.
pub(crate) const MOST_PAGES: u32 = 50_000;
/// Headings that one page remembers.
const MOST_HEADINGS: usize = 10_000;
/// Titles are cut to so many characters.
const LONGEST_TITLE: usize = 500;

/// Puts pages together.
pub(crate) struct Pages<'r> {
    into: &'r mut dyn Receiver,
    page: Page,
    /// What the page is called, also where it is cut.
    title: Option<String>,
    handed_over: u32,
    bytes: u64,
    has_text: bool,
}

impl<'r> Pages<'r> {
    pub(crate) fn new(into: &'r mut dyn Receiver) -> Self {
        Self { into, page: Page::default(), title: None, handed_over: 0, bytes: 0, has_text: false }
    }

    /// The document's own title; what is blank is none.
    pub(crate) fn document_title(&mut self, title: &str) -> Result<(), Error> {
        let title = one_line(title, LONGEST_TITLE);
        if !title.is_empty() {
            self.into.title(&title)?;
        }
        Ok(())
    }

    pub(crate) fn progress(&mut self, done: u64, total: u64) {
        // In thousandths where there is more than a person can tell apart.
        let (done, total) =
            if total > 1_000 { (done.saturating_mul(1_000) / total, 1_000) } else { (done, total) };
        self.into.progress(done.min(total) as u32, total as u32);
    }

    /// A line of its own, right below what is there.
    pub(crate) fn line(&mut self, text: &str) -> Result<(), Error> {
        if !self.page.text.is_empty() {
            self.push("\n")?;
        }
        self.push(text)
    }

    /// A paragraph, with an empty line before it.
    pub(crate) fn block(&mut self, text: &str) -> Result<(), Error> {
        let text = text.trim_matches('\n');
        if text.trim().is_empty() {
            return Ok(());
        }
        if !self.page.text.is_empty() {
            self.push("\n\n")?;
        }
        self.push(text)
    }

    /// A heading, on a line of its own between empty ones.
    pub(crate) fn heading(&mut self, level: u8, text: &str) -> Result<(), Error> {
        let text = one_line(text, LONGEST_TITLE);
        if text.is_empty() {
            return Ok(());
        }
        self.block(&text)?;
        let end = self.page.text.len();
        if self.page.headings.len() < MOST_HEADINGS && self.page.text.ends_with(&text) {
            self.page.headings.push(Heading { start: end - text.len(), end, level: level.clamp(1, 6) });
        }
        Ok(())
    }

    /// A whole page that was put together elsewhere.
    pub(crate) fn whole(
        &mut self,
        title: Option<&str>,
        text: &str,
        headings: Vec<Heading>,
    ) -> Result<(), Error> {
        self.next(title)?;
        if text.len() <= LONGEST_PAGE && !text.contains(is_unwanted) {
            self.page.headings = headings;
            return self.push(text);
        }
        let mut from = 0;
        for heading in headings {
            self.block(text.get(from..heading.start).unwrap_or_default())?;
            self.heading(heading.level, text.get(heading.start..heading.end).unwrap_or_default())?;
            from = heading.end;
        }
        self.block(text.get(from..).unwrap_or_default())
    }

    /// Text as it is, over as many pages as it takes.
    pub(crate) fn push(&mut self, mut text: &str) -> Result<(), Error> {
        while self.page.text.len() + text.len() > LONGEST_PAGE {
            let room = LONGEST_PAGE.saturating_sub(self.page.text.len());
            let at = cut(text, room);
            let (before, after) = text.split_at(at);
            self.append(before)?;
            self.hand_over()?;
            text = after.trim_start_matches('\n');
        }
        self.append(text)
    }

    fn append(&mut self, text: &str) -> Result<(), Error> {
        self.bytes += text.len() as u64;
        if self.bytes > MOST_TEXT {
            return Err(Unreadable::TooMany { what: "MiB of text", most: MOST_TEXT >> 20 }.into());
        }
        if !text.contains(is_unwanted) {
            self.page.text.push_str(text);
        } else {
            self.page.text.extend(text.chars().filter(|letter| !is_unwanted(*letter)));
        }
        Ok(())
    }

    /// Ends the page, if anything is on it; the next one has this title.
    pub(crate) fn next(&mut self, title: Option<&str>) -> Result<(), Error> {
        if !self.page.text.trim().is_empty() {
            self.hand_over()?;
        }
        self.page.text.clear();
        self.page.headings.clear();
        self.title = title.map(|title| one_line(title, LONGEST_TITLE)).filter(|title| !title.is_empty());
        Ok(())
    }

    /// A page as it stands in the document, also where nothing is on it.
    pub(crate) fn hand_over(&mut self) -> Result<(), Error> {
        if self.handed_over >= MOST_PAGES {
            return Err(Unreadable::TooMany { what: "pages", most: u64::from(MOST_PAGES) }.into());
        }
        self.handed_over += 1;
        let mut page = std::mem::take(&mut self.page);
        page.number = self.handed_over;
        page.title.clone_from(&self.title);
        page.text.truncate(page.text.trim_end().len());
        page.headings.retain(|heading| heading.end <= page.text.len());
        self.has_text |= !page.text.is_empty();
        Ok(self.into.page(page)?)
    }

    /// Whether nothing was found so far.
    pub(crate) fn is_without_text(&self) -> bool {
        !self.has_text && self.page.text.trim().is_empty()
    }

    /// Hands over what is left.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        if self.is_without_text() {
            return Err(Unreadable::NoText("").into());
        }
        self.next(None)
    }
}

/// Where to cut a text that is longer than `room`: after its last line break, else its last space, else before a
/// character.
fn cut(text: &str, room: usize) -> usize {
    let mut end = room.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let bytes = &text.as_bytes()[..end];
    let near = end.saturating_sub(end / 4);
    let after = |found: Option<usize>| found.map(|at| at + 1).filter(|at| *at >= near);
    after(memchr::memrchr(b'\n', bytes)).or_else(|| after(memchr::memrchr(b' ', bytes))).unwrap_or(end)
}

/// What no text needs: NUL and its like, and marks of direction that a line cannot end.
fn is_unwanted(letter: char) -> bool {
    (letter.is_control() && !matches!(letter, '\n' | '\t'))
        || matches!(letter, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// White space of any kind as single spaces, and no more than so many characters.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut left = most;
    for word in text
        .split(|letter: char| letter.is_whitespace() || letter.is_control())
        .filter(|word| !word.is_empty())
    {
        if !out.is_empty() && left > 1 {
            out.push(' ');
            left -= 1;
        }
        let before = out.len();
        out.extend(word.chars().take(left));
        left = left.saturating_sub(out[before..].chars().count());
        if left == 0 {
            break;
        }
    }
    out
}
