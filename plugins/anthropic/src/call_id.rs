//! Ids of tool calls that carry the thinking before them.
//!
//! In a tool loop the API wants the thinking blocks of the turn back as they were, each with its signature
//! (<https://platform.claude.com/docs/en/build-with-claude/thinking>, "Preserving thinking blocks"). The host
//! and its clients give back the text of the reasoning and the id of the call, so the signatures travel in the
//! id of the turn's first call: `toolu_01A~t120.SIGNATURE~rDATA`, one `~` a block, with the length of the
//! thinking's text in bytes before its signature.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const BORDER: char = '~';

/// A thinking block without its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Thought<'a> {
    /// Bytes of its text, and the signature.
    Signed(usize, Cow<'a, str>),
    /// Thinking that was encrypted for safety, whole.
    Redacted(Cow<'a, str>),
}

/// `id` with the thoughts before the call; without them if that were longer than `limit` bytes.
pub(crate) fn with_thoughts(id: &str, thoughts: &[Thought<'_>], limit: usize) -> String {
    let is_plain = |text: &str| !text.is_empty() && !text.contains(BORDER);
    let mut carried = id.to_string();
    for thought in thoughts {
        match thought {
            Thought::Signed(length, signature) if is_plain(signature) => {
                carried.push_str(&format!("{BORDER}t{length}.{signature}"));
            }
            Thought::Redacted(data) if is_plain(data) => carried.push_str(&format!("{BORDER}r{data}")),
            _ => return id.to_string(),
        }
    }
    if carried.len() > limit { id.to_string() } else { carried }
}

/// The thoughts that an id carries.
pub(crate) fn thoughts(id: &str) -> Vec<Thought<'_>> {
    let thought = |text| match str::split_at_checked(text, 1)? {
        ("t", text) => {
            let (length, signature) = text.split_once('.')?;
            Some(Thought::Signed(length.parse().ok()?, signature.into()))
        }
        ("r", data) => Some(Thought::Redacted(data.into())),
        _ => None,
    };
    // An id that merely looks like ours carries nothing.
    id.split(BORDER).skip(1).map(thought).collect::<Option<_>>().unwrap_or_default()
}

/// The id as the API knows it: `^[a-zA-Z0-9_-]+$`, also where another provider made it.
pub(crate) fn plain(id: &str) -> Cow<'_, str> {
    let id = id.split(BORDER).next().unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if id.is_empty() {
        return "call".into();
    }
    if id.chars().all(fits) {
        return id.into();
    }
    id.chars().map(|c| if fits(c) { c } else { '_' }).collect::<String>().into()
}
