//! The sandbox against hostile and well-behaved guests. `cargo xtask plugins --fixtures` builds them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, unreachable_pub)]

mod fresh;
mod hostile_models;
mod hostile_retrievers;
mod hostile_tools;
mod limits;
mod loading;
mod powers;
mod qdrant;
mod retrievers;
mod support;
mod swap;
