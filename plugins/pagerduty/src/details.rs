//! An alert's `custom_details`: the event, as much of it as fits.

use alloc::string::String;
use alloc::vec::Vec;

use hardpoint_sdk::exporter::{Event, EventBody};
use serde::Serialize;
use serde_json::value::RawValue;

/// Ids with more characters than this are left out where room is short.
const LONG_ID: usize = 255;

#[derive(Serialize)]
pub(crate) struct Details<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    truncated: Option<bool>,
    event: Told<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Told<'a> {
    /// The event's JSON object, as it was written.
    Whole(&'a RawValue),
    /// The beginning of that, or what is no object.
    Text(&'a str),
}

impl<'a> Details<'a> {
    /// The whole event.
    pub(crate) fn whole(event: &'a Event, body: &EventBody<'_>, tags: &'a [String]) -> Self {
        let raw = body.is_object().then(|| serde_json::from_str(&event.body).ok()).flatten();
        let event_id = Some(event.id.as_str());
        Self { event_id, tags, truncated: None, event: raw.map_or(Told::Text(&event.body), Told::Whole) }
    }

    /// As much of the event as `room` bytes of JSON hold, as text.
    pub(crate) fn truncated(event: &'a Event, tags: &'a [String], room: usize) -> Self {
        let event_id = Some(event.id.as_str()).filter(|id| id.chars().count() <= LONG_ID);
        let text = Told::Text(beginning(&event.body, room));
        Self { event_id, tags, truncated: Some(true), event: text }
    }

    /// Bytes of JSON.
    pub(crate) fn json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}

/// The longest beginning of a text that takes at most so many bytes within a JSON string.
fn beginning(text: &str, room: usize) -> &str {
    let mut left = room;
    for (place, letter) in text.char_indices() {
        let size = match letter {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => 6,
            letter => letter.len_utf8(),
        };
        match left.checked_sub(size) {
            Some(rest) => left = rest,
            None => return &text[..place],
        }
    }
    text
}
