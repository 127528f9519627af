//! From HTML to what a person would read.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::tokens::{Tag, Token, Tokens};
use crate::url::Url;

/// A page as text.
#[derive(Debug, Default)]
pub struct Readable {
    /// Of its `<title>`; empty where it has none.
    pub title: String,
    /// Lines, with empty ones around paragraphs.
    pub text: String,
    /// Where its headings are; only [`plain`] tells.
    pub headings: Vec<Heading>,
}

/// A heading within a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading {
    /// Where it begins, in bytes of the text.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
    /// 1 to 6.
    pub level: u8,
}

/// More headings are lines like others.
const MOST_HEADINGS: usize = 10_000;

/// Elements that nobody reads.
const UNSEEN: [&str; 13] = [
    "canvas", "datalist", "iframe", "noscript", "object", "script", "select", "style", "svg", "template",
    "textarea", "video", "xmp",
];

/// Elements that stand on lines of their own; those of the second list have an empty line around them.
const LINES: [&str; 17] = [
    "address",
    "article",
    "aside",
    "body",
    "dd",
    "div",
    "dt",
    "fieldset",
    "figcaption",
    "footer",
    "form",
    "header",
    "main",
    "nav",
    "section",
    "summary",
    "tr",
];
const PARAGRAPHS: [&str; 9] = ["blockquote", "details", "dl", "figure", "ol", "p", "pre", "table", "ul"];

/// The lists that a line is indented for.
const DEEPEST_LIST: usize = 8;

struct Writer {
    out: String,
    /// Where links lead from. None in plain text, which has no marks and no links.
    base: Option<Url>,
    title: Option<String>,
    headings: Vec<Heading>,
    /// Where an open heading begins, and its level.
    heading: Option<(usize, u8)>,
    in_title: bool,
    /// The element that is passed over, and how often it was opened inside of itself.
    unseen: Option<(String, usize)>,
    /// For each open list the number of its next item; none for bullets.
    lists: Vec<Option<usize>>,
    /// Where the text of an open link begins, and where it leads.
    link: Option<(usize, String)>,
    in_pre: bool,
    needs_space: bool,
    /// Whether this row of a table has a cell.
    has_cell: bool,
}

/// Reads a page that was found under `base`: headings, lists, tables and links as Markdown has them.
pub fn read(page: &str, base: Url) -> Readable {
    Writer::new(Some(base)).read(page)
}

/// Reads a page as plain text, and says where its headings are.
pub fn plain(page: &str) -> Readable {
    Writer::new(None).read(page)
}

impl Writer {
    fn new(base: Option<Url>) -> Self {
        Self {
            out: String::new(),
            base,
            title: None,
            headings: Vec::new(),
            heading: None,
            in_title: false,
            unseen: None,
            lists: Vec::new(),
            link: None,
            in_pre: false,
            needs_space: false,
            has_cell: false,
        }
    }

    fn read(mut self, page: &str) -> Readable {
        for token in Tokens::new(page) {
            match token {
                Token::Text(text) => self.text(&text),
                Token::Start(tag) => self.start(&tag),
                Token::End(name) => self.end(&name),
            }
        }
        self.close_link();
        self.close_heading();
        let begin = self.out.len() - self.out.trim_start().len();
        let text = self.out.trim().to_string();
        for heading in &mut self.headings {
            heading.start = heading.start.saturating_sub(begin);
            heading.end = heading.end.saturating_sub(begin);
        }
        Readable { title: self.title.unwrap_or_default(), text, headings: self.headings }
    }

    fn is_plain(&self) -> bool {
        self.base.is_none()
    }

    fn text(&mut self, text: &str) {
        if self.in_title {
            self.in_title = false;
            let words: Vec<&str> = text.split_whitespace().collect();
            self.title.get_or_insert_with(|| words.join(" ").chars().take(500).collect());
            return;
        }
        if self.unseen.is_some() {
            return;
        }
        if self.in_pre {
            self.out.push_str(text);
            return;
        }
        // A no-break space is a space to a reader.
        let is_space = |letter: char| letter.is_whitespace() || letter == '\u{a0}';
        for (index, word) in text.split(is_space).enumerate() {
            if index > 0 {
                self.needs_space = true;
            }
            if !word.is_empty() {
                self.space();
                self.out.push_str(word);
            }
        }
    }

    fn space(&mut self) {
        if core::mem::take(&mut self.needs_space)
            && !self.out.is_empty()
            && !self.out.ends_with([' ', '\n', '['])
        {
            self.out.push(' ');
        }
    }

