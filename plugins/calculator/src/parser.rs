//! Expressions, computed while they are read:
//!
//! ```text
//! sum     = product { ("+" | "-") product }
//! product = signed { ("*" | "/" | "%") signed }
//! signed  = ("-" | "+") signed | power
//! power   = operand [ "^" signed ]
//! operand = number | name "(" sum { "," sum } ")" | "(" sum ")"
//! ```

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::function::{Function, NAMES};
use crate::number::{Number, Reason};

/// Characters of an expression.
const MAX_LENGTH: usize = 1_000;

/// How deep parentheses, signs and powers may nest, so that recursion stays within the stack.
const MAX_DEPTH: u32 = 100;

/// Operations in an expression, each step of a power counted: more would take long where numbers are long.
const MAX_WORK: u32 = 600;

/// What may stand where an operand is missing.
const OPERAND: &str = "a number, a function or `(`";

/// The value of an expression.
///
/// # Errors
/// Where it is wrong (in characters, from 1), and why.
pub(crate) fn evaluate(expression: &str) -> Result<Number, String> {
    let characters: Vec<char> = expression.chars().take(MAX_LENGTH + 1).collect();
    if characters.len() > MAX_LENGTH {
        return Err(format!("expression: it is longer than {MAX_LENGTH} characters"));
    }
    let mut parser = Parser { characters, next: 0, depth: 0, work: 0 };
    parser.whole().map_err(|Problem { at, reason }| format!("expression, character {}: {reason}", at + 1))
}

struct Problem {
    /// From 0.
    at: usize,
    reason: Reason,
}

struct Parser {
    characters: Vec<char>,
    next: usize,
    depth: u32,
    work: u32,
}

type Operation = fn(Number, Number) -> Result<Number, Reason>;

impl Parser {
    fn whole(&mut self) -> Result<Number, Problem> {
        let value = self.sum()?;
        if self.peek().is_some() {
            return Err(self.unexpected("an operator or the end"));
        }
        Ok(value)
    }

    fn sum(&mut self) -> Result<Number, Problem> {
        self.chain(Self::product, |operator| {
            Some(match operator {
                '+' => |left, right| left.add(&right),
                '-' | '−' => |left, right| left.subtract(&right),
                _ => return None,
            })
        })
    }

    fn product(&mut self) -> Result<Number, Problem> {
        self.chain(Self::signed, |operator| {
            Some(match operator {
                '*' | '×' | '·' => |left, right| left.multiply(&right),
                '/' | '÷' => |left, right| left.divide(&right),
                '%' => Number::remainder,
                _ => return None,
            })
        })
    }

    /// Operands between operators of one precedence, from the left. Problems are at the operator.
    fn chain(
        &mut self,
        operand: fn(&mut Self) -> Result<Number, Problem>,
        operation: fn(char) -> Option<Operation>,
    ) -> Result<Number, Problem> {
        let mut value = operand(self)?;
        while let Some(apply) = self.peek().and_then(operation) {
            let at = self.next;
            self.next += 1;
            let right = operand(self)?;
            self.spend(1, at)?;
            value = apply(value, right).map_err(|reason| Problem { at, reason })?;
        }
        Ok(value)
    }

