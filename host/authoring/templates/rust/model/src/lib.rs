//! A model adapter for servers that stream chat completions as server-sent events, in OpenAI's format. Text
//! only; the place to begin for a protocol of your own.

use hardpoint_sdk::failure::retry_after_ms;
use hardpoint_sdk::model::*;
use hardpoint_sdk::request::{BodyBytes, Gathered, ResponseHead};
use hardpoint_sdk::sse::Decoder;
use hardpoint_sdk::{Effects, Failure, Machine, Request, parts, secret};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The plugin.
pub enum Streaming {}

/// What the operator set; `plugin.toml` has its schema.
#[derive(Deserialize)]
pub struct Settings {
    base_url: String,
}

impl ModelAdapter for Streaming {
    type Settings = Settings;
    type Completion = Completion;
    type Embedding = NoEmbeddings;

    fn complete(request: CompletionRequest, settings: Settings) -> Result<Completion, Failure> {
        if !request.tools.is_empty() {
            return Err(Failure::unsupported("this adapter passes no tools on"));
        }
        let url = format!("{}/chat/completions", settings.base_url.trim_end_matches('/'));
        let request = Request::post(url)
            .header("accept", "text/event-stream")
            // Left out by the host where there is no key.
            .header("authorization", parts!["Bearer ", secret("api_key")])
            .json(&body(&request))?;
        Ok(Completion {
            request: Some(request),
            head: None,
            events: Decoder::new(1 << 20),
            error: Gathered::new(1 << 12),
            finish: None,
        })
    }
}

hardpoint_sdk::export!(model: Streaming);

fn body(request: &CompletionRequest) -> serde_json::Value {
    #[derive(Serialize)]
    struct Turn {
        role: &'static str,
        content: String,
    }
    let turn = |message: &Message| Turn {
        role: match message.role {
            Role::System | Role::Developer => "system",
            Role::User | Role::Tool => "user",
            Role::Assistant => "assistant",
        },
        content: message.texts().collect(),
    };
    let mut body = json!({
        "model": request.upstream_model,
        "messages": request.messages.iter().map(turn).collect::<Vec<_>>(),
        "stream": true,
    });
    if let Some(most) = request.max_tokens {
        body["max_tokens"] = most.into();
    }
    if let Some(temperature) = request.temperature {
        body["temperature"] = temperature.into();
    }
    body
}

/// One completion: one request, and its answer as it comes.
pub struct Completion {
    request: Option<Request>,
    /// Of an answer that is an error.
    head: Option<ResponseHead>,
    events: Decoder,
    error: Gathered,
    finish: Option<FinishReason>,
}

/// The members of an event that matter here.
#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Tokens>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Tokens {
    prompt_tokens: u64,
    completion_tokens: u64,
}

impl Completion {
    fn chunk(&mut self, chunk: Chunk, out: &mut Effects<CompletionEffect>) {
        if let Some(tokens) = chunk.usage {
            out.usage(Usage {
                input_tokens: tokens.prompt_tokens,
                cached_input_tokens: 0,
                output_tokens: tokens.completion_tokens,
                reasoning_tokens: 0,
            });
        }
        let Some(choice) = chunk.choices.into_iter().next() else { return };
        if let Some(text) = choice.delta.and_then(|delta| delta.content).filter(|text| !text.is_empty()) {
            out.text(text);
        }
        self.finish = self.finish.or(choice.finish_reason.map(|reason| match reason.as_str() {
            "length" => FinishReason::Length,
            "content_filter" => FinishReason::ContentFilter,
            _ => FinishReason::Stop,
        }));
    }
}

impl Machine for Completion {
    type Effect = CompletionEffect;

    fn started(&mut self, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        self.request.take().into_iter().for_each(|request| out.send(request));
        Ok(())
    }

    fn head(&mut self, head: ResponseHead, _: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        self.head = (head.status != 200).then_some(head);
        Ok(())
    }

    /// The network cuts the body anywhere; the decoder puts events together again.
    fn body(&mut self, body: BodyBytes, out: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        if self.head.is_some() {
            self.error.push_some(&body.bytes);
            return Ok(());
        }
        let mut chunks = Vec::new();
        let mut is_done = false;
        self.events.feed(body.bytes);
        while let Some(event) = self.events.next()? {
            if event.data == "[DONE]" {
                is_done = true;
                break;
            }
            chunks.push(serde_json::from_str(event.data)?);
        }
        chunks.into_iter().for_each(|chunk| self.chunk(chunk, out));
        if is_done {
            out.finish(self.finish.unwrap_or(FinishReason::Stop));
        }
        Ok(())
    }

    /// Comes only where the stream did not end as it should: after `finish` nothing is told any more.
    fn ended(&mut self, _: u32, _: &mut Effects<CompletionEffect>) -> Result<(), Failure> {
        match &self.head {
            Some(head) => Err(Failure::of_status(head.status, self.error.text())
                .with_retry_after_ms(retry_after_ms(&head.headers))),
            None => Err(Failure::protocol("the stream ended without [DONE]")),
        }
    }
}
