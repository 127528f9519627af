//! A model as it is configured, and what clients may know of it.

use serde::{Deserialize, Serialize};

/// What a model can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// `/chat/completions`.
    Chat,
    /// Deltas as they come.
    Streaming,
    /// Tool definitions and calls.
    Tools,
    /// Images in messages.
    Vision,
    /// JSON response formats.
    Json,
    /// `/embeddings`.
    Embeddings,
}

/// Micro-credits per million tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// For tokens read.
    #[serde(default)]
    pub input: u64,
    /// For tokens read that the provider served from its cache.
    #[serde(default)]
    pub cached_input: u64,
    /// For tokens written.
    #[serde(default)]
    pub output: u64,
}

/// One `[[models]]` entry of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// The name that clients use.
    pub id: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// The binding of a model adapter that serves it.
    pub binding: String,
    /// The provider's name for it; the id where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Tokens that fit, question and answer together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context_length: Option<u64>,
    /// Tokens that it writes at most where a request does not say; of models that cost something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_tokens: Option<u32>,
    /// How many numbers its vectors have where nobody asks for another length; of models that make some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
    /// The cosine of question and passage from which on the passage is relevant, between 0 and 1; of models that make
    /// vectors. [`Calibration::USUAL`](crate::knowledge::score::Calibration::USUAL) where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relevant_cosine: Option<f64>,
    /// What it can do.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// What it costs.
    #[serde(default)]
    pub prices: Prices,
    /// Ids of other models, tried in this order while nothing was sent to the client.
    #[serde(default)]
    pub fallbacks: Vec<String>,
    /// Names of tools that the host itself calls for this model, in its own loop.
    #[serde(default)]
    pub tools: Vec<String>,
}

impl Model {
    /// Whether it may be asked for vectors; one that names no capability may be asked for anything.
    pub fn makes_vectors(&self) -> bool {
        self.capabilities.is_empty() || self.capabilities.contains(&Capability::Embeddings)
    }
}
