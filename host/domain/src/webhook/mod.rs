//! Webhooks: which events an endpoint is told, what is sent, how it is signed, when it is tried again.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::event::Event;
use crate::event_kinds::{KINDS, Whose};
use crate::time::Timestamp;

pub mod answer;
pub mod breaker;
pub mod schedule;
pub mod signature;
#[cfg(test)]
mod simulation;
pub mod window;

/// What events about endpoints have as the kind of their target.
pub const ENDPOINT: &str = "webhook_endpoint";

/// Begins the kinds of what happens to deliveries. Nobody is told these: a refused delivery that led to another
/// delivery would never end.
const OWN: &str = "webhook.";

/// The kind of the event that deliveries to an endpoint were given up.
pub const DEAD_LETTERED: &str = "webhook_endpoint.dead_lettered";

/// The longest pattern of an event's name, in bytes.
pub const LONGEST_PATTERN: usize = 100;

/// The name under which endpoints are told an event; none where they are not. SecureAI's names are our kinds.
pub fn name(event: &Event) -> Option<&str> {
    (!event.kind.starts_with(OWN)).then_some(&*event.kind)
}

/// Whether a text is an event's name, or the beginning of several: `user.created`, `user.*`, `*`.
pub fn is_pattern(text: &str) -> bool {
    let words = text.strip_suffix('*').map_or(Some(text), |rest| match rest {
        "" => Some("x"),
        rest => rest.strip_suffix('.'),
    });
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(fits);
    text.len() <= LONGEST_PATTERN && words.is_some_and(|words| words.split('.').all(is_word))
}

/// Whether one of these patterns takes an event of this name.
pub fn takes<P: AsRef<str>>(patterns: &[P], name: &str) -> bool {
    patterns.iter().any(|pattern| match pattern.as_ref().strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => pattern.as_ref() == name,
    })
}

/// The kinds of events that endpoints are told, and when each happens. An endpoint is an organisation's, and so never told
/// what is the platform's alone.
pub fn kinds() -> impl Iterator<Item = (&'static str, &'static str)> {
    all().filter_map(|(kind, when, is_told)| is_told.then_some((kind, when)))
}

/// The others: they are in the audit log, and standing destinations get them.
pub fn untold() -> impl Iterator<Item = (&'static str, &'static str)> {
    all().filter_map(|(kind, when, is_told)| (!is_told).then_some((kind, when)))
}

fn all() -> impl Iterator<Item = (&'static str, &'static str, bool)> {
    let is_told = |kind: &str, whose| whose == Whose::Organization && !kind.starts_with(OWN);
    KINDS.iter().map(move |&(kind, whose, when)| (kind, when, is_told(kind, whose)))
}

/// Whether there is an event that endpoints are told and a pattern takes.
pub fn takes_any(pattern: &str) -> bool {
    kinds().any(|(kind, _)| takes(&[pattern], kind))
}

/// Whether an endpoint with these patterns is told an event. What happens to an endpoint it is not told itself.
pub fn is_told<P: AsRef<str>>(event: &Event, endpoint_id: &str, patterns: &[P]) -> bool {
    let is_about_it = event.target.kind == ENDPOINT && event.target.id == endpoint_id;
    !is_about_it && name(event).is_some_and(|name| takes(patterns, name))
}

/// Whether it is told that the delivery of an event of this kind was given up. Not of an event that told just this: two
/// endpoints that are gone would tell each other of their losses for ever.
pub fn is_loss_told(kind: &str) -> bool {
    kind != DEAD_LETTERED
}

/// The id of the delivery of an event to an endpoint: `dlv_` and a UUID that begins with the event's time. Derived,
/// so that one event is queued for one endpoint once.
pub fn delivery_id(event_id: &str, endpoint_id: &str, time: Timestamp) -> String {
    let mut hash = Sha256::new();
    hash.update(b"hardpoint delivery\0");
    hash.update(event_id);
    hash.update(b"\0");
    hash.update(endpoint_id);
    let hash = hash.finalize();
    let mut rest = [0; 10];
    rest.copy_from_slice(&hash[..10]);
    let millis = u64::try_from(time.millis()).unwrap_or(0);
    let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &rest).into_uuid();
    format!("dlv_{}", uuid.simple())
}

