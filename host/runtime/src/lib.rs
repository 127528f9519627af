//! The sandbox: loads plugins, checks what they ask for against what they were granted, runs every
//! call within its limits, and does their I/O for them. The only crate that knows wasmtime.
//!
//! Three lifetimes are three types: [`Generation`] (one compiled version of a plugin), [`Binding`]
//! (a generation with settings, permissions and secrets), and the sandbox of one call. What is live
//! at a moment is one immutable [`Catalogue`].

mod binding;
mod bindings;
mod breaker;
mod capability;
mod catalogue;
mod compile;
mod completion;
mod component;
mod config;
mod convert;
mod delivery;
mod door;
mod driver;
pub mod egress;
mod embedding;
mod engine;
mod error;
mod generation;
mod histogram;
mod knowledge;
mod limiter;
mod linker;
mod log;
mod manifest;
mod meter;
mod permits;
mod retriever;
mod runtime;
mod sandbox;
mod secret;
mod smoke;
mod stats;
mod tape;
mod tool;
mod wasi;
mod wire;
mod workplace;

pub use binding::{Binding, BindingSpec};
pub use catalogue::Catalogue;
pub use compile::compile_child_main;
pub use completion::Completion;
pub use component::{INTERFACE_VERSION, Inspection, digest, inspect};
pub use config::{CompilerCommand, HostServices, KvBackend, KvError, KvSpace, RuntimeConfig};
pub use delivery::{Delivery, DeliveryReport, OutgoingEvent, Verdict};
pub use door::Opening;
pub use error::{Fault, LoadError, RuntimeError};
pub use generation::{Generation, Shared};
pub use histogram::Percentiles;
pub use knowledge::{
    Chunk, Document, DocumentContent, DocumentSink, Embedder, Filter, Hit, Ingested, Knowledge,
    KnowledgeError, KnowledgeIndex, MemoryDraft, MemoryKnowledge, Page, Purpose, Ranked, SearchRequest,
    Written,
};
pub use log::{LogLevel, LogLine, PluginLog};
pub use manifest::{misfits, read_manifest};
pub use runtime::Runtime;
pub use sandbox::CallContext;
pub use secret::Secret;
pub use stats::{LastError, Sent, Stats, StatsSnapshot};
pub use tape::{PlayedAnswer, SentRequest, Sound, Tape};
pub use tool::{ToolDescription, ToolError};
