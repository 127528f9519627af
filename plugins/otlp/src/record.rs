//! One event as one log record. Attributes go by the semantic conventions where these know them; the event's other
//! members are attributes under their own names, behind a prefix.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::exporter::Event;
use serde_json::{Map, Value as Json};

use crate::message::{AnyValue, KeyValue, LogRecord, Value};
use crate::settings::{Body, Settings};
use crate::severity;
use crate::trace::Trace;
use crate::value::{attribute, pairs};

/// Larger events are not taken apart, in bytes: as values they would need many times the memory. Their text is the
/// record's body, whatever the settings say.
const MAX_PARSED: usize = 1_000_000;

/// Members that stand elsewhere in a record.
const ELSEWHERE: [&str; 4] = ["id", "kind", "time", "source_ip"];

/// Those too, where they name a trace.
const TRACE: [&str; 4] = ["traceparent", "trace_id", "span_id", "trace_flags"];

/// The record of an event. `now` is the host's clock, in microseconds since the Unix epoch.
pub(crate) fn record(event: &Event, settings: &Settings, now: u64) -> LogRecord {
    let parsed = (event.body.len() <= MAX_PARSED)
        .then(|| serde_json::from_str::<Map<String, Json>>(&event.body).ok())
        .flatten();
    let is_whole = parsed.is_some();
    let mut members = parsed.unwrap_or_default();
    let Trace { id, span, flags } = Trace::of(&members);
    let (severity_text, severity_number) = severity_of(&event.kind, &members, settings);
    let mut attributes = conventional(event, &members);
    let body: AnyValue = match settings.body {
        _ if !is_whole => event.body.as_str().into(),
        Body::Text => event.body.as_str().into(),
        Body::Event => Json::Object(members).into(),
        Body::Message => {
            let said = sentence(&event.kind, &members);
            if !id.is_empty() {
                members.retain(|name, _| !TRACE.contains(&name.as_str()));
            }
            own(members, &settings.attribute_prefix, &mut attributes);
            Value::StringValue(said).into()
        }
    };
    LogRecord {
        time_unix_nano: event.time.saturating_mul(1_000),
        observed_time_unix_nano: now.saturating_mul(1_000),
        severity_number,
        severity_text,
        body: Some(body),
        attributes,
        flags: flags.into(),
        trace_id: id,
        span_id: span,
        event_name: event.kind.clone(),
    }
}

/// By the settings, else as the event says, else by its outcome: the text as it was found, and its number.
fn severity_of(kind: &str, members: &Map<String, Json>, settings: &Settings) -> (String, i32) {
    let text = |name: &str| members.get(name).and_then(Json::as_str);
    let resource = kind.split('.').next().unwrap_or_default();
    let configured = settings.severities.get(kind).or_else(|| settings.severities.get(resource));
    [configured.map(String::as_str), text("severity"), text("level")]
        .into_iter()
        .flatten()
        .chain([severity::of_outcome(text("outcome"))])
        .find_map(|name| Some((name.to_string(), severity::number(name)?)))
        .unwrap_or_default()
}

/// Attributes that the semantic conventions know. The record's own id lets a receiver see what came twice.
fn conventional(event: &Event, members: &Map<String, Json>) -> Vec<KeyValue> {
    let mut attributes = Vec::from([attribute("log.record.uid", event.id.as_str())]);
    let actor = members.get("actor");
    let of_actor = |name: &str| actor.and_then(|actor| actor.get(name)).and_then(Json::as_str);
    let known = [
        ("user.id", of_actor("id")),
        ("user.name", of_actor("name")),
        ("client.address", members.get("source_ip").and_then(Json::as_str)),
    ];
    attributes.extend(known.into_iter().filter_map(|(key, value)| Some(attribute(key, value?))));
    attributes
}

/// The members as attributes: `hardpoint.outcome`, and for objects `hardpoint.actor.id`.
fn own(members: Map<String, Json>, prefix: &str, attributes: &mut Vec<KeyValue>) {
    for (name, value) in members {
        // What is of another kind than it should be could not stand there.
        let is_elsewhere = ELSEWHERE.contains(&name.as_str())
            && if name == "time" { value.is_number() } else { value.is_string() };
        if is_elsewhere || value.is_null() {
            continue;
        }
        match value {
            Json::Object(inner) => attributes.extend(
                pairs(inner).map(|pair| KeyValue { key: format!("{prefix}{name}.{}", pair.key), ..pair }),
            ),
            value => attributes.push(attribute(format!("{prefix}{name}"), value)),
        }
    }
    // Keys are unique; `{"a":{"b":1},"a.b":2}` would make one twice.
    attributes.sort_by(|one, other| one.key.cmp(&other.key));
    attributes.dedup_by(|later, earlier| later.key == earlier.key);
}

/// What people read in a list of logs: `plugin.approved: plugin openai by key ops, success`.
fn sentence(kind: &str, members: &Map<String, Json>) -> String {
    let named = |name: &str| {
        let of = |part: &str| members.get(name)?.get(part)?.as_str();
        let said =
            format!("{} {}", of("kind").unwrap_or_default(), of("name").or(of("id")).unwrap_or_default());
        Some(said.trim().to_string()).filter(|said| !said.is_empty())
    };
    let mut said = kind.to_string();
    for (before, part) in [
        (": ", named("target")),
        (" by ", named("actor")),
        (", ", members.get("outcome").and_then(Json::as_str).map(ToString::to_string)),
    ] {
        if let Some(part) = part {
            said += before;
            said += &part;
        }
    }
    said
}
