//! The retriever as a host calls it, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod ingest;
mod search;
