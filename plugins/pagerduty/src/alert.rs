//! One event as one alert event ("Send an Alert Event", parameters).

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::exporter::{Event, EventBody, rfc3339};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::details::Details;
use crate::settings::{EventAction, Settings, Severity};

/// "Events API payloads are limited to 512 KB": in bytes, without what the routing key takes.
pub(crate) const MAX_ALERT: usize = 511_000;

/// Characters of a summary, and of a deduplication key.
const MAX_SUMMARY: usize = 1_024;
const MAX_DEDUP_KEY: usize = 255;

/// Characters of an event's type, where that is the alert's class.
const MAX_CLASS: usize = 1_024;

/// An event that is ready to be sent.
#[derive(Debug)]
pub(crate) struct Alert {
    pub(crate) dedup_key: String,
    /// A JSON object without a routing key.
    pub(crate) json: Vec<u8>,
    /// Whether not all of the event is in it.
    pub(crate) is_truncated: bool,
}

#[derive(Serialize)]
struct Written<'a> {
    event_action: EventAction,
    dedup_key: &'a str,
    /// For triggers only: what acknowledges or resolves has nothing to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<Payload<'a>>,
}

/// In PagerDuty's common event format.
#[derive(Serialize)]
struct Payload<'a> {
    summary: &'a str,
    source: &'a str,
    severity: Severity,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    class: &'a str,
    custom_details: &'a RawValue,
}

impl Alert {
    /// What an event comes to with these settings.
    pub(crate) fn of(event: &Event, settings: &Settings) -> serde_json::Result<Self> {
        let body = EventBody::of(event);
        let event_action = action(settings.event_action, &event.kind);
        let dedup_key = dedup_key(event, &body, settings);
        if event_action != EventAction::Trigger {
            let json = serde_json::to_vec(&Written { event_action, dedup_key: &dedup_key, payload: None })?;
            return Ok(Self { dedup_key, json, is_truncated: false });
        }
        let summary = body.summary();
        let (summary, class) = (cut(&summary, MAX_SUMMARY), cut(&event.kind, MAX_CLASS));
        let timestamp = rfc3339(event.time).filter(|_| event.time > 0);
        let write = |details: &Details<'_>| {
            let details = RawValue::from_string(text(details.json()?))?;
            let payload = Payload {
                summary: &summary,
                source: &settings.source,
                severity: settings.severity.unwrap_or_else(|| severity(body.outcome().as_deref())),
                timestamp: timestamp.as_deref(),
                component: settings.component.as_deref(),
                group: settings.group.as_deref(),
                class: settings.class.as_deref().unwrap_or(&class),
                custom_details: &details,
            };
            serde_json::to_vec(&Written { event_action, dedup_key: &dedup_key, payload: Some(payload) })
        };
        let mut json = write(&Details::whole(event, &body, &settings.tags))?;
        let is_truncated = json.len() > MAX_ALERT;
        if is_truncated {
            let empty = write(&Details::truncated(event, &settings.tags, 0))?.len();
            let room = MAX_ALERT.saturating_sub(empty);
            json = write(&Details::truncated(event, &settings.tags, room))?;
        }
        Ok(Self { dedup_key, json, is_truncated })
    }
}

fn action(chosen: EventAction, kind: &str) -> EventAction {
    match (chosen, kind.rsplit('.').next().unwrap_or_default()) {
        (EventAction::Auto, "resolved" | "recovered" | "cleared" | "closed") => EventAction::Resolve,
        (EventAction::Auto, "acknowledged") => EventAction::Acknowledge,
        (EventAction::Auto, _) => EventAction::Trigger,
        (chosen, _) => chosen,
    }
}

/// Alerts of one key are one alert. The event's id makes each event its own; what an event is about makes those
/// about the same thing one. An event may bring a `dedup_key` for that.
fn dedup_key(event: &Event, body: &EventBody<'_>, settings: &Settings) -> String {
    let about = || {
        let own = body.text("dedup_key").filter(|key| !key.is_empty()).map(Cow::into_owned);
        own.or_else(|| {
            let target = body.target()?;
            let resource = event.kind.rsplit_once('.').map_or("", |(resource, _)| resource);
            let kind = target.kind.as_deref().unwrap_or_default();
            Some(format!("{resource}-{kind}-{}", target.id.as_deref()?))
        })
    };
    let rest = if settings.event_action == EventAction::Auto { about() } else { None };
    let key = format!("{}-{}", settings.dedup_key_prefix, rest.as_deref().unwrap_or(&event.id));
    if key.chars().count() <= MAX_DEDUP_KEY {
        return key;
    }
    let hash = format!("-{:016x}", fnv(&key));
    cut(&key, MAX_DEDUP_KEY - hash.len()).to_string() + &hash
}

/// FNV-1a.
fn fnv(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// What was refused is worth a look, and no fault.
fn severity(outcome: Option<&str>) -> Severity {
    match outcome {
        Some("failure") => Severity::Error,
        Some("refused") => Severity::Warning,
        _ => Severity::Info,
    }
}

fn cut(text: &str, characters: usize) -> Cow<'_, str> {
    match text.char_indices().nth(characters) {
        Some((end, _)) => Cow::Owned(text[..end].to_string()),
        None => Cow::Borrowed(text),
    }
}

/// JSON is UTF-8.
fn text(json: Vec<u8>) -> String {
    String::from_utf8(json).unwrap_or_default()
}
