use calculator::Calculator;
use hardpoint_sdk::serde_json::json;
use hardpoint_sdk::testing::call;
use hardpoint_sdk::tool::ToolError;

use super::result;

fn check(table: &[(&str, usize, &str)]) {
    for (expression, character, reason) in table {
        let expected = Err(format!("expression, character {character}: {reason}"));
        assert_eq!(result(expression), expected, "{expression}");
    }
}

#[test]
fn say_where_and_what_was_expected() {
    check(&[
        ("", 1, "expected a number, a function or `(`, found the end"),
        ("   ", 4, "expected a number, a function or `(`, found the end"),
        ("1 +", 4, "expected a number, a function or `(`, found the end"),
        ("1 + * 2", 5, "expected a number, a function or `(`, found `*`"),
        ("(1 + 2", 7, "expected an operator or `)`, found the end"),
        ("1 + 2)", 6, "expected an operator or the end, found `)`"),
        ("()", 2, "expected a number, a function or `(`, found `)`"),
        ("1 = 1", 3, "expected an operator or the end, found `=`"),
        ("max(1, )", 8, "expected a number, a function or `(`, found `)`"),
        ("max(1; 2)", 6, "expected an operator, `,` or `)`, found `;`"),
        ("max(1, 2", 9, "expected an operator, `,` or `)`, found the end"),
        ("sqrt 2", 6, "expected `(` after `sqrt`, found `2`"),
        ("1. + 2", 3, "expected a digit after the point, found ` `"),
        (".", 2, "expected a digit after the point, found the end"),
        ("1.2.3", 4, "expected an operator or the end, found `.`"),
        ("1e", 3, "expected the digits of an exponent after `e`, found the end"),
        ("1e+x", 4, "expected the digits of an exponent after `e`, found `x`"),
        ("€ 5", 1, "expected a number, a function or `(`, found `€`"),
        ("1 − €", 5, "expected a number, a function or `(`, found `€`"),
        ("1 + \u{202e}2", 5, "expected a number, a function or `(`, found `\\u{202e}`"),
    ]);
}

#[test]
fn know_what_models_write() {
    check(&[
        ("2 ** 3", 4, "expected a number, a function or `(`, found `*` (a power is written `^`)"),
        (
            "200 * 15%",
            10,
            "expected a number, a function or `(`, found the end (`%` is the remainder; write 15% as 0.15)",
        ),
        ("1,000 + 1", 2, "expected an operator or the end, found `,` (numbers have no thousands separators)"),
        ("2(3 + 4)", 2, "expected an operator or the end, found `(` (a product is written with `*`)"),
        ("2 pi", 3, "expected an operator or the end, found `p` (a product is written with `*`)"),
        ("round(1,000)", 9, "`000` starts with zero: numbers have no leading zeros and no separators"),
        ("007", 1, "`007` starts with zero: numbers have no leading zeros and no separators"),
    ]);
}

#[test]
fn name_functions_and_their_arguments() {
    check(&[
        ("1 + sin(2)", 5, "there is no `sin`; there are sqrt, abs, round, floor, ceil, min, max"),
        ("pi", 1, "there is no `pi`; there are sqrt, abs, round, floor, ceil, min, max"),
        ("abs(1, 2)", 1, "this function takes one argument, not 2"),
        ("1 + round(1, 2, 3)", 5, "round takes one or two arguments, not 3"),
        ("round(1, 0.5)", 1, "the digits to round to must be a whole number up to 400"),
        ("round(1, 1e9)", 1, "the digits to round to must be a whole number up to 400"),
    ]);
}

#[test]
fn what_has_no_value() {
    check(&[
        ("1 / 0", 3, "division by zero"),
        ("2 * (3 - 1) / (1 - 1)", 13, "division by zero"),
        ("1 % 0", 3, "the remainder of a division by zero"),
        ("0 ^ -1", 3, "division by zero: zero to a negative power"),
        ("sqrt(-4)", 1, "the square root of a negative number"),
        ("2 ^ 0.5", 3, "the exponent must be a whole number; a square root is written sqrt(x)"),
    ]);
}

#[test]
fn arguments_that_do_not_fit() {
    for arguments in [json!({}), json!({ "expression": 5 }), json!({ "expression": "1", "x": 1 }), json!([])]
    {
        let answer = call::<Calculator>(arguments.clone(), json!({}));
        assert!(matches!(answer, Err(ToolError::InvalidArguments(_))), "{arguments}: {answer:?}");
    }
}
