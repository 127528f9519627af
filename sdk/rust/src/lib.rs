//! Write Hardpoint plugins in Rust.
//!
//! A plugin is a WebAssembly component of one of four kinds. Models and exporters are *state machines*
//! ([`Machine`]): told what happened, they answer with what to do next, and the host does all I/O. Tools and
//! retrievers act through functions of the host ([`http`], [`kv`], [`index`], [`embed`]), as far as they were
//! granted. No plugin ever holds a secret: it names one, by [`secret`], in a header or body, and the host writes
//! it there.
//!
//! A crate with `crate-type = ["cdylib", "rlib"]` implements one trait, exports it, and is built by
//! `cargo build --release --target wasm32-wasip2`. Beside `Cargo.toml` stands `plugin.toml`, the manifest: what
//! the plugin is and what it asks for. [`testing`] drives it natively, from recorded bytes.
//!
//! # A tool
//! The JSON Schema that models see comes from the type of the arguments.
//! ```
//! use hardpoint_sdk::tool::{Tool, ToolError};
//! use hardpoint_sdk::{NoSettings, schemars::JsonSchema, serde::Deserialize};
//!
//! /// Counts words.
//! struct WordCount;
//!
//! #[derive(Deserialize, JsonSchema)]
//! # #[serde(crate = "hardpoint_sdk::serde")]
//! # #[schemars(crate = "hardpoint_sdk::schemars")]
//! struct Arguments {
//!     /// The text whose words are counted.
//!     text: String,
//! }
//!
//! impl Tool for WordCount {
//!     type Settings = NoSettings;
//!     type Arguments = Arguments;
//!
//!     fn description(_: &NoSettings) -> String {
//!         "Counts the words of a text.".into()
//!     }
//!
//!     fn call(arguments: Arguments, _: NoSettings) -> Result<String, ToolError> {
//!         Ok(arguments.text.split_whitespace().count().to_string())
//!     }
//! }
//!
//! hardpoint_sdk::export!(tool: WordCount);
//!
//! use hardpoint_sdk::{serde_json::json, testing};
//! assert_eq!(testing::call::<WordCount>(json!({ "text": "one two" }), json!({})).unwrap(), "2");
//! ```
//!
//! # A model adapter
//! ```
//! use hardpoint_sdk::model::*;
//! use hardpoint_sdk::request::{BodyBytes, Gathered};
//! use hardpoint_sdk::{Effects, Failure, Machine, NoSettings, Request, parts, secret};
//!
//! /// Asks a server that answers with plain text.
//! struct Plain;
//! struct Asking(String, Gathered);
//!
//! impl ModelAdapter for Plain {
//!     type Settings = NoSettings;
//!     type Completion = Asking;
//!     type Embedding = NoEmbeddings;
//!
//!     fn complete(request: CompletionRequest, _: NoSettings) -> Result<Asking, Failure> {
//!         let question = request.messages.iter().flat_map(Message::texts).collect();
//!         Ok(Asking(question, Gathered::new(1 << 20)))
//!     }
//! }
//!
//! impl Machine for Asking {
//!     type Effect = CompletionEffect;
//!
//!     fn started(&mut self, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
//!         let key = parts!["Bearer ", secret("api_key")];
//!         let request = Request::post("https://models.example.com/ask").header("authorization", key);
//!         out.send(request.body(self.0.as_str()));
//!         Ok(())
//!     }
//!
//!     fn body(&mut self, body: BodyBytes, _: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
//!         self.1.push(body.bytes)
//!     }
//!
//!     fn ended(&mut self, _: u32, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
//!         out.text(self.1.text());
//!         out.finish(FinishReason::Stop);
//!         Ok(())
//!     }
//! }
//!
//! hardpoint_sdk::export!(model: Plain);
//!
//! use hardpoint_sdk::{serde_json::json, testing};
//! let request = CompletionRequest::new("m", vec![Message::new(Role::User, "Why?")]);
//! let answer = testing::Answer::new(200).chunk("Becau").chunk("se.");
//! let done = testing::completion::<Plain>(request, json!({})).answer(answer).every_way();
//! assert_eq!(done.text, "Because.");
//! assert_eq!(done.sent[0].header("authorization"), Some("Bearer {secret:api_key}"));
//! ```
//!
//! # An exporter
//! ```
//! use hardpoint_sdk::exporter::{Batch, DeliveryEffect, Exporter};
//! use hardpoint_sdk::request::ResponseHead;
//! use hardpoint_sdk::{Effects, Failure, Machine, Request, serde::Deserialize};
//!
//! /// Posts each batch as lines of JSON.
//! struct Lines;
//! struct Posting(Batch, Settings);
//!
//! #[derive(Deserialize)]
//! # #[serde(crate = "hardpoint_sdk::serde")]
//! struct Settings {
//!     url: String,
//! }
//!
//! impl Exporter for Lines {
//!     type Settings = Settings;
//!     type Delivery = Posting;
//!
//!     fn deliver(batch: Batch, settings: Settings, _: Option<Vec<u8>>) -> Result<Posting, Failure> {
//!         Ok(Posting(batch, settings))
//!     }
//! }
//!
//! impl Machine for Posting {
//!     type Effect = DeliveryEffect;
//!
//!     fn started(&mut self, out: &mut Effects<DeliveryEffect>) -> Result<(), Failure> {
//!         let lines: Vec<_> = self.0.events.iter().map(|event| event.body.as_str()).collect();
//!         out.send(Request::post(&self.1.url).body(lines.join("\n")).gzip());
//!         Ok(())
//!     }
//!
//!     fn head(&mut self, head: ResponseHead, out: &mut Effects<DeliveryEffect>) -> Result<(), Failure> {
//!         if head.status != 200 {
//!             return Err(Failure::of_status(head.status, "the lines were not taken"));
//!         }
//!         (0..self.0.events.len() as u32).for_each(|index| out.delivered(index));
//!         Ok(())
//!     }
//! }
//!
//! hardpoint_sdk::export!(exporter: Lines);
//! ```
//!
//! Where one request is under way at a time, [`exporter::InTurn`] is less to write: it is told of each answer as a
//! whole.
//!
//! # A retriever
//! ```
//! use hardpoint_sdk::index::{self, Filter};
//! use hardpoint_sdk::retriever::*;
//! use hardpoint_sdk::{Failure, NoSettings};
//!
//! /// Keeps a text as one page and one chunk, and finds it by its words.
//! struct Whole;
//!
//! impl Retriever for Whole {
//!     type Settings = NoSettings;
//!
//!     fn ingest(document: &dyn Document, into: &dyn Sink, _: NoSettings) -> Result<(), Failure> {
//!         let bytes = document.read(0, 1 << 20)?;
//!         let text = String::from_utf8(bytes).map_err(|_| Failure::invalid_request("not UTF-8"))?;
//!         into.page(&Page { number: 1, title: None, text: text.clone() })?;
//!         into.chunks(&[Chunk::of_page(0, 1, text)])?;
//!         Ok(())
//!     }
//!
//!     fn search(request: SearchRequest, _: NoSettings) -> Result<Vec<Hit>, Failure> {
//!         let found = index::full_text(&request.query, &request.filter, request.top)?;
//!         Ok(found.into_iter().map(Hit::from).collect())
//!     }
//! }
//!
//! hardpoint_sdk::export!(retriever: Whole);
//! ```
//!
//! # Cheap to instantiate
//! By default every call has an instance of its own, so what a plugin costs begins with what it takes to make
//! one. Measured with the adapter for OpenAI: with the first two of these, an exchange of five calls takes half
//! the CPU, some 23 µs with instance and all.
//! - A stack of 128 KiB, by `cargo::rustc-link-arg-cdylib=-zstack-size=131072` from a build script. Everything
//!   a call touches then lies in the pages that the host keeps from one instance to the next. The stack comes
//!   first in memory: what overflows it traps.
//! - `lto = "fat"`, `codegen-units = 1`, `panic = "abort"`, `strip = true` in the release profile.
//! - No `std`: `#![cfg_attr(target_arch = "wasm32", no_std)]` with `extern crate alloc`, the SDK's feature
//!   `bare` (an allocator, and a panic handler that writes to the plugin's log), and dependencies without their
//!   `std`. A plugin with `std` imports a dozen interfaces of WASI, for panics and `println!`, which its operator
//!   will wonder about.
//! - One JSON reader: parse from text throughout, or from bytes throughout, not both.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

