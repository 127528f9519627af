//! The server: command line, configuration, HTTP, and the work behind it.
//!
//! A request goes `router` → `middleware` → `api/<resource>` → `service/<use case>` → store and runtime.
//! Only `api` and `middleware` (with `extract`, `error` and `router`) know axum; only `system` knows the
//! machine's clock and generator.

#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod api;
pub mod author;
pub mod bootstrap;
pub mod call;
pub mod caller;
pub mod cli;
pub mod config;
pub mod error;
pub mod extract;
pub mod loaded;
pub mod made_once;
pub mod metrics;
pub mod middleware;
pub mod openapi;
pub mod replaced;
pub mod router;
pub mod serve;
pub mod service;
pub mod shown_once;
pub mod stall;
pub mod start;
pub mod state;
pub mod system;
pub mod telemetry;
pub mod worker;
