//! A manifest as a host takes it: what the domain reads, with a settings schema that is one.

mod misfits;

use std::collections::HashMap;
use std::fmt::Display;

use hardpoint_domain::manifest::{Manifest, ManifestError, line_of};
use jsonschema::paths::Location;
use jsonschema::{PatternOptions, Validator};
use serde_json::{Map, Value};

pub use misfits::misfits;

/// The most schemas in a settings schema once every reference is followed. A few lines of references to
/// references say more than any validator gets through, and a host would not come back from looking at them.
const SCHEMAS: u64 = 10_000;
/// The most references behind each other.
const DEPTH: usize = 32;
/// The most schemas times values that looking at a default, or at settings, may take.
const WORK: u64 = 1_000_000;

/// The most patterns, and the most bytes that one compiles to.
const PATTERNS: usize = 100;
const PATTERN: usize = 64 << 10;

/// What is wrong: the keys that lead there from `settings` on, and the reason.
type Problem = (Vec<String>, String);

/// From the text of a `plugin.toml`. Whoever packs, shows or takes a component reads its manifest here.
///
/// # Errors
/// What [`Manifest::from_toml`] refuses; a settings schema that is no JSON Schema; a default that its own
/// schema refuses.
pub fn read_manifest(text: &str) -> Result<Manifest, ManifestError> {
    let manifest = Manifest::from_toml(text)?;
    let Some((path, reason)) = manifest.settings.as_ref().and_then(problem) else { return Ok(manifest) };
    let shown = path.join(".");
    let keys: Vec<&str> = std::iter::once("settings").chain(path.iter().map(String::as_str)).collect();
    let reason = if shown.is_empty() { reason } else { format!("`settings.{shown}`: {reason}") };
    Err(ManifestError { line: line_of(text, &keys), reason })
}

fn problem(schema: &Value) -> Option<Problem> {
    let size = match Unfolding::of(schema).size(schema) {
        Ok(size) if size <= SCHEMAS => size,
        Ok(_) => {
            return Some((
                Vec::new(),
                format!("with its references followed it has more than {SCHEMAS} schemas"),
            ));
        }
        Err(reason) => return Some((Vec::new(), reason)),
    };
    if let Some(reason) = too_many_patterns(schema) {
        return Some((Vec::new(), reason));
    }
    match settings_validator(schema) {
        Err(error) => Some(no_schema(&error)),
        Ok(validator) => Defaults { validator, size }.problem(schema, &[]),
    }
}

/// Judges settings by a manifest's schema. Patterns are matched in linear time and compiled within bounds: a
/// plugin's author writes them, and the host looks at them before anybody has approved anything.
///
/// # Errors
/// If the schema is none.
fn settings_validator(schema: &Value) -> Result<Validator, jsonschema::ValidationError<'static>> {
    jsonschema::options().with_pattern_options(PatternOptions::regex().size_limit(PATTERN)).build(schema)
}

/// Each pattern costs up to a millisecond wherever settings are looked at.
fn too_many_patterns(schema: &Value) -> Option<String> {
    fn count(value: &Value) -> usize {
        match value {
            Value::Object(members) => {
                let own = usize::from(members.contains_key("pattern"));
                let named = members.get("patternProperties").and_then(Value::as_object).map_or(0, Map::len);
                own + named + members.values().map(count).sum::<usize>()
            }
            Value::Array(items) => items.iter().map(count).sum(),
            _ => 0,
        }
    }
    (count(schema) > PATTERNS).then(|| format!("it has more than {PATTERNS} patterns"))
}

/// Follows references, each once.
struct Unfolding<'a> {
    schema: &'a Value,
    /// How many schemas there are behind a reference; none while it is being followed.
    known: HashMap<&'a str, Option<u64>>,
    /// References that are being followed.
    depth: usize,
}

impl<'a> Unfolding<'a> {
    fn of(schema: &'a Value) -> Self {
        Self { schema, known: HashMap::new(), depth: 0 }
    }

    /// How many schemas there are in `value`, at most.
    fn size(&mut self, value: &'a Value) -> Result<u64, String> {
        match value {
            Value::Object(members) => {
                if let Some(other) = members.keys().find(|key| OTHER_REFERENCES.contains(&key.as_str())) {
                    return Err(format!("`{other}` is not for settings: refer by `$ref` to `#/$defs/NAME`"));
                }
                if let Some(draft) =
                    members.get("$schema").filter(|draft| !DRAFTS.iter().any(|known| *draft == known))
                {
                    return Err(format!(
                        "`$schema` cannot be {draft}: leave it out, or name one of {}",
                        DRAFTS.join(", ")
                    ));
                }
                let behind = match members.get("$ref") {
                    Some(Value::String(reference)) => self.behind(reference)?,
                    _ => 0,
                };
                members.values().try_fold(behind.saturating_add(1), |sum, member| {
                    Ok(self.size(member)?.saturating_add(sum))
                })
            }
            Value::Array(items) => {
                items.iter().try_fold(0_u64, |sum, item| Ok(self.size(item)?.saturating_add(sum)))
            }
            _ => Ok(0),
        }
    }

