//! What can go wrong: with the runtime itself, with loading a component, and with one call.

use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};
use wasmtime::Trap;

/// The runtime could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The engine refused its configuration.
    #[error("the WebAssembly engine cannot be set up: {0}")]
    Engine(String),
    /// The cache folder cannot be used.
    #[error("the folder for compiled plugins, {folder}, cannot be used: {reason}")]
    Cache {
        /// Its path.
        folder: String,
        /// Why.
        reason: String,
    },
    /// Egress could not be set up.
    #[error("egress cannot be set up: {0}")]
    Egress(String),
}

impl RuntimeError {
    pub(crate) fn cache(folder: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Cache { folder: folder.display().to_string(), reason: error.to_string() }
    }
}

/// A component was refused. The text says what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// The bytes are no WebAssembly at all, or cut short.
    #[error("not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// A core module: built for the wrong target.
    #[error("a core WebAssembly module, not a component: build it for the target wasm32-wasip2")]
    CoreModule,
    /// Larger than the operator allows.
    #[error("{size} bytes are more than the {limit} that a plugin may have (plugins.max_component_bytes)")]
    TooLarge {
        /// The component's size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// No `hardpoint:manifest` section, or one that is not right.
    #[error("manifest: {0}")]
    Manifest(String),
    /// It exports something else than its kind's interface.
    #[error("wrong world: {0}")]
    WrongWorld(String),
    /// It imports what its manifest does not ask for, or what no host offers.
    #[error("imports: {0}")]
    Imports(String),
    /// The compiler refused it or ran out of its limits.
    #[error("compile: {0}")]
    Compile(String),
    /// It failed the trial run that every component has to pass.
    #[error("trial run: {0}")]
    Smoke(String),
}

/// Why the sandbox ended a call. The guest is gone; the next call has a fresh instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// CPU time ran out.
    #[error("it used more than {} ms of CPU time", .0.as_millis())]
    Cpu(Duration),
    /// Wall time ran out.
    #[error("it took longer than {} ms", .0.as_millis())]
    Wall(Duration),
    /// Memory ran out.
    #[error("it wanted more than its {} MiB of memory", .0 >> 20)]
    Memory(u64),
    /// The call stack ran out.
    #[error("its call stack overflowed")]
    Stack,
    /// It handed more to the host than it may.
    #[error("it returned more than {} KiB", .0 >> 10)]
    Output(u64),
    /// It executed a trap: a panic, an abort, a failed assertion.
    #[error("it trapped: {0}")]
    Trap(String),
    /// It ended itself by WASI's `exit`.
    #[error("it exited with code {0}")]
    Exit(i32),
    /// It broke the interface's rules.
    #[error("it broke the interface's rules: {0}")]
    Protocol(String),
    /// It asked for more requests than one call may make.
    #[error("it sent more than {0} requests (limits.http_calls)")]
    Requests(u32),
    /// It filled its scratch folder.
    #[error("it kept more than {} MiB in its scratch folder", .0 >> 20)]
    Scratch(u64),
    /// Its version was replaced and the time to drain is over.
    #[error("its version was replaced and the time to drain is over")]
    Retired,
    /// The host itself could not run it.
    #[error("the host could not run it: {0}")]
    Host(String),
}

impl Fault {
    /// A short name for metrics and states.
    pub fn cause(&self) -> &'static str {
        match self {
            Self::Cpu(_) => "cpu",
            Self::Wall(_) => "wall",
            Self::Memory(_) => "memory",
            Self::Stack => "stack",
            Self::Output(_) => "output",
            Self::Trap(_) => "trap",
            Self::Exit(_) => "exit",
            Self::Protocol(_) => "protocol",
            Self::Requests(_) => "requests",
            Self::Scratch(_) => "scratch",
            Self::Retired => "retired",
            Self::Host(_) => "host",
        }
    }

    /// Whether the plugin is to blame, so that its breaker counts it.
    pub fn is_the_plugins(&self) -> bool {
        !matches!(self, Self::Retired | Self::Host(_))
    }

    /// Names the fault behind an error that wasmtime returned.
    pub(crate) fn from_wasmtime(error: &wasmtime::Error, limits: FaultContext) -> Self {
        if let Some(memory) = limits.refused_memory {
            return Self::Memory(memory);
        }
        if error.is::<wasmtime::PoolConcurrencyLimitError>() {
            return Self::Host("every place for a sandbox is taken".into());
        }
        if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            return Self::Exit(exit.0);
        }
        if let Some(trap) = error.downcast_ref::<Trap>() {
            return match trap {
                Trap::StackOverflow => Self::Stack,
                other => Self::Trap(trap_text(error, *other)),
            };
        }
        let text = error.root_cause().to_string();
        if text.contains("fuel allocated for hostcalls") {
            return Self::Output(limits.output);
        }
        Self::Protocol(text)
    }

    /// As a failure of the exchange, for services. A retired generation and a host in trouble may do
    /// better elsewhere; so may a plugin at another binding.
    pub fn into_failure(self, plugin: &str) -> Failure {
        let kind = match self {
            Self::Host(_) => FailureKind::Busy,
            _ => FailureKind::Plugin,
        };
        let mut failure = Failure::new(kind, format!("plugin {plugin} was stopped: {self}"));
        failure.code = Some(format!("plugin_{}", self.cause()));
        failure.retry_after = (kind == FailureKind::Busy).then_some(Duration::from_secs(1));
        failure
    }
}

/// What the sandbox knows beyond wasmtime's error.
#[derive(Clone, Copy)]
pub(crate) struct FaultContext {
    /// The memory limit, if a growth was refused because of it.
    pub(crate) refused_memory: Option<u64>,
    /// The limit on what may be handed to the host, in bytes.
    pub(crate) output: u64,
}

/// The trap and the innermost frames that have names.
fn trap_text(error: &wasmtime::Error, trap: Trap) -> String {
    let trap = trap.to_string();
    let reason = trap.strip_prefix("wasm trap: ").unwrap_or(&trap).to_owned();
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else { return reason };
    let frames: Vec<_> = backtrace.frames().iter().filter_map(|frame| frame.func_name()).take(3).collect();
    if frames.is_empty() { reason } else { format!("{reason} (in {})", frames.join(" < ")) }
}
