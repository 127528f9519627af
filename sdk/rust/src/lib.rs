//! Write Hardpoint plugins in Rust.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

#[cfg(all(feature = "bare", target_arch = "wasm32"))]
mod bare;
#[doc(hidden)]
pub mod bindings;
pub mod embed;
pub mod exporter;
pub mod failure;
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
