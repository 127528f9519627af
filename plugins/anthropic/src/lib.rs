//! Model adapter for Anthropic's Messages API (<https://platform.claude.com/docs/en/api/messages>).
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod body;
mod call_id;
mod completion;
mod content;
mod conversation;
mod error;
mod extra;
mod format;
mod pause;
mod reply;
mod settings;
mod thinking;
mod tools;
mod wire;

use hardpoint_sdk::Failure;
use hardpoint_sdk::model::{CompletionRequest, ModelAdapter, NoEmbeddings};

/// The plugin.
pub enum Anthropic {}

impl ModelAdapter for Anthropic {
    type Settings = settings::Settings;
    type Completion = completion::Completion;
    type Embedding = NoEmbeddings;

    fn complete(request: CompletionRequest, settings: Self::Settings) -> Result<Self::Completion, Failure> {
        let is_streamed = request.streamed || settings.always_stream;
        let body = body::body(&request, &settings, is_streamed)?;
        Ok(completion::Completion::new(body, settings, is_streamed))
    }
}

hardpoint_sdk::export!(model: Anthropic);
