//! One file per resource: from JSON to the domain's values, one call of a service, and back.

pub mod api_key_history;
pub mod api_keys;
mod approval;
pub mod audit_logs;
pub mod billing;
pub mod completions;
pub mod docs;
pub mod embeddings;
mod followed_log;
pub mod health;
pub mod limits;
pub mod me;
pub mod models;
pub mod openai;
pub mod org;
pub mod paging;
pub mod plugin_bindings;
pub mod plugin_reach;
pub mod plugin_switches;
pub mod plugins;
mod produced;
pub mod tools;
pub mod usage;
pub mod users;
pub mod whose;
pub mod workspace_members;
pub mod workspaces;
