//! JSON Schemas reduced to what older endpoints know.

use hardpoint_sdk::model::{CompletionRequest, ToolDefinition};
use hardpoint_sdk::serde_json::{Value, json};

use super::{question, sent_with, tool};

fn reduced(schema: &Value) -> Option<Value> {
    let tools = vec![ToolDefinition { parameters: Some(schema.to_string()), ..tool("f") }];
    let request = CompletionRequest { tools, ..question(false) };
    let sent = sent_with(request, json!({ "schemas": "openapi" })).json();
    let declared = &sent["tools"][0]["functionDeclarations"][0];
    assert_eq!(declared.get("parametersJsonSchema"), None);
    declared.get("parameters").cloned()
}

#[test]
fn what_is_known_stays_and_the_rest_goes() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object", "title": "T",
        "description": "D", "additionalProperties": false, "required": ["a"],
        "properties": {
            "a": { "type": ["string", "null"], "minLength": 1, "format": "uri", "default": "x" },
            "b": { "type": "array", "items": { "type": "integer", "format": "int32", "exclusiveMinimum": 0 } },
            "c": { "const": "only" },
            "d": { "enum": ["x", "y", null] },
            "e": { "enum": [1, 2], "type": "integer" },
            "f": { "anyOf": [{ "type": "string" }, { "type": "number" }, { "type": "null" }] },
            "g": { "oneOf": [{ "type": "boolean" }] },
            "h": { "allOf": [{ "$ref": "#/$defs/H" }] },
            "i": { "type": "object", "properties": {} },
            "j": true,
        },
        "$defs": { "H": { "type": "string", "pattern": "^h$" } },
    });
    let expected = json!({
        "type": "object", "title": "T", "description": "D", "required": ["a"],
        "properties": {
            "a": { "type": "string", "nullable": true, "minLength": 1 },
            "b": { "type": "array", "items": { "type": "integer", "format": "int32" } },
            "c": { "type": "string", "enum": ["only"] },
            "d": { "type": "string", "enum": ["x", "y"] },
            "e": { "type": "integer" },
            "f": { "nullable": true, "anyOf": [{ "type": "string" }, { "type": "number" }] },
            "g": { "type": "boolean" },
            "h": { "type": "string", "pattern": "^h$" },
            "i": { "type": "object" },
            "j": {},
        },
    });
    assert_eq!(reduced(&schema), Some(expected));
}

#[test]
fn an_object_of_nothing_is_no_schema() {
    assert_eq!(reduced(&json!({ "type": "object", "properties": {} })), None);
    let tools = vec![ToolDefinition { parameters: None, description: None, ..tool("f") }];
    let sent =
        sent_with(CompletionRequest { tools, ..question(false) }, json!({ "schemas": "openapi" })).json();
    assert_eq!(sent["tools"], json!([{ "functionDeclarations": [{ "name": "f" }] }]));
}

#[test]
fn references_that_go_round_come_to_an_end() {
    let schema = json!({
        "type": "object",
        "properties": { "a": { "$ref": "#" }, "b": { "$ref": "#/properties/b" }, "c": { "$ref": "elsewhere" } },
    });
    let out = reduced(&schema).unwrap();
    assert_eq!((&out["properties"]["b"], &out["properties"]["c"]), (&json!({}), &json!({})));
    assert!(out.to_string().len() < 10_000);

    // Each level names the next ten times: a billion schemas, if they were all written.
    let level = |next: usize| {
        let properties: Vec<_> =
            (0..10).map(|at| (format!("p{at}"), json!({ "$ref": format!("#/$defs/l{next}") }))).collect();
        json!({ "type": "object", "properties": Value::Object(properties.into_iter().collect()) })
    };
    let mut schema = level(0);
    let defs: Vec<_> = (0..9).map(|at| (format!("l{at}"), level(at + 1))).collect();
    schema["$defs"] = Value::Object(defs.into_iter().collect());
    assert!(reduced(&schema).unwrap().to_string().len() < 1_000_000);
}
