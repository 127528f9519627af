//! What one call of a plugin may use. Defaults by kind, wishes from the manifest, clamped by the operator.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::manifest::Kind;

/// What a manifest may ask for in `[limits]`; what it leaves out is the kind's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitWishes {
    /// Linear memory of all instances of a call together, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<u32>,
    /// CPU time of a call (of one `advance` for state machines), in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u32>,
    /// CPU time of a whole exchange of a state machine, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange_cpu_ms: Option<u32>,
    /// Wall time of a call, in milliseconds. Without effect on state machines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_ms: Option<u32>,
    /// What a call may return, in KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_kib: Option<u32>,
    /// HTTP requests in one call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_calls: Option<u32>,
    /// Calls under way at once, over all organisations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

/// The limits in force for one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Linear memory of all instances of a call together, in bytes.
    pub memory: u64,
    /// CPU time of one call into the guest.
    pub cpu: Duration,
    /// CPU time of all calls into one instance.
    pub exchange_cpu: Duration,
    /// Wall time of a call; none for state machines, where the host's upstream time limits rule.
    pub wall: Option<Duration>,
    /// Bytes that one call may return.
    pub output: u64,
    /// HTTP requests in one call or exchange.
    pub http_calls: u32,
    /// Bytes of log in one call.
    pub log: u64,
    /// Calls under way at once, over all organisations.
    pub concurrency: u32,
    /// Calls under way at once for one organisation.
    pub concurrency_per_org: u32,
}
