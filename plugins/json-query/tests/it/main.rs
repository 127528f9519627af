//! The tool as a host calls it, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod errors;
mod language;
mod limits;

use hardpoint_sdk::serde_json::{Value, from_str, json};
use hardpoint_sdk::testing::call;
use hardpoint_sdk::tool::ToolError;
use json_query::JsonQuery;

/// Calls it with any arguments.
fn query(arguments: Value) -> Result<Value, String> {
    match call::<JsonQuery>(arguments, json!({})) {
        Ok(text) => Ok(from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))),
        Err(ToolError::InvalidArguments(reason)) => Err(reason),
        Err(ToolError::Failed(reason)) => panic!("it failed: {reason}"),
    }
}

/// The outputs for one input.
fn outputs(filter: &str, input: Value) -> Result<Value, String> {
    query(json!({ "filter": filter, "input": input }))
}

fn refused(filter: &str, input: Value) -> String {
    outputs(filter, input).expect_err(filter)
}
