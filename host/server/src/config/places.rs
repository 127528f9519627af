//! Where each key of the configuration was written: a line of the file, an environment variable or an option.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use figment::value::Value;
use figment::{Figment, Source};

use super::lines::{self, Lines};
use super::read::Problem;

/// Where each key was written.
#[derive(Clone, Default)]
pub struct Places {
    /// The file, as it was named.
    file: String,
    lines: Lines,
    /// What is not the file's word, by key.
    others: BTreeMap<String, String>,
    /// The position in the file of each model that could be read.
    pub(super) models: Vec<usize>,
}

impl Places {
    /// Of everything that was merged. `file` is its path, as it was named, and what is in it.
    pub(super) fn new(figment: &Figment, merged: &Value, file: Option<(&str, &lines::Source<'_>)>) -> Self {
        let (file, lines) = match file {
            Some((file, source)) => (file.to_owned(), Lines::of(source, &[])),
            None => Default::default(),
        };
        let mut places = Self { file, lines, ..Self::default() };
        places.note(figment, "", merged);
        places
    }

    fn note(&mut self, figment: &Figment, key: &str, value: &Value) {
        let below = |name: &str| if key.is_empty() { name.to_owned() } else { format!("{key}.{name}") };
        let metadata = figment.get_metadata(value.tag());
        let elsewhere = metadata.filter(|metadata| !matches!(metadata.source, Some(Source::File(_))));
        // A table may stand in the file and have members from elsewhere.
        let is_shared = matches!(value, Value::Dict(..)) && self.lines.line(key).is_some();
        if let Some(elsewhere) = elsewhere.filter(|_| !is_shared) {
            self.others.insert(key.to_owned(), elsewhere.name.to_string());
        }
        match value {
            Value::Dict(_, members) => {
                members.iter().for_each(|(name, member)| self.note(figment, &below(name), member));
            }
            Value::Array(_, entries) => {
                let entries = entries.iter().enumerate();
                entries.for_each(|(at, entry)| self.note(figment, &below(&at.to_string()), entry));
            }
            _ => {}
        }
    }

    /// Whether anything was written under this key, readable or not.
    pub(super) fn is_written(&self, key: &str) -> bool {
        self.others.contains_key(key) || self.lines.line(key).is_some()
    }

    /// Where exactly this key was written; none where it has its default.
    pub fn origin(&self, key: &str) -> Option<String> {
        let line = || self.lines.line(key).map(|line| format!("{}, line {line}", self.file));
        self.others.get(key).cloned().or_else(line)
    }

    /// The same, of the file its name alone: who reads it need not know where the host keeps it.
    pub(super) fn place(&self, key: &str) -> Option<String> {
        let name = || Path::new(&self.file).file_name().unwrap_or_default().to_string_lossy();
        let line = || self.lines.line(key).map(|line| format!("{}, line {line}", name()));
        self.others.get(key).cloned().or_else(line)
    }

    /// A key that an option of the command line said.
    pub(super) fn say(&mut self, key: &str, option: &str) {
        self.others.insert(key.to_owned(), option.to_owned());
    }

    /// The key of a member of the model that is at this position of those that could be read.
    pub fn model(&self, at: usize, member: &str) -> String {
        format!("models.{}.{member}", self.models.get(at).unwrap_or(&at))
    }

    /// A problem with where its key was written, or else what the key is part of.
    pub(super) fn locate(&self, problem: Problem) -> Problem {
        let mut key = problem.key.as_str();
        while !key.is_empty() {
            if let Some(other) = self.others.get(key) {
                return Problem { origin: Some(other.clone()), ..problem };
            }
            if let Some(line) = self.lines.line(key) {
                return Problem { origin: Some(self.file.clone()), line: Some(line), ..problem };
            }
            key = lines::parent(key);
        }
        problem
    }
}

impl fmt::Debug for Places {
    /// Two configurations that say the same are the same, wherever they say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Places")
    }
}
