//! A completion: one request, and its answer as a stream or as a whole.

use hardpoint_sdk::failure::{TransportFailure, header, retry_after_ms};
use hardpoint_sdk::model::CompletionEffect;
use hardpoint_sdk::request::{BodyBytes, Gathered, ResponseHead};
use hardpoint_sdk::{Effects, Failure, Machine, Request, sse};

use crate::error;
use crate::reply::Reply;
use crate::wire::Answer;

/// The largest event of a stream: one may hold a picture that the model made.
const MAX_EVENT: usize = 8 * 1024 * 1024;
/// The largest answer that is not streamed.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// As much of an error is read.
const MAX_ERROR: usize = 64 * 1024;

pub struct Completion {
    request: Option<Request>,
    is_streamed: bool,
    reading: Reading,
    reply: Reply,
}

/// What the body is read as.
enum Reading {
    Nothing,
    Stream(sse::Decoder),
    Whole(Gathered),
    Error { status: u16, retry_after_ms: Option<u64>, body: Gathered },
}

impl Completion {
    pub(crate) fn new(request: Request, call_id_bytes: usize, is_streamed: bool) -> Self {
        let reply = Reply::new(call_id_bytes);
        Self { request: Some(request), is_streamed, reading: Reading::Nothing, reply }
    }
}

impl Machine for Completion {
    type Effect = CompletionEffect;

    fn started(&mut self, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        if let Some(request) = self.request.take() {
            out.send(request);
        }
        Ok(())
    }

    fn head(&mut self, head: ResponseHead, _: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        let content_type = header(&head.headers, "content-type").unwrap_or_default();
        let is = |kind: &str| content_type.get(..kind.len()).is_some_and(|it| it.eq_ignore_ascii_case(kind));
        self.reading = if !(200..300).contains(&head.status) {
            Reading::Error {
                status: head.status,
                retry_after_ms: retry_after_ms(&head.headers),
                body: Gathered::new(MAX_ERROR),
            }
        } else if is("text/event-stream") || (self.is_streamed && !is("application/json")) {
            Reading::Stream(sse::Decoder::new(MAX_EVENT))
        } else {
            Reading::Whole(Gathered::new(MAX_ANSWER))
        };
        Ok(())
    }

    fn body(&mut self, body: BodyBytes, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        match &mut self.reading {
            Reading::Nothing => {}
            Reading::Whole(whole) => whole.push(body.bytes)?,
            Reading::Error { body: whole, .. } => whole.push_some(&body.bytes),
            Reading::Stream(decoder) => {
                decoder.feed(body.bytes);
                while let Some(event) = decoder.next()? {
                    if !event.data.trim().is_empty() {
                        let answer: Answer<'_> = serde_json::from_str(event.data)?;
                        self.reply.take(answer, out)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Nothing but its end tells that a stream is over.
    fn ended(&mut self, _: u32, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        match &self.reading {
            Reading::Nothing => Err(Failure::protocol("the answer has no head")),
            Reading::Error { status, retry_after_ms, body } => {
                Err(error::of_answer(*status, &body.text(), *retry_after_ms))
            }
            Reading::Whole(whole) => {
                self.reply.take(whole.json()?, out)?;
                match self.reply.has_ended() {
                    true => self.reply.finish(out),
                    false => Err(Failure::protocol("the answer has no candidate that ended")),
                }
            }
            Reading::Stream(_) if self.reply.has_ended() => self.reply.finish(out),
            Reading::Stream(_) => Err(Failure::upstream("the stream ended before the answer did")),
        }
    }

    /// What breaks after the answer ended does not matter.
    fn broken(
        &mut self,
        failure: TransportFailure,
        out: &mut Effects<CompletionEffect>,
    ) -> Result<(), Failure> {
        match self.reading {
            Reading::Stream(_) if self.reply.has_ended() => self.reply.finish(out),
            _ => Err(failure.into()),
        }
    }
}
