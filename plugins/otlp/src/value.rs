//! JSON as the protocol's values.

use alloc::string::{String, ToString};

use serde_json::{Map, Value as Json};

use crate::message::{AnyValue, ArrayValue, KeyValue, KeyValueList, Value};

impl From<Value> for AnyValue {
    fn from(value: Value) -> Self {
        Self { value: Some(value) }
    }
}

impl From<&str> for AnyValue {
    fn from(text: &str) -> Self {
        Value::StringValue(text.to_string()).into()
    }
}

/// Objects and arrays that are nested deeper are text. One level of JSON is three messages of the protocol, and
/// protobuf's readers take a hundred, one inside the other.
const MAX_DEPTH: usize = 16;

impl From<Json> for AnyValue {
    fn from(json: Json) -> Self {
        nested(json, MAX_DEPTH)
    }
}

fn nested(json: Json, depth: usize) -> AnyValue {
    let value = match json {
        Json::Null => return AnyValue { value: None },
        Json::Bool(value) => Value::BoolValue(value),
        Json::String(text) => Value::StringValue(text),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::IntValue(whole),
            // Over what 64 bits with a sign hold: digits are better than a number that is almost right.
            (None, _) if number.is_u64() => Value::StringValue(number.to_string()),
            (None, Some(value)) => Value::DoubleValue(value),
            (None, None) => Value::StringValue(number.to_string()),
        },
        deep @ (Json::Array(_) | Json::Object(_)) if depth == 0 => Value::StringValue(deep.to_string()),
        Json::Array(values) => {
            let values = values.into_iter().map(|value| nested(value, depth - 1)).collect();
            Value::ArrayValue(ArrayValue { values })
        }
        Json::Object(members) => {
            let values = members.into_iter().map(|(key, value)| attribute(key, nested(value, depth - 1)));
            Value::KvlistValue(KeyValueList { values: values.collect() })
        }
    };
    value.into()
}

/// A member of a list of attributes.
pub(crate) fn attribute(key: impl Into<String>, value: impl Into<AnyValue>) -> KeyValue {
    KeyValue { key: key.into(), value: Some(value.into()) }
}

/// An object's members.
pub(crate) fn pairs(members: Map<String, Json>) -> impl Iterator<Item = KeyValue> {
    members.into_iter().map(|(key, value)| attribute(key, value))
}
