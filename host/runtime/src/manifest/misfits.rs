//! What keeps a value from fitting a manifest's schema.

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::Value;

use super::{Unfolding, WORK, keys, settings_validator, values};

/// What keeps a value from fitting a manifest's schema: the member's path with dots, and the reason. Reasons show
/// single values, never whole objects: those may be long, and hold what was not meant for whoever reads it.
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
    let validator = settings_validator(schema).map_err(|error| none(error.to_string()))?;
    Ok(validator.iter_errors(value).flat_map(|error| misfit(schema, &error)).collect())
}

/// What one error says, member by member. What the schema does not know is answered with what it knows.
fn misfit(schema: &Value, error: &ValidationError<'_>) -> Vec<(String, String)> {
    let path = keys(error.instance_path()).join(".");
    let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() else {
        let reason = match &**error.instance() {
            Value::Object(_) | Value::Array(_) => error.masked().to_string(),
            _ => error.to_string(),
        };
        return vec![(path, reason)];
    };
    let keyword = error.schema_path().to_string();
    let table = keyword.rsplit_once('/').and_then(|(table, _)| schema.pointer(table));
    let known = table.and_then(|table| table.get("properties")?.as_object()).into_iter().flatten();
    let known: Vec<&str> = known.map(|(name, _)| name.as_str()).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    let below = |name: &String| if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
    unexpected.iter().map(|name| (below(name), format!("unknown; there are {known}"))).collect()
}
