//! Work that no request waits for.

pub mod background;
pub mod reload;
