use hardpoint_sdk::serde_json::json;

use super::{query, refused};

#[test]
fn what_is_wrong_with_a_filter_and_where() {
    for (filter, says) in [
        ("", "filter: at its end: term expected"),
        (".a | ", "filter: at its end: term expected"),
        (".[", "filter: at its end: closing bracket expected"),
        ("map(.a", "filter: at its end: closing parenthesis expected"),
        ("\"abc", "filter: at its end: closing quote expected"),
        ("{a: 1", "closing brace expected"),
        (".a b", "filter: at character 4 (`b`): the end of the filter, or an operator such as `|`, expected"),
        ("if . then 1", "else or end expected"),
        ("\u{fc} + 1", "filter: at character 1 (`\u{fc} + 1`): token expected"),
        ("\"\u{1F600}\" | .[", "filter: at its end: closing bracket expected"),
        ("$x", "filter: at character 1 (`$x`): the variable `$x` is not defined"),
        ("break $out", "the label"),
        (
            ".[] | lenght",
            "filter: at character 7 (`lenght`): the filter `lenght` is not defined; did you mean `length`?",
        ),
        ("slect(.a)", "did you mean `select`?"),
        ("sortby(.a)", "did you mean `sort_by` or `sort`?"),
        ("price", "for a member of that name write `.price`"),
        ("map", "`map` takes 1 arguments, not 0"),
        ("sub(\"a\")", "`sub` takes 2 or 3 arguments, not 1; they are separated by `;`"),
        ("now", "`now` does not exist here: there is no clock"),
        ("[inputs]", "`inputs` does not exist here"),
        ("strftime(\"%Y\")", "`strftime` does not exist here"),
        ("import \"a\" as a; .", "there are no modules"),
        ("@foo", "`@foo`"),
    ] {
        let reason = refused(filter, json!({}));
        assert!(reason.contains(says), "{filter}: {reason}");
    }
}

#[test]
fn what_fails_says_how_far_it_came() {
    for (filter, input, says) in [
        (
            ".a",
            json!([1]),
            "the filter failed: cannot index [1] with \"a\"; `?` passes over values of another type",
        ),
        (
            ".[] | .a",
            json!([{ "a": 1 }, { "a": 2 }, 3]),
            "the filter failed, after 2 outputs: cannot index 3 with \"a\"",
        ),
        (".[]", json!(5), "cannot use 5 as iterable"),
        ("1, error(\"so\")", json!(null), "the filter failed, after 1 output: \"so\""),
        ("error({a: 1})", json!(null), "the filter failed: {\"a\":1}"),
        ("tonumber", json!("\"abc\""), "the filter failed"),
        ("test(\"(\")", json!("\"abc\""), "`(` is no regular expression"),
        ("test(\"a\"; \"q\")", json!("\"abc\""), "`q` is no flag of regular expressions"),
        ("test(\"a\")", json!(5), "cannot use 5 as string"),
        ("fromdate", json!("\"yesterday\""), "`yesterday` is no date such as"),
        ("todate", json!(-1), "no time in seconds"),
        ("@base64d", json!("\"a*\""), "no base64"),
        ("@csv", json!({}), "an array is needed"),
        ("@csv", json!([[1]]), "array cannot be a cell"),
        ("fromjson", json!("\"{\""), "the filter failed"),
        ("{(1, \"a\"): 2}", json!(null), "the key 1 of an object is no string"),
        ("sqrt", json!("\"x\""), "cannot use \"x\" as number"),
    ] {
        let reason = refused(filter, input);
        assert!(reason.contains(says), "{filter}: {reason}");
    }
    let long = refused(".a", json!(vec![0; 10_000]));
    assert!(long.chars().count() < 600, "{long}");
    assert!(long.contains("…; `?`"), "{long}");
}

#[test]
fn what_is_wrong_with_an_input() {
    for (arguments, says) in [
        (json!({ "filter": ".", "input": "plain text" }), "input: the string is no JSON text: expected"),
        (json!({ "filter": ".", "input": "{\"a\": 1} x" }), "`\"raw\": true` for plain text"),
        (json!({ "filter": ".", "input": "{\"a\":" }), "input: the string is no JSON text"),
        (json!({ "filter": ".", "input": " " }), "input: the string holds no JSON"),
        (json!({ "filter": ".", "input": { "a": 1 }, "raw": true }), "input: with `raw` it must be a string"),
        (json!({ "filter": "." , "inputs": [] }), "unknown field `inputs`"),
        (json!({ "input": 1 }), "missing field `filter`"),
        (json!({ "filter": 1 }), "expected a string"),
        // The superset of JSON that the reader would take is none here.
        (json!({ "filter": ".", "input": "[1, nan]" }), "no JSON text"),
        (json!({ "filter": ".", "input": "# comment\n1" }), "no JSON text"),
    ] {
        let reason = query(arguments.clone()).expect_err("refused");
        assert!(reason.contains(says), "{arguments}: {reason}");
    }
}
