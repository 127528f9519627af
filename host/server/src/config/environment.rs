//! `HARDPOINT__SECTION__KEY`: the environment as a source of configuration.

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

use super::read::Problem;

// What every variable of ours begins with.
const PREFIX: &str = "HARDPOINT__";

/// Nothing that can be configured is as deep. Values are parsed by descending, which takes room on the stack.
const DEEPEST: usize = 32;

/// One variable. The name in lower case, split at `__`, is the key; the value is read as TOML where it is
/// TOML, as plain text otherwise. A secret's value is always plain text: `007` must not become a number.
pub(super) struct Variable {
    name: String,
    text: String,
}

impl Variable {
    /// None if the variable is not ours.
    ///
    /// # Errors
    /// If it names no key, or is too deep to be read.
    pub(super) fn new(name: &str, text: &str) -> Result<Option<Self>, Problem> {
        let Some(path) = name.strip_prefix(PREFIX) else { return Ok(None) };
        if path.split("__").any(str::is_empty) {
            return Err(blame(name, "names no key: write HARDPOINT__SECTION__KEY"));
        }
        if depth(text) > DEEPEST {
            return Err(blame(name, format!("has tables or lists more than {DEEPEST} deep")));
        }
        Ok(Some(Self { name: name.to_owned(), text: text.to_owned() }))
    }

    fn path(&self) -> Vec<String> {
        let path = self.name.strip_prefix(PREFIX).unwrap_or(&self.name);
        path.split("__").map(str::to_ascii_lowercase).collect()
    }
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(format!("environment variable {}", self.name))
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let path = self.path();
        let plain = path.first().is_some_and(|section| section == "secrets")
            || path.last().is_some_and(|key| key == "password" || key == "value");
        let value = if plain { Value::from(self.text.as_str()) } else { parse(&self.text) };
        let nested = path.into_iter().rev().fold(value, |inner, part| Dict::from([(part, inner)]).into());
        match nested {
            Value::Dict(_, members) => Ok(Profile::Default.collect(members)),
            _ => Ok(Map::new()),
        }
    }
}

/// What is said of a variable whose value or name is no UTF-8; nothing if it is not ours.
pub(super) fn garbled(name: &str) -> Option<Problem> {
    name.starts_with(PREFIX).then(|| blame(name, "is no UTF-8"))
}

fn blame(name: &str, message: impl Into<String>) -> Problem {
    Problem { origin: Some(format!("environment variable {name}")), ..Problem::new("", message) }
}

/// How many brackets are open at once, at most. Those in quotes count as well.
fn depth(text: &str) -> usize {
    let deeper = |open: &mut usize, byte| {
        match byte {
            b'[' | b'{' => *open += 1,
            b']' | b'}' => *open = open.saturating_sub(1),
            _ => {}
        }
        Some(*open)
    };
    text.bytes().scan(0, deeper).max().unwrap_or(0)
}

fn parse(text: &str) -> Value {
    text.parse::<Value>().unwrap_or_else(|_| Value::from(text))
}
