//! The host's side of `wit/`, generated: one module a world, the shared interfaces once. Public to the
//! macro that generated it; the module itself is not.

#![allow(missing_docs, unreachable_pub)]

/// World `model-plugin`; the shared types live here.
pub mod model {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "hardpoint:plugin/model-plugin",
        imports: { default: trappable },
        exports: { default: async },
    });
}

/// World `exporter-plugin`.
pub mod exporter {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "hardpoint:plugin/exporter-plugin",
        imports: { default: trappable },
        exports: { default: async },
        with: {
            "hardpoint:plugin/types": super::types,
            "hardpoint:plugin/log": super::log,
        },
    });
}

/// World `tool-plugin`.
pub mod tool {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "hardpoint:plugin/tool-plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "hardpoint:plugin/types": super::types,
            "hardpoint:plugin/log": super::log,
        },
    });
}

/// A guest's handle of the one document that its call is for.
pub struct DocumentHandle;

/// A guest's handle of the one sink that its call has.
pub struct SinkHandle;

/// World `retriever-plugin`.
pub mod retriever {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "hardpoint:plugin/retriever-plugin",
        imports: { default: async | trappable },
        exports: { default: async },
        with: {
            "hardpoint:plugin/types": super::types,
            "hardpoint:plugin/log": super::log,
            "hardpoint:plugin/http": super::http,
            "hardpoint:plugin/documents.document": super::DocumentHandle,
            "hardpoint:plugin/documents.sink": super::SinkHandle,
        },
    });
}

pub use model::hardpoint::plugin::{log, types};
pub use retriever::hardpoint::plugin::{documents, embed, index};
pub use tool::hardpoint::plugin::{http, kv};
