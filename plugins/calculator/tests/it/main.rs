//! The calculator as a host calls it, natively.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod errors;
mod limits;
mod property;
mod values;

use calculator::Calculator;
use hardpoint_sdk::serde_json::{Value, from_str, json};
use hardpoint_sdk::testing::call;
use hardpoint_sdk::tool::ToolError;

/// The answer's members.
fn answer(expression: &str) -> Result<Value, String> {
    match call::<Calculator>(json!({ "expression": expression }), json!({})) {
        Ok(text) => Ok(from_str(&text).expect("the answer is JSON")),
        Err(ToolError::InvalidArguments(reason)) => Err(reason),
        Err(ToolError::Failed(reason)) => panic!("{expression} failed: {reason}"),
    }
}

fn result(expression: &str) -> Result<String, String> {
    Ok(answer(expression)?["result"].as_str().expect("the result is text").to_owned())
}
