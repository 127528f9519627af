//! A tool that computes arithmetic exactly, where a model would guess.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod function;
mod number;
mod parser;

use alloc::string::{String, ToString};

use hardpoint_sdk::NoSettings;
use hardpoint_sdk::tool::{Tool, ToolError, json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The plugin.
pub enum Calculator {}

/// What is to be computed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The expression, at most 1,000 characters: `(19.99 * 3 + 4.5) * 1.19`, `round(1e6 * 1.05^10, 2)`.
    expression: String,
}

#[derive(Serialize)]
struct Answer {
    result: String,
    /// Only where it was.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    rounded: bool,
}

const DESCRIPTION: &str = "\
Computes an arithmetic expression. Use it for any calculation instead of calculating yourself.
Operators by rising precedence: `+ -`, then `* / %`, then the sign, then `^` (from the right, so -2^2 is -4 and \
2^3^2 is 512). `%` is the remainder, with the sign of the left side; it is no percentage: write 15% as 0.15. \
The exponent of `^` must be a whole number. Parentheses group.
Functions: sqrt(x), abs(x), floor(x), ceil(x), round(x) and round(x, digits) with halves away from zero, \
min(a, b, ...), max(a, b, ...).
Numbers: 12, 0.5, 1.5e-3; without thousands separators, units or currency signs.
Numbers are exact fractions inside: 0.1 + 0.2 is 0.3 and 1 / 3 * 3 is 1. A result that ends is given in full, \
otherwise with 34 significant digits and `\"rounded\": true`; only square roots are rounded before the end. \
Results must be under 10^400.
The answer is JSON like {\"result\":\"0.3\"}: plain decimal notation, never scientific.";

impl Tool for Calculator {
    type Settings = NoSettings;
    type Arguments = Arguments;

    fn description(_: &NoSettings) -> String {
        DESCRIPTION.to_string()
    }

    fn call(arguments: Arguments, _: NoSettings) -> Result<String, ToolError> {
        let number = parser::evaluate(&arguments.expression).map_err(ToolError::InvalidArguments)?;
        let (result, rounded) = number.to_decimal();
        json(&Answer { result, rounded })
    }
}

hardpoint_sdk::export!(tool: Calculator);
