//! `HARDPOINT__SECTION__KEY`: the environment as a source of configuration.

use figment::value::{Dict, Map, Value};
use figment::{Error, Metadata, Profile, Provider};

// What every variable of ours begins with.
const PREFIX: &str = "HARDPOINT__";

/// One variable. The name in lower case, split at `__`, is the key; the value is read as TOML where it is
/// TOML, as plain text otherwise. A secret's value is always plain text: `007` must not become a number.
pub(super) struct Variable {
    name: String,
    text: String,
}

impl Variable {
    /// None if the variable is not ours.
    pub(super) fn new(name: &str, text: &str) -> Option<Self> {
        let path = name.strip_prefix(PREFIX)?;
        (!path.is_empty()).then(|| Self { name: name.to_owned(), text: text.to_owned() })
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
        let plain = path.first().is_some_and(|section| section == "secrets");
        let value = if plain { Value::from(self.text.as_str()) } else { parse(&self.text) };
        let nested = path.into_iter().rev().fold(value, |inner, part| Dict::from([(part, inner)]).into());
        match nested {
            Value::Dict(_, members) => Ok(Profile::Default.collect(members)),
            _ => Ok(Map::new()),
        }
    }
}

fn parse(text: &str) -> Value {
    text.parse::<Value>().unwrap_or_else(|_| Value::from(text))
}
