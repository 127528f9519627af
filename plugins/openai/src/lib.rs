//! Model adapter for any server that speaks OpenAI's chat completions and embeddings.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod body;
mod completion;
mod embedding;
mod error;
mod message;
mod settings;
mod tools;
mod wire;

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::{CompletionRequest, EmbeddingRequest, ModelAdapter};

/// The plugin.
pub enum OpenAi {}

impl ModelAdapter for OpenAi {
    type Settings = settings::Settings;
    type Completion = completion::Completion;
    type Embedding = embedding::Embedding;

    fn complete(request: CompletionRequest, settings: Self::Settings) -> Result<Self::Completion, Failure> {
        let body = body::completion(&request, &settings)?;
        let upstream = settings.post("/chat/completions", request.streamed).json_bytes(body);
        Ok(completion::Completion::new(upstream, request.streamed))
    }

    fn embed(request: EmbeddingRequest, settings: Self::Settings) -> Result<Self::Embedding, Failure> {
        let body = body::embedding(&request, &settings)?;
        let count = request.inputs.len();
        Ok(embedding::Embedding::new(settings.post("/embeddings", false).json_bytes(body), count))
    }
}

hardpoint_sdk::export!(model: OpenAi);