    /// Every recursion comes through here.
    fn signed(&mut self) -> Result<Number, Problem> {
        let sign = self.peek();
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            let reason = format!("parentheses, signs and powers nest deeper than {MAX_DEPTH}");
            return Err(Problem { at: self.next, reason });
        }
        let value = match sign {
            Some('-' | '−') => {
                self.next += 1;
                self.signed()?.negate()
            }
            Some('+') => {
                self.next += 1;
                self.signed()?
            }
            _ => self.power()?,
        };
        self.depth -= 1;
        Ok(value)
    }

    fn power(&mut self) -> Result<Number, Problem> {
        let base = self.operand()?;
        if self.peek() != Some('^') {
            return Ok(base);
        }
        let at = self.next;
        self.next += 1;
        let exponent = self.signed()?;
        self.spend(exponent.steps(), at)?;
        base.power(&exponent).map_err(|reason| Problem { at, reason })
    }

    fn operand(&mut self) -> Result<Number, Problem> {
        match self.peek() {
            Some('(') => {
                self.next += 1;
                let value = self.sum()?;
                self.closing("an operator or `)`")?;
                Ok(value)
            }
            Some(first) if first.is_ascii_digit() || first == '.' => self.number(),
            Some(first) if first.is_alphabetic() => self.call(),
            _ => Err(self.unexpected(OPERAND)),
        }
    }

    fn call(&mut self) -> Result<Number, Problem> {
        let at = self.next;
        let name: String = self.take_while(|next| next.is_alphanumeric() || next == '_');
        let Some(function) = Function::named(&name) else {
            let reason = format!("there is no `{name}`; there are {NAMES}");
            return Err(Problem { at, reason });
        };
        if self.peek() != Some('(') {
            return Err(self.unexpected(&format!("`(` after `{name}`")));
        }
        self.next += 1;
        let mut arguments = Vec::new();
        loop {
            arguments.push(self.sum()?);
            if self.peek() != Some(',') {
                break;
            }
            self.next += 1;
        }
        self.closing("an operator, `,` or `)`")?;
        self.spend(1, at)?;
        function.of(arguments).map_err(|reason| Problem { at, reason })
    }

    /// Digits with a point and an exponent, without spaces in between.
    fn number(&mut self) -> Result<Number, Problem> {
        let at = self.next;
        let mut digits = self.digits();
        if digits.len() > 1 && digits.starts_with('0') {
            let reason =
                format!("`{digits}` starts with zero: numbers have no leading zeros and no separators");
            return Err(Problem { at, reason });
        }
        let mut exponent = 0_i64;
        if self.bare() == Some('.') {
            self.next += 1;
            let fraction = self.digits();
            if fraction.is_empty() {
                return Err(self.unexpected("a digit after the point"));
            }
            exponent -= i64::try_from(fraction.len()).unwrap_or(i64::MAX);
            digits.push_str(&fraction);
        }
        if let Some('e' | 'E') = self.bare() {
            self.next += 1;
            exponent = exponent.saturating_add(self.exponent()?);
        }
        Number::literal(&digits, exponent).map_err(|reason| Problem { at, reason })
    }

    /// What follows an `e`. One that fits no integer is as large as any.
    fn exponent(&mut self) -> Result<i64, Problem> {
        let sign = match self.bare() {
            Some('-' | '−') => -1,
            Some('+') => 1,
            _ => 0,
        };
        self.next += usize::from(sign != 0);
        let digits = self.digits();
        if digits.is_empty() {
            return Err(self.unexpected("the digits of an exponent after `e`"));
        }
        let magnitude = digits.parse::<i32>().unwrap_or(i32::MAX);
        Ok(if sign < 0 { -i64::from(magnitude) } else { i64::from(magnitude) })
    }

    fn digits(&mut self) -> String {
        self.take_while(|next| next.is_ascii_digit())
    }

    fn take_while(&mut self, fits: fn(char) -> bool) -> String {
        let taken: String =
            self.characters[self.next..].iter().copied().take_while(|next| fits(*next)).collect();
        self.next += taken.chars().count();
        taken
    }

    fn spend(&mut self, operations: u32, at: usize) -> Result<(), Problem> {
        self.work = self.work.saturating_add(operations);
        if self.work <= MAX_WORK {
            return Ok(());
        }
        let reason =
            format!("this is more work than an expression may be: {MAX_WORK} operations, powers by squaring");
        Err(Problem { at, reason })
    }

    fn closing(&mut self, expected: &str) -> Result<(), Problem> {
        if self.peek() != Some(')') {
            return Err(self.unexpected(expected));
        }
        self.next += 1;
        Ok(())
    }

    /// The next character as it is.
    fn bare(&self) -> Option<char> {
        self.characters.get(self.next).copied()
    }

    /// The next character that is no space.
    fn peek(&mut self) -> Option<char> {
        while self.bare().is_some_and(char::is_whitespace) {
            self.next += 1;
        }
        self.bare()
    }

    fn unexpected(&self, expected: &str) -> Problem {
        let found = match self.bare() {
            None => "the end".to_string(),
            Some(found) => format!("`{}`", found.escape_debug()),
        };
        Problem { at: self.next, reason: format!("expected {expected}, found {found}{}", self.hint()) }
    }

    /// What models write most often that is no arithmetic here.
    fn hint(&self) -> &'static str {
        let before = self.characters[..self.next].iter().rev().find(|before| !before.is_whitespace());
        match (before, self.bare()) {
            (Some('*'), Some('*')) => " (a power is written `^`)",
            (Some('%'), _) => " (`%` is the remainder; write 15% as 0.15)",
            (Some(before), Some(',')) if before.is_ascii_digit() => " (numbers have no thousands separators)",
            (Some(before), Some('(' | 'a'..='z' | 'A'..='Z')) if before.is_ascii_digit() => {
                " (a product is written with `*`)"
            }
            _ => "",
        }
    }
}
