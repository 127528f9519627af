//! Why a request got no answer, or an answer no end.

use std::fmt;

/// What kept a request from being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EgressErrorKind {
    /// The request was refused before anything left the host.
    Denied,
    /// The name did not resolve, or the connection or its TLS handshake failed. Nothing was sent.
    Connect,
    /// A time limit ran out.
    Timeout,
    /// The connection broke after something was sent.
    Reset,
    /// The answer was no HTTP.
    Protocol,
    /// The answer is larger than it may be.
    TooLarge,
}

/// A request without an answer, or an answer without an end. The message is for people, says what to do
/// where something can be done, and never holds a secret: it is made from names, not from what was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EgressError {
    /// What went wrong.
    pub kind: EgressErrorKind,
    /// For people.
    pub message: String,
}

impl EgressError {
    /// A refusal.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(EgressErrorKind::Denied, message)
    }

    pub(super) fn new(kind: EgressErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    pub(super) fn connect(message: impl fmt::Display) -> Self {
        Self::new(EgressErrorKind::Connect, message.to_string())
    }

    /// What became of a request on a connection that was there.
    pub(super) fn of_request(error: &hyper::Error, origin: &str) -> Self {
        if error.is_parse() || error.is_parse_status() || error.is_parse_too_large() {
            return Self::new(
                EgressErrorKind::Protocol,
                format!("{origin} did not answer in HTTP/1: {error}"),
            );
        }
        Self::new(EgressErrorKind::Reset, format!("{origin} closed the connection before it answered"))
    }

    /// What became of a body.
    pub(super) fn of_body(error: &hyper::Error, origin: &str) -> Self {
        use std::error::Error;
        use std::io::ErrorKind::{InvalidData, InvalidInput};
        let io = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
        if io.is_some_and(|io| matches!(io.kind(), InvalidData | InvalidInput)) {
            return Self::new(EgressErrorKind::Protocol, format!("the answer of {origin} is badly framed"));
        }
        Self::new(
            EgressErrorKind::Reset,
            format!("{origin} closed the connection in the middle of its answer"),
        )
    }
}
