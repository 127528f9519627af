//! Events: what happened, written in the transaction that made it happen.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// What became of what was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Success,
    /// It was tried and failed.
    Failure,
    /// It was not allowed.
    Refused,
}

/// Who acted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// `key`, `user`, `cli`, `system`, `payment_provider` or `anonymous`.
    pub kind: String,
    /// The id of the key or user, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// For people: a key's label, a user's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// What was acted upon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// `plugin`, `grant`, `key`, `model` …
    pub kind: String,
    /// Its id.
    pub id: String,
}

/// One event. Its serialised form is what auditors and exporters see; fields are in a fixed order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// `evt_…`, the same everywhere it is delivered.
    pub id: String,
    /// When it happened.
    pub time: Timestamp,
    /// The organisation it belongs to; none for the platform's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<String>,
    /// The workspace it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// `resource.verb`, the verb in the past tense: `plugin.approved`.
    pub kind: String,
    /// Who acted.
    pub actor: Actor,
    /// What was acted upon.
    pub target: Target,
    /// What became of it.
    pub outcome: Outcome,
    /// The request in which it happened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Where the request came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_ip: Option<String>,
    /// The changed members before; secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<serde_json::Value>,
    /// The changed members after; secrets masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<serde_json::Value>,
}

impl Actor {
    /// The host itself.
    pub fn system() -> Self {
        Self { kind: "system".into(), id: None, name: None }
    }

    /// Somebody at the machine's command line.
    pub fn cli() -> Self {
        Self { kind: "cli".into(), id: None, name: None }
    }

    /// Nobody that is known.
    pub fn anonymous() -> Self {
        Self { kind: "anonymous".into(), id: None, name: None }
    }

    /// The holder of an API key.
    pub fn key(id: impl Into<String>, label: Option<String>) -> Self {
        Self { kind: "key".into(), id: Some(id.into()), name: label }
    }
}

impl Target {
    /// Something by its kind and id.
    pub fn new(kind: impl Into<String>, id: impl Into<String>) -> Self {
        Self { kind: kind.into(), id: id.into() }
    }
}

impl Event {
    /// A success, with nothing known but what every event has; the rest is set on the value.
    pub fn new(
        id: impl Into<String>,
        time: Timestamp,
        kind: impl Into<String>,
        actor: Actor,
        target: Target,
    ) -> Self {
        Self {
            id: id.into(),
            time,
            organization_id: None,
            workspace_id: None,
            kind: kind.into(),
            actor,
            target,
            outcome: Outcome::Success,
            request_id: None,
            source_ip: None,
            before: None,
            after: None,
        }
    }
}
