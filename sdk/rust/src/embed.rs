//! The embedder that the knowledge base is pinned to, for retrievers.

use alloc::string::String;
use alloc::vec::Vec;

use crate::bindings::shared::hardpoint::plugin::embed as wit;
use crate::failure::Failure;
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

/// A question as a vector; none where there is no embedder, or none for this plugin: full text decides alone then.
///
/// # Errors
/// If the embedder is out of reach, or gave nothing.
pub fn question(query: &str) -> Result<Option<Vec<f32>>, Failure> {
    match vectors(&[String::from(query)], Purpose::Query) {
        Ok(vectors) => match vectors.into_iter().next().filter(|vector| !vector.is_empty()) {
            Some(vector) => Ok(Some(vector)),
            None => Err(Failure::protocol("the embedder gave no vector")),
        },
        Err(Error::NotLoaded | Error::Denied(_)) => Ok(None),
        Err(Error::Unavailable(reason)) => Err(Failure::upstream(reason)),
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(message) => Self::unsupported(message),
            Error::NotLoaded => Self::unsupported("the host has no embedder"),
            Error::Unavailable(message) => Self::upstream(message),
        }
    }
}
