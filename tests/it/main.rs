//! Black-box tests of the real binary. `cargo xtask test --only blackbox` builds what they need.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]
#![allow(clippy::print_stderr, reason = "what a failed test shows")]

mod anthropic;
mod authoring;
mod command_line;
mod completions;
mod described;
mod destinations;
mod doubles;
mod egress;
mod elastic;
mod exporter_http_json;
mod exporter_otlp;
mod exporters;
mod faults_upstream;
mod first_steps;
mod gemini;
mod hostile_guests;
mod hosts;
mod hosts_money;
mod hot_reload;
mod idempotency;
mod knowledge;
mod knowledge_faults;
mod knowledge_hostile;
mod knowledge_sizes;
mod lifecycle;
mod limits;
mod login;
mod money;
mod operator;
mod pagerduty;
mod payments;
mod plans;
mod real_clients;
mod reload_under_load;
mod scene;
mod sealed_secrets;
mod secrets;
mod siem;
mod splunk;
mod ssrf;
mod tools;
mod webhooks;

/// Those of the reader's own tests.
#[path = "../../plugins/reading/tests/it/samples.rs"]
#[allow(dead_code, reason = "not all are needed here")]
mod samples;
