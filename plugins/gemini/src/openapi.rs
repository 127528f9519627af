//! JSON Schemas reduced to the part of OpenAPI 3.0 that the API's `Schema` knows
//! (<https://ai.google.dev/api/caching#Schema>). What it does not know is left out: the answer then follows
//! less than was asked for, which a refusal of the whole request would not mend.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;

use hardpoint_sdk::Failure;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

/// Schemas within schemas, references followed. Deeper ones are cut.
const MAX_DEPTH: u32 = 24;

/// Members that mean the same in both.
const SAME: [&str; 14] = [
    "title",
    "description",
    "nullable",
    "required",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
    "propertyOrdering",
];

/// None for an object without properties: the API takes no schema of that.
///
/// # Errors
/// If the text is no JSON.
pub(crate) fn reduced(schema: &RawValue) -> Result<Option<Box<RawValue>>, Failure> {
    let root: Value = serde_json::from_str(schema.get())
        .map_err(|error| Failure::invalid_request(alloc::format!("a JSON Schema is no JSON: {error}")))?;
    let mut budget = 10_000;
    let reduced = reduce(&root, &root, MAX_DEPTH, &mut budget);
    let is_empty = reduced["type"] == "object" && reduced.get("properties").is_none();
    if is_empty { Ok(None) } else { Ok(Some(to_raw_value(&reduced)?)) }
}

/// `budget` bounds how many schemas come out: references may multiply them.
fn reduce(schema: &Value, root: &Value, depth: u32, budget: &mut u32) -> Value {
    let mut out = Map::new();
    let (Some(depth), Some(left)) = (depth.checked_sub(1), budget.checked_sub(1)) else {
        return Value::Object(out);
    };
    *budget = left;
    if let Some(target) = schema["$ref"].as_str() {
        let found = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return found.map_or(Value::Object(out), |found| reduce(found, root, depth, budget));
    }
    // One of one is that one.
    for name in ["allOf", "anyOf", "oneOf"] {
        if let Some([only]) = schema[name].as_array().map(Vec::as_slice) {
            return reduce(only, root, depth, budget);
        }
    }
    for name in SAME {
        if let Some(value) = schema.get(name) {
            out.insert(name.to_string(), value.clone());
        }
    }
    kind(schema, &mut out);
    values(schema, &mut out);
    if let Some(properties) = schema["properties"].as_object().filter(|it| !it.is_empty()) {
        let reduced =
            properties.iter().map(|(name, it)| (name.clone(), reduce(it, root, depth, budget))).collect();
        out.insert("properties".to_string(), Value::Object(reduced));
    }
    if schema["items"].is_object() {
        out.insert("items".to_string(), reduce(&schema["items"], root, depth, budget));
    }
    if let Some(some) = schema["anyOf"].as_array().or_else(|| schema["oneOf"].as_array()) {
        let is_null = |it: &&Value| it["type"] == "null";
        if some.iter().any(|it| is_null(&it)) {
            out.insert("nullable".to_string(), Value::Bool(true));
        }
        let reduced =
            some.iter().filter(|it| !is_null(it)).map(|it| reduce(it, root, depth, budget)).collect();
        out.insert("anyOf".to_string(), Value::Array(reduced));
    }
    Value::Object(out)
}

/// One type, which may be null beside it; formats are few.
fn kind(schema: &Value, out: &mut Map<alloc::string::String, Value>) {
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => alloc::vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if let Some(kind) = kinds.iter().find(|kind| **kind != "null") {
        out.insert("type".to_string(), Value::String(kind.to_string()));
    }
    if kinds.len() > 1 && kinds.contains(&"null") {
        out.insert("nullable".to_string(), Value::Bool(true));
    }
    let format = schema["format"].as_str();
    if format.is_some_and(|it| matches!(it, "enum" | "date-time" | "float" | "double" | "int32" | "int64")) {
        out.insert("format".to_string(), schema["format"].clone());
    }
}

/// Only strings can be listed.
fn values(schema: &Value, out: &mut Map<alloc::string::String, Value>) {
    let listed = match (schema["enum"].as_array(), schema.get("const")) {
        (Some(values), _) => values.clone(),
        (None, Some(value)) => alloc::vec![value.clone()],
        (None, None) => return,
    };
    let strings: Vec<Value> = listed.into_iter().filter(Value::is_string).collect();
    if !strings.is_empty() {
        out.entry("type").or_insert_with(|| Value::String("string".to_string()));
        out.insert("enum".to_string(), Value::Array(strings));
    }
}
