//! A completion: one request, and its answer as a stream or as a whole.

use alloc::string::String;

use hardpoint_sdk::failure::{header, retry_after_ms};
use hardpoint_sdk::model::{CompletionEffect, FinishReason, Usage};
use hardpoint_sdk::request::{BodyBytes, Gathered, ResponseHead};
use hardpoint_sdk::{Effects, Failure, Machine, Request, sse};

use crate::error;
use crate::tools::Calls;
use crate::wire::{Answer, Choice, Message};

/// The largest event of a stream: one that holds a picture of 2 MB in base64 is no rarity.
const MAX_EVENT: usize = 8 * 1024 * 1024;
/// The largest answer that is not streamed.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// As much of an error is read.
const MAX_ERROR: usize = 64 * 1024;

pub struct Completion {
    request: Option<Request>,
    is_streamed: bool,
    reading: Reading,
    progress: Progress,
}

/// What the body is read as.
enum Reading {
    Nothing,
    Stream(sse::Decoder),
    Whole(Gathered),
    Error { status: u16, retry_after_ms: Option<u64>, body: Gathered },
}

/// What was seen of the answer.
#[derive(Default)]
struct Progress {
    calls: Calls,
    usage: Option<Usage>,
    finish_reason: Option<String>,
    is_over: bool,
}

impl Completion {
    pub(crate) fn new(request: Request, is_streamed: bool) -> Self {
        let progress = Progress::default();
        Self { request: Some(request), is_streamed, reading: Reading::Nothing, progress }
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

    /// Servers may answer otherwise than they were asked, so what they say they send counts first.
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
                    if self.progress.is_over {
                        break;
                    }
                    self.progress.event(event, out)?;
                }
            }
        }
        Ok(())
    }

    fn ended(&mut self, _: u32, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        match &self.reading {
            Reading::Nothing => Err(Failure::protocol("the answer has no head")),
            Reading::Error { status, retry_after_ms, body } => {
                Err(error::of_answer(*status, &body.text(), *retry_after_ms))
            }
            Reading::Whole(whole) => self.progress.whole(whole, out),
            Reading::Stream(_) if self.progress.is_over => Ok(()),
            Reading::Stream(_) if self.progress.finish_reason.is_some() => self.progress.finish(out),
            Reading::Stream(_) => Err(Failure::upstream("the stream ended before the answer did")),
        }
    }
}

impl Progress {
    fn event(&mut self, event: sse::Event<'_>, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        let data = event.data.trim();
        if data == "[DONE]" {
            return self.finish(out);
        }
        if data.is_empty() {
            return Ok(());
        }
        let answer: Answer<'_> = match serde_json::from_str(data) {
            Ok(answer) => answer,
            Err(_) if event.name == "error" => return Err(error::of_object(data)),
            Err(error) => return Err(error.into()),
        };
        if event.name == "error" && answer.error.is_none() {
            return Err(error::of_object(data));
        }
        self.take(answer, out)
    }

    fn whole(&mut self, body: &Gathered, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        let answer: Answer<'_> = body.json()?;
        if answer.error.is_none() && answer.choices.is_empty() {
            return Err(
                error::find(&body.text()).unwrap_or_else(|| Failure::protocol("the answer has no choices"))
            );
        }
        self.take(answer, out)?;
        self.finish(out)
    }

    fn take(&mut self, answer: Answer<'_>, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        if let Some(error) = answer.error.filter(|error| error.get() != "null") {
            return Err(error::of_object(error.get()));
        }
        let groq = answer.x_groq.and_then(|groq| groq.usage);
        self.usage = answer.usage.or(groq).map(Usage::from).or(self.usage);
        // One choice was asked for; another is somebody else's.
        for choice in answer.choices.into_iter().filter(|choice| choice.index == 0) {
            self.choice(choice, out)?;
        }
        Ok(())
    }

    fn choice(&mut self, choice: Choice<'_>, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        let Message { content, reasoning_content, reasoning, refusal, tool_calls, function_call } =
            choice.delta.or(choice.message).unwrap_or_default();
        let has_text = |text: &String| !text.is_empty();
        // Servers that send both names send the same under both.
        if let Some(text) = reasoning_content.filter(has_text).or(reasoning.filter(has_text)) {
            out.reasoning(text);
        }
        if has_text(&content.reasoning) {
            out.reasoning(content.reasoning);
        }
        if has_text(&content.text) {
            out.text(content.text);
        }
        if let Some(text) = refusal.filter(has_text) {
            out.refusal(text);
        }
        for piece in tool_calls {
            self.calls.take(piece, out)?;
        }
        if let Some(function) = function_call {
            self.calls.take_legacy(function, out);
        }
        self.finish_reason = choice.finish_reason.filter(has_text).or(self.finish_reason.take());
        Ok(())
    }

    fn finish(&mut self, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        self.is_over = true;
        self.calls.finish()?;
        let reason = match self.finish_reason.as_deref().unwrap_or("stop") {
            "length" | "max_tokens" => FinishReason::Length,
            "content_filter" => FinishReason::ContentFilter,
            "error" | "insufficient_system_resource" => {
                return Err(Failure::upstream("the server broke off the answer"));
            }
            // With a forced function, and on many servers always, calls end with `stop`.
            _ if !self.calls.is_empty() => FinishReason::ToolCalls,
            _ => FinishReason::Stop,
        };
        if let Some(usage) = self.usage {
            out.usage(usage);
        }
        out.finish(reason);
        Ok(())
    }
}
