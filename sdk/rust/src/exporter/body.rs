//! The body of an event, as far as it is one of the host's own: who did what to what, and what became of it.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Event;

/// The members of an event, each as it was written.
pub type Members<'a> = BTreeMap<String, &'a RawValue>;

/// What a body tells. Members that are not there, or of another shape, tell nothing; a body that is no JSON
/// object has none.
#[derive(Debug)]
pub struct EventBody<'a> {
    kind: &'a str,
    members: Option<Members<'a>>,
}

/// An actor or a target, as far as it is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Named<'a> {
    /// `key`, `user`, `plugin` …
    #[serde(borrow, default)]
    pub kind: Option<Cow<'a, str>>,
    /// Its id.
    #[serde(borrow, default)]
    pub id: Option<Cow<'a, str>>,
    /// What people call it.
    #[serde(borrow, default)]
    pub name: Option<Cow<'a, str>>,
}

impl<'a> EventBody<'a> {
    /// Reads the body of an event.
    pub fn of(event: &'a Event) -> Self {
        Self { kind: &event.kind, members: serde_json::from_str(&event.body).ok() }
    }

    /// Whether it is a JSON object.
    pub fn is_object(&self) -> bool {
        self.members.is_some()
    }

    /// A member that is a text.
    pub fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.read(name)
    }

    /// Who acted.
    pub fn actor(&self) -> Option<Named<'a>> {
        self.read("actor")
    }

    /// What was acted upon.
    pub fn target(&self) -> Option<Named<'a>> {
        self.read("target")
    }

    /// `success`, `failure` or `refused`.
    pub fn outcome(&self) -> Option<Cow<'a, str>> {
        self.text("outcome")
    }

    /// A member, if it is of this type.
    pub fn read<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        let raw: &'a RawValue = self.members.as_ref()?.get(name)?;
        serde_json::from_str(raw.get()).ok()
    }

    /// All members.
    pub fn into_members(self) -> Members<'a> {
        self.members.unwrap_or_default()
    }

    /// One line for people: `plugin.approved: plugin openai by key ops, success`.
    pub fn summary(&self) -> String {
        let one = |named: &Named<'_>| {
            let kind = named.kind.as_deref().unwrap_or_default();
            let name = named.name.as_deref().or(named.id.as_deref()).unwrap_or_default();
            format!("{kind} {name}").trim().to_string()
        };
        let mut said = self.kind.to_string();
        if let Some(target) = self.target() {
            said += &format!(": {}", one(&target));
        }
        if let Some(actor) = self.actor() {
            said += &format!(" by {}", one(&actor));
        }
        if let Some(outcome) = self.outcome() {
            said += &format!(", {outcome}");
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(body: &str) -> Event {
        Event { id: "evt_1".into(), kind: "plugin.approved".into(), time: 1, body: body.into() }
    }

    #[test]
    fn what_is_told_and_what_is_not() {
        let whole = event(
            r#"{"actor":{"kind":"key","id":"key_7","name":"\u006fps"},"target":{"kind":"plugin","id":"openai"},
                "outcome":"success","n":1}"#,
        );
        let body = EventBody::of(&whole);
        assert_eq!(body.summary(), "plugin.approved: plugin openai by key ops, success");
        assert_eq!((body.text("n"), body.read("n")), (None, Some(1)));
        assert_eq!(body.into_members().len(), 4);
        for odd in [r#"{"actor":"me","target":[1],"outcome":{}}"#, "{}", "[]", "no JSON", ""] {
            let odd = event(odd);
            assert_eq!(EventBody::of(&odd).summary(), "plugin.approved", "{odd:?}");
        }
        assert!(EventBody::of(&event("{}")).is_object() && !EventBody::of(&event("null")).is_object());
    }
}
