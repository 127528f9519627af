//! What happens to every request before and after its handler.

pub mod credential;
pub mod entry;
mod rate_headers;
