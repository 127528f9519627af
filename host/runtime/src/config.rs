//! What the operator decides about the sandbox.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use hardpoint_domain::time::{Clock, Rng};

use crate::egress::EgressConfig;

/// How the runtime is set up.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// A folder for compiled plugins, private to the host. Native code is loaded from nowhere else.
    pub cache_dir: PathBuf,
    /// The program that compiles one component: this very binary with a hidden subcommand.
    pub compiler: CompilerCommand,
    /// The largest component that is accepted, in bytes.
    pub max_component_bytes: u64,
    /// Sandboxes that may exist at once.
    pub sandboxes: u32,
    /// Of these, how many one organisation may have, over all plugins.
    pub sandboxes_per_organization: u32,
    /// The most linear memory of any sandbox, in bytes; the pool's slots are this large (virtually).
    pub sandbox_memory: u64,
    /// Memory that a freed slot keeps, so that the next sandbox need not fault it in again, in bytes.
    pub resident_per_slot: usize,
    /// How long calls of a replaced version may go on.
    pub drain_calls: Duration,
    /// How long streams of a replaced version may go on.
    pub drain_streams: Duration,
    /// The outside world.
    pub egress: EgressConfig,
}

impl RuntimeConfig {
    /// Defaults, with the two things that have none.
    pub fn new(cache_dir: PathBuf, compiler: CompilerCommand) -> Self {
        Self {
            cache_dir,
            compiler,
            max_component_bytes: 64 << 20,
            sandboxes: 1_000,
            sandboxes_per_organization: 750,
            sandbox_memory: 512 << 20,
            resident_per_slot: 512 << 10,
            drain_calls: Duration::from_secs(30),
            drain_streams: Duration::from_secs(3_600),
            egress: EgressConfig::default(),
        }
    }
}

/// A program and its first arguments; the runtime adds the path that the result goes to and hands the
/// component over standard input.
#[derive(Debug, Clone)]
pub struct CompilerCommand {
    /// The program.
    pub program: PathBuf,
    /// Its first arguments.
    pub args: Vec<OsString>,
}

/// What the runtime is handed from outside.
#[derive(Clone)]
pub struct HostServices {
    /// The present.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Where tools keep their small values.
    pub kv: Arc<dyn KvBackend>,
}

/// The store behind `wit/tool.wit`'s `kv`. Every call names the namespace; guests never do.
pub trait KvBackend: Send + Sync {
    /// The value of `key`.
    fn get<'a>(&'a self, space: KvSpace<'a>, key: &'a str)
    -> BoxFuture<'a, Result<Option<Vec<u8>>, KvError>>;
    /// Sets `key`.
    fn set<'a>(
        &'a self,
        space: KvSpace<'a>,
        key: &'a str,
        value: Vec<u8>,
    ) -> BoxFuture<'a, Result<(), KvError>>;
    /// Removes `key`; it need not exist.
    fn delete<'a>(&'a self, space: KvSpace<'a>, key: &'a str) -> BoxFuture<'a, Result<(), KvError>>;
    /// At most `limit` keys that start with `prefix`, in byte order, after `after`.
    fn keys<'a>(
        &'a self,
        space: KvSpace<'a>,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<String>, KvError>>;
}

/// Whose values: a binding's, for one organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvSpace<'a> {
    /// The binding.
    pub binding: &'a str,
    /// The organisation on whose behalf it is called.
    pub organization: &'a str,
}

/// Why the key-value store refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// A key, a value or the namespace is too large.
    #[error("{0}")]
    TooLarge(String),
    /// It cannot be reached.
    #[error("{0}")]
    Unavailable(String),
}
