//! Requests that a plugin sent, and their answers.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

/// A request and its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// What the plugin must send.
    pub request: Request,
    /// What it is answered.
    pub answer: Answer,
}

/// What a request must be like.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// In capitals.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Headers it must have; it may have others. Names in lower case, repeated ones joined by `, `.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body; none where any will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// Whether the host is asked to compress it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gzip: bool,
}

/// A body: exact text, or JSON whose spelling does not matter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Body {
    /// Exactly this.
    Text(String),
    /// JSON of this value.
    Json(Value),
}

/// A request as a plugin sent it, secrets shown as `{secret:NAME}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRequest {
    /// In capitals.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// Before compression.
    pub body: String,
    /// Whether the host is asked to compress it.
    pub gzip: bool,
}

/// An answer. Without a status none came: `broken` says why.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// 200 to 599.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Names in lower case, in order.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body, cut where the network cut it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chunks: Vec<Bytes>,
    /// How it broke off, where it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broken: Option<Broken>,
}

/// What kept a request from a whole answer; `transport-failure-kind` of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Broken {
    /// The grant does not cover it.
    Denied,
    /// No connection.
    Connect,
    /// Too slow.
    Timeout,
    /// The connection broke.
    Reset,
    /// No HTTP, or too much.
    Protocol,
}

/// Bytes: a string where they are UTF-8, else `{"base64": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl Answer {
    /// The whole body.
    pub fn body(&self) -> Vec<u8> {
        self.chunks.iter().flat_map(|chunk| chunk.0.iter().copied()).collect()
    }
}

impl Request {
    /// How a request differs from this; empty where it does not.
    pub fn differences(&self, sent: &SentRequest) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, expected: &str, got: &str| {
            if expected != got {
                found.push(format!("{what} is {got}, not {expected}"));
            }
        };
        compare("the method", &self.method, &sent.method);
        compare("the URL", &self.url, &sent.url);
        compare("gzip", &self.gzip.to_string(), &sent.gzip.to_string());
        let got = joined(&sent.headers);
        for (name, expected) in &self.headers {
            let got = got.get(name).map_or("", String::as_str);
            compare(&format!("the header `{name}`"), expected, got);
        }
        match &self.body {
            None => {}
            Some(Body::Text(expected)) => compare("the body", expected, &sent.body),
            Some(Body::Json(expected)) => match serde_json::from_str::<Value>(&sent.body) {
                Ok(got) if got == *expected => {}
                Ok(got) => found.push(format!("the body is {got}, not {expected}")),
                Err(error) => found.push(format!("the body is no JSON ({error}): {}", sent.body)),
            },
        }
        found
    }

    /// What a recorder keeps of a request.
    pub fn of(sent: &SentRequest) -> Self {
        // A text in a recording is the exact body, and a null any body.
        let is_plain = |value: &Value| !value.is_string() && !value.is_null();
        let json = serde_json::from_str(&sent.body).ok().filter(is_plain);
        Self {
            method: sent.method.clone(),
            url: sent.url.clone(),
            headers: joined(&sent.headers),
            body: Some(json.map_or_else(|| Body::Text(sent.body.clone()), Body::Json)),
            gzip: sent.gzip,
        }
    }
}

/// Headers by name, the values of one that came more than once in one text, as HTTP has it.
pub fn joined(headers: &[(String, String)]) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in headers {
        all.entry(name.clone())
            .and_modify(|values| *values = format!("{values}, {value}"))
            .or_insert_with(|| value.clone());
    }
    all
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_map([("base64", STANDARD.encode(&self.0))]),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Bytes;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string, or {\"base64\": \"…\"}")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
                Ok(Bytes(text.as_bytes().to_vec()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Bytes, A::Error> {
                let Some(("base64", text)) = map.next_entry::<&str, String>()? else {
                    return Err(de::Error::custom("expected {\"base64\": \"…\"}"));
                };
                STANDARD.decode(text).map(Bytes).map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}
