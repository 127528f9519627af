//! Recorded exchanges: what the host asked of a plugin, what the other side answered, cut as the network cut
//! it, and what the plugin made of it. One JSON file each; the SDK's harness replays them natively,
//! `hardpoint plugin test` in the real sandbox, and `hardpoint plugin record` makes them.
//!
//! ```json
//! {
//!   "about": "A streamed answer, cut inside an event.",
//!   "settings": { "base_url": "https://models.example.com" },
//!   "completion": { "upstream_model": "m", "messages": [{ "role": "user", "content": "Why?" }] },
//!   "exchanges": [{
//!     "request": {
//!       "method": "POST", "url": "https://models.example.com/ask",
//!       "headers": { "authorization": "Bearer {secret:api_key}" }, "body": { "question": "Why?" }
//!     },
//!     "answer": { "status": 200, "chunks": ["data: Becau", "se.\n\n"] }
//!   }],
//!   "expect": { "text": "Because.", "finish": "stop" }
//! }
//! ```
//! Exactly one of `completion`, `embedding`, `delivery` and `call` says what is asked. Secrets are never in a
//! recording: they show as `{secret:NAME}`, with an encoding as `{secret:NAME|base64}`.

mod asked;
mod exchange;
mod outcome;

pub use asked::{
    Asked, CallInput, CompletionInput, Content, DeliveryInput, EmbeddingInput, EventInput, MessageInput,
    PartInput, ResponseFormatInput, ToolCallInput, ToolChoiceInput, ToolInput,
};
pub use exchange::{Answer, Body, Broken, Bytes, Exchange, Request, SentRequest, joined};
pub use outcome::{Failure, Outcome, Usage, Verdict};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One recording: a file's content.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// What it shows, for people.
    pub about: String,
    /// The binding's settings.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
    /// Asks a model adapter for a completion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completion: Option<CompletionInput>,
    /// Asks a model adapter for embeddings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    embedding: Option<EmbeddingInput>,
    /// Asks an exporter to deliver a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    delivery: Option<DeliveryInput>,
    /// Calls a tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    call: Option<CallInput>,
    /// The plugin's requests in the order it sent them, each with its answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<Exchange>,
    /// What comes of it.
    #[serde(default)]
    pub expect: Outcome,
}

impl Recording {
    /// From a file's text.
    ///
    /// # Errors
    /// What is wrong with it, with its line.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let recording: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        recording.asked()?;
        Ok(recording)
    }

    /// A recording of what was asked and what came of it.
    pub fn new(about: &str, settings: Map<String, Value>, asked: Asked, expect: Outcome) -> Self {
        let mut new = Self {
            about: about.to_owned(),
            settings,
            completion: None,
            embedding: None,
            delivery: None,
            call: None,
            exchanges: Vec::new(),
            expect,
        };
        match asked {
            Asked::Completion(asked) => new.completion = Some(*asked),
            Asked::Embedding(asked) => new.embedding = Some(asked),
            Asked::Delivery(asked) => new.delivery = Some(asked),
            Asked::Call(asked) => new.call = Some(asked),
        }
        new
    }

    /// As a file's text, for people to read and mend.
    pub fn to_json(&self) -> String {
        // Maps have strings for keys and nothing here fails by itself.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// What is asked.
    ///
    /// # Errors
    /// Where it is not exactly one thing.
    pub fn asked(&self) -> Result<Asked, String> {
        let asked = [
            self.completion.clone().map(|asked| Asked::Completion(Box::new(asked))),
            self.embedding.clone().map(Asked::Embedding),
            self.delivery.clone().map(Asked::Delivery),
            self.call.clone().map(Asked::Call),
        ];
        let mut asked: Vec<Asked> = asked.into_iter().flatten().collect();
        match (asked.pop(), asked.is_empty()) {
            (Some(one), true) => Ok(one),
            (None, _) => {
                Err("one of `completion`, `embedding`, `delivery` and `call` must say what is asked".into())
            }
            _ => {
                Err("only one of `completion`, `embedding`, `delivery` and `call` can be asked at once"
                    .into())
            }
        }
    }

    /// The same exchange with every answer's body cut in pieces of `size` bytes.
    #[must_use]
    pub fn cut_every(&self, size: usize) -> Self {
        self.recut(|body| body.chunks(size.max(1)).map(<[u8]>::to_vec).collect())
    }

    /// The same exchange with every answer's body cut in two at byte `at`.
    #[must_use]
    pub fn cut_at(&self, at: usize) -> Self {
        self.recut(|body| {
            let (head, tail) = body.split_at(at.min(body.len()));
            vec![head.to_vec(), tail.to_vec()]
        })
    }

    /// The length of the longest answer's body, in bytes.
    pub fn longest_answer(&self) -> usize {
        self.exchanges.iter().map(|exchange| exchange.answer.body().len()).max().unwrap_or(0)
    }

    fn recut(&self, cut: impl Fn(&[u8]) -> Vec<Vec<u8>>) -> Self {
        let mut other = self.clone();
        for exchange in &mut other.exchanges {
            let pieces = cut(&exchange.answer.body());
            exchange.answer.chunks =
                pieces.into_iter().filter(|piece| !piece.is_empty()).map(Bytes).collect();
        }
        other
    }
}

#[cfg(test)]
mod tests;