/// The body of a webhook, as SecureAI shows it: `event`, `timestamp` and `data`. The data is what the event says of
/// its target afterwards, the target's id as `<kind>_id`, and whose it is.
pub fn payload(event: &Event) -> Value {
    let mut data = match &event.after {
        Some(Value::Object(members)) => members.clone(),
        Some(other) => Map::from_iter([("value".to_owned(), other.clone())]),
        None => Map::new(),
    };
    if let Some(before) = &event.before {
        data.insert("previous".to_owned(), before.clone());
    }
    let mut set = |name: &str, value: &str| data.insert(name.to_owned(), Value::from(value));
    set(&format!("{}_id", event.target.kind), &event.target.id);
    if let Some(id) = &event.organization_id {
        set("organization_id", id);
    }
    if let Some(id) = &event.workspace_id {
        set("workspace_id", id);
    }
    if let Some(id) = &event.request_id {
        set("request_id", id);
    }
    serde_json::json!({ "event": event.kind, "timestamp": event.time.to_rfc3339(), "data": data })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::event::{Actor, Target};

    fn event(kind: &str, target: Target) -> Event {
        let time = Timestamp::from_micros(1_773_570_900_000_000);
        Event {
            organization_id: Some("org_1".into()),
            ..Event::new("evt_1", time, kind, Actor::system(), target)
        }
    }

    #[test]
    fn texts_that_are_patterns() {
        for good in ["*", "user.*", "user.created", "chat.completed", "webhook_endpoint.*", "a.b.c"] {
            assert!(is_pattern(good), "{good}");
        }
        let long = "a".repeat(LONGEST_PATTERN + 1);
        for bad in
            ["", ".", "user.", ".*", "us*", "**", "*.created", "User.*", "user..x", "a b", "a\0", &long]
        {
            assert!(!is_pattern(bad), "{bad}");
        }
    }

    #[test]
    fn which_events_an_endpoint_is_told() {
        let user = event("user.created", Target::new("user", "user_1"));
        for (patterns, told) in [
            (&["*"][..], true),
            (&["user.*"], true),
            (&["key.*", "user.created"], true),
            (&["user.create"], false),
            (&["users.*"], false),
            (&[], false),
        ] {
            assert_eq!(is_told(&user, "whe_1", patterns), told, "{patterns:?}");
        }
        let about = event("webhook_endpoint.updated", Target::new(ENDPOINT, "whe_1"));
        assert!(!is_told(&about, "whe_1", &["*"]), "itself");
        assert!(is_told(&about, "whe_2", &["*"]), "another");
        let refused = event("webhook.refused", Target::new(ENDPOINT, "whe_1"));
        assert!(!is_told(&refused, "whe_2", &["*", "webhook.refused"]), "or it would never end");
        let lost = event(DEAD_LETTERED, Target::new(ENDPOINT, "whe_1"));
        assert!(is_told(&lost, "whe_2", &["*"]) && !is_told(&lost, "whe_1", &["*"]));
        assert!(is_loss_told(&user.kind) && !is_loss_told(&lost.kind), "nor would this");
    }

    #[test]
    fn what_is_the_platforms_alone_no_endpoint_takes() {
        for pattern in ["*", "user.*", "egress.refused", "webhook_endpoint.deleted"] {
            assert!(takes_any(pattern), "{pattern}");
        }
        for pattern in [
            "plugin.*",
            "plugin.approved",
            "binding.removed",
            "secret.*",
            "secrets.*",
            "config.*",
            "webhook.*",
        ] {
            assert!(!takes_any(pattern), "{pattern}");
        }
        let (told, untold): (Vec<_>, Vec<_>) = (kinds().collect(), untold().collect());
        assert_eq!(told.len() + untold.len(), KINDS.len());
        assert!(untold.iter().any(|(kind, _)| *kind == "plugin.approved"));
    }

    #[test]
    fn a_delivery_has_one_id() {
        let time = Timestamp::from_micros(1_711_234_567_890_123);
        let id = delivery_id("evt_1", "whe_1", time);
        assert_eq!(id, delivery_id("evt_1", "whe_1", time));
        assert!(id.starts_with("dlv_018e6d874ed27"), "{id}");
        assert_ne!(id, delivery_id("evt_1", "whe_2", time));
        assert_ne!(id, delivery_id("evt_2", "whe_1", time));
        assert_ne!(delivery_id("evt_1w", "he_1", time), delivery_id("evt_1", "whe_1", time));
    }

    #[test]
    fn the_payload_is_as_documented() {
        let mut indexed = event("document.indexed", Target::new("document", "doc-xyz789"));
        indexed.after = Some(json!({
            "knowledge_base_id": "kb-abc123", "filename": "brake-pads-catalog-2026.pdf",
            "status": "indexed", "page_count": 47,
        }));
        let expected = json!({
            "event": "document.indexed",
            "timestamp": "2026-03-15T10:35:00.000000Z",
            "data": {
                "document_id": "doc-xyz789",
                "knowledge_base_id": "kb-abc123",
                "filename": "brake-pads-catalog-2026.pdf",
                "status": "indexed",
                "page_count": 47,
                "organization_id": "org_1",
            },
        });
        assert_eq!(payload(&indexed), expected);
        let changed = Event { before: Some(json!({"role": "member"})), ..indexed };
        assert_eq!(payload(&changed)["data"]["previous"], json!({"role": "member"}));
    }
}
