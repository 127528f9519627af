//! Reads a JSON body member by member, so that every complaint names the member and the rule.
//!
//! Members are kept as raw text until they are asked for: a JSON Schema passes through exactly as the
//! caller wrote it, and what nobody asked for is what passes through as `extra`.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// Schemas nest by a few levels for each level of what they describe; parsers stop at 128.
const MAX_DEPTH: usize = 100;

/// Where a member stands, as a list from the member outwards; becomes text only in a complaint.
#[derive(Clone, Copy)]
struct Path<'p> {
    parent: Option<&'p Path<'p>>,
    step: Step<'p>,
}

#[derive(Clone, Copy)]
enum Step<'p> {
    Member(&'p str),
    Item(usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Member(name) if self.parent.is_some() => write!(f, ".{name}"),
            Step::Member(name) => f.write_str(name),
            Step::Item(index) => write!(f, "[{index}]"),
        }
    }
}

/// One value of a body, and where it stands.
pub(crate) struct Field<'a, 'p> {
    path: Path<'p>,
    raw: &'a RawValue,
}

impl<'a> Field<'a, '_> {
    /// 400: breaks a rule. The sentence begins with the member's name: `rule` reads like `must be a string`.
    pub(crate) fn bad(&self, constraint: &str, rule: impl fmt::Display) -> ApiError {
        let path = self.path.to_string();
        let message = format!("The '{path}' field {rule}.");
        ApiError::bad_field(path, constraint, message)
    }

    /// 422: well-formed, and nothing that can be done here.
    pub(crate) fn impossible(&self, constraint: &str, rule: impl fmt::Display) -> ApiError {
        let path = self.path.to_string();
        let message = format!("The '{path}' field {rule}.");
        ApiError::impossible(path, constraint, message)
    }

    /// The value's JSON text, as the caller wrote it.
    pub(crate) fn text(&self) -> &'a str {
        self.raw.get()
    }

    /// Whether the value is a string, object, array …, by the first character of its text.
    pub(crate) fn begins_with(&self, first: u8) -> bool {
        self.text().as_bytes().first() == Some(&first)
    }

    fn parse<T: DeserializeOwned>(&self, expected: &str) -> Result<T, ApiError> {
        serde_json::from_str(self.text()).map_err(|_| self.bad("type", format_args!("must be {expected}")))
    }

    pub(crate) fn string(&self) -> Result<String, ApiError> {
        if !self.begins_with(b'"') {
            return Err(self.bad("type", "must be a string"));
        }
        // Only an escape for half a surrogate pair is left to be wrong.
        serde_json::from_str(self.text()).map_err(|_| self.bad("unicode", "must be valid Unicode"))
    }

    /// A string of so many characters at most, and at least one.
    pub(crate) fn short_string(&self, most: usize) -> Result<String, ApiError> {
        let text = self.string()?;
        if text.is_empty() || text.chars().nth(most).is_some() {
            return Err(self.bad("length", format_args!("must have 1 to {most} characters")));
        }
        // What is short is kept in records, and no database keeps a NUL.
        if text.contains('\0') {
            return Err(self.bad("unicode", "must not contain the character NUL"));
        }
        Ok(text)
    }

    /// A function's name, or a schema's: what every provider takes.
    pub(crate) fn name(&self) -> Result<String, ApiError> {
        let name = self.string()?;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
            return Err(self.bad("pattern", "must have 1 to 64 letters, digits, underscores and hyphens"));
        }
        Ok(name)
    }

    pub(crate) fn boolean(&self) -> Result<bool, ApiError> {
        self.parse("true or false")
    }

    pub(crate) fn integer(&self) -> Result<i64, ApiError> {
        self.parse("an integer of 64 bits")
    }

    /// A count from 1 up to what 32 bits hold.
    pub(crate) fn count(&self) -> Result<u32, ApiError> {
        let number: i64 = self.parse("an integer")?;
        u32::try_from(number)
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| self.bad("range", format_args!("must be from 1 to {}", u32::MAX)))
    }

    pub(crate) fn number(&self, range: RangeInclusive<f64>) -> Result<f64, ApiError> {
        let number: f64 = self.parse("a number")?;
        if range.contains(&number) {
            return Ok(number);
        }
        Err(self.bad("range", format_args!("must be a number from {} to {}", range.start(), range.end())))
    }

    /// An object that is passed on as it is: its text. Nested no deeper than any parser follows.
    pub(crate) fn verbatim_object(&self) -> Result<String, ApiError> {
        if !self.begins_with(b'{') {
            return Err(self.bad("type", "must be an object"));
        }
        if depth(self.text()) > MAX_DEPTH {
            return Err(self.bad("depth", format_args!("must not be nested deeper than {MAX_DEPTH}")));
        }
        Ok(self.text().to_owned())
    }

    pub(crate) fn object(&self) -> Result<Object<'a, '_>, ApiError> {
        if !self.begins_with(b'{') {
            return Err(self.bad("type", "must be an object"));
        }
        let members = serde_json::from_str::<Members<'a>>(self.text()).map_err(|error| not_json(&error))?;
        Ok(Object { path: Some(&self.path), members: members.0 })
    }

    /// The items of an array of at most so many.
    pub(crate) fn items(&self, most: usize) -> Result<Vec<Field<'a, '_>>, ApiError> {
        if !self.begins_with(b'[') {
            return Err(self.bad("type", "must be an array"));
        }
        let items =
            serde_json::from_str::<Vec<&'a RawValue>>(self.text()).map_err(|error| not_json(&error))?;
        if items.len() > most {
            return Err(self.bad("max_items", format_args!("must have at most {most} items")));
        }
        let item =
            |(index, raw)| Field { path: Path { parent: Some(&self.path), step: Step::Item(index) }, raw };
        Ok(items.into_iter().enumerate().map(item).collect())
    }
}

