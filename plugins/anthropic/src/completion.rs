//! A completion: one request, and its answer as a stream or as a whole; another request for each interruption.

use alloc::vec::Vec;

use hardpoint_sdk::failure::{header, retry_after_ms};
use hardpoint_sdk::model::CompletionEffect;
use hardpoint_sdk::request::{BodyBytes, Gathered, ResponseHead};
use hardpoint_sdk::{Effects, Failure, Machine, sse};

use crate::body::Body;
use crate::error::{self, Answered};
use crate::pause::Pause;
use crate::reply::Reply;
use crate::settings::Settings;
use crate::wire::{Event, Message};

/// The largest event of a stream.
const MAX_EVENT: usize = 8 * 1024 * 1024;
/// The largest answer that is not streamed.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// As much of an error is read.
const MAX_ERROR: usize = 64 * 1024;

pub struct Completion {
    settings: Settings,
    is_streamed: bool,
    /// What is to be sent.
    json: Vec<u8>,
    reading: Reading,
    reply: Reply,
    pause: Option<Pause>,
    /// `message_stop` was seen.
    is_over: bool,
}

/// What the body is read as.
enum Reading {
    Nothing,
    Stream(sse::Decoder),
    Whole(Gathered),
    Error(Answered, Gathered),
}

impl Completion {
    pub(crate) fn new(body: Body, settings: Settings, is_streamed: bool) -> Self {
        Self {
            is_streamed,
            pause: body.may_pause.then(|| Pause::new(body.json.clone())),
            json: body.json,
            reading: Reading::Nothing,
            reply: Reply::new(body.answer_tool, settings.call_id_bytes),
            is_over: false,
            settings,
        }
    }

    fn event(&mut self, event: sse::Event<'_>, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        if event.data.trim().is_empty() {
            return Ok(());
        }
        if event.name == "error" {
            return Err(error::of_event(event.data));
        }
        let Event { kind, message, index, content_block, delta, usage } = serde_json::from_str(event.data)?;
        match (kind.as_str(), content_block, delta) {
            ("message_start", ..) => self.reply.used(message.and_then(|message| message.usage), out),
            ("content_block_start", Some(block), _) => {
                if let Some(pause) = &mut self.pause {
                    pause.start(index, block.get())?;
                }
                self.reply.start(index, block, out)?;
            }
            ("content_block_delta", _, Some(delta)) => {
                if let Some(pause) = &mut self.pause {
                    pause.delta(index, delta.get())?;
                }
                self.reply.delta(index, serde_json::from_str(delta.get())?, out)?;
            }
            ("content_block_stop", ..) => {
                if let Some(pause) = &mut self.pause {
                    pause.stop(index);
                }
                self.reply.stop(index, out);
            }
            ("message_delta", _, delta) => {
                if let Some(delta) = delta {
                    self.reply.ends(serde_json::from_str(delta.get())?);
                }
                self.reply.used(usage, out);
            }
            ("message_stop", ..) => {
                self.is_over = true;
                // An interrupted turn goes on when this answer is read to its end.
                if !self.is_to_go_on() {
                    self.reply.finish(out);
                }
            }
            ("error", ..) => return Err(error::of_event(event.data)),
            // `ping`, and whatever is added to the API.
            _ => {}
        }
        Ok(())
    }

    fn whole(&mut self, body: &Gathered, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        let message: Message<'_> = body.json()?;
        if message.kind.as_deref() == Some("error") {
            return Err(error::of_event(&body.text()));
        }
        if message.content.is_none() {
            return Err(Failure::protocol("the answer is no message"));
        }
        if let Some(pause) = &mut self.pause {
            for (index, block) in (0..).zip(message.content.iter().flatten()) {
                pause.start(index, block.get())?;
            }
        }
        self.reply.whole(message, out)?;
        if self.is_to_go_on() && self.go_on(out) {
            return Ok(());
        }
        self.reply.finish(out);
        Ok(())
    }

    fn is_to_go_on(&self) -> bool {
        self.pause.is_some() && self.reply.is_paused()
    }

    /// False if the turn was interrupted too often.
    fn go_on(&mut self, out: &mut Effects<CompletionEffect>) -> bool {
        let Some(json) = self.pause.as_mut().and_then(Pause::go_on) else { return false };
        self.reply.go_on();
        self.is_over = false;
        out.send(self.settings.post(self.is_streamed).json_bytes(json));
        true
    }
}

impl Machine for Completion {
    type Effect = CompletionEffect;

    fn started(&mut self, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        let json = core::mem::take(&mut self.json);
        out.send(self.settings.post(self.is_streamed).json_bytes(json));
        Ok(())
    }

    fn head(&mut self, head: ResponseHead, _: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        let content_type = header(&head.headers, "content-type").unwrap_or_default();
        let is = |kind: &str| content_type.get(..kind.len()).is_some_and(|it| it.eq_ignore_ascii_case(kind));
        self.reading = if !(200..300).contains(&head.status) {
            let answered = Answered {
                status: head.status,
                retry_after_ms: retry_after_ms(&head.headers),
                request_id: header(&head.headers, "request-id").map(Into::into),
            };
            Reading::Error(answered, Gathered::new(MAX_ERROR))
        } else if is("text/event-stream") || (self.is_streamed && !is("application/json")) {
            Reading::Stream(sse::Decoder::new(MAX_EVENT))
        } else {
            Reading::Whole(Gathered::new(MAX_ANSWER))
        };
        Ok(())
    }

    fn body(&mut self, body: BodyBytes, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        match &mut self.reading {
            Reading::Nothing => Ok(()),
            Reading::Whole(whole) => whole.push(body.bytes),
            Reading::Error(_, whole) => {
                whole.push_some(&body.bytes);
                Ok(())
            }
            Reading::Stream(_) => {
                let Reading::Stream(mut decoder) = core::mem::replace(&mut self.reading, Reading::Nothing)
                else {
                    return Ok(());
                };
                decoder.feed(body.bytes);
                while !self.is_over {
                    let Some(event) = decoder.next()? else { break };
                    self.event(event, out)?;
                }
                self.reading = Reading::Stream(decoder);
                Ok(())
            }
        }
    }

    fn ended(&mut self, _: u32, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        match core::mem::replace(&mut self.reading, Reading::Nothing) {
            Reading::Nothing => Err(Failure::protocol("the answer has no head")),
            Reading::Error(answered, body) => Err(error::of_answer(&answered, &body.text())),
            Reading::Whole(whole) => self.whole(&whole, out),
            Reading::Stream(_) if self.is_to_go_on() => {
                if !self.go_on(out) {
                    self.reply.finish(out);
                }
                Ok(())
            }
            Reading::Stream(_) if self.is_over => Ok(()),
            Reading::Stream(_) if self.reply.has_ended() => {
                self.reply.finish(out);
                Ok(())
            }
            Reading::Stream(_) => Err(Failure::upstream("the stream ended before the answer did")),
        }
    }
}
