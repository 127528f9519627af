//! A plugin's settings for people: what its schema takes, and what does not fit it.

use hardpoint_domain::manifest::Manifest;
use serde_json::{Map, Value};

/// The settings that a plugin takes, one a line: the name, what it must be, and what it is for.
pub fn described(manifest: &Manifest) -> Vec<String> {
    let Some(schema) = &manifest.settings else { return Vec::new() };
    let required = |name: &str| {
        schema["required"].as_array().is_some_and(|required| required.iter().any(|known| known == name))
    };
    let line = |(name, of): (&String, &Value)| {
        let mut what = vec![shape(of)];
        match of.get("default") {
            Some(default) => what.push(format!("{default} where left out")),
            None if required(name) => what.push("required".to_owned()),
            None => {}
        }
        if of["secret"] == true {
            what.push("given under `secrets`".to_owned());
        }
        let purpose = of["description"].as_str().map(|text| format!(": {text}")).unwrap_or_default();
        format!("{name} ({}){purpose}", what.join(", "))
    };
    properties(schema).into_iter().flatten().map(line).collect()
}

/// What a value must be, in a few words.
fn shape(schema: &Value) -> String {
    let list = |values: &[Value]| values.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
    if let Some(choices) = schema["enum"].as_array() {
        return list(choices);
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", shape(&schema["items"])),
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => "anything".to_owned(),
    }
}

fn properties(schema: &Value) -> Option<&Map<String, Value>> {
    schema.get("properties")?.as_object()
}

#[cfg(test)]
mod tests {
    use hardpoint_runtime::misfits;

    use super::*;

    const MANIFEST: &str = r#"
id = "t"
version = "1.0.0"
kind = "tool"
description = "x"

[[secret]]
name = "api_key"
audience = "https://a.example"

[settings]
type = "object"
additionalProperties = false
required = ["url"]
[settings.properties.url]
type = "string"
description = "Where to."
[settings.properties.mode]
enum = ["fast", "slow"]
default = "fast"
[settings.properties.tags]
type = "array"
items.type = "string"
[settings.properties.retry]
type = "object"
additionalProperties = false
properties.times.type = ["integer", "null"]
[settings.properties.api_key]
type = "string"
secret = true
"#;

    #[test]
    fn each_setting_is_described() {
        let manifest = Manifest::from_toml(MANIFEST).unwrap();
        let mut described = described(&manifest);
        described.sort();
        insta::assert_snapshot!(described.join("\n"), @r#"
        api_key (string, given under `secrets`)
        mode ("fast" or "slow", "fast" where left out)
        retry (object)
        tags (list of string)
        url (string, required): Where to.
        "#);
    }

    #[test]
    fn what_is_unknown_is_answered_with_what_is_known() {
        let schema = Manifest::from_toml(MANIFEST).unwrap().settings.unwrap();
        let settings = serde_json::json!({ "url": "u", "colour": 1, "retry": { "count": 2 } });
        let mut found = misfits(&schema, &settings).unwrap();
        found.sort();
        let found: Vec<(&str, &str)> =
            found.iter().map(|(path, reason)| (path.as_str(), reason.as_str())).collect();
        assert_eq!(
            found,
            [
                ("colour", "unknown; there are api_key, mode, retry, tags, url"),
                ("retry.count", "unknown; there are times"),
            ]
        );
    }
}
