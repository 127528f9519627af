//! One event as the collector takes it: metadata beside `event`
//! ("Format events for HTTP Event Collector", event metadata).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use hardpoint_sdk::exporter::{Event, EventBody};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::settings::Settings;

#[derive(Serialize)]
struct Envelope<'a> {
    /// Seconds since the Unix epoch, with three decimals and never in scientific notation. Where it is missing,
    /// Splunk takes the time of arrival.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<&'a str>,
    sourcetype: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<&'a str>,
    fields: Fields<'a>,
    event: Payload<'a>,
}

/// Indexed fields: texts and lists of them, nothing nested.
#[derive(Serialize)]
struct Fields<'a> {
    event_id: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [String],
    #[serde(flatten)]
    more: BTreeMap<&'a str, &'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Payload<'a> {
    /// A JSON object, as it was written.
    Object(&'a RawValue),
    Text(&'a str),
    /// In the place of nothing, which the collector refuses.
    Bare {
        id: &'a str,
        kind: &'a str,
    },
}

/// Appends an event as JSON.
pub(crate) fn write(out: &mut Vec<u8>, event: &Event, settings: &Settings) -> serde_json::Result<()> {
    let seconds = (event.time > 0)
        .then(|| format!("{}.{:03}", event.time / 1_000_000, event.time / 1_000 % 1_000))
        .map(RawValue::from_string)
        .transpose()?;
    let more = settings.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let event_body = match EventBody::of(event).is_object() {
        true => Payload::Object(serde_json::from_str(&event.body)?),
        false if event.body.trim().is_empty() => Payload::Bare { id: &event.id, kind: &event.kind },
        false => Payload::Text(&event.body),
    };
    let envelope = Envelope {
        time: seconds.as_deref(),
        host: settings.host.as_deref(),
        source: settings.source.as_deref(),
        sourcetype: &settings.sourcetype,
        index: settings.index.as_deref(),
        fields: Fields {
            event_id: &event.id,
            tags: &settings.tags,
            more: more.filter(|(name, _)| !matches!(*name, "event_id" | "tags")).collect(),
        },
        event: event_body,
    };
    out.extend(serde_json::to_vec(&envelope)?);
    Ok(())
}
