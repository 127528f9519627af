//! Reading a section so that every problem in it is found, not only the first.
//!
//! serde stops at its first error. So a section is read again without the member that did not fit,
//! until it can be read; what is wrong is reported with its key.

use figment::error::{Actual, Kind};
use figment::value::{Dict, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `server.listen`, `models.2.binding`; empty for a problem with the file as a whole.
    pub key: String,
    /// What is wrong and what to do about it.
    pub message: String,
    /// Where it was written: the file, the environment variable or the option.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// In the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

impl Problem {
    /// A problem with a key, wherever that was written. Messages go to terminals and logs: whoever an address
    /// in one names, with their password, is left out.
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: without_users(&message.into()), origin: None, line: None }
    }
}

/// A text whose addresses name no user: `https://…@host` for `https://user:password@host`.
pub fn without_users(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("://") {
        let end = after.find(char::is_whitespace).unwrap_or(after.len());
        let user = after[..end].rfind('@');
        shown += before;
        shown += if user.is_some() { "://…" } else { "://" };
        rest = &after[user.unwrap_or(0)..];
    }
    shown + rest
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match (&self.origin, self.line) {
            (Some(origin), Some(line)) => write!(f, " ({origin}, line {line})"),
            (Some(origin), None) => write!(f, " ({origin})"),
            (None, _) => Ok(()),
        }
    }
}

/// Reads sections, and keeps what was found wrong in them.
#[derive(Default)]
pub(super) struct Reader {
    /// In the order they were found.
    pub(super) problems: Vec<Problem>,
}

impl Reader {
    /// Reads the value under `key`; none if it cannot be read even without its wrong members.
    pub(super) fn read<T: DeserializeOwned>(&mut self, key: &str, mut value: Value) -> Option<T> {
        loop {
            let errors = match value.deserialize::<T>() {
                Ok(read) => return Some(read),
                Err(errors) => errors,
            };
            let mut mended = false;
            for error in errors {
                let mut path: Vec<&str> = key.split('.').filter(|part| !part.is_empty()).collect();
                path.extend(error.path.iter().map(String::as_str));
                if let Kind::MissingField(name) = &error.kind {
                    path.push(name);
                }
                self.problems.push(Problem::new(path.join("."), message(&error.kind)));
                if !matches!(error.kind, Kind::MissingField(_)) {
                    mended |= remove(&mut value, &error.path);
                }
            }
            if !mended {
                return None;
            }
        }
    }

    /// Reads every member of a table under its own key.
    pub(super) fn read_each<T: DeserializeOwned>(&mut self, key: &str, value: Value) -> Vec<(String, T)> {
        let Value::Dict(_, members) = value else {
            self.problems.push(Problem::new(key, format!("is not a table: write [{key}.NAME]")));
            return Vec::new();
        };
        members
            .into_iter()
            .filter_map(|(name, value)| Some((name.clone(), self.read(&format!("{key}.{name}"), value)?)))
            .collect()
    }

    /// Reads every entry of a list under its own position, which it gives with it.
    pub(super) fn read_list<T: DeserializeOwned>(&mut self, key: &str, value: Value) -> Vec<(usize, T)> {
        let Value::Array(_, entries) = value else {
            self.problems.push(Problem::new(key, format!("is not a list: write [[{key}]]")));
            return Vec::new();
        };
        entries
            .into_iter()
            .enumerate()
            .filter_map(|(at, value)| Some((at, self.read(&format!("{key}.{at}"), value)?)))
            .collect()
    }

    /// Reports what no section was read from.
    pub(super) fn refuse_rest(&mut self, rest: Dict, known: &[&str]) {
        let unknown = |key| Problem::new(key, format!("unknown section; there are {}", known.join(", ")));
        self.problems.extend(rest.into_keys().map(unknown));
    }
}

fn message(kind: &Kind) -> String {
    match kind {
        Kind::MissingField(_) => "is missing".to_owned(),
        Kind::UnknownField(_, []) => "unknown key".to_owned(),
        Kind::UnknownField(_, expected) => format!("unknown key; there are {}", expected.join(", ")),
        Kind::UnknownVariant(found, expected) => format!("`{found}` is none of {}", expected.join(", ")),
        Kind::InvalidType(_, expected) if expected.starts_with("struct ") => {
            "is not a table of keys".to_owned()
        }
        // Not the value: a secret that was written where its table or its name belongs is of a wrong type.
        Kind::InvalidType(found, expected) => format!("is {}, and must be {expected}", shape(found)),
        other => other.to_string(),
    }
}

fn shape(found: &Actual) -> &'static str {
    match found {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) | Actual::Float(_) => "a number",
        Actual::Char(_) | Actual::Str(_) => "a text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}

/// Takes the value at `path` away; in a list the whole list, so that positions stay true.
fn remove(value: &mut Value, path: &[String]) -> bool {
    let [first, rest @ ..] = path else { return false };
    let Value::Dict(_, members) = value else { return false };
    let inner_is_table = matches!(members.get(first), Some(Value::Dict(..)));
    if !rest.is_empty() && inner_is_table && members.get_mut(first).is_some_and(|inner| remove(inner, rest)) {
        return true;
    }
    members.remove(first).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whom_an_address_names_is_not_shown() {
        for (text, shown) in [
            ("`https://user:pw@host:1` is none", "`https://…@host:1` is none"),
            ("http://a:p@ss/w@host and ws://b@c", "http://…@host and ws://…@c"),
            ("https://host/path is for me@example.com", "https://host/path is for me@example.com"),
            ("https://ä:ö@ü://x@y", "https://…@y"),
            ("://", "://"),
        ] {
            assert_eq!(without_users(text), shown);
        }
    }
}