    fn behind(&mut self, reference: &'a str) -> Result<u64, String> {
        match self.known.get(reference) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(format!("`{reference}` refers to itself, and settings have an end")),
            None => {}
        }
        let found = reference
            .strip_prefix('#')
            .filter(|path| path.starts_with('/'))
            .and_then(|path| self.schema.pointer(path));
        let found =
            found.ok_or_else(|| format!("`{reference}` leads nowhere in it: refer to `#/$defs/NAME`"))?;
        if self.depth == DEPTH {
            return Err(format!("`{reference}` is behind {DEPTH} other references"));
        }
        self.known.insert(reference, None);
        self.depth += 1;
        let size = self.size(found)?;
        self.depth -= 1;
        self.known.insert(reference, Some(size));
        Ok(size)
    }
}

/// Keys by which a schema is referred to in other ways than by its place, or a place is another's.
const OTHER_REFERENCES: [&str; 6] =
    ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"];

/// The drafts in which `$ref` means the same.
const DRAFTS: [&str; 4] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema#",
    "http://json-schema.org/draft-06/schema#",
];

/// How many values there are in one.
fn values(value: &Value) -> u64 {
    match value {
        Value::Object(members) => 1 + members.values().map(values).sum::<u64>(),
        Value::Array(items) => 1 + items.iter().map(values).sum::<u64>(),
        _ => 1,
    }
}

/// What is no schema by the rules for schemas has a place in it; what only fails when it is put to use (a
/// pattern, a reference) tells the way of whoever used it.
fn no_schema(error: &jsonschema::ValidationError<'_>) -> Problem {
    let in_schema = error.instance_path();
    let path = keys(if in_schema.is_empty() { error.schema_path() } else { in_schema });
    let reason = match path.last().map(String::as_str) {
        Some("type") => format!(
            "{} is no type: there are string, number, integer, boolean, object, array and null",
            error.instance()
        ),
        _ => format!("no JSON Schema: {error}"),
    };
    (path, reason)
}

fn keys(location: &Location) -> Vec<String> {
    location.iter().map(|segment| segment.to_string()).collect()
}

/// Looks at the defaults of a schema.
struct Defaults {
    validator: Validator,
    /// Schemas in it.
    size: u64,
}

impl Defaults {
    /// The first default that does not fit, of the properties of an object and of those below them.
    fn problem(&self, schema: &Value, above: &[&str]) -> Option<Problem> {
        let properties = schema.get("properties")?.as_object()?;
        properties.iter().find_map(|(name, property)| {
            let path = [above, &[name.as_str()]].concat();
            let here = property.get("default").and_then(|default| match property["secret"] == true {
                true => Some("a secret has no default".to_owned()),
                false if self.size.saturating_mul(values(default)) > WORK => {
                    Some("it is too large to be looked at with this schema".to_owned())
                }
                false => self.misfit(&path, default).map(|error| format!("it does not fit: {error}")),
            });
            match here {
                Some(reason) => Some((place_of(&path), reason)),
                None => self.problem(property, &path),
            }
        })
    }

    /// Why the schema as a whole refuses this value in this place; what is missing beside it is no matter.
    fn misfit(&self, path: &[&str], value: &Value) -> Option<impl Display + use<>> {
        let around = |inner: Value, name: &&str| Value::Object(Map::from_iter([((*name).to_owned(), inner)]));
        let settings = path.iter().rev().fold(value.clone(), around);
        let is_here = |error: &jsonschema::ValidationError<'_>| {
            keys(error.instance_path()).iter().map(String::as_str).take(path.len()).eq(path.iter().copied())
        };
        self.validator.iter_errors(&settings).find(is_here).map(|error| error.to_string())
    }
}

/// Where the default of a setting is written.
fn place_of(path: &[&str]) -> Vec<String> {
    let properties = path.iter().flat_map(|name| ["properties".to_owned(), (*name).to_owned()]);
    properties.chain(["default".to_owned()]).collect()
}

#[cfg(test)]
mod tests;
