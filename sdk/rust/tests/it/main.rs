//! The SDK as plugins use it, and the harness as their tests do.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod exporters;
mod harness;
mod models;
mod replay;
mod retrievers;
mod tools;
