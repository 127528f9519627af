//! Work on knowledge bases: following what others changed, reading documents, making vectors, wiping out what is gone.

pub mod embed;
pub mod follow;
pub mod forget;
pub mod ingest;
pub mod read;
pub mod remove;
