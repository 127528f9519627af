use hardpoint_sdk::serde_json::{Value, json};
use hardpoint_sdk::testing::{call, describe};
use json_query::JsonQuery;

use super::{outputs, query};

/// For one input, a string of which is no JSON text.
fn plain(filter: &str, input: Value) -> Result<Value, String> {
    let raw = input.is_string();
    query(json!({ "filter": filter, "input": input, "raw": raw }))
}

fn people() -> Value {
    json!([
        { "name": "Ada", "age": 36, "city": "London", "tags": ["math", "poetry"] },
        { "name": "Grace", "age": 85, "city": "New York", "tags": ["navy"] },
        { "name": "Alan", "age": 41, "city": "London", "tags": [] },
    ])
}

#[test]
fn what_models_ask_for() {
    for (filter, expected) in [
        (".", json!([people()])),
        (".[].name", json!(["Ada", "Grace", "Alan"])),
        (".[0] | .name, .age", json!(["Ada", 36])),
        ("map(select(.age > 40)) | length", json!([2])),
        (
            ".[] | select(.city == \"London\") | {name, n: (.tags | length)}",
            json!([{ "name": "Ada", "n": 2 }, { "name": "Alan", "n": 0 }]),
        ),
        (
            "group_by(.city) | map({city: .[0].city, ages: map(.age) | add})",
            json!([[{ "city": "London", "ages": 77 }, { "city": "New York", "ages": 85 }]]),
        ),
        ("sort_by(-.age) | first | .name", json!(["Grace"])),
        ("max_by(.age).name, min_by(.age).name", json!(["Grace", "Ada"])),
        ("[.[].tags[]] | unique", json!([["math", "navy", "poetry"]])),
        ("map(.age) | add / length", json!([54])),
        ("INDEX(.name) | keys", json!([["Ada", "Alan", "Grace"]])),
        (".[] | select(.name | IN(\"Ada\", \"Alan\")) | .age", json!([36, 41])),
        ("map({(.name): .age}) | add", json!([{ "Ada": 36, "Grace": 85, "Alan": 41 }])),
        ("reduce .[] as $p (0; . + $p.age)", json!([162])),
        ("[foreach .[] as $p (0; . + $p.age)]", json!([[36, 121, 162]])),
        ("[limit(2; .[])] | length", json!([2])),
        ("first(.[] | select(.age > 40)) | .name", json!(["Grace"])),
        ("map(.name | ascii_downcase | test(\"^a\"))", json!([[true, false, true]])),
        ("[paths(type == \"array\")] | length", json!([3])),
        ("[.[] | to_entries | map(.key) | join(\",\")] | unique", json!([["age,city,name,tags"]])),
        (
            ".[1] | del(.tags) | with_entries(.value |= tostring)",
            json!([{ "name": "Grace", "age": "85", "city": "New York" }]),
        ),
        ("map(.tags | @csv)", json!([["\"math\",\"poetry\"", "\"navy\"", ""]])),
        (".[0] | [.name, .age, null, true] | @csv, @tsv", json!(["\"Ada\",36,,true", "Ada\t36\t\ttrue"])),
        ("[\"a\\\"b\", \"c\\td\"] | @csv, @tsv", json!(["\"a\"\"b\",\"c\td\"", "a\"b\tc\\td"])),
        (".[0] | \"\\(.name) is \\(.age)\"", json!(["Ada is 36"])),
        ("try error(\"x\") catch .", json!(["x"])),
        (".[0].nothing // \"none\"", json!(["none"])),
        ("[.[] | .age?] | length, empty", json!([3])),
        ("def double: . * 2; .[0].age | double", json!([72])),
        (
            "[.[].age] | map(if . > 50 then \"old\" elif . > 40 then \"mid\" else \"young\" end)",
            json!([["young", "old", "mid"]]),
        ),
        ("walk(if type == \"number\" then . + 1 else . end) | .[0].age", json!([37])),
        ("[splits(\"a\")]?", json!([])),
        ("tojson | fromjson | length", json!([3])),
        ("any(.[]; .age > 80), all(.[]; .age > 80)", json!([true, false])),
        (". as [$first, {name: $second}] | $first.name, $second", json!(["Ada", "Grace"])),
        ("[.[] | .tags | @json]", json!([["[\"math\",\"poetry\"]", "[\"navy\"]", "[]"]])),
        (".[0] | toarray | length", json!([1])),
        ("[leaf_paths] | length", json!([12])),
        ("[.[0].tags | tostream] | length", json!([3])),
        ("getpath([0, \"tags\", 1])", json!(["poetry"])),
        (
            "label $out | .[] | if .age > 80 then ., break $out else .name end | .name? // .",
            json!(["Ada", "Grace"]),
        ),
        ("map(.age) | flatten | [min, max], (map(sqrt | floor) | add)", json!([[36, 85], 21])),
    ] {
        assert_eq!(outputs(filter, people()), Ok(expected), "{filter}");
    }
}

