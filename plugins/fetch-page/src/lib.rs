//! A tool that fetches a page of an allowed site and answers with what a person would read on it.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod charset;
mod page;
mod settings;

use alloc::string::String;

use hardpoint_sdk::tool::{Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

/// The plugin.
pub enum FetchPage {}

/// Which page, and from where on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The page's address, with `https://` or `http://`.
    url: String,
    /// For the rest of a long page: the `next_offset` of the answer before, in characters.
    #[serde(default)]
    offset: usize,
}

impl Tool for FetchPage {
    type Settings = settings::Settings;
    type Arguments = Arguments;

    fn description(settings: &Self::Settings) -> String {
        settings.description()
    }

    fn call(arguments: Arguments, settings: Self::Settings) -> Result<String, ToolError> {
        page::fetch(&arguments.url, arguments.offset, &settings)
    }
}

hardpoint_sdk::export!(tool: FetchPage);