/// An object whose members are taken out one by one; `null` counts as absent.
pub(crate) struct Object<'a, 'p> {
    path: Option<&'p Path<'p>>,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a, 'p> Object<'a, 'p> {
    /// A whole body.
    pub(crate) fn body(bytes: &'a [u8]) -> Result<Self, ApiError> {
        let members =
            serde_json::from_slice::<Members<'a>>(bytes).map_err(|error| match error.classify() {
                Category::Data => {
                    ApiError::bad_request("The body must be a JSON object.").with_detail("constraint", "type")
                }
                _ => not_json(&error),
            })?;
        Ok(Self { path: None, members: members.0 })
    }

    /// Takes a member out. Where it stands twice the last one counts, and none of them stays behind.
    pub(crate) fn take(&mut self, name: &'p str) -> Option<Field<'a, 'p>> {
        let mut found = None;
        self.members.retain(|(key, raw)| {
            let other = key != name;
            if !other {
                found = Some(*raw);
            }
            other
        });
        let raw = found.filter(|raw| raw.get() != "null")?;
        Some(Field { path: Path { parent: self.path, step: Step::Member(name) }, raw })
    }

    pub(crate) fn require(&mut self, name: &'p str) -> Result<Field<'a, 'p>, ApiError> {
        self.take(name).ok_or_else(|| self.missing(name))
    }

    /// 400: a member that should be there.
    pub(crate) fn missing(&self, name: &str) -> ApiError {
        let path = Path { parent: self.path, step: Step::Member(name) }.to_string();
        let message = format!("The '{path}' field is required.");
        ApiError::bad_field(path, "required", message)
    }

    /// The first member that nobody took.
    pub(crate) fn left(&self) -> Option<&str> {
        self.members.first().map(|(name, _)| name.as_ref())
    }

    /// What nobody took.
    pub(crate) fn rest(self, most: usize) -> Result<Map<String, Value>, ApiError> {
        if self.members.len() > most {
            return Err(ApiError::bad_request(format!(
                "The body has more than {most} members that are not known here."
            ))
            .with_detail("constraint", "max_members"));
        }
        let known = |(key, raw): (Cow<'a, str>, &RawValue)| {
            let value = serde_json::from_str(raw.get()).map_err(|error| not_json(&error))?;
            Ok((key.into_owned(), value))
        };
        let is_null = |raw: &RawValue| raw.get() == "null";
        self.members.into_iter().filter(|(_, raw)| !is_null(raw)).map(known).collect()
    }
}

/// How deep brackets are nested in a text that is valid JSON.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_string = !in_string,
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn not_json(error: &serde_json::Error) -> ApiError {
    ApiError::bad_request(format!("The body is not valid JSON: {error}.")).with_detail("constraint", "json")
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect<'de>(PhantomData<&'de ()>);

        impl<'de> Visitor<'de> for Collect<'de> {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::with_capacity(16);
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value::<&'de RawValue>()?));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Collect(PhantomData))
    }
}
