//! One event as one log. The members of the event are attributes of the log, beside those that Datadog
//! reserves; some are told again under the names of Datadog's standard attributes, so that its facets and
//! detection rules find them.

use alloc::borrow::Cow;
use alloc::vec::Vec;

use hardpoint_sdk::exporter::{Event, EventBody, Members};
use serde::Serialize;

use crate::settings::Settings;

/// The intake takes timestamps up to 18 hours old, and up to two hours ahead. A quarter of an hour is left
/// for clocks that differ and requests that take long.
const OLDEST: u64 = (18 * 60 - 15) * MINUTE;
const NEWEST: u64 = (2 * 60 - 15) * MINUTE;

/// In microseconds.
const MINUTE: u64 = 60_000_000;

/// What Datadog reads as something else than a plain attribute, from
/// <https://docs.datadoghq.com/logs/log_configuration/pipelines/> and the remapper of dates, and what this
/// plugin writes itself. Members of an event that have such a name are found under `event`.
const RESERVED: [&str; 24] = [
    "@timestamp",
    "Timestamp",
    "_timestamp",
    "date",
    "ddsource",
    "ddtags",
    "device",
    "event",
    "eventTime",
    "evt",
    "host",
    "hostname",
    "level",
    "message",
    "network",
    "published_date",
    "service",
    "severity",
    "source",
    "status",
    "syslog",
    "timestamp",
    "trace_id",
    "usr",
];

#[derive(Serialize)]
struct Entry<'a> {
    ddsource: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    ddtags: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<&'a str>,
    service: &'a str,
    status: &'static str,
    /// Milliseconds since the Unix epoch. Where it is missing, Datadog takes the time of arrival.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<u64>,
    message: Cow<'a, str>,
    evt: Evt<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usr: Option<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Network<'a>>,
    #[serde(skip_serializing_if = "Members::is_empty")]
    event: Members<'a>,
    #[serde(flatten)]
    members: Members<'a>,
}

#[derive(Serialize)]
struct Evt<'a> {
    id: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
}

#[derive(Serialize)]
struct Network<'a> {
    client: Client<'a>,
}

#[derive(Serialize)]
struct Client<'a> {
    ip: &'a str,
}

/// Whoever acted.
#[derive(Serialize)]
struct User<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
}

/// Appends the log of an event as JSON. `tags` are joined already; `now` is the host's clock.
pub(crate) fn write(
    out: &mut Vec<u8>,
    event: &Event,
    settings: &Settings,
    tags: &str,
    now: u64,
) -> serde_json::Result<()> {
    let body = EventBody::of(event);
    let (outcome, address) = (body.outcome(), body.text("source_ip"));
    let user = body.actor().map(|actor| User { id: actor.id, name: actor.name });
    let message =
        if body.is_object() { Cow::Owned(body.summary()) } else { Cow::Borrowed(event.body.as_str()) };
    let (event_members, members) =
        body.into_members().into_iter().partition(|(name, _)| RESERVED.contains(&name.as_str()));
    let entry = Entry {
        ddsource: &settings.source,
        ddtags: tags,
        hostname: settings.hostname.as_deref(),
        service: &settings.service,
        status: status(outcome.as_deref()),
        timestamp: is_taken(event.time, now).then_some(event.time / 1_000),
        message,
        evt: Evt { id: &event.id, name: &event.kind, outcome: outcome.as_deref() },
        usr: user.filter(|user| user.id.is_some() || user.name.is_some()),
        network: address.as_deref().map(|ip| Network { client: Client { ip } }),
        event: event_members,
        members,
    };
    out.extend(serde_json::to_vec(&entry)?);
    Ok(())
}

/// Datadog's levels; what was refused is worth a look, and no fault.
fn status(outcome: Option<&str>) -> &'static str {
    match outcome {
        Some("failure") => "error",
        Some("refused") => "warning",
        _ => "info",
    }
}

/// Whether the intake takes a log of this time. Where not, the event's own `time` still tells when it was.
fn is_taken(time: u64, now: u64) -> bool {
    time.saturating_add(OLDEST) >= now && time <= now.saturating_add(NEWEST)
}
