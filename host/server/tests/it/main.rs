//! The server through its router.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod call_records;
mod command_line;
mod entry;
mod exports;
mod openapi;
mod plugins;
mod support;
