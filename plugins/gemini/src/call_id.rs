//! Ids of function calls, which carry what the API wants back with a call.
//!
//! Models since Gemini 3 refuse a call that comes back without its thought signature
//! (<https://ai.google.dev/gemini-api/docs/thought-signatures>). The host and its clients give back the id of a
//! call, so the signature travels in it: `ID~SIGNATURE`. Where the API gives a call no id, `local_` and
//! what tells it from other calls take its place, and are not sent back.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};

const BORDER: char = '~';
const LOCAL: &str = "local_";

/// The id of a call, with its signature unless that makes it longer than `limit` bytes.
pub(crate) fn with_signature(id: &str, signature: Option<&str>, limit: usize) -> String {
    match signature {
        Some(signature) if !signature.is_empty() && !signature.contains(BORDER) && !id.contains(BORDER) => {
            let carried = format!("{id}{BORDER}{signature}");
            if carried.len() > limit { id.to_string() } else { carried }
        }
        _ => id.to_string(),
    }
}

/// An id for a call that has none: the answer's own and the call's number in it.
pub(crate) fn local(response_id: &str, number: u32) -> String {
    let fits = |c: &char| c.is_ascii_alphanumeric() || *c == '-' || *c == '_';
    let response: String = response_id.chars().filter(fits).take(64).collect();
    format!("{LOCAL}{response}_{number}")
}

/// The id as the API gave it, if it did.
pub(crate) fn given(id: &str) -> Option<&str> {
    let id = id.split(BORDER).next().unwrap_or_default();
    (!id.is_empty() && !id.starts_with(LOCAL)).then_some(id)
}

/// The signature that an id carries.
pub(crate) fn signature(id: &str) -> Option<Cow<'_, str>> {
    let (_, signature) = id.split_once(BORDER)?;
    // Base64: what is none is not from here.
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
    (!signature.is_empty() && signature.bytes().all(fits)).then_some(signature.into())
}
