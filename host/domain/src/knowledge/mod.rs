//! Knowledge bases: what somebody decides about one, how far a document is, whose turn it is to be read, and what a
//! hit is worth.

pub mod fairness;
pub mod filename;
pub mod ingestion;
pub mod score;
pub mod settings;
pub mod state;
