//! Model adapter for Google's Gemini API (<https://ai.google.dev/api/generate-content>).
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod body;
mod call_id;
mod completion;
mod content;
mod conversation;
mod embedding;
mod error;
mod extra;
mod generation;
mod model;
mod openapi;
mod reply;
mod settings;
mod tools;
mod wire;

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::{CompletionRequest, EmbeddingRequest, ModelAdapter};

/// The plugin.
pub enum Gemini {}

impl ModelAdapter for Gemini {
    type Settings = settings::Settings;
    type Completion = completion::Completion;
    type Embedding = embedding::Embedding;

    fn complete(request: CompletionRequest, settings: Self::Settings) -> Result<Self::Completion, Failure> {
        let is_streamed = request.streamed || settings.always_stream;
        let method = if is_streamed { ":streamGenerateContent?alt=sse" } else { ":generateContent" };
        let path = model::path(&request.upstream_model)?;
        let body = body::body(&request, &settings)?;
        let upstream = settings.post(&path, method, is_streamed).json_bytes(body);
        Ok(completion::Completion::new(upstream, settings.call_id_bytes, is_streamed))
    }

    fn embed(request: EmbeddingRequest, settings: Self::Settings) -> Result<Self::Embedding, Failure> {
        embedding::Embedding::new(request, settings)
    }
}

hardpoint_sdk::export!(model: Gemini);
