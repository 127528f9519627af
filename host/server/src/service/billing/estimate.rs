//! How many tokens a request may cost at most. No tokenizer is shipped, so what is read is bounded by its bytes: no
//! tokenizer in use makes more than one token of a byte.

use hardpoint_domain::message::{CompletionRequest, ContentPart, EmbeddingRequest, Message, ResponseFormat};
use hardpoint_domain::model::Model;

/// What a provider may put around a message or a tool: names of roles, marks of beginning and end.
const AROUND: u64 = 32;
/// An image in full detail, at the dearest of the vendors whose documents say what images cost.
const IMAGE: u64 = 8_192;
/// Tokens that a model writes at most where neither the request nor its configuration says.
const OUTPUT: u32 = 4_096;

/// The most tokens of one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Read.
    pub input: u64,
    /// Written.
    pub output: u64,
}

impl Bound {
    /// Read and written together.
    pub fn total(self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

/// What a model writes at most where a request does not say.
pub fn default_output(model: &Model) -> u32 {
    model.max_output_tokens.unwrap_or(OUTPUT)
}

/// Of a completion whose `max_tokens` is set.
pub fn bound(request: &CompletionRequest) -> Bound {
    let tools = request.tools.iter().map(|tool| {
        let texts = [Some(&tool.name), tool.description.as_ref(), tool.parameters.as_ref()];
        AROUND + bytes(texts.into_iter().flatten())
    });
    let format = match &request.response_format {
        Some(ResponseFormat::JsonSchema { name, description, schema, .. }) => {
            AROUND + bytes([Some(name), description.as_ref(), Some(schema)].into_iter().flatten())
        }
        _ => 0,
    };
    let input = request.messages.iter().map(of_message).chain(tools).sum::<u64>() + format + AROUND;
    let input = input + unknown(&request.extra);
    Bound { input, output: u64::from(request.max_tokens.unwrap_or(OUTPUT)) }
}

/// Of embeddings, which write nothing.
pub fn bound_of_embeddings(request: &EmbeddingRequest) -> Bound {
    let texts: u64 = request.inputs.iter().map(|text| AROUND + text.len() as u64).sum();
    Bound { input: texts + unknown(&request.extra), output: 0 }
}

/// Members that are passed on as they are may be read too: documents, a prediction.
fn unknown(extra: &serde_json::Map<String, serde_json::Value>) -> u64 {
    extra.iter().map(|(name, value)| (name.len() + value.to_string().len()) as u64).sum()
}

fn of_message(message: &Message) -> u64 {
    let content = message.content.iter().map(|part| match part {
        ContentPart::Text(text) => text.len() as u64,
        ContentPart::Image { .. } => IMAGE,
    });
    let calls = message
        .tool_calls
        .iter()
        .map(|call| AROUND + bytes([&call.id, &call.name, &call.arguments].into_iter()));
    let beside = [&message.name, &message.reasoning, &message.refusal, &message.tool_call_id];
    AROUND + content.chain(calls).sum::<u64>() + bytes(beside.into_iter().flatten())
}

fn bytes<'t>(texts: impl Iterator<Item = &'t String>) -> u64 {
    texts.map(|text| text.len() as u64).sum()
}