pub mod auth;
#[cfg(all(feature = "bare", target_arch = "wasm32"))]
mod bare;
#[doc(hidden)]
pub mod bindings;
pub mod embed;
pub mod exporter;
pub mod failure;
pub mod feedback;
pub mod fusion;
pub mod http;
pub mod index;
pub mod kv;
pub mod log;
pub mod machine;
pub mod model;
pub mod request;
pub mod retriever;
mod settings;
pub mod sse;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod time;
pub mod tool;

pub use failure::{Failure, FailureKind};
pub use machine::{Effects, Machine};
pub use request::{Part, Parts, Request, secret};
pub use schemars;
pub use serde;
pub use serde_json;
pub use settings::NoSettings;

#[doc(hidden)]
pub mod __private {
    pub use alloc::vec;
}

/// Makes a component of a plugin: `export!(model: MyAdapter)`, and `exporter:`, `tool:`, `retriever:` alike.
/// Once per crate, whose `crate-type` has `cdylib`. On other targets than WebAssembly it only checks the type.
#[macro_export]
macro_rules! export {
    (model: $plugin:ty) => {
        $crate::export!(@ model, export_model, $crate::model::ModelAdapter, $plugin);
    };
    (exporter: $plugin:ty) => {
        $crate::export!(@ exporter, export_exporter, $crate::exporter::Exporter, $plugin);
    };
    (tool: $plugin:ty) => {
        $crate::export!(@ tool, export_tool, $crate::tool::Tool, $plugin);
    };
    (retriever: $plugin:ty) => {
        $crate::export!(@ retriever, export_retriever, $crate::retriever::Retriever, $plugin);
    };
    (@ $kind:ident, $export:ident, $trait:path, $plugin:ty) => {
        const _: fn() = || {
            fn is<T: $trait>() {}
            is::<$plugin>();
        };
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Plugin = $crate::$kind::Guest<$plugin>;
            $crate::bindings::$kind::$export!(Plugin with_types_in $crate::bindings::$kind);
        };
    };
}
