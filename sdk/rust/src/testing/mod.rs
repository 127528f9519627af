//! A native test harness: plugins driven from recorded bytes, without WebAssembly and without a host.
//!
//! - [`completion()`], [`embedding()`] and [`delivery()`] drive a machine with [`Answer`]s in the order of its
//!   requests, check that it keeps the interface's rules, and gather what came out. Their `every_way` does so
//!   for every single point at which the network might have cut the answers, and byte by byte, and requires
//!   the same outcome each time.
//! - [`call`] and [`describe`] call a tool; [`Double`] stands in for the host's `http`, `kv`, `log`, `index`
//!   and `embed` on the current thread.
//! - [`replay_model`], [`replay_exporter`] and [`replay_tool`] replay recordings: files with the request, the
//!   answers cut as the network cut them, and what must come of it, which `hardpoint plugin test` replays in the
//!   real sandbox and `hardpoint plugin record` makes from a live exchange.
//!
//! Everything here panics with a message where a plugin breaks a rule or a script does not fit.

mod answer;
mod completion;
mod delivery;
mod documents;
pub(crate) mod double;
mod drive;
mod embedding;
mod recorded;
mod replay;
mod sent;

use serde_json::Value;

pub use answer::{Answer, End};
pub use completion::{Completed, Completion, completion};
pub use delivery::{Delivered, Delivery, delivery};
pub use documents::{MemoryDocument, MemorySink};
pub use double::{Double, Query};
pub use embedding::{Embedded, Embedding, embedding};
pub use replay::{replay_exporter, replay_model, replay_tool};
pub use sent::Sent;

use crate::tool::{self, Definition, Tool, ToolError};

/// Calls a tool as the host would.
///
/// # Errors
/// As the tool's `call`, and if the arguments are not of its type.
pub fn call<T: Tool>(arguments: Value, settings: Value) -> Result<String, ToolError> {
    tool::call::<T>(&arguments.to_string(), &settings.to_string())
}

/// Asks a tool what it offers.
///
/// # Errors
/// As the tool's `parameters`.
pub fn describe<T: Tool>(settings: Value) -> Result<Definition, String> {
    tool::describe::<T>(&settings.to_string())
}
