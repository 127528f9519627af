//! Knowledge bases: what is in them, how it is read and found.

pub mod bases;
pub mod bound;
pub mod chat;
pub mod dashboard;
pub mod desk;
pub mod documents;
pub mod ground;
pub mod library;
pub mod retriever;
pub mod search;
pub mod told;
pub mod upload;
