//! One event as one log. The members of the event are attributes of the log, beside those that Datadog
//! reserves; some are told again under the names of Datadog's standard attributes, so that its facets and
//! detection rules find them.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use hardpoint_sdk::exporter::Event;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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

type Members<'a> = BTreeMap<String, &'a RawValue>;

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
    usr: Option<Named<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<Network<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
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

/// An actor or a target, as far as it is one.
#[derive(Deserialize, Serialize)]
struct Named<'a> {
    #[serde(borrow, default, skip_serializing)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
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
    let all = serde_json::from_str::<Members<'_>>(&event.body).ok();
    let text = |name: &str| {
        all.as_ref()?.get(name).and_then(|raw| serde_json::from_str::<Cow<'_, str>>(raw.get()).ok())
    };
    let named = |name: &str| {
        all.as_ref()?.get(name).and_then(|raw| serde_json::from_str::<Named<'_>>(raw.get()).ok())
    };
    let (outcome, address) = (text("outcome"), text("source_ip"));
    let (actor, target) = (named("actor"), named("target"));
    let message = match &all {
        None => Cow::Borrowed(event.body.as_str()),
        Some(_) => Cow::Owned(sentence(&event.kind, actor.as_ref(), target.as_ref(), outcome.as_deref())),
    };
    let (event_members, members) =
        all.into_iter().flatten().partition(|(name, _): &(String, _)| RESERVED.contains(&name.as_str()));
    let entry = Entry {
        ddsource: &settings.source,
        ddtags: tags,
        hostname: settings.hostname.as_deref(),
        service: &settings.service,
        status: status(outcome.as_deref()),
        timestamp: is_taken(event.time, now).then_some(event.time / 1_000),
        message,
        evt: Evt { id: &event.id, name: &event.kind, outcome: outcome.as_deref() },
        usr: actor.filter(|actor| actor.id.is_some() || actor.name.is_some()),
        network: address.as_deref().map(|ip| Network { client: Client { ip } }),
        event: event_members,
        members,
    };
    out.extend(serde_json::to_vec(&entry)?);
    Ok(())
}

/// What people read in a list of logs: `plugin.approved: plugin openai by key ops, success`.
fn sentence(
    kind: &str,
    actor: Option<&Named<'_>>,
    target: Option<&Named<'_>>,
    outcome: Option<&str>,
) -> String {
    let one = |named: &Named<'_>| {
        let kind = named.kind.as_deref().unwrap_or_default();
        let name = named.name.as_deref().or(named.id.as_deref()).unwrap_or_default();
        format!("{kind} {name}").trim().to_string()
    };
    let mut said = kind.to_string();
    if let Some(target) = target {
        said += &format!(": {}", one(target));
    }
    if let Some(actor) = actor {
        said += &format!(" by {}", one(actor));
    }
    if let Some(outcome) = outcome {
        said += &format!(", {outcome}");
    }
    said
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
