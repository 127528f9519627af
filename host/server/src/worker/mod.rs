//! Work that no request waits for.

pub mod last_used;
pub mod leases;
pub mod refusals;
pub mod reload;
