//! The harness of the black-box tests: the real binary in a process of its own, a client for it, doubles
//! of the services outside, and the components it is fed with.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]
#![allow(clippy::missing_panics_doc, reason = "every function here may fail a test")]
#![allow(clippy::print_stderr, reason = "what a failed test shows")]

pub mod client;
#[path = "../../host/store/src/testing/cluster.rs"]
pub mod cluster;
pub mod component;
pub mod database;
pub mod disk;
pub mod double;
pub mod gate;
pub mod host;
pub mod load;
pub mod patience;
pub mod process;

pub use host::bootstrap_key;
