//! Against fractions of `i128`, which overflow long before this tool does.

use proptest::prelude::*;

use super::{answer, result};

/// A fraction in lowest terms, its denominator above zero.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Fraction(i128, i128);

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a.abs() } else { gcd(b, a % b) }
}

impl Fraction {
    fn new(numerator: i128, denominator: i128) -> Option<Self> {
        let common = gcd(numerator, denominator) * denominator.signum();
        (denominator != 0).then(|| Self(numerator / common, denominator / common))
    }

    /// None where there is no value or it does not fit.
    fn apply(self, operator: char, other: Self) -> Option<Self> {
        let Self(a, b) = self;
        let Self(c, d) = other;
        let cross = || Some((a.checked_mul(d)?, c.checked_mul(b)?, b.checked_mul(d)?));
        match operator {
            '+' => cross().and_then(|(ad, cb, bd)| Self::new(ad.checked_add(cb)?, bd)),
            '-' => cross().and_then(|(ad, cb, bd)| Self::new(ad.checked_sub(cb)?, bd)),
            '*' => Self::new(a.checked_mul(c)?, b.checked_mul(d)?),
            '/' => Self::new(a.checked_mul(d)?, b.checked_mul(c)?),
            _ => cross().and_then(|(ad, cb, bd)| Self::new(ad.checked_rem(cb)?, bd)),
        }
    }
}

/// An expression and its value, where that is known.
fn expression() -> impl Strategy<Value = (String, Option<Fraction>)> {
    let leaf = (0_i128..10_000, 0_u32..4).prop_map(|(digits, places)| {
        let scale = 10_i128.pow(places);
        let text = match places {
            0 => digits.to_string(),
            _ => format!("{}.{:0width$}", digits / scale, digits % scale, width = places as usize),
        };
        (text, Fraction::new(digits, scale))
    });
    leaf.prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            (inner.clone(), prop::sample::select(vec!['+', '-', '*', '/', '%']), inner.clone()).prop_map(
                |((left, a), operator, (right, b))| {
                    let value = a.zip(b).and_then(|(a, b)| a.apply(operator, b));
                    (format!("({left}) {operator} ({right})"), value)
                }
            ),
            inner.prop_map(|(text, value)| (format!("-({text})"), value.map(|it| Fraction(-it.0, it.1)))),
        ]
    })
}

/// A decimal as it is written; none where it is longer than an `i128`.
fn read(text: &str) -> Option<Fraction> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{fraction}").parse().ok()?;
    Fraction::new(digits, 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?)
}

proptest! {
    #[test]
    fn values_are_exact((text, value) in expression()) {
        let Some(value) = value else { return Ok(()) };
        let answer = answer(&text);
        prop_assert!(answer.is_ok(), "{text}: {answer:?}");
        let answer = answer.unwrap();
        let given = answer["result"].as_str().unwrap();
        prop_assert!(!given.contains(['e', 'E']), "{given}");
        if let Some(given) = read(given).filter(|_| answer.get("rounded").is_none()) {
            prop_assert_eq!(given, value);
        }
        // Rounded or not: multiplied by its denominator it is whole.
        let Fraction(numerator, denominator) = value;
        prop_assert_eq!(result(&format!("({text}) * {denominator}")), Ok(numerator.to_string()));
    }

    #[test]
    fn roots_are_right_to_the_last_digit(digits in 1_u64..u64::MAX, places in 0_u32..30) {
        // Half a unit in the last of 34 digits on either side.
        let square = format!("{digits}e-{places}");
        let within = format!("abs(sqrt({square})^2 / {square} - 1)");
        let shown = result(&format!("sqrt({square})")).unwrap();
        prop_assert_eq!(result(&format!("min(abs({shown}^2 / {square} - 1), 1e-33)")).unwrap(),
            result(&format!("abs({shown}^2 / {square} - 1)")).unwrap());
        prop_assert_eq!(result(&format!("floor({within} * 1e60)")).unwrap(), "0");
    }

    #[test]
    fn any_text_gets_an_answer(text in "[0-9.eE()+*/%^, a-z−-]{0,60}") {
        let _ = result(&text);
    }
}
