//! Derived search data: full text, vectors, and the embedder that makes them.
//!
//! The truth about a knowledge base is in the store. What is here is made from it, can be thrown away and made
//! again, and carries the sequence number of the last change that it knows. Nothing here knows SQL, a sandbox or
//! a server; every call blocks, and takes one core: who calls decides where and how many at once.

pub mod change;
pub mod embedder;
mod error;
pub mod fulltext;
pub mod place;
pub mod vectors;

pub use error::IndexError;
