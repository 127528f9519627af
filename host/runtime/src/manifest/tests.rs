use serde_json::json;

use super::*;

const START: &str = r##"id = "any"
version = "1.0.0"
kind = "tool"
description = "x"

[settings]
type = "object"
required = ["depth"]
additionalProperties = false

[settings.properties.depth]
type = "integer"
minimum = 1
default = 3

[settings.properties.style]
enum = ["plain", "bold"]
default = "plain"

[settings.properties.sizes]
type = "array"
items = { type = "integer" }
default = [1, 2]

[settings.properties.inner]
type = "object"
required = ["other"]
properties.flag = { type = "boolean", default = true }
properties.name = { "$ref" = "#/$defs/name", default = "ab" }

[settings.properties.key]
type = "string"

[settings."$defs".name]
type = "string"
pattern = "^[a-z]+$"
"##;

#[test]
fn schemas_are_schemas_and_defaults_fit() {
    let manifest = read_manifest(START).unwrap();
    assert_eq!(manifest, Manifest::from_toml(START).unwrap());
    // Line, and what is told.
    let table = [
        (
            "\"integer\"\nminimum",
            "\"strng\"\nminimum",
            12,
            "`settings.properties.depth.type`: \"strng\" is no type",
        ),
        (
            "minimum = 1",
            "minimum = \"x\"",
            13,
            "`settings.properties.depth.minimum`: no JSON Schema: \"x\" is not of type \"number\"",
        ),
        (
            "required = [\"depth\"]",
            "required = 3",
            8,
            "`settings.required`: no JSON Schema: 3 is not of type \"array\"",
        ),
        ("^[a-z]+$", "(", 36, "`settings.$defs.name.pattern`: no JSON Schema: \"(\" is not a \"regex\""),
        ("additionalProperties = false", "additionalProperties = 1", 9, "no JSON Schema"),
        ("additionalProperties = false", "patternProperties.\"(\" = true", 9, "no JSON Schema"),
        ("enum = [\"plain\", \"bold\"]", "enum = \"plain\"", 17, "no JSON Schema"),
        // A reference that leads nowhere names itself, and no place.
        ("#/$defs/name", "#/$defs/nobody", 6, "`#/$defs/nobody` leads nowhere"),
        ("#/$defs/name", "https://example.com/schema", 6, "https://example.com/schema"),
        (
            "type = \"object\"\nrequired = [\"depth\"]",
            "type = \"object\"\n\"$schema\" = \"https://example.com/meta\"",
            6,
            "`$schema` cannot be",
        ),
        (
            "required = [\"depth\"]",
            "\"$id\" = \"x:y\"\nrequired = [\"depth\"]",
            6,
            "`$id` is not for settings",
        ),
        ("pattern = \"^[a-z]+$\"", "not.\"$ref\" = \"#/$defs/name\"", 6, "`#/$defs/name` refers to itself"),
        (
            "default = 3",
            "default = 0",
            14,
            "`settings.properties.depth.default`: it does not fit: 0 is less than the minimum of 1",
        ),
        ("default = 3", "default = \"3\"", 14, "it does not fit"),
        ("default = \"plain\"", "default = \"thin\"", 18, "it does not fit"),
        ("default = [1, 2]", "default = [1, \"2\"]", 23, "it does not fit"),
        (
            "default = true",
            "default = 1",
            28,
            "`settings.properties.inner.properties.flag.default`: it does not fit",
        ),
        ("default = \"ab\"", "default = \"AB\"", 29, "it does not fit"),
    ];
    for (from, to, line, reason) in table {
        let text = START.replacen(from, to, 1);
        assert_ne!(text, START, "{from}");
        Manifest::from_toml(&text).unwrap();
        let error = read_manifest(&text).expect_err(to);
        assert!(error.to_string().contains(reason), "{to}: {error}");
        assert_eq!(error.line, Some(line), "{to}: {error}");
    }
}

#[test]
fn a_secret_has_no_default() {
    let secret = "type = \"string\"\nsecret = true\ndefault = \"hunter2\"\n\n[[secret]]\nname = \"key\"\naudience = \"https://a.test\"";
    let text = START.replace(
        "[settings.properties.key]\ntype = \"string\"",
        &format!("[settings.properties.key]\n{secret}"),
    );
    let error = read_manifest(&text).unwrap_err();
    assert_eq!(error.to_string(), "line 34: `settings.properties.key.default`: a secret has no default");
    assert!(read_manifest(&text.replace("default = \"hunter2\"\n", "")).is_ok());
}

