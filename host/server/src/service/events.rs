//! Events of the platform, for the transaction that makes them true.

use hardpoint_domain::event::{Actor, Event, Outcome, Target};
use hardpoint_domain::id;
use hardpoint_domain::origin::Origin;
use hardpoint_domain::time::{Rng, Timestamp};
use hardpoint_store::users::User;
use serde_json::Value;
use url::Url;

use crate::caller::Caller;
use crate::service::login::Visitor;

/// Who acts, and in which request.
#[derive(Clone, Debug)]
pub struct Author {
    actor: Actor,
    /// The one that a key is bound to.
    workspace_id: Option<String>,
    request_id: Option<String>,
    source_ip: Option<String>,
}

impl Author {
    /// The host itself.
    pub fn system() -> Self {
        Self {
            actor: Actor { kind: "system".to_owned(), id: None, name: None },
            workspace_id: None,
            request_id: None,
            source_ip: None,
        }
    }

    /// Somebody at the host's command line, by the name the system knows.
    pub fn cli() -> Self {
        let name = ["SUDO_USER", "USER", "LOGNAME"].iter().find_map(|name| std::env::var(name).ok());
        Self { actor: Actor { kind: "cli".to_owned(), id: None, name }, ..Self::system() }
    }

    /// Somebody who is just logging in.
    pub fn visitor(user: &User, visitor: &Visitor) -> Self {
        Self::at_the_door(of_user(&user.id, &user.email), visitor)
    }

    /// The payment provider, which sent a notice.
    pub fn payment_provider(visitor: &Visitor) -> Self {
        let name = Some("stripe".to_owned());
        Self::at_the_door(Actor { kind: "payment_provider".to_owned(), id: None, name }, visitor)
    }

    fn at_the_door(actor: Actor, visitor: &Visitor) -> Self {
        Self {
            actor,
            workspace_id: None,
            request_id: Some(visitor.request_id.to_string()),
            source_ip: visitor.ip.map(|ip| ip.to_string()),
        }
    }

    /// In one word or two: `key_…`, `cli (alice)`, `system`.
    pub fn name(&self) -> String {
        match (&self.actor.id, &self.actor.name) {
            (Some(id), _) => id.clone(),
            (None, Some(name)) => format!("{} ({name})", self.actor.kind),
            (None, None) => self.actor.kind.clone(),
        }
    }

    /// Who it is, for an event that is put together elsewhere.
    pub fn actor(&self) -> Actor {
        self.actor.clone()
    }

    /// An event of the platform, of which this is the author; of the workspace that the author is bound to, if any.
    pub fn event(&self, now: Timestamp, rng: &dyn Rng, kind: &str, target: Target, after: Value) -> Event {
        Event {
            id: id::prefixed("evt", now, rng),
            time: now,
            organization_id: None,
            workspace_id: self.workspace_id.clone(),
            kind: kind.to_owned(),
            actor: self.actor.clone(),
            target,
            outcome: Outcome::Success,
            request_id: self.request_id.clone(),
            source_ip: self.source_ip.clone(),
            before: None,
            after: (!after.is_null()).then_some(after),
        }
    }
}

impl From<&Caller> for Author {
    fn from(caller: &Caller) -> Self {
        if caller.is_host() {
            return Self { request_id: Some(caller.request_id.to_string()), ..Self::system() };
        }
        let key = || Actor::key(&caller.key_id, caller.label.clone());
        Self {
            actor: caller.user.as_ref().map_or_else(key, |user| of_user(&user.id, &user.email)),
            workspace_id: caller.workspace_id.clone(),
            request_id: Some(caller.request_id.to_string()),
            source_ip: caller.ip.map(|ip| ip.to_string()),
        }
    }
}

fn of_user(id: &str, email: &str) -> Actor {
    Actor { kind: "user".to_owned(), id: Some(id.to_owned()), name: Some(email.to_owned()) }
}

/// What events tell of an address: who knows the rest may often send there, and events go to others.
pub fn masked(url: &str) -> String {
    let origin = Url::parse(url).ok().as_ref().and_then(Origin::of);
    origin.map_or_else(|| "…".to_owned(), |origin| format!("{origin}/…"))
}

/// The same of every address within a value.
pub fn with_masked_urls(value: &Value) -> Value {
    let is_url = |text: &str| Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    match value {
        Value::String(text) if is_url(text) => masked(text).into(),
        Value::Array(all) => all.iter().map(with_masked_urls).collect(),
        Value::Object(all) => {
            Value::Object(all.iter().map(|(name, one)| (name.clone(), with_masked_urls(one))).collect())
        }
        other => other.clone(),
    }
}

/// The plugin that something was done to.
pub fn plugin(id: &str) -> Target {
    Target { kind: "plugin".to_owned(), id: id.to_owned() }
}

/// The binding of a plugin that something was done to.
pub fn binding(plugin: &str, name: &str) -> Target {
    Target { kind: "binding".to_owned(), id: format!("{plugin}/{name}") }
}
