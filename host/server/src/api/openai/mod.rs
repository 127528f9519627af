//! OpenAI's wire format: bodies to the domain's values and back. What is valid is decided here alone.

pub(crate) mod embedding;
pub(crate) mod json;
pub(crate) mod message;
pub(crate) mod request;
pub(crate) mod response;
pub mod schema;
pub(crate) mod stream;
