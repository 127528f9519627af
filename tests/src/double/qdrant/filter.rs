//! Filters: `must`, `should`, `must_not`, and of conditions those that match values, ranges and null.

use serde_json::Value;

use super::{Refusal, malformed};

/// Whether a payload meets a filter.
pub(super) fn admits(filter: &Value, payload: &Value) -> Result<bool, Refusal> {
    for condition in clause(filter, "must")? {
        if !meets(condition, payload)? {
            return Ok(false);
        }
    }
    for condition in clause(filter, "must_not")? {
        if meets(condition, payload)? {
            return Ok(false);
        }
    }
    let should = clause(filter, "should")?;
    let mut any = should.is_empty();
    for condition in should {
        any |= meets(condition, payload)?;
    }
    Ok(any)
}

/// What a filter looks at.
pub(super) fn keys(filter: &Value) -> Result<Vec<String>, Refusal> {
    let mut keys = Vec::new();
    for name in ["must", "should", "must_not"] {
        for condition in clause(filter, name)? {
            let key = condition["key"].as_str().or_else(|| condition["is_null"]["key"].as_str());
            keys.push(key.ok_or_else(|| malformed("a condition without a key"))?.to_owned());
        }
    }
    Ok(keys)
}

fn clause<'a>(filter: &'a Value, name: &str) -> Result<&'a [Value], Refusal> {
    match &filter[name] {
        Value::Null => Ok(&[]),
        Value::Array(conditions) => Ok(conditions),
        one => Ok(std::slice::from_ref(one)),
    }
}

fn meets(condition: &Value, payload: &Value) -> Result<bool, Refusal> {
    if let Some(key) = condition["is_null"]["key"].as_str() {
        return Ok(found(payload, key)?.is_some_and(Value::is_null));
    }
    let key = condition["key"].as_str().ok_or_else(|| malformed("a condition without a key"))?;
    let Some(value) = found(payload, key)? else { return Ok(false) };
    // Of a list one member is enough.
    let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
    let matching = &condition["match"];
    if let Some(wanted) = matching.get("value") {
        let is_comparable = wanted.is_string() || wanted.is_boolean() || wanted.is_i64();
        return if is_comparable { Ok(values.contains(wanted)) } else { Err(malformed("match value")) };
    }
    if let Some(any) = matching["any"].as_array() {
        return Ok(values.iter().any(|value| any.contains(value)));
    }
    let range = condition["range"].as_object().ok_or_else(|| malformed("a condition of no known kind"))?;
    let is_within = |value: &Value| {
        value.as_f64().is_some_and(|value| {
            range.iter().all(|(name, bound)| match (name.as_str(), bound.as_f64()) {
                ("gte", Some(bound)) => value >= bound,
                ("gt", Some(bound)) => value > bound,
                ("lte", Some(bound)) => value <= bound,
                ("lt", Some(bound)) => value < bound,
                _ => false,
            })
        })
    };
    Ok(values.iter().any(is_within))
}

/// What stands at a path such as `metadata."a b".c`: names without marks are letters, digits, `_` and `-`.
fn found<'a>(payload: &'a Value, path: &str) -> Result<Option<&'a Value>, Refusal> {
    let wrong = || malformed(&format!("`{path}` is no path"));
    let (mut value, mut rest) = (Some(payload), path);
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').ok_or_else(wrong)?,
            None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
        };
        let is_plain = name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-'));
        if !rest.starts_with('"') && (name.is_empty() || !is_plain) {
            return Err(wrong());
        }
        value = value.and_then(|value| value.get(name));
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None if after.is_empty() => return Ok(value),
            None => return Err(wrong()),
        }
    }
}
