//! What happens to every request before and after its handler.

pub mod credential;
pub mod entry;
mod idempotency;
mod rate_headers;
