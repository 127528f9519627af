//! Black-box tests of the real binary. `cargo xtask test --only blackbox` builds what they need.
#![allow(clippy::print_stderr, reason = "what a failed test shows")]

mod completions;
mod doubles;
mod egress;
mod faults_upstream;
mod hostile_guests;
mod hot_reload;
mod lifecycle;
mod operator;
mod real_clients;
mod reload_under_load;
mod scene;
