//! `chat.completion.chunk` events, written straight into the buffer that goes out.
//!
//! All chunks of a stream begin and end with the same bytes. Those are made once; what is left to do
//! for a delta is to append one escaped string between them.

use bytes::{BufMut, BytesMut};
use hardpoint_domain::message::{Delta, FinishReason, Usage};
use serde::Serialize;

use super::schema::{CompletionUsage, WireToolCall};
use crate::error::{ApiError, Shape};

/// What every chunk says of its answer.
#[derive(Clone, Copy)]
pub(crate) struct Identity<'a> {
    pub(crate) id: &'a str,
    /// Unix seconds.
    pub(crate) created: i64,
    pub(crate) model: &'a str,
    /// `openai@0.1.0`.
    pub(crate) plugin: &'a str,
}

/// Writes one stream's chunks.
pub(crate) struct Chunks {
    /// Up to and with `"choices":[`.
    opening: Vec<u8>,
    /// After the choice's members; a stream that will tell its usage says `null` until it does, as OpenAI's do.
    closing: &'static [u8],
}

const DELTA: &[u8] = br#"{"index":0,"delta":{"#;

impl Chunks {
    pub(crate) fn new(of: Identity<'_>, include_usage: bool) -> Self {
        let mut opening = Vec::with_capacity(192);
        opening.extend_from_slice(b"data: {\"id\":");
        append_json(&mut opening, of.id);
        opening.extend_from_slice(b",\"object\":\"chat.completion.chunk\",\"created\":");
        append_json(&mut opening, &of.created);
        opening.extend_from_slice(b",\"model\":");
        append_json(&mut opening, of.model);
        opening.extend_from_slice(b",\"system_fingerprint\":");
        append_json(&mut opening, of.plugin);
        opening.extend_from_slice(b",\"choices\":[");
        let closing: &[u8] = if include_usage { b"}],\"usage\":null}\n\n" } else { b"}]}\n\n" };
        Self { opening, closing }
    }

    /// The first chunk: who speaks.
    pub(crate) fn role(&self, out: &mut BytesMut) {
        self.choice(out, |out| out.put_slice(br#""role":"assistant","content":"""#));
    }

    /// The same, with what the answer rests on beside the choices: in an event that every client takes.
    pub(crate) fn role_with_sources(&self, out: &mut BytesMut, sources: &impl Serialize) {
        out.put_slice(&self.opening);
        out.put_slice(DELTA);
        out.put_slice(br#""role":"assistant","content":""},"finish_reason":null}],"sources":"#);
        append_json(&mut out.writer(), sources);
        out.put_slice(b"}\n\n");
    }

    pub(crate) fn delta(&self, out: &mut BytesMut, delta: Delta) {
        match delta {
            Delta::Text(text) => self.string(out, br#""content":"#, &text),
            Delta::Reasoning(text) => self.string(out, br#""reasoning_content":"#, &text),
            Delta::Refusal(text) => self.string(out, br#""refusal":"#, &text),
            Delta::ToolCall(piece) => self.choice(out, |out| {
                out.put_slice(br#""tool_calls":"#);
                append_json(&mut out.writer(), &[WireToolCall::from(piece)]);
            }),
            Delta::Finish(reason) => self.finish(out, reason),
            // Told once, at the end and over all rounds.
            Delta::Usage(_) => {}
        }
    }

    /// The last chunk that has a choice.
    fn finish(&self, out: &mut BytesMut, reason: FinishReason) {
        out.put_slice(&self.opening);
        out.put_slice(DELTA);
        out.put_slice(b"},\"finish_reason\":");
        append_json(&mut out.writer(), &reason);
        out.put_slice(self.closing);
    }

    /// A chunk without choices.
    pub(crate) fn usage(&self, out: &mut BytesMut, usage: Usage) {
        out.put_slice(&self.opening);
        out.put_slice(b"],\"usage\":");
        append_json(&mut out.writer(), &CompletionUsage::from(usage));
        out.put_slice(b"}\n\n");
    }

    fn string(&self, out: &mut BytesMut, name: &[u8], text: &str) {
        self.choice(out, |out| {
            out.put_slice(name);
            append_json(&mut out.writer(), text);
        });
    }

    fn choice(&self, out: &mut BytesMut, write: impl FnOnce(&mut BytesMut)) {
        out.put_slice(&self.opening);
        out.put_slice(DELTA);
        write(out);
        out.put_slice(b"},\"finish_reason\":null");
        out.put_slice(self.closing);
    }
}

/// The clean end.
pub(crate) fn done(out: &mut BytesMut) {
    out.put_slice(b"data: [DONE]\n\n");
}

/// The unclean end: an event that OpenAI's clients raise as an error.
pub(crate) fn failed(out: &mut BytesMut, error: &ApiError) {
    out.put_slice(b"data: ");
    out.put_slice(&error.body(Shape::OpenAi));
    out.put_slice(b"\n\n");
}

/// Strings, numbers and structs of them always serialise, and memory always takes them.
fn append_json(out: &mut impl std::io::Write, value: &(impl Serialize + ?Sized)) {
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests;
