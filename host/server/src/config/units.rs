//! Sizes and durations as people write them.

use std::fmt;
use std::time::Duration;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// Bytes: a whole number, or a text such as `512KiB`, `10MB`, `1.5 GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A time span: a whole number of seconds, or a text such as `250ms`, `30s`, `5m`, `1h`, `3d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

impl Size {
    /// As much of it as fits into memory.
    pub fn in_memory(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let factor: u64 = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "kb" => 1_000,
            "kib" | "k" => 1 << 10,
            "mb" => 1_000_000,
            "mib" | "m" => 1 << 20,
            "gb" => 1_000_000_000,
            "gib" | "g" => 1 << 30,
            _ => return None,
        };
        Some(Self((number * factor as f64) as u64))
    }
}

impl Span {
    /// Whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// Milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = split(text)?;
        let seconds = match unit {
            "ms" => number / 1e3,
            "" | "s" => number,
            "m" | "min" => number * 60.0,
            "h" => number * 3_600.0,
            "d" => number * 86_400.0,
            _ => return None,
        };
        Duration::try_from_secs_f64(seconds).ok().map(Self)
    }
}

/// `30s`, or `250ms` where it is no whole number of seconds.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{}s", self.0.as_secs()),
            _ => write!(f, "{}ms", self.0.as_millis()),
        }
    }
}

/// The number and the unit behind it.
fn split(text: &str) -> Option<(f64, &str)> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim()))
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Quantity {
            expects: "a size such as \"10MB\" or 65536",
            whole: Size,
            parse: Size::parse,
        })
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expects = "a duration such as \"500ms\", \"30s\" or \"5m\"";
        deserializer.deserialize_any(Quantity { expects, whole: Span::seconds, parse: Span::parse })
    }
}

struct Quantity<T> {
    expects: &'static str,
    whole: fn(u64) -> T,
    parse: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Quantity<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expects)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        Ok((self.whole)(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        u64::try_from(value)
            .map(self.whole)
            .map_err(|_| E::custom(format_args!("{value} is below zero; write {}", self.expects)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::custom(format_args!("`{text}` is not {}", self.expects)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let table = [
            ("0", Some(0)),
            ("10MB", Some(10_000_000)),
            ("1.5 GiB", Some(1_610_612_736)),
            ("64 kib", Some(65_536)),
        ];
        for (text, bytes) in table {
            assert_eq!(Size::parse(text).map(|size| size.0), bytes, "{text}");
        }
        for text in ["", "MB", "-1", "1 parsec", "1.2.3MB"] {
            assert_eq!(Size::parse(text), None, "{text}");
        }
    }

    #[test]
    fn spans() {
        let table = [
            ("250ms", 250),
            ("30s", 30_000),
            ("1.5m", 90_000),
            ("2 h", 7_200_000),
            ("1d", 86_400_000),
            ("7", 7_000),
        ];
        for (text, millis) in table {
            assert_eq!(Span::parse(text), Some(Span::millis(millis)), "{text}");
        }
        for text in ["", "s", "5 years", "1e99h"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }
}
