//! A double of Anthropic's Messages API: `/v1/messages`.
//!
//! It refuses what the documents say is refused, and thinking that comes back otherwise than it went out.

use anyhow::Result;
use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::json;

mod check;
mod reply;

use super::script::Script;
use super::vendor::{Api, Seen, Vendor};

/// The key that it takes.
pub const KEY: &str = "sk-ant-api03-double-0123456789abcdef";

/// The largest body of a request, in bytes.
pub const MAX_BODY: usize = 32 * 1024 * 1024;

/// Starts it on a free port; its address is the binding's `base_url`.
///
/// # Errors
/// Where it cannot listen.
pub async fn start() -> Result<Vendor> {
    Vendor::start(Api { model, refuse: check::refuse, reply: reply::reply }).await
}

fn model(seen: &Seen) -> String {
    seen.body["model"].as_str().unwrap_or_default().to_owned()
}

/// `{"type": "error", "error": {"type", "message"}, "request_id"}`.
pub fn error(status: u16, kind: &str, message: &str) -> Script {
    let id = "req_011CSHoEeqs5C35K2UUqR7Fy";
    let body = json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": id});
    let script = Script::new().status(status).header("content-type", "application/json");
    script.header("request-id", id).bytes(body.to_string())
}

/// One event of a stream, named by its type.
pub fn event(data: &serde_json::Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or_default())
}

/// How this double signs thinking.
pub fn signature(thinking: &str) -> String {
    format!("Eq{}", BASE64_STANDARD.encode(thinking))
}
