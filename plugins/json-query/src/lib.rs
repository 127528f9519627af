//! A tool that applies a jq filter to JSON, where a model would read and guess.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod dates;
mod filter;
mod formats;
mod input;
mod library;
mod maths;
mod output;
mod regex;

use alloc::boxed::Box;
use alloc::string::{String, ToString};

use hardpoint_sdk::NoSettings;
use hardpoint_sdk::tool::{Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The plugin.
pub enum JsonQuery {}

/// What is to be filtered, and how.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Arguments {
    /// The jq filter, at most 5,000 characters: `.items[] | select(.price > 10) | {name, price}`.
    filter: String,
    /// The JSON to filter: the value itself, or a string with JSON text (several values in it, such as lines of
    /// JSON, are filtered one after the other). null where it is left out.
    #[serde(default)]
    #[schemars(with = "Option<serde_json::Value>")]
    input: Option<Box<RawValue>>,
    /// Whether `input` is plain text, which the filter then gets as one string: for `split("\n")` and the like.
    #[serde(default)]
    raw: bool,
}

const DESCRIPTION: &str = "\
Applies a jq filter to JSON and answers with the JSON array of its outputs: [] where it has none, one element where \
it has one. Use it to select, reshape, sort, group, count or add up data exactly instead of reading through it.
The language is jq 1.7's: paths (.a.b[0], .[\"a b\"], .[2:5], ..), | and comma, select, map, sort_by, group_by, \
unique_by, min_by, max_by, add, length, keys, has, to_entries, from_entries, with_entries, del, paths, walk, reduce, \
foreach, if, try, //, ?, limit, first, range, test, match, capture, scan, split, sub, gsub, join, ascii_downcase, \
ltrimstr, tonumber, tostring, fromjson, tojson, todate, fromdate, @csv, @tsv, @base64, @base64d, @uri, @html, @sh, \
string interpolation \"\\(.a)\", def, variables with `as $x`. There is no file, clock or environment: input, now, env, \
strftime and import do not exist.
Wrap outputs in [...] or use limit(100; ...) to keep them few: more than 10,000 outputs or 200,000 bytes are an error.";

impl Tool for JsonQuery {
    type Settings = NoSettings;
    type Arguments = Arguments;

    fn description(_: &NoSettings) -> String {
        DESCRIPTION.to_string()
    }

    fn call(arguments: Arguments, _: NoSettings) -> Result<String, ToolError> {
        let inputs = input::values(arguments.input.as_deref().map(RawValue::get), arguments.raw)
            .map_err(ToolError::InvalidArguments)?;
        filter::run(&arguments.filter, inputs).map_err(ToolError::InvalidArguments)
    }
}

hardpoint_sdk::export!(tool: JsonQuery);
