//! What servers answer, read leniently: the many that are compatible differ in what they leave out, put
//! null, or write in another form.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use hardpoint_sdk::model::Usage;
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use serde_json::value::RawValue;

/// A chunk of a stream, or a whole answer.
#[derive(Deserialize)]
pub(crate) struct Answer<'a> {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) choices: Vec<Choice<'a>>,
    #[serde(default)]
    pub(crate) usage: Option<UsageJson>,
    /// Where one server puts the usage of a stream.
    #[serde(default)]
    pub(crate) x_groq: Option<Groq>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct Groq {
    #[serde(default)]
    pub(crate) usage: Option<UsageJson>,
}

#[derive(Deserialize)]
pub(crate) struct Choice<'a> {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) index: u32,
    /// In a stream.
    #[serde(borrow, default)]
    pub(crate) delta: Option<Message<'a>>,
    /// In a whole answer.
    #[serde(borrow, default)]
    pub(crate) message: Option<Message<'a>>,
    #[serde(default)]
    pub(crate) finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) content: Content,
    /// Two names for the same.
    #[serde(default)]
    pub(crate) reasoning_content: Option<String>,
    #[serde(default)]
    pub(crate) reasoning: Option<String>,
    #[serde(default)]
    pub(crate) refusal: Option<String>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub(crate) tool_calls: Vec<CallPiece<'a>>,
    /// What tool calls were before there could be several.
    #[serde(borrow, default)]
    pub(crate) function_call: Option<FunctionPiece<'a>>,
}

#[derive(Deserialize)]
pub(crate) struct CallPiece<'a> {
    #[serde(default)]
    pub(crate) index: Option<u32>,
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(borrow, default)]
    pub(crate) function: Option<FunctionPiece<'a>>,
}

#[derive(Default, Deserialize)]
pub(crate) struct FunctionPiece<'a> {
    #[serde(default)]
    pub(crate) name: Option<String>,
    /// Text that is JSON in the end; some servers give the JSON itself.
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

impl FunctionPiece<'_> {
    pub(crate) fn arguments(&self) -> String {
        let Some(raw) = self.arguments.map(RawValue::get) else { return String::new() };
        match raw.as_bytes().first() {
            Some(b'"') => serde_json::from_str(raw).unwrap_or_default(),
            Some(b'n') => String::new(),
            _ => raw.to_string(),
        }
    }
}

#[derive(Clone, Copy, Deserialize)]
pub(crate) struct UsageJson {
    #[serde(default, deserialize_with = "or_default")]
    prompt_tokens: u64,
    #[serde(default, deserialize_with = "or_default")]
    completion_tokens: u64,
    #[serde(default, deserialize_with = "or_default")]
    prompt_tokens_details: Details,
    #[serde(default, deserialize_with = "or_default")]
    completion_tokens_details: Details,
    /// Another server's name for cached input.
    #[serde(default, deserialize_with = "or_default")]
    prompt_cache_hit_tokens: u64,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Details {
    #[serde(default, deserialize_with = "or_default")]
    cached_tokens: u64,
    #[serde(default, deserialize_with = "or_default")]
    reasoning_tokens: u64,
}

impl From<UsageJson> for Usage {
    fn from(json: UsageJson) -> Self {
        Self {
            input_tokens: json.prompt_tokens,
            cached_input_tokens: json.prompt_tokens_details.cached_tokens.max(json.prompt_cache_hit_tokens),
            output_tokens: json.completion_tokens,
            reasoning_tokens: json.completion_tokens_details.reasoning_tokens,
        }
    }
}

/// The text of a message: a string, or a list of pieces of text and of reasoning.
#[derive(Default)]
pub(crate) struct Content {
    pub(crate) text: String,
    pub(crate) reasoning: String,
}

/// `null` where a value is wanted counts as left out.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

#[derive(Deserialize)]
struct ContentPart {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    thinking: Option<Vec<ContentPart>>,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("text, or a list of parts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Content, E> {
        Ok(Content { text: text.to_string(), reasoning: String::new() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Content, A::Error> {
        let mut content = Content::default();
        while let Some(part) = parts.next_element::<ContentPart>()? {
            content.text.push_str(part.text.as_deref().unwrap_or_default());
            for piece in part.thinking.into_iter().flatten() {
                content.reasoning.push_str(piece.text.as_deref().unwrap_or_default());
            }
        }
        Ok(content)
    }
}

/// A whole answer to an embedding request.
#[derive(Deserialize)]
pub(crate) struct EmbeddingAnswer<'a> {
    #[serde(default)]
    pub(crate) data: Vec<Vector>,
    #[serde(default)]
    pub(crate) usage: Option<UsageJson>,
    #[serde(borrow, default)]
    pub(crate) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(crate) struct Vector {
    #[serde(default)]
    pub(crate) index: Option<u32>,
    pub(crate) embedding: Numbers,
}

/// Numbers as JSON, or as base64 of little-endian `f32`.
pub(crate) struct Numbers(pub(crate) Vec<f32>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NumbersVisitor)
    }
}

struct NumbersVisitor;

impl<'de> Visitor<'de> for NumbersVisitor {
    type Value = Numbers;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("numbers, or base64 of them")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Numbers, E> {
        use base64::Engine;
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(|error| E::custom(format_args!("the embedding is no base64: {error}")))?;
        let (numbers, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(E::custom("the embedding is cut off"));
        }
        Ok(Numbers(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Numbers, A::Error> {
        let mut numbers = Vec::with_capacity(1536);
        while let Some(number) = list.next_element::<f32>()? {
            numbers.push(number);
        }
        Ok(Numbers(numbers))
    }
}
