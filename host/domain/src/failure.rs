//! Why an exchange with a provider failed, in words that decide what happens next.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The kinds of `failure-kind` in `wit/types.wit`, and those that only the host itself can find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The request cannot be served as it is.
    InvalidRequest,
    /// The other side refused the credentials.
    Authentication,
    /// Too many requests.
    RateLimited,
    /// Too busy.
    Overloaded,
    /// The other side failed.
    Upstream,
    /// The other side broke its own protocol.
    Protocol,
    /// The plugin does not do what was asked.
    Unsupported,
    /// Refused by the other side's content filter.
    ContentFiltered,
    /// The other side could not be reached; nothing was sent.
    Connect,
    /// A time limit ran out.
    Timeout,
    /// The connection broke after something was sent.
    Reset,
    /// The grant does not cover it.
    Denied,
    /// The plugin trapped, overran a limit, or broke the interface's rules.
    Plugin,
    /// No room: too many calls of this plugin at the moment.
    Busy,
    /// It failed so often in a row for this organisation that it is not asked for a while.
    Paused,
}

impl FailureKind {
    /// As it is written: in snake case.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Authentication => "authentication",
            Self::RateLimited => "rate_limited",
            Self::Overloaded => "overloaded",
            Self::Upstream => "upstream",
            Self::Protocol => "protocol",
            Self::Unsupported => "unsupported",
            Self::ContentFiltered => "content_filtered",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Denied => "denied",
            Self::Plugin => "plugin",
            Self::Busy => "busy",
            Self::Paused => "paused",
        }
    }

    /// Whether another attempt, here or at a fallback, may succeed where this one failed. One that comes before a
    /// pause is over never does.
    pub fn is_transient(self) -> bool {
        use FailureKind::*;
        matches!(self, RateLimited | Overloaded | Upstream | Protocol | Connect | Timeout | Reset | Busy)
    }

    /// Whether the next binding in a model's fallbacks should be tried. A bad request stays bad
    /// everywhere; all else may be this binding's own trouble.
    pub fn permits_fallback(self) -> bool {
        !matches!(self, Self::InvalidRequest | Self::ContentFiltered)
    }
}

/// A failed exchange. The message is for people and holds no secret.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What went wrong.
    pub kind: FailureKind,
    /// For people.
    pub message: String,
    /// The HTTP status the other side answered with.
    pub status: Option<u16>,
    /// How long the other side asked to wait.
    pub retry_after: Option<Duration>,
    /// The other side's own code for this error.
    pub code: Option<String>,
    /// The request parameter that the other side named.
    pub param: Option<String>,
}

impl Failure {
    /// A failure with nothing but a kind and a message.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None, retry_after: None, code: None, param: None }
    }
}
