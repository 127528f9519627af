//! One event as one document, in fields of the Elastic Common Schema (ECS). What the schema has no field for
//! is under `hardpoint`, as far as its shape is known: members of any shape would conflict with each other's
//! mappings. The whole event is in `event.original`.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use hardpoint_sdk::exporter::{Event, EventBody, Named, rfc3339};
use serde::Serialize;

use crate::settings::Settings;

/// The version of ECS that the fields are of.
const ECS: &str = "8.11.0";

/// Bytes of an `_id`; a longer one fails the whole request.
const MAX_ID: usize = 512;

#[derive(Serialize)]
struct Action<'a> {
    create: Meta<'a>,
}

#[derive(Serialize)]
struct Meta<'a> {
    #[serde(rename = "_id", skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "@timestamp")]
    timestamp: String,
    message: Cow<'a, str>,
    ecs: Ecs,
    event: EventFields<'a>,
    service: Service<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<Source<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    organization: Option<Id<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<Http<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Own::is_empty")]
    hardpoint: Own<'a>,
}

#[derive(Serialize)]
struct Ecs {
    version: &'static str,
}

#[derive(Serialize)]
struct EventFields<'a> {
    id: &'a str,
    kind: &'static str,
    action: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<[&'static str; 1]>,
    #[serde(rename = "type")]
    kinds: [&'static str; 1],
    outcome: &'static str,
    original: &'a str,
}

#[derive(Serialize)]
struct Service<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct User<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
}

/// `ip` takes nothing but addresses.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Source<'a> {
    Ip(Cow<'a, str>),
    Address(Cow<'a, str>),
}

#[derive(Serialize)]
struct Id<'a> {
    id: Cow<'a, str>,
}

#[derive(Serialize)]
struct Http<'a> {
    request: Id<'a>,
}

#[derive(Serialize)]
struct Own<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<Kind<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<Id<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Cow<'a, str>>,
}

impl Own<'_> {
    fn is_empty(&self) -> bool {
        self.actor.is_none() && self.target.is_none() && self.workspace.is_none() && self.outcome.is_none()
    }
}

#[derive(Serialize)]
struct Kind<'a> {
    kind: Cow<'a, str>,
}

#[derive(Serialize)]
struct Target<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'a, str>>,
}

/// Appends an action and its document, a line each. `now` is the host's clock, for events without a time that
/// could be told: a data stream takes nothing without one.
pub(crate) fn write(
    out: &mut Vec<u8>,
    event: &Event,
    settings: &Settings,
    now: u64,
) -> serde_json::Result<()> {
    let body = EventBody::of(event);
    let (actor, outcome) = (body.actor().unwrap_or_default(), body.outcome());
    let time = rfc3339(event.time).filter(|_| event.time > 0);
    let document = Document {
        timestamp: time.or_else(|| rfc3339(now)).unwrap_or_default(),
        message: Cow::Owned(body.summary()),
        ecs: Ecs { version: ECS },
        event: EventFields {
            id: &event.id,
            kind: "event",
            action: &event.kind,
            category: category(&event.kind).map(|category| [category]),
            kinds: [kind(&event.kind)],
            outcome: match outcome.as_deref() {
                Some("success") => "success",
                Some("failure" | "refused") => "failure",
                _ => "unknown",
            },
            original: &event.body,
        },
        service: Service { name: &settings.service },
        user: Some(User { id: actor.id, name: actor.name })
            .filter(|user| user.id.is_some() || user.name.is_some()),
        source: body.text("source_ip").map(|address| match address.parse::<IpAddr>() {
            Ok(_) => Source::Ip(address),
            Err(_) => Source::Address(address),
        }),
        organization: body.text("organization_id").map(|id| Id { id }),
        http: body.text("request_id").map(|id| Http { request: Id { id } }),
        tags: &settings.tags,
        hardpoint: Own {
            actor: actor.kind.map(|kind| Kind { kind }),
            target: body.target().and_then(target),
            workspace: body.text("workspace_id").map(|id| Id { id }),
            outcome,
        },
    };
    let id = Some(event.id.as_str()).filter(|id| (1..=MAX_ID).contains(&id.len()));
    out.extend(serde_json::to_vec(&Action { create: Meta { id } })?);
    out.push(b'\n');
    out.extend(serde_json::to_vec(&document)?);
    out.push(b'\n');
    Ok(())
}

fn target(named: Named<'_>) -> Option<Target<'_>> {
    let Named { kind, id, name } = named;
    (kind.is_some() || id.is_some() || name.is_some()).then_some(Target { kind, id, name })
}

/// ECS's `event.category`, by the resource that an event's type begins with.
fn category(kind: &str) -> Option<&'static str> {
    match kind.split('.').next().unwrap_or_default() {
        "key" | "user" | "member" | "role" | "organization" | "workspace" | "agent" | "oauth" => Some("iam"),
        "session" | "login" | "credential" => Some("authentication"),
        "plugin" | "grant" | "binding" | "model" | "config" | "policy" | "secret" | "plan" | "webhook" => {
            Some("configuration")
        }
        _ => None,
    }
}

/// ECS's `event.type`, by the verb that an event's type ends with. All of these go with each category here.
fn kind(kind: &str) -> &'static str {
    match kind.rsplit('.').next().unwrap_or_default() {
        "created" | "published" | "registered" | "added" | "uploaded" => "creation",
        "deleted" | "removed" | "revoked" | "archived" => "deletion",
        "updated" | "changed" | "rotated" | "approved" | "activated" | "deactivated" | "enabled"
        | "disabled" => "change",
        _ => "info",
    }
}
