//! Work that no request waits for.

pub mod refusals;
pub mod reload;
