//! What `wit/` generates. One module a world; what they share is generated once, in [`shared`].
#![allow(unsafe_code, unreachable_pub, missing_docs, clippy::all)]

pub mod shared {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "
            package hardpoint:sdk;

            world shared {
                import hardpoint:plugin/types@0.1.0;
                import hardpoint:plugin/log@0.1.0;
                import hardpoint:plugin/http@0.1.0;
                import hardpoint:plugin/kv@0.1.0;
                import hardpoint:plugin/documents@0.1.0;
                import hardpoint:plugin/index@0.1.0;
                import hardpoint:plugin/embed@0.1.0;
            }
        ",
        world: "hardpoint:sdk/shared",
        generate_all,
        generate_unused_types: true,
        additional_derives: [PartialEq],
        additional_derives_ignore: ["document", "sink"],
    });
}

pub mod model {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "hardpoint:plugin/model-plugin",
        pub_export_macro: true,
        export_macro_name: "export_model",
        default_bindings_module: "hardpoint_sdk::bindings::model",
        additional_derives: [PartialEq],
        with: {
            "hardpoint:plugin/types@0.1.0": crate::bindings::shared::hardpoint::plugin::types,
            "hardpoint:plugin/log@0.1.0": crate::bindings::shared::hardpoint::plugin::log,
        },
    });
}

pub mod exporter {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "hardpoint:plugin/exporter-plugin",
        pub_export_macro: true,
        export_macro_name: "export_exporter",
        default_bindings_module: "hardpoint_sdk::bindings::exporter",
        additional_derives: [PartialEq],
        with: {
            "hardpoint:plugin/types@0.1.0": crate::bindings::shared::hardpoint::plugin::types,
            "hardpoint:plugin/log@0.1.0": crate::bindings::shared::hardpoint::plugin::log,
        },
    });
}

pub mod tool {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "hardpoint:plugin/tool-plugin",
        pub_export_macro: true,
        export_macro_name: "export_tool",
        default_bindings_module: "hardpoint_sdk::bindings::tool",
        additional_derives: [PartialEq],
        with: {
            "hardpoint:plugin/types@0.1.0": crate::bindings::shared::hardpoint::plugin::types,
            "hardpoint:plugin/log@0.1.0": crate::bindings::shared::hardpoint::plugin::log,
            "hardpoint:plugin/http@0.1.0": crate::bindings::shared::hardpoint::plugin::http,
            "hardpoint:plugin/kv@0.1.0": crate::bindings::shared::hardpoint::plugin::kv,
        },
    });
}

pub mod retriever {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "hardpoint:plugin/retriever-plugin",
        pub_export_macro: true,
        export_macro_name: "export_retriever",
        default_bindings_module: "hardpoint_sdk::bindings::retriever",
        additional_derives: [PartialEq],
        with: {
            "hardpoint:plugin/types@0.1.0": crate::bindings::shared::hardpoint::plugin::types,
            "hardpoint:plugin/log@0.1.0": crate::bindings::shared::hardpoint::plugin::log,
            "hardpoint:plugin/http@0.1.0": crate::bindings::shared::hardpoint::plugin::http,
            "hardpoint:plugin/documents@0.1.0": crate::bindings::shared::hardpoint::plugin::documents,
            "hardpoint:plugin/index@0.1.0": crate::bindings::shared::hardpoint::plugin::index,
            "hardpoint:plugin/embed@0.1.0": crate::bindings::shared::hardpoint::plugin::embed,
        },
    });
}
