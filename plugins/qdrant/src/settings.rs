//! A binding's settings; `plugin.toml` has their schema and says what each is.

use reading::chunks::Sizes;
use serde::Deserialize;

/// Where passages are kept, how they are cut and found.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    pub(crate) url: String,
    pub(crate) collection: String,
    pub(crate) knowledge_base: String,
    chunk_tokens: u32,
    chunk_overlap: u32,
    pub(crate) candidates: u32,
    pub(crate) text_weight: f32,
    pub(crate) exact: bool,
}

/// The manifest's defaults.
impl Default for Settings {
    fn default() -> Self {
        Self {
            url: String::new(),
            collection: "hardpoint".to_owned(),
            knowledge_base: String::new(),
            chunk_tokens: 200,
            chunk_overlap: 30,
            candidates: 100,
            text_weight: 0.5,
            exact: false,
        }
    }
}

impl Settings {
    pub(crate) fn sizes(&self) -> Sizes {
        Sizes { tokens: self.chunk_tokens, overlap: self.chunk_overlap }
    }
}
