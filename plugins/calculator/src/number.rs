//! Numbers: fractions of big integers, and how they are written as decimals.

use alloc::format;
use alloc::string::{String, ToString};
use core::cmp::Ordering;

use num_bigint::BigInt;
use num_integer::Integer;
use num_rational::Ratio;
use num_traits::{One, Pow, Signed, ToPrimitive, Zero};

/// Significant digits of a result that cannot be written out: those of IEEE 754's decimal128.
const SHOWN_DIGITS: i64 = 34;

/// Significant digits that are kept inside where a number has been rounded: twice as many and some, so that
/// what is shown stays right through long calculations.
const KEPT_DIGITS: i64 = 72;

/// Numbers are under 10 to this power, and not closer to zero than 10 to its negative.
const MAX_EXPONENT: i64 = 400;

/// Digits after the point up to which a result is written in full.
const MAX_PLACES: u64 = 400;

/// Bits of a numerator or denominator: those of 10 to `MAX_EXPONENT`, and some.
const MAX_BITS: u64 = 1_335;

/// With numerator and denominator this short a number is within bounds without a look at its size.
const SAFE_BITS: u64 = 1_325;

/// Why there is no result.
pub(crate) type Reason = String;

/// A number.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    value: Ratio<BigInt>,
    /// Whether digits were lost on the way.
    rounded: bool,
}

impl Number {
    /// `digits` without a sign, times 10 to the power of `exponent`.
    pub(crate) fn literal(digits: &str, exponent: i64) -> Result<Self, Reason> {
        let digits: BigInt = digits.parse().map_err(|_| "this is no number".to_string())?;
        // With at most a thousand digits, as long as an expression may be, this is out of bounds in any case.
        if exponent.abs() > MAX_EXPONENT + 1_000 {
            return if digits.is_zero() {
                Ok(Self::exact(Ratio::zero()))
            } else {
                Err(out_of_bounds(exponent))
            };
        }
        Self::exact(scaled(Ratio::from_integer(digits), exponent)).bounded()
    }

    fn exact(value: Ratio<BigInt>) -> Self {
        Self { value, rounded: false }
    }

    /// Keeps work and memory small: what is too long to compute with is rounded, what is too large refused.
    fn bounded(mut self) -> Result<Self, Reason> {
        let bits = self.value.numer().bits().max(self.value.denom().bits());
        let short = if self.rounded { SAFE_BITS / 4 } else { SAFE_BITS };
        if bits <= short {
            return Ok(self);
        }
        let exponent = exponent(&self.value);
        if !(-MAX_EXPONENT..MAX_EXPONENT).contains(&exponent) {
            return Err(out_of_bounds(exponent));
        }
        if bits > MAX_BITS || self.rounded {
            self.value = significant(&self.value, KEPT_DIGITS);
            self.rounded = true;
        }
        Ok(self)
    }

    /// A rounded number as it would be shown: 2.000…0001 is 2 before it is cut to whole numbers.
    fn settled(self) -> Self {
        let value = if self.rounded { significant(&self.value, SHOWN_DIGITS) } else { self.value };
        Self { value, ..self }
    }

    fn with(self, other: &Self, value: Ratio<BigInt>) -> Result<Self, Reason> {
        Self { value, rounded: self.rounded || other.rounded }.bounded()
    }

    pub(crate) fn add(self, other: &Self) -> Result<Self, Reason> {
        let value = &self.value + &other.value;
        self.with(other, value)
    }

    pub(crate) fn subtract(self, other: &Self) -> Result<Self, Reason> {
        let value = &self.value - &other.value;
        self.with(other, value)
    }

    pub(crate) fn multiply(self, other: &Self) -> Result<Self, Reason> {
        let value = &self.value * &other.value;
        self.with(other, value)
    }

    pub(crate) fn divide(self, other: &Self) -> Result<Self, Reason> {
        if other.value.is_zero() {
            return Err("division by zero".to_string());
        }
        let value = &self.value / &other.value;
        self.with(other, value)
    }

    pub(crate) fn remainder(self, other: Self) -> Result<Self, Reason> {
        let (left, right) = (self.settled(), other.settled());
        if right.value.is_zero() {
            return Err("the remainder of a division by zero".to_string());
        }
        let value = &left.value % &right.value;
        left.with(&right, value)
    }

    pub(crate) fn negate(self) -> Self {
        Self { value: -self.value, ..self }
    }

    pub(crate) fn absolute(self) -> Self {
        Self { value: self.value.abs(), ..self }
    }

    /// Bounded: each squaring is, and there is one for each bit of the exponent.
    pub(crate) fn power(self, exponent: &Self) -> Result<Self, Reason> {
        let rounded = self.rounded || exponent.rounded;
        let exponent = exponent.clone().settled().value;
        if !exponent.is_integer() {
            let reason = "the exponent must be a whole number; a square root is written sqrt(x)";
            return Err(reason.to_string());
        }
        let exponent = exponent.to_integer();
        if self.value.is_zero() && exponent.is_negative() {
            return Err("division by zero: zero to a negative power".to_string());
        }
        let is_odd = exponent.is_odd();
        if exponent.is_zero() || self.value.is_one() {
            return Ok(Self { value: Ratio::one(), rounded });
        }
        if self.value.is_zero() {
            return Ok(Self { rounded, ..self });
        }
        if self.value.abs().is_one() {
            return Ok(if is_odd { self } else { self.negate() });
        }
        let Some(times) = exponent.magnitude().to_u64() else {
            return Err("the exponent is too large".to_string());
        };
        let base = if exponent.is_negative() { self.value.recip() } else { self.value };
        let base = Self { value: base, rounded };
        let mut result = base.clone();
        for bit in (0..times.ilog2()).rev() {
            let square = result.clone();
            result = result.multiply(&square)?;
            if times >> bit & 1 == 1 {
                result = result.multiply(&base)?;
            }
        }
        Ok(result)
    }

