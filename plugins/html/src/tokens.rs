//! HTML as a run of tags and texts. No tree is built: whatever is not closed, or closed twice, costs nothing, and
//! the time is in proportion to the page.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use crate::entity;

/// What stands next on a page.
#[derive(Debug)]
pub(crate) enum Token<'a> {
    Text(Cow<'a, str>),
    Start(Tag<'a>),
    /// The name, in lower case.
    End(String),
}

/// A start tag.
#[derive(Debug)]
pub(crate) struct Tag<'a> {
    /// In lower case.
    pub(crate) name: String,
    attributes: Vec<(&'a str, &'a str)>,
}

impl Tag<'_> {
    /// An attribute's value, its references replaced.
    pub(crate) fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        let found = self.attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(entity::decode(found.1))
    }
}

/// More attributes of one tag are passed over.
const MAX_ATTRIBUTES: usize = 50;

/// Elements whose content holds no tags.
const RAW: [&str; 7] = ["iframe", "noembed", "noframes", "script", "style", "textarea", "xmp"];

/// Reads a page.
pub(crate) struct Tokens<'a> {
    rest: &'a str,
    /// The element whose raw content comes next.
    raw: Option<String>,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(page: &'a str) -> Self {
        Self { rest: page, raw: None }
    }

    /// Everything up to the end tag of an element without tags in it.
    fn raw_text(&mut self, name: &str) -> &'a str {
        let mut from = 0;
        while let Some(found) = self.rest.get(from..).and_then(|rest| rest.find("</")) {
            let at = from + found;
            let after = self.rest.get(at + 2..).unwrap_or_default();
            let ends = after.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name))
                && after
                    .as_bytes()
                    .get(name.len())
                    .is_none_or(|byte| matches!(byte, b'>' | b'/') || byte.is_ascii_whitespace());
            if ends {
                return self.take(at);
            }
            from = at + 2;
        }
        self.take(self.rest.len())
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(length).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    fn skip_past(&mut self, text: &str) {
        self.rest = self.rest.split_once(text).map_or("", |(_, rest)| rest);
    }

    /// The name of a tag that stands next, in lower case.
    fn name(&mut self) -> String {
        let end = self.rest.find(|letter: char| letter.is_ascii_whitespace() || matches!(letter, '>' | '/'));
        self.take(end.unwrap_or(self.rest.len())).chars().take(40).collect::<String>().to_ascii_lowercase()
    }

    fn attributes(&mut self) -> Vec<(&'a str, &'a str)> {
        let mut attributes = Vec::new();
        loop {
            self.rest =
                self.rest.trim_start_matches(|letter: char| letter.is_ascii_whitespace() || letter == '/');
            if self.rest.is_empty() {
                return attributes;
            }
            if let Some(rest) = self.rest.strip_prefix('>') {
                self.rest = rest;
                return attributes;
            }
            let is_end = |letter: char| letter.is_ascii_whitespace() || matches!(letter, '=' | '>' | '/');
            // A lone `=` is part of a name, or nothing would be taken.
            let begin = usize::from(self.rest.starts_with('='));
            let end = self.rest.get(begin..).and_then(|rest| rest.find(is_end)).map(|end| end + begin);
            let name = self.take(end.unwrap_or(self.rest.len()));
            let after = self.rest.trim_start();
            let value = match after.strip_prefix('=') {
                None => "",
                Some(value) => {
                    self.rest = value.trim_start();
                    self.value()
                }
            };
            if attributes.len() < MAX_ATTRIBUTES {
                attributes.push((name, value));
            }
        }
    }

    fn value(&mut self) -> &'a str {
        for quote in ['"', '\''] {
            if let Some(rest) = self.rest.strip_prefix(quote) {
                let (value, rest) = rest.split_once(quote).unwrap_or((rest, ""));
                self.rest = rest;
                return value;
            }
        }
        let end = self.rest.find(|letter: char| letter.is_ascii_whitespace() || letter == '>');
        self.take(end.unwrap_or(self.rest.len()))
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if let Some(name) = self.raw.take() {
            let text = self.raw_text(&name);
            let text = if name == "title" || name == "textarea" {
                entity::decode(text)
            } else {
                Cow::Borrowed(text)
            };
            return Some(Token::Text(text));
        }
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let Some(after) = self.rest.strip_prefix('<') else {
                let text = self.take(self.rest.find('<').unwrap_or(self.rest.len()));
                return Some(Token::Text(entity::decode(text)));
            };
            let next = after.bytes().next();
            match next {
                Some(b'!') if after.starts_with("!--") => {
                    // `<!-->` and `<!--->` are comments too.
                    self.rest = after.get(1..).unwrap_or_default();
                    self.skip_past("--");
                    self.rest = self.rest.trim_start_matches('-');
                    if let Some(rest) = self.rest.strip_prefix('>') {
                        self.rest = rest;
                    } else {
                        self.skip_past("-->");
                    }
                }
                Some(b'!' | b'?') => self.skip_past(">"),
                Some(b'/') => {
                    self.rest = after.get(1..).unwrap_or_default();
                    let name = self.name();
                    self.skip_past(">");
                    return Some(Token::End(name));
                }
                Some(letter) if letter.is_ascii_alphabetic() => {
                    self.rest = after;
                    let name = self.name();
                    let attributes = self.attributes();
                    if name == "title" || RAW.contains(&name.as_str()) {
                        self.raw = Some(name.clone());
                    }
                    return Some(Token::Start(Tag { name, attributes }));
                }
                _ => {
                    self.rest = after;
                    return Some(Token::Text(Cow::Borrowed("<")));
                }
            }
        }
    }
}
