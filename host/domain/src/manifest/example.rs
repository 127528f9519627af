//! Settings that fit a manifest's schema, for trying a plugin out before anybody configured it.

use serde_json::{Map, Value, json};

use super::Manifest;

impl Manifest {
    /// What is required and what has a default, by that default or the first thing that will do. Not every
    /// schema can be met like this; what comes of it is worth a trial and no more.
    pub fn example_settings(&self) -> Value {
        self.settings.as_ref().map_or_else(|| json!({}), example)
    }
}

/// A value that a JSON Schema may take.
pub fn example(schema: &Value) -> Value {
    if let Some(value) = schema.get("default").or_else(|| schema.get("const")) {
        return value.clone();
    }
    if let Some(first) = schema["enum"].as_array().and_then(|values| values.first()) {
        return first.clone();
    }
    match schema["type"].as_str() {
        Some("object") | None => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let properties = schema["properties"].as_object();
            let has_default = |(_, property): &(&String, &Value)| property.get("default").is_some();
            let defaults =
                properties.into_iter().flatten().filter(has_default).map(|(name, _)| name.as_str());
            let of = |name: &str| (name.to_owned(), example(&schema["properties"][name]));
            Value::Object(required.chain(defaults).map(of).collect::<Map<_, _>>())
        }
        Some("array") => json!([]),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(1)),
        Some("boolean") => json!(false),
        Some(_) if schema["format"] == "uri" => json!("https://example.com"),
        Some(_) => json!("example"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_and_what_has_a_default_is_there() {
        let schema = json!({
            "type": "object", "required": ["url", "count"],
            "properties": {
                "url": {"type": "string", "format": "uri"}, "count": {"type": "integer", "minimum": 3},
                "mode": {"enum": ["a", "b"], "default": "b"}, "note": {"type": "string"},
            },
        });
        assert_eq!(example(&schema), json!({"url": "https://example.com", "count": 3, "mode": "b"}));
        assert_eq!(example(&json!({})), json!({}));
    }
}