    /// The next text begins on a line of its own, with `empty` lines before it.
    fn line(&mut self, empty: usize) {
        self.needs_space = false;
        if self.in_pre || self.out.is_empty() {
            return;
        }
        let kept = self.out.trim_end_matches(' ').len();
        self.out.truncate(kept);
        let breaks = self.out.len() - self.out.trim_end_matches('\n').len();
        for _ in breaks..=empty {
            self.out.push('\n');
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        let name = tag.name.as_str();
        if let Some((unseen, depth)) = &mut self.unseen {
            if unseen == name {
                *depth += 1;
            }
            return;
        }
        if UNSEEN.contains(&name) {
            self.unseen = Some((name.to_string(), 1));
            return;
        }
        match name {
            "title" => self.in_title = true,
            "base" => {
                let known = self.base.as_ref();
                let base = known.and_then(|known| tag.attribute("href").and_then(|href| known.join(&href)));
                self.base = base.or_else(|| self.base.take());
            }
            "a" => self.open_link(tag),
            "img" => {
                if let Some(alt) = tag.attribute("alt").filter(|alt| !alt.trim().is_empty()) {
                    self.text(&format!(" (image: {}) ", alt.trim()));
                }
            }
            "br" if self.in_pre => self.out.push('\n'),
            "br" => self.line(0),
            "hr" => {
                self.line(1);
                if !self.is_plain() {
                    self.out.push_str("---");
                }
                self.line(1);
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.line(1);
                self.close_heading();
                let level = name.as_bytes().get(1).map_or(1, |digit| digit - b'0');
                if self.is_plain() {
                    self.heading = Some((self.out.len(), level));
                } else {
                    self.out.push_str(&"#".repeat(usize::from(level)));
                    self.out.push(' ');
                }
            }
            "li" => {
                self.line(0);
                let depth = self.lists.len().saturating_sub(1).min(DEEPEST_LIST);
                self.out.push_str(&"  ".repeat(depth));
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        self.out.push_str(&format!("{number}. "));
                        *number += 1;
                    }
                    _ => self.out.push_str("- "),
                }
            }
            "ul" | "ol" => {
                self.line(usize::from(self.lists.is_empty()));
                // Of lists that are never closed there may be very many.
                if self.lists.len() < 1_000 {
                    self.lists.push((name == "ol").then_some(1));
                }
            }
            "td" | "th" => {
                if core::mem::replace(&mut self.has_cell, true) {
                    self.needs_space = false;
                    self.out.push_str(" | ");
                }
            }
            "pre" => {
                self.line(1);
                if !self.is_plain() {
                    self.out.push_str("```\n");
                }
                self.in_pre = true;
            }
            name => {
                self.has_cell &= name != "tr";
                self.block(name);
            }
        }
    }

    fn end(&mut self, name: &str) {
        if let Some((unseen, depth)) = &mut self.unseen {
            if unseen == name {
                *depth -= 1;
                if *depth == 0 {
                    self.unseen = None;
                    self.needs_space = true;
                }
            }
            return;
        }
        match name {
            "title" => self.in_title = false,
            "a" => self.close_link(),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.close_heading();
                self.line(1);
            }
            "ul" | "ol" => {
                self.lists.pop();
                self.line(usize::from(self.lists.is_empty()));
            }
            "pre" if self.in_pre => {
                self.in_pre = false;
                if !self.is_plain() {
                    self.line(0);
                    self.out.push_str("```");
                }
                self.line(1);
            }
            name => self.block(name),
        }
    }

    fn block(&mut self, name: &str) {
        if PARAGRAPHS.contains(&name) {
            self.line(1);
        } else if LINES.contains(&name) {
            self.line(0);
        }
    }

    fn open_link(&mut self, tag: &Tag<'_>) {
        self.close_link();
        let Some(base) = &self.base else { return };
        let target = tag.attribute("href").and_then(|href| base.join(&href));
        let Some(target) = target.filter(|_| !self.in_pre) else { return };
        self.space();
        self.link = Some((self.out.len(), target.to_string()));
        self.out.push('[');
    }

    /// A heading without text is none; one that goes over several lines has no end tag.
    fn close_heading(&mut self) {
        let Some((start, level)) = self.heading.take() else { return };
        let text = self.out.get(start..).unwrap_or_default().trim_end();
        let length = text.find('\n').unwrap_or(text.len());
        if length > 0 && self.headings.len() < MOST_HEADINGS {
            self.headings.push(Heading { start, end: start + length, level });
        }
    }

    /// A link without text is nothing to read.
    fn close_link(&mut self) {
        let Some((begin, target)) = self.link.take() else { return };
        let is_empty = self.out.get(begin + 1..).is_none_or(|text| text.trim().is_empty());
        if is_empty {
            self.out.truncate(begin);
        } else {
            let kept = self.out.trim_end().len();
            self.needs_space |= kept < self.out.len();
            self.out.truncate(kept);
            self.out.push_str("](");
            self.out.push_str(&target);
            self.out.push(')');
        }
    }
}
