//! One file per resource: from JSON to the domain's values, one call of a service, and back.

pub mod audit_logs;
pub mod completions;
pub mod docs;
pub mod embeddings;
mod followed_log;
pub mod health;
pub mod models;
pub mod openai;
pub mod paging;
pub mod plugin_bindings;
pub mod plugin_reach;
pub mod plugin_switches;
pub mod plugins;
mod produced;
pub mod tools;
