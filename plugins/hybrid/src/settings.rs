//! A binding's settings; `plugin.toml` has their schema and says what each is.

use hardpoint_sdk::fusion::Method;
use reading::chunks::Sizes;
use serde::Deserialize;

/// How passages are cut and found.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    chunk_tokens: u32,
    chunk_overlap: u32,
    pub(crate) candidates: u32,
    fusion: Fusion,
    pub(crate) text_weight: f32,
    pub(crate) feedback: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Fusion {
    ReciprocalRank,
    RelativeScore,
    Distribution,
}

/// The manifest's defaults.
impl Default for Settings {
    fn default() -> Self {
        Self {
            chunk_tokens: 200,
            chunk_overlap: 30,
            candidates: 100,
            fusion: Fusion::ReciprocalRank,
            text_weight: 0.5,
            feedback: 3,
        }
    }
}

impl Settings {
    pub(crate) fn sizes(&self) -> Sizes {
        Sizes { tokens: self.chunk_tokens, overlap: self.chunk_overlap }
    }

    pub(crate) fn method(&self) -> Method {
        match self.fusion {
            Fusion::ReciprocalRank => Method::default(),
            Fusion::RelativeScore => Method::RelativeScore,
            Fusion::Distribution => Method::Distribution,
        }
    }
}
