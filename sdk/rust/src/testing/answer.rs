use serde_json::Value;

use crate::failure::{TransportFailure, TransportFailureKind};
use crate::machine::Observation;
use crate::request::{BodyBytes, Header, ResponseHead};

/// How an answer ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Its body is complete.
    Complete,
    /// The connection failed after the body so far; without a head if the status is 0.
    Broken(TransportFailureKind),
}

/// A recorded answer to one request.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<Header>,
    chunks: Vec<Vec<u8>>,
    end: End,
}

/// Where the network cuts an answer's body.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cut {
    /// Where the script has it.
    AsGiven,
    /// In two.
    At(usize),
    /// Into pieces of this size.
    Every(usize),
}

impl Answer {
    /// An answer with a status and an empty body.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), chunks: Vec::new(), end: End::Complete }
    }

    /// A JSON answer.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::new(status).header("content-type", "application/json").chunk(body.to_string())
    }

    /// A stream of server-sent events, status 200.
    pub fn sse(body: impl AsRef<[u8]>) -> Self {
        Self::new(200).header("content-type", "text/event-stream").chunk(body)
    }

    /// No answer at all: the request failed in this way.
    pub fn failed(kind: TransportFailureKind) -> Self {
        Self::new(0).end(End::Broken(kind))
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push(Header { name: name.to_ascii_lowercase(), value: value.as_bytes().to_vec() });
        self
    }

    /// Adds a piece of the body, with a border after it.
    pub fn chunk(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.chunks.push(bytes.as_ref().to_vec());
        self
    }

    /// Ends it otherwise than complete.
    pub fn end(mut self, end: End) -> Self {
        self.end = end;
        self
    }

    pub(super) fn length(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// As the tool's `http` gives it.
    pub(super) fn whole(self) -> Result<crate::http::Response, crate::http::Error> {
        match self.end {
            End::Complete => Ok(crate::http::Response {
                status: self.status,
                headers: self.headers,
                body: self.chunks.concat(),
            }),
            End::Broken(kind) => Err(crate::http::Error { kind, message: message(kind) }),
        }
    }

    /// As a machine sees it.
    pub(super) fn observations(&self, exchange: u32, cut: Cut) -> Vec<Observation> {
        let whole;
        let pieces: Vec<&[u8]> = match cut {
            Cut::AsGiven => self.chunks.iter().map(Vec::as_slice).collect(),
            Cut::At(at) => {
                whole = self.chunks.concat();
                let (head, tail) = whole.split_at(at.min(whole.len()));
                vec![head, tail]
            }
            Cut::Every(size) => {
                whole = self.chunks.concat();
                whole.chunks(size).collect()
            }
        };
        let mut seen = Vec::new();
        if self.status != 0 {
            let head = ResponseHead { exchange, status: self.status, headers: self.headers.clone() };
            seen.push(Observation::Head(head));
        }
        let body = |bytes: &[u8]| Observation::Body(BodyBytes { exchange, bytes: bytes.to_vec() });
        seen.extend(pieces.into_iter().filter(|piece| !piece.is_empty()).map(body));
        seen.push(match self.end {
            End::Complete => Observation::Ended(exchange),
            End::Broken(kind) => {
                Observation::Broken(TransportFailure { exchange, kind, message: message(kind) })
            }
        });
        seen
    }
}

fn message(kind: TransportFailureKind) -> String {
    match kind {
        TransportFailureKind::Denied => "not granted",
        TransportFailureKind::Connect => "could not connect",
        TransportFailureKind::Timeout => "took too long",
        TransportFailureKind::Reset => "the connection broke",
        TransportFailureKind::Protocol => "no HTTP",
    }
    .to_string()
}
