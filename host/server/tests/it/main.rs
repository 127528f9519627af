//! The server through its router.

#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

mod api_key_powers;
mod api_keys;
mod at_once;
mod authors;
mod bad_fields;
mod bad_manifests;
mod billing;
mod call_records;
mod command_line;
mod completions;
mod config_check;
mod configs;
mod entry;
mod exports;
mod hostile;
mod idempotency;
mod limits;
mod login;
mod looking;
mod manifest_keys;
mod manifest_powers;
mod missing_bytes;
mod models;
mod openapi;
mod operator_hints;
mod operator_texts;
mod organization_limits;
mod organizations;
mod payments;
mod plans;
mod plugin_bindings;
mod plugin_life;
mod plugins;
mod recordings;
mod same_version;
mod support;
mod tenants;
mod token_limits;
mod tools;
mod users;
mod vault;
mod workspace_roles;
mod workspaces;
