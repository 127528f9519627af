//! Work that no request waits for.

pub mod background;
pub mod refusals;
pub mod reload;