#[test]
fn regular_expressions() {
    for (filter, input, expected) in [
        ("test(\"B\"; \"i\"), test(\"B\")", json!("abc"), json!([true, false])),
        ("[match(\"a\"; \"g\").offset]", json!("\u{fc}a\u{1F600}a"), json!([[1, 3]])),
        (
            "match(\"(?<y>\\\\d{4})-(?<m>\\\\d\\\\d)?\") | .string, .captures",
            json!("on 2024-"),
            json!([
                "2024-",
                [{ "offset": 3, "length": 4, "string": "2024", "name": "y" }, { "offset": -1, "length": 0, "string": null, "name": "m" }],
            ]),
        ),
        (
            "capture(\"(?<user>\\\\w+)@(?<host>[\\\\w.]+)\")",
            json!("mail ada@example.com now"),
            json!([{ "user": "ada", "host": "example.com" }]),
        ),
        (
            "[scan(\"\\\\d+\")], [scan(\"(\\\\w)(\\\\d)\")]",
            json!("a1 b22"),
            json!([["1", "22"], [["a", "1"], ["b", "2"]]]),
        ),
        (
            "split(\", *\"; null)?, split(\", *\"; \"\")",
            json!("a,b,  c"),
            json!([["a", "b", "c"], ["a", "b", "c"]]),
        ),
        (
            "sub(\"b\"; \"x\"), gsub(\"(?<d>\\\\d)\"; \"<\\(.d)>\"), gsub(\"\"; \"-\")",
            json!("b1b2"),
            json!(["x1b2", "b<1>b<2>", "-b-1-b-2-"]),
        ),
        ("gsub(\"^ +| +$\"; \"\")", json!("  x y "), json!(["x y"])),
        ("test(\"^b$\"; \"m\"), test(\"a.b\"; \"s\")", json!("a\nb"), json!([true, true])),
        ("[match(\"\"; \"gn\")] | length", json!("abc"), json!([0])),
        ("ascii_downcase | gsub(\"[^a-z0-9]+\"; \"-\")", json!("Hello, World 2"), json!(["hello-world-2"])),
    ] {
        assert_eq!(plain(filter, input.clone()), Ok(expected), "{filter}");
    }
    // What makes others take for ever is done at once.
    let evil = "a".repeat(5_000) + "!";
    assert_eq!(plain("test(\"^(a+)+$\")", json!(evil)), Ok(json!([false])));
}

