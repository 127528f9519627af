//! The functions by name.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::number::{Number, Reason};

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Sqrt,
    Abs,
    Round,
    Floor,
    Ceil,
    Min,
    Max,
}

/// For messages.
pub(crate) const NAMES: &str = "sqrt, abs, round, floor, ceil, min, max";

impl Function {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "sqrt" => Self::Sqrt,
            "abs" => Self::Abs,
            "round" => Self::Round,
            "floor" => Self::Floor,
            "ceil" => Self::Ceil,
            "min" => Self::Min,
            "max" => Self::Max,
            _ => return None,
        })
    }

    /// The value with these arguments.
    pub(crate) fn of(self, arguments: Vec<Number>) -> Result<Number, Reason> {
        let count = arguments.len();
        let mut arguments = arguments.into_iter();
        match (self, arguments.next(), arguments.next()) {
            (Self::Sqrt, Some(x), None) => x.square_root(),
            (Self::Abs, Some(x), None) => Ok(x.absolute()),
            (Self::Floor, Some(x), None) => Ok(x.floor()),
            (Self::Ceil, Some(x), None) => Ok(x.ceiling()),
            (Self::Round, Some(x), None) => x.round(&Number::literal("0", 0)?),
            (Self::Round, Some(x), Some(places)) if count == 2 => x.round(&places),
            (Self::Min, Some(first), second) => Ok(best(first, second, arguments, Ordering::Less)),
            (Self::Max, Some(first), second) => Ok(best(first, second, arguments, Ordering::Greater)),
            _ => Err(match self {
                Self::Round => format!("round takes one or two arguments, not {count}"),
                Self::Min | Self::Max => "min and max take at least one argument".to_string(),
                _ => format!("this function takes one argument, not {count}"),
            }),
        }
    }
}

fn best(
    first: Number,
    second: Option<Number>,
    rest: impl Iterator<Item = Number>,
    wanted: Ordering,
) -> Number {
    second
        .into_iter()
        .chain(rest)
        .fold(first, |best, next| if next.compare(&best) == wanted { next } else { best })
}