/// A few lines that no validator gets through: each reference stands for two of the next.
fn chain(length: usize, last: &str) -> String {
    let link = |number: usize| {
        let next = format!("{{ \"$ref\" = \"#/$defs/d{}\" }}", number + 1);
        format!("[settings.\"$defs\".d{number}]\nallOf = [{next}, {next}]\n")
    };
    let links: String = (0..length).map(link).collect();
    let start = START.replace("type = \"integer\"\nminimum = 1", "\"$ref\" = \"#/$defs/d0\"");
    format!("{start}{links}[settings.\"$defs\".d{length}]\n{last}\n")
}

#[test]
fn what_is_looked_at_has_an_end() {
    read_manifest(&chain(8, "type = \"integer\"")).unwrap();
    let reason = |text: &str| {
        Manifest::from_toml(text).unwrap();
        read_manifest(text).unwrap_err().to_string()
    };
    assert!(reason(&chain(8, "type = \"string\"")).contains("it does not fit"));
    assert!(reason(&chain(30, "type = \"string\"")).contains("more than 10000 schemas"));
    assert!(reason(&chain(500, "type = \"string\"")).contains("behind 32 other references"));
    let many = format!("default = [{}]", "1,".repeat(20_000));
    let large = chain(8, "type = \"integer\"").replace("default = [1, 2]", &many);
    assert!(reason(&large).contains("too large to be looked at"));
}

/// A few bytes of a pattern can compile to very much: the host looks at them before anybody approves anything.
#[test]
fn patterns_have_bounds() {
    let with = |patterns: &str| read_manifest(&format!("{START}{patterns}"));
    let large = with("\n[settings.properties.large]\npattern = \"[^a]{3000}N\"\n").unwrap_err();
    assert!(large.line.is_some() && large.reason.contains("large"), "{large}");
    let many: String = (0..=PATTERNS)
        .map(|number| format!("\n[settings.properties.p{number}]\npattern = \"^[a-z]+$\"\n"))
        .collect();
    let many = with(&many).unwrap_err();
    assert!(many.reason.contains("more than 100 patterns"), "{many}");
    assert!(with("\n[settings.properties.fine]\npattern = \"^[a-z]{1,63}$\"\n").is_ok());
}

#[test]
fn a_misfit_shows_single_values_and_no_more_is_looked_at_than_a_bound() {
    let schema = json!({
        "properties": { "depth": { "type": "integer" }, "either": { "anyOf": [{ "required": ["a"] }, { "type": "null" }] } }
    });
    let told = |value: Value| misfits(&schema, &value).unwrap();
    assert_eq!(
        told(json!({ "depth": "deep" })),
        [("depth".to_owned(), "\"deep\" is not of type \"integer\"".to_owned())]
    );
    let [(path, reason)] = told(json!({ "either": { "long": "and private" } })).try_into().unwrap();
    assert!(path == "either" && !reason.contains("private") && reason.contains("value"), "{reason}");
    let much = json!({ "either": null, "more": vec![0; 200_000] });
    let [(path, reason)] = told(much).try_into().unwrap();
    assert!(path.is_empty() && reason.contains("too much"), "{reason}");
}

#[test]
fn what_is_unknown_is_told_within_bounds() {
    let long = "x".repeat(1_500);
    let properties: Map<String, Value> = (0..40)
        .map(|index| (format!("{long}{index}"), json!({})))
        .chain([("short".to_owned(), json!({}))])
        .collect();
    let schema = json!({ "additionalProperties": false, "properties": properties });
    let unknown: Map<String, Value> = (0..20_000).map(|index| (format!("u{index}"), json!(1))).collect();
    let told = misfits(&schema, &Value::Object(unknown)).unwrap();
    assert_eq!(told.len(), 20);
    assert!(told.iter().all(|(_, reason)| reason == "unknown; there are short, …"), "{:?}", told[0]);

    let schema = json!({ "additionalProperties": false, "patternProperties": { "^x-": {} } });
    let told = misfits(&schema, &json!({ "y": 1 })).unwrap();
    assert_eq!(told, [("y".to_owned(), "unknown; there are what fits `^x-`".to_owned())]);

    let schema = json!({ "properties": { "word": { "maxLength": 5 } } });
    let told = misfits(&schema, &json!({ "word": "sk-live-".repeat(10) })).unwrap();
    assert!(!told[0].1.contains("sk-live"), "{told:?}");
}
