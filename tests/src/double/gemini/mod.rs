//! A double of Google's Gemini API: `generateContent`, `streamGenerateContent` and `batchEmbedContents`.
//!
//! It refuses what the documents say is refused; a model whose name begins with `gemini-3` refuses calls that
//! come back without their thought signature.

use anyhow::Result;
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

mod check;
mod reply;

use super::script::Script;
use super::vendor::{Api, Seen, Vendor};

/// The key that it takes.
pub const KEY: &str = "AIzaSyDouble-0123456789abcdefghijklmno";

/// What the API takes in the place of a signature that is not known.
pub const PLACEHOLDER: &str = "skip_thought_signature_validator";

/// Starts it on a free port.
///
/// # Errors
/// Where it cannot listen.
pub async fn start() -> Result<Vendor> {
    Vendor::start(Api { model, refuse: check::refuse, reply: reply::reply }).await
}

/// What a binding's `base_url` is set to.
pub fn base_url(double: &Vendor) -> String {
    format!("{}/v1beta", double.server().origin())
}

/// `/v1beta/models/{model}:{method}`.
fn target(seen: &Seen) -> Option<(&str, &str)> {
    seen.path.strip_prefix("/v1beta/models/")?.split_once(':')
}

fn model(seen: &Seen) -> String {
    target(seen).map(|(model, _)| model.to_owned()).unwrap_or_default()
}

/// A `google.rpc.Status`.
pub fn error(code: u16, status: &str, message: &str) -> Script {
    error_with(code, status, message, &json!([]))
}

/// The same, with details.
pub fn error_with(code: u16, status: &str, message: &str, details: &Value) -> Script {
    let body = json!({"error": {"code": code, "message": message, "status": status, "details": details}});
    let script = Script::new().status(code).header("content-type", "application/json; charset=UTF-8");
    script.bytes(body.to_string())
}

/// `RESOURCE_EXHAUSTED`, with the time to wait.
pub fn exhausted(delay: &str) -> Script {
    let retry = json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay});
    error_with(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", &json!([retry]))
}

/// One event of a stream.
pub fn event(data: &Value) -> String {
    format!("data: {data}\r\n\r\n")
}

/// How this double signs a call.
pub fn signature(name: &str) -> String {
    BASE64_STANDARD.encode(format!("why {name} was called"))
}
