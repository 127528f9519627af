//! The host's index over the knowledge base that a retriever is called for.

use alloc::string::String;
use alloc::vec::Vec;

use crate::bindings::shared::hardpoint::plugin::index as wit;
use crate::failure::Failure;
#[cfg(not(target_arch = "wasm32"))]
use crate::testing::double as host;
#[cfg(target_arch = "wasm32")]
use wit as host;
pub use wit::{Error, Filter, Ranked};

/// Full text, by BM25, best first.
///
/// # Errors
/// All of these: not granted, out of reach, or a query that cannot be served.
pub fn full_text(query: &str, filter: &Filter, top: u32) -> Result<Vec<Ranked>, Error> {
    host::full_text(query, filter, top)
}

/// By cosine of the vectors, best first.
///
/// # Errors
/// See [`full_text`].
pub fn nearest(vector: &[f32], filter: &Filter, top: u32) -> Result<Vec<Ranked>, Error> {
    host::nearest(vector, filter, top)
}

/// The cosine of each chunk with `vector`; none where a chunk has no vector yet.
///
/// # Errors
/// See [`full_text`].
pub fn cosines(vector: &[f32], chunk_ids: &[String]) -> Result<Vec<Option<f32>>, Error> {
    host::cosines(vector, chunk_ids)
}

/// The vector of each chunk, of length 1; none where a chunk has no vector yet. At most 100 at once.
///
/// # Errors
/// See [`full_text`].
pub fn vectors(chunk_ids: &[String]) -> Result<Vec<Option<Vec<f32>>>, Error> {
    #[cfg(target_arch = "wasm32")]
    return wit::vectors(chunk_ids);
    #[cfg(not(target_arch = "wasm32"))]
    return host::vectors_of(chunk_ids);
}

/// The texts of chunks, in the order asked for.
///
/// # Errors
/// See [`full_text`].
pub fn texts(chunk_ids: &[String]) -> Result<Vec<String>, Error> {
    host::texts(chunk_ids)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(message) => Self::unsupported(message),
            Error::Unavailable(message) => Self::upstream(message),
            Error::Invalid(message) => Self::invalid_request(message),
        }
    }
}
