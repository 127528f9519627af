//! A model that is none: it answers by quoting the sentences of its messages that bear on the question.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod answer;
mod completion;
mod score;
mod text;

use hardpoint_sdk::model::{CompletionRequest, ModelAdapter, NoEmbeddings, ResponseFormat, ToolChoice};
use hardpoint_sdk::{Failure, NoSettings};

/// The plugin.
pub enum Extractive {}

impl ModelAdapter for Extractive {
    type Settings = NoSettings;
    type Completion = completion::Completion;
    type Embedding = NoEmbeddings;

    fn complete(request: CompletionRequest, _: NoSettings) -> Result<Self::Completion, Failure> {
        if matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Function(_))) {
            return Err(Failure::unsupported("extractive quotes its messages and calls no tools"));
        }
        if matches!(request.response_format, Some(ResponseFormat::JsonSchema(_))) {
            let message = "extractive follows no JSON schema; `json_object` gives {\"answer\", \"quotes\"}";
            return Err(Failure::unsupported(message));
        }
        Ok(completion::Completion::new(&request))
    }
}

hardpoint_sdk::export!(model: Extractive);
