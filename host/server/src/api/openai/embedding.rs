//! An embedding request from its body, and the vectors back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hardpoint_domain::message::{EmbeddingRequest, Embeddings};

use super::json::{Field, Object};
use super::request::{MAX_EXTRA, MAX_MODEL, MAX_USER};
use super::schema::{EmbeddingList, EmbeddingUsage, Vector, WireEmbedding};
use crate::error::ApiError;

const MAX_INPUTS: usize = 2_048;
const MAX_DIMENSIONS: u32 = 65_536;

/// How the client wants its vectors written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Float,
    Base64,
}

/// Reads and checks a body of `/embeddings`.
pub(crate) fn embedding(body: &[u8]) -> Result<(EmbeddingRequest, Encoding), ApiError> {
    let mut object = Object::body(body)?;
    let model = object.require("model")?.short_string(MAX_MODEL)?;
    let inputs = inputs(&object.require("input")?)?;
    let encoding = object.take("encoding_format").map(|field| encoding(&field)).transpose()?;
    let dimensions = object.take("dimensions").map(|field| dimensions(&field)).transpose()?;
    let user = object.take("user").map(|field| field.short_string(MAX_USER)).transpose()?;
    let extra = object.rest(MAX_EXTRA)?;
    Ok((EmbeddingRequest { model, inputs, dimensions, user, extra }, encoding.unwrap_or(Encoding::Float)))
}

fn inputs(field: &Field<'_, '_>) -> Result<Vec<String>, ApiError> {
    if field.begins_with(b'"') {
        return Ok(vec![input(field)?]);
    }
    if !field.begins_with(b'[') {
        return Err(field.bad("type", "must be a string or an array of strings"));
    }
    let items = field.items(usize::MAX)?;
    if items.first().is_some_and(|item| !item.begins_with(b'"')) {
        // Token numbers mean something to one tokenizer only, which the host cannot know to be the model's.
        return Err(field.bad("type", "must be text: arrays of token numbers are not taken"));
    }
    if items.is_empty() || items.len() > MAX_INPUTS {
        return Err(field.bad("max_items", format_args!("must have 1 to {MAX_INPUTS} items")));
    }
    items.iter().map(input).collect()
}

fn input(field: &Field<'_, '_>) -> Result<String, ApiError> {
    let text = field.string()?;
    if text.is_empty() { Err(field.bad("length", "must not be empty")) } else { Ok(text) }
}

fn encoding(field: &Field<'_, '_>) -> Result<Encoding, ApiError> {
    match field.string()?.as_str() {
        "float" => Ok(Encoding::Float),
        "base64" => Ok(Encoding::Base64),
        _ => Err(field.bad("enum", "must be `float` or `base64`")),
    }
}

fn dimensions(field: &Field<'_, '_>) -> Result<u32, ApiError> {
    let wanted = field.count()?;
    if wanted > MAX_DIMENSIONS {
        return Err(field.bad("range", format_args!("must be from 1 to {MAX_DIMENSIONS}")));
    }
    Ok(wanted)
}

/// The answer's body.
pub(crate) fn list(model: String, embeddings: Embeddings, encoding: Encoding) -> EmbeddingList {
    let usage = embeddings.usage;
    let of = |(index, vector): (usize, Vec<f32>)| {
        let embedding = match encoding {
            Encoding::Float => Vector::Numbers(vector),
            Encoding::Base64 => Vector::Base64(in_base64(&vector)),
        };
        WireEmbedding { object: "embedding", index, embedding }
    };
    EmbeddingList {
        object: "list",
        data: embeddings.vectors.into_iter().enumerate().map(of).collect(),
        model,
        usage: EmbeddingUsage { prompt_tokens: usage.input_tokens, total_tokens: usage.total() },
    }
}

fn in_base64(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector.iter().flat_map(|number| number.to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests;
