//! `[secrets.NAME]`: values that plugins may refer to and never see, each with the only origin it may be
//! sent to.

use std::fmt;
use std::path::PathBuf;

use hardpoint_domain::origin::Origin;
use serde::Deserialize;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// Takes a text into custody.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// Written by hand so that no error message shows the value that did not fit.
impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = SecretText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text in quotes")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<SecretText, E> {
                Ok(SecretText::new(text))
            }

            fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<SecretText, E> {
                Err(E::custom("must be a text in quotes"))
            }

            fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<SecretText, E> {
                Err(E::custom("must be a text in quotes"))
            }

            fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<SecretText, E> {
                Err(E::custom("must be a text in quotes"))
            }

            fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<SecretText, E> {
                Err(E::custom("must be a text in quotes"))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// The longest value, in bytes. It is looked for in everything that plugins get to read.
const LONGEST: usize = 64 << 10;

/// `[secrets.NAME]` as written: exactly one of `value`, `env` and `file`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecretConfig {
    /// The value itself. Better kept out of the file: `env` or `file`, or `HARDPOINT__SECRETS__NAME__VALUE`.
    pub value: Option<SecretText>,
    /// The environment variable that holds it.
    pub env: Option<String>,
    /// The file that holds it; a newline at its end does not count.
    pub file: Option<PathBuf>,
    /// The only origin it may be sent to.
    pub audience: Option<String>,
}

/// A secret with its value at hand.
#[derive(Clone, Debug)]
pub struct ConfiguredSecret {
    /// The value.
    pub value: SecretText,
    /// The only origin it may be sent to.
    pub audience: Origin,
}

impl SecretConfig {
    /// Finds the value and checks the audience; every problem with the member that it is about. No problem says
    /// what was written: it may be the secret, in the wrong member. A secret whose value alone is missing is given
    /// all the same, without one: what is bound to it can then be judged too.
    pub fn resolve(
        &self,
        name: &str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> (Option<ConfiguredSecret>, Vec<(&'static str, String)>) {
        let mut problems = Vec::new();
        let value = self.value(env).map_err(|problem| problems.push(problem)).ok();
        let audience = match self.audience.as_deref().map(Origin::parse) {
            Some(Ok(audience)) => Some(audience),
            Some(Err(error)) => {
                problems.push(("audience", format!("is no origin: {}", error.reason())));
                None
            }
            None => {
                let example = format!(
                    "add `audience = \"https://…\"` under [secrets.{name}], the only origin it may be sent to"
                );
                problems.push(("audience", format!("is missing: {example}")));
                None
            }
        };
        let value = value.unwrap_or_else(|| SecretText(String::new()));
        (audience.map(|audience| ConfiguredSecret { value, audience }), problems)
    }

    /// The value; or the member that is wrong, and how. Nothing says what was written: it may be the secret, in the
    /// wrong member.
    pub(super) fn value(
        &self,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<SecretText, (&'static str, String)> {
        let value = match (&self.value, &self.env, &self.file) {
            (Some(value), None, None) => value.clone(),
            (None, Some(variable), None) => SecretText(env(variable).ok_or_else(|| {
                ("env", format!("names {}, which is not set, or is no UTF-8", shown(variable)))
            })?),
            (None, None, Some(path)) => {
                let text = std::fs::read_to_string(path)
                    .map_err(|error| ("file", format!("cannot be read: {error}")))?;
                SecretText(text.trim_end_matches(['\r', '\n']).to_owned())
            }
            (None, None, None) => return Err(("", "needs one of `value`, `env` and `file`".to_owned())),
            _ => {
                return Err(("", "has more than one of `value`, `env` and `file`; leave one".to_owned()));
            }
        };
        match value.0.len() {
            0 => Err(("", "its value is empty".to_owned())),
            length if length > LONGEST => Err(("", format!("its value has more than {LONGEST} bytes"))),
            _ => Ok(value),
        }
    }
}

/// A variable, by its name where that is sure to be one: somebody may have written the secret in its place.
fn shown(variable: &str) -> String {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let is_name = variable.len() <= 64 && variable.contains('_') && variable.split('_').all(is_word);
    if is_name {
        format!("the environment variable {variable}")
    } else {
        "an environment variable (not shown: its name does not look like one)".to_owned()
    }
}
