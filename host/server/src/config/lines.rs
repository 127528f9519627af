//! Which line of the file says what.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where the members of one table were written. Empty where the environment says it all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    file: String,
    /// From 1, by the path below the table, with dots; the table itself is the empty path.
    lines: BTreeMap<String, usize>,
}

/// A file, read once for all that is looked up in it.
pub(super) struct Source<'a> {
    file: &'a str,
    /// Where each line begins.
    starts: Vec<usize>,
    root: Option<DeTable<'a>>,
}

impl<'a> Source<'a> {
    /// The file of this name with this text.
    pub(super) fn new(file: &'a str, text: &'a str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect();
        Self { file, starts, root: DeTable::parse(text).ok().map(Spanned::into_inner) }
    }

    /// The line of a byte, from 1.
    fn line_at(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset)
    }
}

impl Lines {
    /// Of the table that `path` leads to.
    pub(super) fn of(source: &Source<'_>, path: &[&str]) -> Self {
        let mut found = Self { file: source.file.to_owned(), lines: BTreeMap::new() };
        let Some(mut here) = source.root.as_ref() else { return found };
        let mut line = None;
        for key in path {
            let next = here.get_key_value(*key);
            let Some((name, DeValue::Table(table))) = next.map(|(name, value)| (name, value.get_ref()))
            else {
                return found;
            };
            (here, line) = (table, Some(source.line_at(name.span().start)));
        }
        found.lines.extend(line.map(|line| (String::new(), line)));
        found.note(source, "", here);
        found
    }

    fn note(&mut self, source: &Source<'_>, under: &str, table: &DeTable<'_>) {
        for (name, value) in table.iter() {
            let key = name.get_ref();
            let path = if under.is_empty() { key.to_string() } else { format!("{under}.{key}") };
            self.lines.insert(path.clone(), source.line_at(name.span().start));
            self.note_below(source, &path, value.get_ref());
        }
    }

    fn note_below(&mut self, source: &Source<'_>, path: &str, value: &DeValue<'_>) {
        match value {
            DeValue::Table(inner) => self.note(source, path, inner),
            DeValue::Array(entries) => {
                for (at, entry) in entries.iter().enumerate() {
                    let path = format!("{path}.{at}");
                    self.lines.insert(path.clone(), source.line_at(entry.span().start));
                    self.note_below(source, &path, entry.get_ref());
                }
            }
            _ => {}
        }
    }

    /// The line of exactly this.
    pub(super) fn line(&self, path: &str) -> Option<usize> {
        self.lines.get(path).copied()
    }

    /// `hardpoint.toml, line 14`, for what was written at `path` or else what it is part of.
    pub fn place(&self, path: &str) -> Option<String> {
        let mut path = path;
        loop {
            if let Some(line) = self.line(path) {
                return Some(format!("{}, line {line}", self.file));
            }
            if path.is_empty() {
                return None;
            }
            path = parent(path);
        }
    }
}

/// What a path is part of; the empty path at last.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('.').map_or("", |(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_that_was_written_is_named() {
        let text = "[bindings.a]\nplugin = 'p'\n\n[bindings.a.settings]\nurl = 'x'\ndeep.er = { on = 1 }\n";
        let source = Source::new("h.toml", text);
        let lines = Lines::of(&source, &["bindings", "a", "settings"]);
        for (path, line) in [("", 4), ("url", 5), ("url.0", 5), ("deep.er.on", 6), ("missing", 4)] {
            assert_eq!(lines.place(path), Some(format!("h.toml, line {line}")), "{path}");
        }
        assert_eq!(Lines::of(&source, &["bindings", "b", "settings"]).place("url"), None);
    }

    #[test]
    fn entries_of_lists_have_lines_of_their_own() {
        let text = "[[models]]\nid = 'a'\n\n[[models]]\nid = 'b'\ntools = [\n  'x',\n  'y',\n]\n";
        let lines = Lines::of(&Source::new("h.toml", text), &[]);
        for (path, line) in [("models.0", 1), ("models.1", 4), ("models.1.id", 5), ("models.1.tools.1", 8)] {
            assert_eq!(lines.line(path), Some(line), "{path}");
        }
    }
}
