//! Model adapters: from the host's requests to some provider's protocol and back.

use alloc::string::String;
use alloc::vec::Vec;
use core::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::bindings::model::exports::hardpoint::plugin::model_adapter as wit;
use crate::failure::Failure;
use crate::machine::{Effects, Machine, Observation, Slot};
use crate::request::Request;
use crate::settings;
pub use wit::{
    CompletionEffect, CompletionRequest, ContentPart, Embedded, EmbeddingEffect, EmbeddingRequest,
    FinishReason, Image, JsonSchemaFormat, Message, ResponseFormat, Role, ToolCall, ToolCallPiece,
    ToolChoice, ToolDefinition, Usage,
};

/// A plugin of kind `model`.
pub trait ModelAdapter: 'static {
    /// The binding's settings; [`NoSettings`](crate::NoSettings) where there are none.
    type Settings: DeserializeOwned;
    /// One completion.
    type Completion: Machine<Effect = CompletionEffect>;
    /// One embedding; [`NoEmbeddings`] where there are none.
    type Embedding: Machine<Effect = EmbeddingEffect>;

    /// Begins a completion.
    ///
    /// # Errors
    /// If the request cannot be served at all.
    fn complete(request: CompletionRequest, settings: Self::Settings) -> Result<Self::Completion, Failure>;

    /// Begins an embedding. Refused as unsupported unless written.
    ///
    /// # Errors
    /// If the request cannot be served at all.
    fn embed(request: EmbeddingRequest, settings: Self::Settings) -> Result<Self::Embedding, Failure> {
        let _ = (request, settings);
        Err(Failure::unsupported("this model makes no embeddings"))
    }
}

impl CompletionRequest {
    /// A request with nothing but messages.
    pub fn new(upstream_model: impl Into<String>, messages: Vec<Message>) -> Self {
        Self {
            upstream_model: upstream_model.into(),
            messages,
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            response_format: None,
            streamed: false,
            max_tokens: None,
            temperature: None,
            top_p: None,
            frequency_penalty: None,
            presence_penalty: None,
            stop: Vec::new(),
            seed: None,
            user: None,
            extra: None,
        }
    }
}

impl Message {
    /// A message of one piece of text.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            content: alloc::vec![ContentPart::Text(text.into())],
            name: None,
            reasoning: None,
            refusal: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
        }
    }

    /// Its texts, in order, without its images.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.content.iter().filter_map(|part| match part {
            ContentPart::Text(text) => Some(text.as_str()),
            ContentPart::Image(_) => None,
        })
    }
}

/// The embedding of an adapter that makes none.
#[derive(Debug)]
pub enum NoEmbeddings {}

impl Machine for NoEmbeddings {
    type Effect = EmbeddingEffect;

    fn started(&mut self, _: &mut Effects<EmbeddingEffect>) -> Result<(), Failure> {
        match *self {}
    }
}

impl Effects<CompletionEffect> {
    /// Sends a request.
    pub fn send(&mut self, request: Request) {
        self.push(CompletionEffect::Send(request.into()));
    }

    /// Appends text to the answer.
    pub fn text(&mut self, text: impl Into<String>) {
        self.push(CompletionEffect::Text(text.into()));
    }

    /// Appends text to the reasoning before the answer.
    pub fn reasoning(&mut self, text: impl Into<String>) {
        self.push(CompletionEffect::Reasoning(text.into()));
    }

    /// Appends text to a refusal.
    pub fn refusal(&mut self, text: impl Into<String>) {
        self.push(CompletionEffect::Refusal(text.into()));
    }

    /// Passes on a piece of a tool call.
    pub fn tool_call(&mut self, piece: ToolCallPiece) {
        self.push(CompletionEffect::ToolCall(piece));
    }

    /// Tells what was used, all told.
    pub fn usage(&mut self, usage: Usage) {
        self.push(CompletionEffect::Usage(usage));
    }

    /// Ends the completion. Nothing may follow.
    pub fn finish(&mut self, reason: FinishReason) {
        self.push(CompletionEffect::Finish(reason));
    }

    /// Asks to be called once more when what came before was passed on.
    pub fn again(&mut self) {
        self.push(CompletionEffect::Again);
    }
}

impl Effects<EmbeddingEffect> {
    /// Sends a request.
    pub fn send(&mut self, request: Request) {
        self.push(EmbeddingEffect::Send(request.into()));
    }

    /// The vector of the input at `index`.
    pub fn vector(&mut self, index: u32, vector: Vec<f32>) {
        self.push(EmbeddingEffect::Vector(Embedded { index, vector }));
    }

    /// Tells what was used, all told.
    pub fn usage(&mut self, usage: Usage) {
        self.push(EmbeddingEffect::Usage(usage));
    }

    /// Ends the embedding; every input has its vector by now.
    pub fn finish(&mut self) {
        self.push(EmbeddingEffect::Finish);
    }

    /// Asks to be called once more.
    pub fn again(&mut self) {
        self.push(EmbeddingEffect::Again);
    }
}

/// What [`export!`](crate::export) exports.
#[doc(hidden)]
pub struct Guest<A>(PhantomData<A>);

impl<A: ModelAdapter> wit::Guest for Guest<A> {
    type Completion = CompletionSlot<A>;
    type Embedding = EmbeddingSlot<A>;
}

#[doc(hidden)]
pub struct CompletionSlot<A: ModelAdapter>(Slot<A::Completion>);

impl<A: ModelAdapter> wit::GuestCompletion for CompletionSlot<A> {
    fn open(request: CompletionRequest, settings: String) -> Result<wit::Completion, Failure> {
        let machine = A::complete(request, settings::parse(&settings)?)?;
        Ok(wit::Completion::new(Self(Slot::new(machine))))
    }

    fn advance(&self, seen: Observation) -> Result<Vec<CompletionEffect>, Failure> {
        self.0.advance(seen)
    }
}

#[doc(hidden)]
pub struct EmbeddingSlot<A: ModelAdapter>(Slot<A::Embedding>);

impl<A: ModelAdapter> wit::GuestEmbedding for EmbeddingSlot<A> {
    fn open(request: EmbeddingRequest, settings: String) -> Result<wit::Embedding, Failure> {
        let machine = A::embed(request, settings::parse(&settings)?)?;
        Ok(wit::Embedding::new(Self(Slot::new(machine))))
    }

    fn advance(&self, seen: Observation) -> Result<Vec<EmbeddingEffect>, Failure> {
        self.0.advance(seen)
    }
}
