//! A tape between plugins and the network: it plays recorded answers in the network's place, or listens to
//! what is said. For `plugin test` and `plugin record`; a server has none.

use std::fmt;

use bytes::Bytes;

use crate::egress::{EgressErrorKind, EgressRequest, Part, SecretEncoding};

/// Plays or listens. Both at once is possible: what it does not play, it may hear.
pub trait Tape: Send + Sync + fmt::Debug {
    /// The answer to a request that was checked and permitted, in the network's place; none lets it through.
    fn play(&self, request: &SentRequest) -> Option<PlayedAnswer> {
        let _ = request;
        None
    }

    /// Whether pauses that a plugin asks for are over at once.
    fn skips_pauses(&self) -> bool {
        false
    }

    /// Hears what a plugin sends and is told, in the order that the plugin is told it, secrets taken out.
    fn hear(&self, exchange: u32, sound: Sound<'_>) {
        let _ = (exchange, sound);
    }
}

/// A request as a plugin words it, secrets shown as `{secret:NAME}`, with an encoding as
/// `{secret:NAME|base64}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentRequest {
    /// In capitals.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// Before compression; what is no text shows as such.
    pub body: String,
    /// Whether it is to be compressed.
    pub gzip: bool,
}

/// An answer from the tape.
#[derive(Clone, Debug)]
pub struct PlayedAnswer {
    /// 200 to 599; none where there was no answer.
    pub status: Option<u16>,
    /// In order.
    pub headers: Vec<(String, String)>,
    /// The body, cut as it was.
    pub chunks: Vec<Bytes>,
    /// How it broke off.
    pub broken: Option<EgressErrorKind>,
}

/// Something that is said on the wire.
#[derive(Clone, Copy, Debug)]
pub enum Sound<'a> {
    /// A plugin sent this.
    Sent(&'a SentRequest),
    /// Status and headers of an answer.
    Head(u16, &'a [(String, String)]),
    /// A piece of an answer's body.
    Body(&'a [u8]),
    /// The end of an answer; with a reason where it is none.
    End(Option<EgressErrorKind>),
}

impl From<&EgressRequest> for SentRequest {
    fn from(request: &EgressRequest) -> Self {
        let header = |(name, value): &(String, Vec<Part>)| (name.to_ascii_lowercase(), shown(value));
        Self {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.iter().map(header).collect(),
            body: shown(&request.body),
            gzip: request.gzip,
        }
    }
}

fn shown(parts: &[Part]) -> String {
    let mut out = Vec::new();
    for part in parts {
        match part {
            Part::Bytes(bytes) => out.extend_from_slice(bytes),
            Part::Secret { name, encoding } => {
                let encoding = match encoding {
                    SecretEncoding::Raw => "",
                    SecretEncoding::Json => "|json",
                    SecretEncoding::Base64 => "|base64",
                    SecretEncoding::Url => "|url",
                };
                out.extend_from_slice(format!("{{secret:{name}{encoding}}}").as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
