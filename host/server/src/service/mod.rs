//! One file (or folder) per use case. Services know store, runtime and domain, and nothing of HTTP.

pub mod accounts;
pub mod audit;
pub mod billing;
pub mod completions;
pub mod configured;
pub mod destinations;
pub mod diagnostics;
pub mod effective;
pub mod embeddings;
pub mod events;
pub mod exporters;
pub mod host_key;
pub mod idempotency;
pub mod knowledge;
pub mod kv;
pub mod limits;
pub mod login;
pub mod mail;
pub mod models;
pub mod payments;
pub mod plugins;
pub mod rates;
pub mod settings;
pub mod tools;
pub mod vault;
pub mod webhooks;
