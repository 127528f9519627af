use hardpoint_sdk::serde_json::{Value, json};

use super::{outputs, query, refused};

#[test]
fn outputs_that_do_not_end_are_an_error() {
    for filter in ["repeat(1)", "range(infinite)", "range(10001)", "recurse(. + 1)", "[1] | .. , repeat(.)"] {
        let reason = refused(filter, json!(0));
        assert!(
            reason.contains("more than 10000 outputs: take fewer, as in limit(100; ...)"),
            "{filter}: {reason}"
        );
    }
    assert_eq!(outputs("range(10000)", Value::Null).unwrap().as_array().unwrap().len(), 10_000);
    assert_eq!(outputs("[limit(3; repeat(1))]", Value::Null), Ok(json!([[1, 1, 1]])));
    assert_eq!(outputs("first(range(1e12))", Value::Null), Ok(json!([0])));
}

#[test]
fn outputs_have_200_000_bytes_at_most() {
    let too_large = "the outputs are larger than 200000 bytes";
    for filter in [
        "[range(100000)]",
        "\"x\" * 200001",
        "range(100) | \"x\" * 3000",
        "[\"x\" * 1000] | . * 1, [range(300) as $i | .[0]]",
    ] {
        let reason = refused(filter, Value::Null);
        let fits = reason.contains(too_large) || reason.contains("cannot calculate");
        assert!(fits, "{filter}: {reason}");
    }
    let text = outputs("\"x\" * 199000", Value::Null).unwrap();
    assert_eq!(text[0].as_str().unwrap().len(), 199_000);
}

#[test]
fn depth_is_bounded_on_both_sides() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let deep = |depth: usize| query(json!({ "filter": "[..] | length", "input": nested(depth) }));
    assert_eq!(deep(127), Ok(json!([127])));
    assert!(deep(201).expect_err("refused").contains("input"), "deeper than 200");
    assert!(deep(100_000).expect_err("refused").contains("input"));
    let quoted = json!({ "filter": "length", "input": format!("\"{}\"", "[".repeat(1_000)) });
    assert_eq!(query(quoted), Ok(json!([1_000])));
    let reason = refused("reduce range(1000) as $i (0; [.])", Value::Null);
    assert!(reason.contains("output 1: it is nested deeper than 200"), "{reason}");
}

/// In the sandbox a stack of a MiB is enough; without optimisation it takes more.
#[test]
fn filters_are_as_long_and_as_deep_as_said() {
    std::thread::Builder::new().stack_size(64 << 20).spawn(long_and_deep).unwrap().join().unwrap();
}

fn long_and_deep() {
    let nested = |depth: usize| format!("{}1{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(outputs(&nested(100), Value::Null), Ok(json!([1])));
    assert_eq!(refused(&nested(101), Value::Null), "filter: its brackets nest deeper than 100");
    assert_eq!(outputs(&("1+".repeat(499) + "1"), Value::Null), Ok(json!([500])));
    assert_eq!(refused(&"1".repeat(5_001), Value::Null), "filter: it is longer than 5000 characters");
    assert_eq!(outputs(&(".|".repeat(249) + "."), json!(7)), Ok(json!([7])));
    for hostile in [
        "[".repeat(5_000),
        "if ".repeat(1_600),
        "\"\\(".repeat(1_600),
        "def f: ".repeat(700),
        "-".repeat(5_000),
        "- ".repeat(2_500),
        ".|".repeat(251) + ".",
        ". as $x|".repeat(600) + ".",
        "try ".repeat(1_200) + ".",
    ] {
        let reason = refused(&hostile, Value::Null);
        assert!(reason.contains("nest deeper") || reason.contains("operators and keywords"), "{reason}");
    }
    for deepest in [
        "if ".repeat(500),
        "-".repeat(500) + "1",
        "- ".repeat(500) + "1",
        "try ".repeat(500) + "1",
        "def f: ".repeat(250),
        "1,".repeat(500) + "1",
        ".a".repeat(500),
        "1//".repeat(250) + "1",
        "1 and ".repeat(500) + "1",
    ] {
        let _ = outputs(&deepest, Value::Null);
    }
}
