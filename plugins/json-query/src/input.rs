//! The values that a filter is given.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use jaq_json::{Val, read};
use serde_json::value::RawValue;

/// Values nested deeper are refused: they are read, compared and written by recursion.
pub(crate) const MAX_DEPTH: usize = 200;

/// From the argument's JSON. A string is JSON text, unless it is `raw`.
pub(crate) fn values(json: Option<&str>, raw: bool) -> Result<Vec<Val>, String> {
    let json = json.unwrap_or("null");
    if !json.starts_with('"') {
        return match raw {
            true => Err("input: with `raw` it must be a string".to_string()),
            false => Ok(Vec::from([value(json)?])),
        };
    }
    let text: String = serde_json::from_str(json).map_err(|error| format!("input: {error}"))?;
    if raw {
        return Ok(Vec::from([Val::from(text)]));
    }
    let hint = "pass the value itself, or `\"raw\": true` for plain text";
    let mut values = Vec::new();
    for json in serde_json::Deserializer::from_str(&text).into_iter::<&RawValue>() {
        let json = json.map_err(|error| format!("input: the string is no JSON text: {error}; {hint}"))?;
        values.push(value(json.get())?);
    }
    match values.is_empty() {
        true => Err(format!("input: the string holds no JSON; {hint}")),
        false => Ok(values),
    }
}

/// What is read here is JSON already.
fn value(json: &str) -> Result<Val, String> {
    if depth(json) > MAX_DEPTH {
        return Err(format!("input: it is nested deeper than {MAX_DEPTH}"));
    }
    read::parse_single(json.as_bytes()).map_err(|error| format!("input: {error}"))
}

/// How deep the brackets of JSON nest.
fn depth(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_string, mut is_escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
