//! Black-box tests of the real binary. `cargo xtask test --only blackbox` builds what they need.
#![allow(clippy::print_stderr, reason = "what a failed test shows")]

mod doubles;
mod real_clients;
