//! Money: micro-credits, and what tokens cost.
//!
//! A credit is worth one dollar. All sums are whole micro-credits; a cost is rounded up, once, at its end.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

use serde::{Deserialize, Serialize};

use crate::message::Usage;
use crate::model::Prices;

/// An amount in micro-credits. Sums stop at the ends of their range instead of wrapping: what a plugin claims to
/// have used must never turn a debt into a gift.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Credits(i64);

/// Micro-credits in a credit.
const CREDIT: i64 = 1_000_000;
/// Micro-credits in a cent.
const CENT: i64 = CREDIT / 100;

impl Credits {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// As much as there can be.
    pub const MAX: Self = Self(i64::MAX);

    /// So many micro-credits.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// So many cents; none where there is no such amount.
    pub const fn from_cents(cents: i64) -> Option<Self> {
        match cents.checked_mul(CENT) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// So many whole credits; none where there is no such amount.
    pub const fn from_whole(credits: i64) -> Option<Self> {
        match credits.checked_mul(CREDIT) {
            Some(micros) => Some(Self(micros)),
            None => None,
        }
    }

    /// Reads credits as people write them: `5`, `0.25`, `-3`; at most six digits behind the point. None for all else.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
        let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(part) || part.len() > 6 {
            return None;
        }
        let micros = whole.parse::<i64>().ok()?.checked_mul(CREDIT)?;
        let part = format!("{part:0<6}").parse::<i64>().ok()?;
        Some(Self(micros.checked_add(part)? * sign))
    }

    /// In micro-credits.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// In cents, rounded up: what is spent is never shown as less.
    pub const fn cents_up(self) -> i64 {
        self.0.div_euclid(CENT) + (self.0.rem_euclid(CENT) > 0) as i64
    }

    /// In cents, rounded down: what is left is never shown as more.
    pub const fn cents_down(self) -> i64 {
        self.0.div_euclid(CENT)
    }

    /// Whether it is more than nothing.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }

    /// A share of it, rounded down.
    pub const fn share(self, of: i64) -> Self {
        Self(self.0 / of)
    }
}

impl Add for Credits {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sub for Credits {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Neg for Credits {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.saturating_neg())
    }
}

impl AddAssign for Credits {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Credits {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Sum for Credits {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Add::add)
    }
}

/// In credits, with as many digits as are needed: `5`, `0.25`, `-0.000001`.
impl fmt::Display for Credits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) =
            (self.0.unsigned_abs() / CREDIT.unsigned_abs(), self.0.unsigned_abs() % CREDIT.unsigned_abs());
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        write!(f, "{sign}{whole}.{}", format!("{rest:06}").trim_end_matches('0'))
    }
}

/// Tokens that a price is for.
const TOKENS: u128 = 1_000_000;

impl Prices {
    /// Whether nothing costs anything.
    pub const fn is_free(&self) -> bool {
        self.input == 0 && self.cached_input == 0 && self.output == 0
    }

    /// What these tokens cost, rounded up to a whole micro-credit.
    pub fn cost(&self, usage: &Usage) -> Credits {
        // A provider that says that more came from its cache than there was is believed as far as it can be true.
        let cached = usage.cached_input_tokens.min(usage.input_tokens);
        let parts = [
            (usage.input_tokens - cached, self.input),
            (cached, self.cached_input),
            (usage.output_tokens, self.output),
        ];
        let sum = parts
            .into_iter()
            .map(|(tokens, price)| u128::from(tokens) * u128::from(price))
            .fold(0, u128::saturating_add);
        Credits(i64::try_from(sum.div_ceil(TOKENS)).unwrap_or(i64::MAX))
    }

    /// The most that a request can cost which reads at most `input` tokens and writes at most `output`.
    pub fn most(&self, input: u64, output: u64) -> Credits {
        let dearest = Self {
            cached_input: self.input.max(self.cached_input),
            input: self.input.max(self.cached_input),
            ..*self
        };
        dearest.cost(&Usage { input_tokens: input, output_tokens: output, ..Usage::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(input_tokens: u64, cached_input_tokens: u64, output_tokens: u64) -> Usage {
        Usage { input_tokens, cached_input_tokens, output_tokens, ..Usage::default() }
    }

    const PRICES: Prices = Prices { input: 2_500_000, cached_input: 1_250_000, output: 10_000_000 };

    #[test]
    fn tokens_at_their_prices() {
        for (tokens, micros) in [
            (usage(0, 0, 0), 0),
            (usage(1, 0, 0), 3),
            (usage(2, 0, 0), 5),
            (usage(2, 1, 0), 4),
            (usage(1_000, 400, 100), 1_500 + 500 + 1_000),
            // More from the cache than was read.
            (usage(10, 1_000, 0), 13),
        ] {
            assert_eq!(PRICES.cost(&tokens).micros(), micros, "{tokens:?}");
        }
    }

    #[test]
    fn no_claim_of_a_plugin_wraps() {
        assert_eq!(PRICES.cost(&usage(u64::MAX, 0, u64::MAX)), Credits::MAX);
        let dearest = Prices { input: u64::MAX, cached_input: u64::MAX, output: u64::MAX };
        assert_eq!(dearest.cost(&usage(u64::MAX, u64::MAX, u64::MAX)), Credits::MAX);
        assert_eq!(Credits::MAX + Credits::MAX, Credits::MAX);
    }

    #[test]
    fn the_most_is_never_less_than_the_cost() {
        let dear_cache = Prices { cached_input: 9_000_000, ..PRICES };
        for prices in [PRICES, dear_cache] {
            for used in [usage(100, 0, 50), usage(100, 100, 50), usage(99, 98, 1)] {
                assert!(prices.most(100, 50) >= prices.cost(&used), "{prices:?} {used:?}");
            }
        }
    }

    #[test]
    fn amounts_as_people_write_them() {
        for (text, micros) in [
            ("5", Some(5_000_000)),
            ("0.25", Some(250_000)),
            ("-3.000001", Some(-3_000_001)),
            ("", None),
            (".5", None),
            ("1.", None),
            ("1.0000001", None),
            ("1e3", None),
            ("+1", None),
            ("9223372036855", None),
        ] {
            assert_eq!(Credits::parse(text).map(Credits::micros), micros, "{text}");
        }
    }

    #[test]
    fn amounts_as_people_read_them() {
        for (micros, text) in [
            (5_000_000, "5"),
            (250_000, "0.25"),
            (-1, "-0.000001"),
            (0, "0"),
            (i64::MIN, "-9223372036854.775808"),
        ] {
            assert_eq!(Credits(micros).to_string(), text);
        }
        assert_eq!((Credits(10_001).cents_up(), Credits(10_001).cents_down()), (2, 1));
        assert_eq!((Credits(-1).cents_up(), Credits(-1).cents_down()), (0, -1));
        assert_eq!(Credits::from_cents(500).map(Credits::micros), Some(5_000_000));
        assert_eq!(Credits::from_cents(i64::MAX), None);
    }
}
