//! Which line of the file says what, for problems that only show when a plugin is there to judge.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

/// Where the members of one table were written. Empty where the environment says it all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    file: String,
    /// From 1, by the path below the table, with dots; the table itself is the empty path.
    lines: BTreeMap<String, usize>,
}

impl Lines {
    /// Of the table that `path` leads to in `text`, which is the content of `file`.
    pub(super) fn of(file: &str, text: &str, path: &[&str]) -> Self {
        let mut found = Self { file: file.to_owned(), lines: BTreeMap::new() };
        let Ok(root) = DeTable::parse(text) else { return found };
        let mut here = root.get_ref();
        let mut line = None;
        for key in path {
            let next = here.iter().find(|(name, _)| name.get_ref().as_ref() == *key);
            let Some((name, DeValue::Table(table))) = next.map(|(name, value)| (name, value.get_ref()))
            else {
                return found;
            };
            (here, line) = (table, Some(line_at(text, name.span().start)));
        }
        found.lines.extend(line.map(|line| (String::new(), line)));
        found.note(text, "", here);
        found
    }

    fn note(&mut self, text: &str, under: &str, table: &DeTable<'_>) {
        for (name, value) in table.iter() {
            let key = name.get_ref();
            let path = if under.is_empty() { key.to_string() } else { format!("{under}.{key}") };
            self.lines.insert(path.clone(), line_at(text, name.span().start));
            if let DeValue::Table(inner) = value.get_ref() {
                self.note(text, &path, inner);
            }
        }
    }

    /// `hardpoint.toml, line 14`, for what was written at `path` or else what it is part of.
    pub fn place(&self, path: &str) -> Option<String> {
        let mut path = path;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(format!("{}, line {line}", self.file));
            }
            if path.is_empty() {
                return None;
            }
            path = path.rsplit_once('.').map_or("", |(parent, _)| parent);
        }
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_that_was_written_is_named() {
        let text = "[bindings.a]\nplugin = 'p'\n\n[bindings.a.settings]\nurl = 'x'\ndeep.er = { on = 1 }\n";
        let lines = Lines::of("h.toml", text, &["bindings", "a", "settings"]);
        for (path, line) in [("", 4), ("url", 5), ("url.0", 5), ("deep.er.on", 6), ("missing", 4)] {
            assert_eq!(lines.place(path), Some(format!("h.toml, line {line}")), "{path}");
        }
        assert_eq!(Lines::of("h.toml", text, &["bindings", "b", "settings"]).place("url"), None);
    }
}
