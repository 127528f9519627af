//! The embedder that the knowledge base is pinned to, for retrievers.

use alloc::string::String;
use alloc::vec::Vec;

use crate::bindings::shared::hardpoint::plugin::embed as wit;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::double as host;
#[cfg(target_arch = "wasm32")]
use wit as host;
pub use wit::{Error, Purpose};

/// A vector for each text, in order.
///
/// # Errors
/// Not granted, no embedder (go by full text alone), or out of reach.
pub fn vectors(texts: &[String], purpose: Purpose) -> Result<Vec<Vec<f32>>, Error> {
    host::vectors(texts, purpose)
}