    /// How many multiplications a power with this exponent takes at most; none if it is refused anyway, or easy.
    pub(crate) fn steps(&self) -> u32 {
        u32::try_from(2 * self.value.numer().bits()).ok().filter(|steps| *steps <= 2 * u64::BITS).unwrap_or(0)
    }

    pub(crate) fn square_root(self) -> Result<Self, Reason> {
        if self.value.is_negative() {
            return Err("the square root of a negative number".to_string());
        }
        let (numerator, denominator) = (self.value.numer().sqrt(), self.value.denom().sqrt());
        if &(&numerator * &numerator) == self.value.numer()
            && &(&denominator * &denominator) == self.value.denom()
        {
            return Ok(Self { value: Ratio::new(numerator, denominator), ..self });
        }
        let places = (KEPT_DIGITS - exponent(&self.value).div_euclid(2)).max(0);
        let root = scaled(self.value, 2 * places).to_integer().sqrt();
        Self { value: scaled(Ratio::from_integer(root), -places), rounded: true }.bounded()
    }

    pub(crate) fn floor(self) -> Self {
        let settled = self.settled();
        Self { value: settled.value.floor(), ..settled }
    }

    pub(crate) fn ceiling(self) -> Self {
        let settled = self.settled();
        Self { value: settled.value.ceil(), ..settled }
    }

    /// To so many digits after the point, or before it where negative; halves away from zero.
    pub(crate) fn round(self, places: &Self) -> Result<Self, Reason> {
        let digits = places.clone().settled().value;
        let digits = digits
            .is_integer()
            .then(|| digits.to_integer().to_i64())
            .flatten()
            .filter(|digits| digits.abs() <= MAX_EXPONENT)
            .ok_or_else(|| format!("the digits to round to must be a whole number up to {MAX_EXPONENT}"))?;
        let settled = self.settled();
        let value = at_place(&settled.value, digits);
        settled.with(places, value)
    }

    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        self.value.cmp(&other.value)
    }

    /// In plain decimal notation, and whether it had to be rounded.
    pub(crate) fn to_decimal(&self) -> (String, bool) {
        let places = places(self.value.denom()).filter(|_| !self.rounded);
        if let Some(places) = places {
            return (written(&self.value, places), false);
        }
        let shown = significant(&self.value, SHOWN_DIGITS);
        // Tens in the denominator only; a large number may have none.
        let places = places_of_tens(&shown);
        (written(&shown, places), true)
    }
}

fn out_of_bounds(exponent: i64) -> Reason {
    if exponent > 0 {
        format!("the number is too large: 10^{MAX_EXPONENT} or more")
    } else {
        format!("the number is too close to zero: under 10^-{MAX_EXPONENT}")
    }
}

fn ten_to(exponent: u64) -> BigInt {
    Pow::pow(BigInt::from(10), exponent)
}

/// Times 10 to the power of `exponent`.
fn scaled(value: Ratio<BigInt>, exponent: i64) -> Ratio<BigInt> {
    let factor = ten_to(exponent.unsigned_abs());
    if exponent < 0 { value / factor } else { value * factor }
}

/// Rounded to so many digits after the point; halves away from zero.
fn at_place(value: &Ratio<BigInt>, places: i64) -> Ratio<BigInt> {
    scaled(scaled(value.clone(), places).round(), -places)
}

/// Rounded to so many significant digits.
fn significant(value: &Ratio<BigInt>, digits: i64) -> Ratio<BigInt> {
    at_place(value, digits - 1 - exponent(value))
}

/// The power of ten of the first digit; 0 for zero.
fn exponent(value: &Ratio<BigInt>) -> i64 {
    if value.is_zero() {
        return 0;
    }
    let magnitude = value.abs();
    let bits = |part: &BigInt| i64::try_from(part.bits()).unwrap_or(i64::MAX);
    // Within one of the truth: log10(2) is 0.30103.
    let mut guess = ((bits(magnitude.numer()) - bits(magnitude.denom())) * 30_103).div_euclid(100_000);
    let reaches = |exponent: i64| magnitude >= scaled(Ratio::one(), exponent);
    while !reaches(guess) {
        guess -= 1;
    }
    while reaches(guess + 1) {
        guess += 1;
    }
    guess
}

/// How many digits after the point a fraction with this denominator has; none if it never ends, or ends late.
fn places(denominator: &BigInt) -> Option<u64> {
    let twos = denominator.trailing_zeros().unwrap_or(0);
    let mut rest = denominator >> twos;
    let mut fives = 0;
    while !rest.is_one() {
        let (quotient, remainder) = rest.div_rem(&BigInt::from(5));
        if !remainder.is_zero() {
            return None;
        }
        rest = quotient;
        fives += 1;
    }
    Some(twos.max(fives)).filter(|places| *places <= MAX_PLACES)
}

/// The same for what has been rounded, which always ends, if late.
fn places_of_tens(value: &Ratio<BigInt>) -> u64 {
    (0..).find(|&places| (ten_to(places) % value.denom()).is_zero()).unwrap_or(0)
}

/// With exactly so many digits after the point, which are enough.
fn written(value: &Ratio<BigInt>, places: u64) -> String {
    let digits =
        (value.numer().magnitude() * ten_to(places).magnitude() / value.denom().magnitude()).to_string();
    let sign = if value.is_negative() { "-" } else { "" };
    let places = usize::try_from(places).unwrap_or(0);
    if places == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = places + 1);
    let (whole, fraction) = padded.split_at(padded.len() - places);
    format!("{sign}{whole}.{fraction}")
}
