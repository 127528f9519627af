//! From HTML to what a person would read, written as in Markdown.

use alloc::format;
use alloc::string::{String, ToString};

use crate::html::{Tag, Token, Tokens};
use crate::url::Url;

/// A page as text.
#[derive(Debug, Default)]
pub(crate) struct Readable {
    pub(crate) title: String,
    pub(crate) text: String,
}

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
    base: Url,
    title: Option<String>,
    in_title: bool,
    /// The element that is passed over, and how often it was opened inside of itself.
    unseen: Option<(String, usize)>,
    /// For each open list the number of its next item; none for bullets.
    lists: alloc::vec::Vec<Option<usize>>,
    /// Where the text of an open link begins, and where it leads.
    link: Option<(usize, String)>,
    in_pre: bool,
    needs_space: bool,
    /// Whether this row of a table has a cell.
    has_cell: bool,
}

/// Reads a page that was found under `base`.
pub(crate) fn read(page: &str, base: Url) -> Readable {
    let mut writer = Writer {
        out: String::new(),
        base,
        title: None,
        in_title: false,
        unseen: None,
        lists: alloc::vec::Vec::new(),
        link: None,
        in_pre: false,
        needs_space: false,
        has_cell: false,
    };
    for token in Tokens::new(page) {
        match token {
            Token::Text(text) => writer.text(&text),
            Token::Start(tag) => writer.start(&tag),
            Token::End(name) => writer.end(&name),
        }
    }
    writer.close_link();
    let title = writer.title.unwrap_or_default();
    Readable { title, text: writer.out.trim().to_string() }
}

impl Writer {
    fn text(&mut self, text: &str) {
        if self.in_title {
            self.in_title = false;
            let words: alloc::vec::Vec<&str> = text.split_whitespace().collect();
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
                let base = tag.attribute("href").and_then(|href| self.base.join(&href));
                self.base = base.unwrap_or_else(|| self.base.clone());
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
                self.out.push_str("---");
                self.line(1);
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.line(1);
                let level = name.as_bytes().get(1).map_or(1, |digit| usize::from(digit - b'0'));
                self.out.push_str(&"#".repeat(level));
                self.out.push(' ');
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
                self.out.push_str("```\n");
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
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => self.line(1),
            "ul" | "ol" => {
                self.lists.pop();
                self.line(usize::from(self.lists.is_empty()));
            }
            "pre" if self.in_pre => {
                self.in_pre = false;
                self.line(0);
                self.out.push_str("```");
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
        let target = tag.attribute("href").and_then(|href| self.base.join(&href));
        let Some(target) = target.filter(|_| !self.in_pre) else { return };
        self.space();
        self.link = Some((self.out.len(), target.to_string()));
        self.out.push('[');
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
