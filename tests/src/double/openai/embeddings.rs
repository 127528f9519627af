//! `/v1/embeddings` and `/v1/models` as their documents say.

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use super::answer::ErrorBody;
use crate::double::script::Script;

/// The length of vectors where the request names none.
const DIMENSIONS: usize = 8;

pub(super) fn answer(request: &Value) -> Script {
    let inputs: Vec<&str> = match &request["input"] {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    if inputs.is_empty() {
        let error = ErrorBody::new(400, "invalid_request_error", "'$.input' is invalid.");
        return error.param("input").script();
    }
    let dimensions =
        request["dimensions"].as_u64().and_then(|wish| usize::try_from(wish).ok()).unwrap_or(DIMENSIONS);
    let data = inputs.iter().enumerate().map(|(index, text)| {
        let vector = vector(text, dimensions);
        let embedding =
            if request["encoding_format"] == "base64" { json!(base64(&vector)) } else { json!(vector) };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    });
    let tokens: usize = inputs.iter().map(|text| text.split_whitespace().count()).sum();
    let body = json!({
        "object": "list", "data": data.collect::<Vec<_>>(), "model": request["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    });
    Script::new().header("content-type", "application/json").bytes(body.to_string())
}

pub(super) fn models() -> Script {
    let model = json!({"id": "double", "object": "model", "created": 1_686_935_002, "owned_by": "double"});
    let body = json!({"object": "list", "data": [model]});
    Script::new().header("content-type", "application/json").bytes(body.to_string())
}

/// The same for the same text: each number is an eighth of a small sum over its bytes, exact in binary.
pub fn vector(text: &str, dimensions: usize) -> Vec<f32> {
    let component = |at: usize| {
        let sum: usize =
            text.bytes().enumerate().map(|(place, byte)| usize::from(byte) * (place + at + 1)).sum();
        (sum % 17) as f32 / 8.0 - 1.0
    };
    (0..dimensions).map(component).collect()
}

/// Little-endian floats in base64, as OpenAI's own clients ask for.
fn base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    BASE64_STANDARD.encode(bytes)
}
