//! What keeps a value from fitting a manifest's schema.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use super::{Unfolding, WORK, keys, settings_validator, values};

/// The most misfits that are told, and the most names in one.
const MOST: usize = 20;
/// The longest text that is shown, in bytes.
const LONGEST: usize = 64;

/// Compiled schemas that are kept.
const KEPT: usize = 1_024;

/// By their text. The same settings are judged whenever somebody looks at a plugin, and each pattern of a schema may
/// take a millisecond to compile.
static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// What keeps a value from fitting a manifest's schema: the member's path with dots, and the reason. Reasons show
/// single values, never whole objects or long texts: those may hold what was not meant for whoever reads it. Of many
/// misfits the first are told.
///
/// # Errors
/// If the schema is none.
pub fn misfits(schema: &Value, value: &Value) -> Result<Vec<(String, String)>, String> {
    let none = |error: String| format!("the plugin's settings schema: {error}");
    let size = Unfolding::of(schema).size(schema).map_err(none)?;
    if size.saturating_mul(values(value)) > WORK {
        let reason = "there is too much in it to be looked at with its schema";
        return Ok(vec![(String::new(), reason.to_owned())]);
    }
    let validator = compiled(schema).map_err(none)?;
    Ok(validator.iter_errors(value).flat_map(|error| misfit(schema, &error)).take(MOST).collect())
}

/// A schema's validator, compiled once.
fn compiled(schema: &Value) -> Result<Arc<Validator>, String> {
    let kept = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let text = schema.to_string();
    if let Some(validator) = kept().get(&text) {
        return Ok(Arc::clone(validator));
    }
    let validator = Arc::new(settings_validator(schema).map_err(|error| error.to_string())?);
    let mut kept = kept();
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(text, Arc::clone(&validator));
    Ok(validator)
}

/// What one error says, member by member. What the schema does not know is answered with what it knows.
fn misfit(schema: &Value, error: &ValidationError<'_>) -> Vec<(String, String)> {
    let path = keys(error.instance_path()).join(".");
    let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() else {
        let is_short = match &**error.instance() {
            Value::Object(_) | Value::Array(_) => false,
            Value::String(text) => text.len() <= LONGEST,
            _ => true,
        };
        let reason = if is_short { error.to_string() } else { error.masked().to_string() };
        return vec![(path, reason)];
    };
    let keyword = error.schema_path().to_string();
    let known = known(keyword.rsplit_once('/').and_then(|(table, _)| schema.pointer(table)));
    let below = |name: &String| if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
    unexpected.iter().take(MOST).map(|name| (below(name), format!("unknown; there are {known}"))).collect()
}

/// The names that an object's schema knows, as far as they are few and short.
fn known(table: Option<&Value>) -> String {
    let names = |key: &str| table.and_then(|table| table.get(key)?.as_object()).into_iter().flatten();
    let patterns = names("patternProperties").map(|(pattern, _)| format!("what fits `{pattern}`"));
    let all: Vec<String> = names("properties").map(|(name, _)| name.clone()).chain(patterns).collect();
    let mut told: Vec<&str> =
        all.iter().map(String::as_str).filter(|name| name.len() <= LONGEST).take(MOST).collect();
    if told.len() < all.len() {
        told.push("…");
    }
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_compiled_once_and_few_are_kept() {
        let schema = |most: usize| json!({ "type": "object", "properties": { "n": { "maximum": most } } });
        let first = compiled(&schema(1)).unwrap();
        assert!(Arc::ptr_eq(&first, &compiled(&schema(1)).unwrap()));
        assert!(!Arc::ptr_eq(&first, &compiled(&schema(2)).unwrap()), "another schema is judged by itself");
        for most in 0..2 * KEPT {
            assert_eq!(misfits(&schema(most), &json!({ "n": most + 1 })).unwrap().len(), 1);
        }
        assert!(COMPILED.lock().unwrap().len() <= KEPT);
    }
}
