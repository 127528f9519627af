//! Ids: prefixed UUIDv7 for what the host makes, chosen names for plugins and bindings.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::time::{Rng, Timestamp};

/// A UUIDv7 (RFC 9562, section 5.7): the millisecond of `now`, then 74 random bits.
pub fn uuid_v7(now: Timestamp, rng: &dyn Rng) -> Uuid {
    let mut random = [0; 10];
    rng.fill(&mut random);
    let millis = u64::try_from(now.millis()).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// `prefix_` and the hex digits of a new UUIDv7: `key_…`, `req_…`, `evt_…`.
pub fn prefixed(prefix: &str, now: Timestamp, rng: &dyn Rng) -> String {
    format!("{prefix}_{}", uuid_v7(now, rng).simple())
}

/// `prefix-` and the hex digits of a new UUIDv7: `chat-…`, `kb-…`, `doc-…`.
pub fn hyphenated(prefix: &str, now: Timestamp, rng: &dyn Rng) -> String {
    format!("{prefix}-{}", uuid_v7(now, rng).simple())
}

/// The id that [`hyphenated`] made of which this is one of the two forms: `doc-` and 32 digits, or the bare UUID. None for
/// any other text, which need not be looked up.
pub fn of_either_form(prefix: &str, text: &str) -> Option<String> {
    if let Some(digits) = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')) {
        let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        return (digits.len() == 32 && digits.bytes().all(is_digit)).then(|| text.to_owned());
    }
    let uuid = Uuid::try_parse(text).ok().filter(|_| text.len() == 36)?;
    Some(format!("{prefix}-{}", uuid.simple()))
}

/// The bare UUID of an id that [`hyphenated`] made; none for any other text.
pub fn bare(id: &str) -> Option<Uuid> {
    let (_, digits) = id.rsplit_once('-')?;
    Uuid::try_parse(digits).ok()
}

/// When an id was made that [`prefixed`] made, to the millisecond; none for any other text.
pub fn time_of(id: &str) -> Option<Timestamp> {
    let (_, digits) = id.rsplit_once('_')?;
    let uuid = Uuid::try_parse(digits).ok().filter(|uuid| uuid.get_version_num() == 7)?;
    let millis = i64::try_from(uuid.as_u128() >> 80).ok()?;
    Some(Timestamp::from_micros(millis * 1_000))
}

/// Whether `text` may be an id of this prefix. What is not need not be looked up, whatever it is.
pub fn looks_like(prefix: &str, text: &str) -> bool {
    text.len() <= 80
        && text.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('_'))
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Why a name cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: 1 to 63 lower-case letters, digits and {marks}, a letter first")]
pub struct NameError {
    text: String,
    what: &'static str,
    marks: &'static str,
}

/// The name of a plugin, from its manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginId(String);

impl PluginId {
    /// Lower-case letters, digits and hyphens, a letter first; at most 63.
    ///
    /// # Errors
    /// If `text` is something else.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fits = is_name(text, |byte| byte == b'-');
        if fits { Ok(Self(text.to_owned())) } else { Err(name_error(text, "plugin id", "hyphens")) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a binding, from the configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct BindingName(String);

impl BindingName {
    /// Lower-case letters, digits, hyphens and underscores, a letter first; at most 63.
    ///
    /// # Errors
    /// If `text` is something else.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let fits = is_name(text, |byte| matches!(byte, b'-' | b'_'));
        let error = || name_error(text, "binding name", "hyphens or underscores");
        if fits { Ok(Self(text.to_owned())) } else { Err(error()) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<PluginId> for BindingName {
    /// Every plugin's id is a binding name: a plugin without a binding of its own is bound under it.
    fn from(id: PluginId) -> Self {
        Self(id.0)
    }
}

fn is_name(text: &str, is_mark: impl Fn(u8) -> bool) -> bool {
    let letter_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=63).contains(&text.len())
        && text.as_bytes()[0].is_ascii_lowercase()
        && text.bytes().all(|byte| letter_or_digit(byte) || is_mark(byte))
}

fn name_error(text: &str, what: &'static str, marks: &'static str) -> NameError {
    // What was written is shown, but not at any length.
    NameError { text: text.chars().take(80).collect(), what, marks }
}

macro_rules! name_traits {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::parse(&text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}
name_traits!(PluginId, BindingName);

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;
    impl Rng for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for (index, byte) in bytes.iter_mut().enumerate() {
                *byte = index as u8;
            }
        }
    }

    #[test]
    fn ids_carry_their_time_and_version() {
        let now = Timestamp::from_micros(1_711_234_567_890_123);
        let id = uuid_v7(now, &Counting);
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        assert_eq!(prefixed("key", now, &Counting), "key_018e6d874ed270018203040506070809");
        assert_eq!(
            time_of(&prefixed("req", now, &Counting)),
            Some(Timestamp::from_micros(1_711_234_567_890_000))
        );
        assert_eq!(
            (time_of("req_1"), time_of("req"), time_of(&format!("req_{}", "0".repeat(32)))),
            (None, None, None)
        );
        assert_eq!(hyphenated("chat", now, &Counting), "chat-018e6d874ed270018203040506070809");
        assert!(
            prefixed("a", now, &Counting)
                < prefixed("a", Timestamp::from_micros(now.micros() + 1_000), &Counting)
        );
    }

    #[test]
    fn an_id_has_two_forms() {
        let id = "doc-018e6d874ed270018203040506070809";
        let uuid = "018e6d87-4ed2-7001-8203-040506070809";
        assert_eq!(bare(id).unwrap().to_string(), uuid);
        for form in [id, uuid, &uuid.to_uppercase()] {
            assert_eq!(of_either_form("doc", form).as_deref(), Some(id), "{form}");
        }
        let other = [&id[4..], &id[..35], "kb-018e6d874ed270018203040506070809", "doc-", "", "doc", "none"];
        for text in other.into_iter().chain([&*id.to_uppercase(), "doc-018e6d874ed27001820304050607080g"]) {
            assert_eq!(of_either_form("doc", text), None, "{text}");
        }
        assert_eq!((bare("doc"), bare("doc-1")), (None, None));
    }

    #[test]
    fn texts_that_may_be_ids() {
        for good in ["key_018e6d874ed270018203040506070809", "key_1", "key_a_b"] {
            assert!(looks_like("key", good), "{good}");
        }
        let long = format!("key_{}", "0".repeat(77));
        for bad in ["", "key", "keys_1", "ws_1", "key_\0", "key_1'--", "key_é", "key_1/../2", &long] {
            assert!(!looks_like("key", bad), "{bad}");
        }
    }

    #[test]
    fn names_that_fit_and_names_that_do_not() {
        for good in ["a", "openai", "open-ai-2", &"a".repeat(63)] {
            assert_eq!(PluginId::parse(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(64);
        for bad in ["", "-a", "2a", "A", "a_b", "a b", "ä", "a/b", "a.b", "a\0", &long] {
            assert!(PluginId::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(BindingName::parse("gpt_4-x").unwrap().to_string(), "gpt_4-x");
        assert!(BindingName::parse("_a").is_err());
        assert!(serde_json::from_str::<PluginId>("\"../x\"").is_err());
        assert_eq!(
            PluginId::parse("A").unwrap_err().to_string(),
            "`A` is no plugin id: 1 to 63 lower-case letters, digits and hyphens, a letter first"
        );
    }
}
