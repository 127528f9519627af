use calculator::Calculator;
use hardpoint_sdk::serde_json::{Value, from_str, json};
use hardpoint_sdk::testing::{call, describe};

use super::{answer, result};

fn check(table: &[(&str, &str)]) {
    for (expression, expected) in table {
        let expected = Ok((*expected).to_owned());
        assert_eq!(result(expression), expected, "{expression}");
    }
}

#[test]
fn the_answer_is_json() {
    let answer =
        |expression: &str| call::<Calculator>(json!({ "expression": expression }), json!({})).unwrap();
    assert_eq!(answer("0.1 + 0.2"), r#"{"result":"0.3"}"#);
    assert_eq!(answer("1/3"), r#"{"result":"0.3333333333333333333333333333333333","rounded":true}"#);
}

#[test]
fn operators_and_their_precedence() {
    check(&[
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("2 * 3 % 4", "2"),
        ("10 - 2 - 3", "5"),
        ("100 / 10 / 5", "2"),
        ("-2 ^ 2", "-4"),
        ("(-2) ^ 2", "4"),
        ("2 ^ 3 ^ 2", "512"),
        ("2 ^ -2", "0.25"),
        ("2 ^ -1 ^ 2", "0.5"),
        ("- - 3", "3"),
        ("+3 - -3", "6"),
        ("2 * -3", "-6"),
        ("  ( ( 7 ) )\t\n", "7"),
        ("7 × 6 ÷ 2 − 1 · 1", "20"),
    ]);
}

#[test]
fn exact_decimals() {
    check(&[
        ("0.1 + 0.2", "0.3"),
        ("0.3 - 0.1 - 0.2", "0"),
        ("1.10 * 3", "3.3"),
        ("1 / 3 * 3", "1"),
        ("1/8", "0.125"),
        ("-1/8", "-0.125"),
        ("19.99 * 3", "59.97"),
        (".5 + 0.50", "1"),
        ("2 ^ 100", "1267650600228229401496703205376"),
        ("1/2^40", "0.0000000000009094947017729282379150390625"),
        ("123456789012345678901234567890 + 1", "123456789012345678901234567891"),
        ("1.05 ^ 10", "1.62889462677744140625"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("0 * -5", "0"),
    ]);
}

#[test]
fn scientific_notation_goes_in_and_never_comes_out() {
    check(&[
        ("1e3", "1000"),
        ("1.5E+3", "1500"),
        ("25e-4", "0.0025"),
        ("1e-20", "0.00000000000000000001"),
        ("6.02214076e23", "602214076000000000000000"),
        ("0e999999999999", "0"),
        ("1e21 + 0.5", "1000000000000000000000.5"),
    ]);
    assert_eq!(result("10^399").unwrap().len(), 400);
    assert_eq!(result("1e-400").unwrap().len(), 402);
}

#[test]
fn what_does_not_end_has_34_digits() {
    check(&[
        ("1/3", "0.3333333333333333333333333333333333"),
        ("2/3", "0.6666666666666666666666666666666667"),
        ("-2/3", "-0.6666666666666666666666666666666667"),
        ("1e40/3", "3333333333333333333333333333333333000000"),
        ("1e-5/7", "0.000001428571428571428571428571428571429"),
        ("22/7", "3.142857142857142857142857142857143"),
        ("0.99999999999999999999999999999999999999 / 1.0000000000000000000000000000000000000003", "1"),
    ]);
    for (expression, rounded) in
        [("1/3", true), ("1/3 + 2/3", false), ("sqrt(2)", true), ("sqrt(2) ^ 2", true)]
    {
        let said = answer(expression).unwrap().get("rounded").cloned();
        assert_eq!(said, rounded.then_some(Value::Bool(true)), "{expression}");
    }
}

#[test]
fn remainders_have_the_sign_of_the_left_side() {
    check(&[("7 % 3", "1"), ("-7 % 3", "-1"), ("7 % -3", "1"), ("5.5 % 2", "1.5"), ("0.3 % 0.1", "0")]);
}

#[test]
fn functions() {
    check(&[
        ("sqrt(16)", "4"),
        ("sqrt(0)", "0"),
        ("sqrt(0.0625)", "0.25"),
        ("sqrt(2)", "1.414213562373095048801688724209698"),
        ("sqrt(2) * sqrt(2)", "2"),
        ("floor(sqrt(2) * sqrt(2))", "2"),
        ("sqrt(1e-301)", &format!("0.{}3162277660168379331998893544432719", "0".repeat(150))),
        ("sqrt(1e301)", &format!("3162277660168379331998893544432719{}", "0".repeat(117))),
        ("abs(-3.5)", "3.5"),
        ("floor(-2.5)", "-3"),
        ("floor(2.999)", "2"),
        ("ceil(-2.5)", "-2"),
        ("ceil(2.001)", "3"),
        ("round(2.5)", "3"),
        ("round(-2.5)", "-3"),
        ("round(2.4999)", "2"),
        ("round(2.675, 2)", "2.68"),
        ("round(1/3, 4)", "0.3333"),
        ("round(1250, -2)", "1300"),
        ("min(3, 1.5, 2)", "1.5"),
        ("max(3, 10/3, 2) * 3", "10"),
        ("min(4)", "4"),
        ("max(abs(-7), sqrt(9 + 16)) + min(1, 2)", "8"),
        ("round(1e6 * 1.05^10, 2)", "1628894.63"),
    ]);
}

#[test]
fn powers() {
    check(&[
        ("0 ^ 0", "1"),
        ("0 ^ 5", "0"),
        ("1 ^ 1e300", "1"),
        ("(-1) ^ 1e300", "1"),
        ("(-1) ^ (1e300 + 1)", "-1"),
        ("(2/3) ^ 3 * 27", "8"),
        ("10 ^ -3", "0.001"),
        ("0.5 ^ -3", "8"),
        // As long as this exact it would have 40,001 digits.
        ("1.0001 ^ 10000", "2.718145926825224864037664674913147"),
    ]);
}

#[test]
fn what_models_see() {
    let definition = describe::<Calculator>(json!({})).unwrap();
    assert!(definition.description.contains("34 significant digits"));
    let parameters: Value = from_str(&definition.parameters).unwrap();
    assert_eq!(parameters["required"], json!(["expression"]));
    assert_eq!(parameters["additionalProperties"], json!(false));
    assert_eq!(parameters["properties"]["expression"]["type"], "string");
}