#[test]
fn formats_dates_and_mathematics() {
    for (filter, input, expected) in [
        (
            "@base64, (@base64 | @base64d)",
            json!("h\u{fc}\u{1F600}"),
            json!(["aMO88J+YgA==", "h\u{fc}\u{1F600}"]),
        ),
        ("@base64d", json!("aGk"), json!(["hi"])),
        ("@uri, (@uri | @urid)", json!("a b/\u{fc}?"), json!(["a%20b%2F%C3%BC%3F", "a b/\u{fc}?"])),
        (
            "@html, (@html | @htmld)",
            json!("<a href='x'>&amp;\"</a>"),
            json!(["&lt;a href=&#39;x&#39;&gt;&amp;amp;&quot;&lt;/a&gt;", "<a href='x'>&amp;\"</a>"]),
        ),
        ("@sh", json!("it's"), json!(["'it'\\''s'"])),
        ("todate, (todate | fromdate)", json!(1_700_000_000), json!(["2023-11-14T22:13:20Z", 1_700_000_000])),
        ("todate", json!(4_102_444_800_u64), json!(["2100-01-01T00:00:00Z"])),
        ("fromdate", json!("2100-01-01T01:00:00.5+01:00"), json!([4_102_444_800_u64])),
        ("pow(2; 10), sqrt, log2, (. / 3 | floor)", json!(16), json!([1024, 4, 4, 5])),
        ("[.[] | round], (.[0] | fabs)", json!([-1.5, 2.4]), json!([[-2, 2], 1.5])),
        (". + 1", json!(2_147_483_647), json!([2_147_483_648_u64])),
        (". * .", json!(3_000_000_000_u64), json!([9_000_000_000_000_000_000_u64])),
        ("0.1 + 0.2", Value::Null, json!([0.30000000000000004])),
        ("nan, infinite, -infinite", Value::Null, json!([null, f64::MAX, f64::MIN])),
        ("tonumber", json!("12.5"), json!([12.5])),
    ] {
        assert_eq!(plain(filter, input.clone()), Ok(expected), "{filter}");
    }
}

#[test]
fn numbers_and_order_come_through() {
    let arguments = r#"{"filter":".","input":{"z":1,"a":12345678901234567890123,"m":1.000000000000000000001,"t":"\u00e9\n"}}"#;
    let value: Value = hardpoint_sdk::serde_json::from_str(arguments).unwrap();
    // As the host passes them: text.
    let text = hardpoint_sdk::tool::json(&value).unwrap();
    assert!(call::<JsonQuery>(value, hardpoint_sdk::serde_json::json!({})).is_ok(), "{text}");
    let inner = json!({ "filter": ".", "input": "{\"z\":1,\"a\":12345678901234567890123,\"m\":1.000000000000000000001}" });
    let answer = call::<JsonQuery>(inner, json!({})).unwrap();
    assert_eq!(answer, r#"[{"z":1,"a":12345678901234567890123,"m":1.000000000000000000001}]"#);
}

#[test]
fn inputs_in_every_form() {
    let input = |input: Value| query(json!({ "filter": ".", "input": input }));
    assert_eq!(input(json!({ "a": 1 })), Ok(json!([{ "a": 1 }])));
    assert_eq!(input(json!("{\"a\": 1}")), Ok(json!([{ "a": 1 }])));
    assert_eq!(input(json!("\"text\"")), Ok(json!(["text"])));
    assert_eq!(input(json!("{\"a\":1}\n{\"a\":2}\n 3")), Ok(json!([{ "a": 1 }, { "a": 2 }, 3])));
    assert_eq!(input(json!(null)), Ok(json!([null])));
    assert_eq!(query(json!({ "filter": "1 + 1" })), Ok(json!([2])));
    let raw = json!({ "filter": "split(\"\\n\") | map(select(startswith(\"b\")))", "input": "a\nb\nbc", "raw": true });
    assert_eq!(query(raw), Ok(json!([["b", "bc"]])));
    assert_eq!(query(json!({ "filter": ".", "input": "1", "raw": true })), Ok(json!(["1"])));
}

#[test]
fn what_a_model_sees() {
    let definition = describe::<JsonQuery>(json!({})).unwrap();
    let schema: Value = hardpoint_sdk::serde_json::from_str(&definition.parameters).unwrap();
    assert_eq!(schema["required"], json!(["filter"]));
    assert_eq!(schema["additionalProperties"], json!(false));
    assert!(schema["properties"]["input"].is_object(), "{schema}");
    // What the description promises exists: each is known, if only with other arguments.
    let promised = definition.description.split("keys, ").nth(1).and_then(|rest| rest.split(", @csv").next());
    for name in promised.expect("a list").split(", ") {
        let name = name.split_whitespace().next().unwrap();
        let answer = outputs(name.trim_end_matches([',', '?']), Value::Null);
        assert!(
            !answer.as_ref().is_err_and(|reason| reason.contains("is not defined")),
            "{name}: {answer:?}"
        );
    }
}
