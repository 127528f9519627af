//! Exports of audit events to outside systems, by exporter plugins.
//!
//! A batch comes with the request or from the store; the request's options are laid over the binding's
//! settings, with secret options taken out before the plugin sees them. A configured secret goes only to
//! the address that it was configured with.

mod deliver;
pub(crate) mod options;

use std::sync::Arc;

use hardpoint_domain::event::{Event, Outcome, Target};
use hardpoint_domain::grant::Permissions;
use hardpoint_domain::id;
use hardpoint_domain::manifest::{BatchWish, Kind};
use hardpoint_domain::time::{Clock, Timestamp};
use hardpoint_runtime::{Binding, OutgoingEvent};
use hardpoint_store::Store;
use hardpoint_store::events::{self, Cursor, StoredEvent};
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::accounts::Principal;
use crate::service::audit;
use crate::service::events::Author;
use crate::state::App;

/// Events that one export takes at most.
pub const MOST: u32 = 1_000;
/// The most that a batch may hold, whatever a manifest asks for.
const MOST_EVENTS: u32 = 10_000;
const MOST_BYTES: u64 = 16 << 20;
/// Events read from the store at a time, and in all: a filter that matches little must not read everything.
const PAGE: u32 = 500;
const PAGES: u32 = 20;

/// What to export.
#[derive(Clone, Debug, Default)]
pub struct Export {
    /// The events themselves; from the store where left out.
    pub events: Option<Vec<Map<String, Value>>>,
    /// Only this organisation's.
    pub organization_id: Option<String>,
    /// Only this workspace's.
    pub workspace_id: Option<String>,
    /// Only of this type.
    pub event_type: Option<String>,
    /// At most so many.
    pub limit: Option<u32>,
    /// Those before this place, from the answer to an earlier export.
    pub cursor: Option<String>,
    /// Everything else: the exporter's own options.
    pub options: Map<String, Value>,
}

/// What became of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Events that the filters let through.
    pub matched: usize,
    /// Events that the other side has.
    pub delivered: usize,
    /// Events that it does not have, and why.
    pub rejected: Vec<(String, String)>,
    /// Where older events go on, if there may be any.
    pub cursor: Option<String>,
}

/// Exports to `exporter`, a binding of an exporter plugin.
///
/// # Errors
/// 403 for a test key; 404 where there is no such exporter, or what is asked for is not the caller's; 422 where the options do
/// not fit; 502 where the delivery failed, 504 where it took too long, before anything was decided.
pub async fn export(
    app: &App,
    caller: &Caller,
    exporter: &str,
    export: Export,
) -> Result<Exported, ApiError> {
    if !caller.livemode {
        return Err(ApiError::test_key("exports nothing"));
    }
    let catalogue = app.runtime.snapshot();
    let binding = catalogue
        .binding_for(&caller.organization_id, exporter)
        .filter(|binding| binding.kind() == Kind::Exporter)
        .ok_or_else(|| ApiError::not_found(format_args!("enabled exporter `{exporter}`")))?;
    let (organization, workspace) =
        whose(caller, export.organization_id.as_deref(), export.workspace_id.as_deref())?;
    let resolved = options::resolve(binding, export.options.clone())?;
    let (events, cursor) = match export.events.clone() {
        Some(given) => {
            check_given(&export, given.len())?;
            (given.into_iter().map(|event| given_event(app, event)).collect(), None)
        }
        None => stored_events(app, organization.as_deref(), workspace, &export).await?,
    };
    let matched = events.len();
    let asked = json!({
        "matched": matched,
        "given": export.events.is_some(),
        "event_type": export.event_type,
        "workspace_id": export.workspace_id,
        "organization_id": organization,
    });
    let of = organization.unwrap_or_else(|| caller.organization_id.clone());
    let told = |kind, about| {
        let target = Target::new("exporter", exporter);
        let event = Author::from(caller).event(app.clock.now(), &*app.rng, kind, target, about);
        Event { organization_id: Some(of.clone()), ..event }
    };
    // Events leave the house: who sent how many of which is written down before they do.
    audit::note(&app.store, told(audit::EXPORTED, asked)).await?;
    let failed = |delivered: Option<usize>| {
        let about = json!({ "matched": matched, "delivered": delivered });
        Event { outcome: Outcome::Failure, ..told(audit::EXPORT_FAILED, about) }
    };
    let (store, clock) = (app.store.clone(), app.clock.clone());
    let mut waited_for = WaitedFor { store, clock, failed: Some(failed(None)) };
    let outcome = deliver::deliver(Arc::clone(binding), caller, events, resolved).await;
    waited_for.failed = None;
    let delivered = outcome.as_ref().map_or(0, |outcome| outcome.delivered);
    if outcome.is_err() || delivered < matched {
        audit::note(&app.store, failed(Some(delivered))).await?;
    }
    let outcome = outcome?;
    Ok(Exported { matched, delivered, rejected: outcome.rejected, cursor })
}

/// An export that somebody waits for. If they leave it ends where it is, and that is told: it may have delivered anything.
struct WaitedFor {
    store: Store,
    clock: Arc<dyn Clock>,
    failed: Option<Event>,
}

impl Drop for WaitedFor {
    fn drop(&mut self) {
        let (Some(failed), Ok(runtime)) = (self.failed.take(), Handle::try_current()) else { return };
        let (store, failed) = (self.store.clone(), Event { time: self.clock.now(), ..failed });
        runtime.spawn(async move {
            if let Err(error) = audit::note(&store, failed).await {
                tracing::error!(%error, "that an export was left is not in the audit log");
            }
        });
    }
}

/// Whose events, and of which workspace, of what was asked for.
///
/// # Errors
/// 404 for what is not the caller's.
pub(super) fn whose<'a>(
    caller: &'a Caller,
    organization_id: Option<&str>,
    workspace_id: Option<&'a str>,
) -> Result<(Option<String>, Option<&'a str>), ApiError> {
    let organization = Principal::from(caller.clone()).whose(organization_id)?;
    Ok((organization, workspace(caller, workspace_id)?))
}

/// Of which workspace: a key that is bound to one has but that.
fn workspace<'a>(caller: &'a Caller, asked: Option<&'a str>) -> Result<Option<&'a str>, ApiError> {
    match (caller.workspace_id.as_deref(), asked) {
        (Some(bound), Some(asked)) if bound != asked => {
            Err(ApiError::not_found(format_args!("workspace `{asked}`")))
        }
        (Some(bound), _) => Ok(Some(bound)),
        (None, asked) => Ok(asked),
    }
}

/// Events that come with the request are exported as they are: what chooses from the store has no part in it.
fn check_given(export: &Export, count: usize) -> Result<(), ApiError> {
    let choices = [
        ("organization_id", export.organization_id.is_some()),
        ("workspace_id", export.workspace_id.is_some()),
        ("event_type", export.event_type.is_some()),
        ("limit", export.limit.is_some()),
        ("cursor", export.cursor.is_some()),
    ];
    if let Some((field, _)) = choices.iter().find(|(_, is_given)| *is_given) {
        let message =
            format!("The '{field}' field chooses from the audit log; leave it out beside 'events'.");
        return Err(ApiError::bad_field(*field, "exclusive", message));
    }
    if count > MOST as usize {
        let message = format!("The 'events' field takes at most {MOST} events.");
        return Err(ApiError::bad_field("events", "max_items", message));
    }
    Ok(())
}

/// An event that came with the request. What it does not say of itself is made up.
fn given_event(app: &App, event: Map<String, Value>) -> OutgoingEvent {
    let text = |names: &[&str]| names.iter().find_map(|name| event.get(*name)?.as_str()).map(str::to_owned);
    let now = app.clock.now();
    let time = event.get("time").and_then(Value::as_i64).map_or(now, Timestamp::from_micros);
    OutgoingEvent {
        id: text(&["id"]).unwrap_or_else(|| id::prefixed("evt", now, &*app.rng)),
        kind: text(&["kind", "type", "event_type"]).unwrap_or_else(|| "event.exported".to_owned()),
        time: micros(time),
        body: Value::Object(event).to_string(),
    }
}

/// The newest events that match, oldest first, and where older ones go on.
async fn stored_events(
    app: &App,
    organization: Option<&str>,
    workspace: Option<&str>,
    export: &Export,
) -> Result<(Vec<OutgoingEvent>, Option<String>), ApiError> {
    let limit = export.limit.unwrap_or(100);
    if !(1..=MOST).contains(&limit) {
        return Err(ApiError::bad_field(
            "limit",
            "range",
            format!("The 'limit' field must be from 1 to {MOST}."),
        ));
    }
    let mut before = export.cursor.as_deref().map(parse_cursor).transpose()?;
    let matches = |stored: &StoredEvent| {
        let event = &stored.event;
        export.event_type.as_ref().is_none_or(|kind| *kind == event.kind)
            && workspace.is_none_or(|workspace| event.workspace_id.as_deref() == Some(workspace))
    };
    let mut found = Vec::new();
    let mut conn = app.store.read().await?;
    for _ in 0..PAGES {
        let page = events::list(&mut conn, organization, before.as_ref(), PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        for stored in page {
            before = Some(Cursor { time: stored.event.time, id: stored.event.id.clone() });
            if matches(&stored) {
                found.push(outgoing(&stored));
                if found.len() == limit as usize {
                    found.reverse();
                    return Ok((found, before.map(show_cursor)));
                }
            }
        }
        if is_last {
            before = None;
            break;
        }
    }
    found.reverse();
    Ok((found, before.map(show_cursor)))
}

/// An event as exporters get it.
pub(crate) fn outgoing(stored: &StoredEvent) -> OutgoingEvent {
    let StoredEvent { event, body } = stored;
    let body = String::from_utf8_lossy(body).into_owned();
    OutgoingEvent { id: event.id.clone(), kind: event.kind.clone(), time: micros(event.time), body }
}

fn micros(time: Timestamp) -> u64 {
    u64::try_from(time.micros()).unwrap_or(0)
}

pub(super) fn show_cursor(cursor: Cursor) -> String {
    format!("{}.{}", cursor.time.micros(), cursor.id)
}

pub(super) fn parse_cursor(text: &str) -> Result<Cursor, ApiError> {
    let parsed = text.split_once('.').and_then(|(time, id)| {
        Some(Cursor { time: Timestamp::from_micros(time.parse().ok()?), id: id.to_owned() })
    });
    // No column holds a NUL.
    parsed.filter(|cursor| !cursor.id.contains('\0')).ok_or_else(|| {
        ApiError::bad_field("cursor", "format", "The 'cursor' field is none that was answered with.")
    })
}

/// What a binding and options come to.
#[derive(Clone)]
pub(crate) struct Resolved {
    /// For the plugin; no secret in it.
    pub(crate) settings: Value,
    /// In the place of the binding's, where the options lead elsewhere.
    pub(crate) permissions: Option<Permissions>,
    /// By the manifest's names.
    pub(crate) secrets: Vec<(String, hardpoint_runtime::Secret)>,
}

/// How much one batch may hold: events, and bytes.
pub(crate) fn batch_limits(binding: &Binding) -> (usize, usize) {
    limits_of(binding.generation().manifest().batch)
}

/// As a manifest asks, which may ask for anything: a batch is in memory as a whole.
fn limits_of(wish: Option<BatchWish>) -> (usize, usize) {
    let (events, bytes) = wish.map_or((100, 1 << 20), |wish| (wish.max_events, wish.max_bytes));
    (events.clamp(1, MOST_EVENTS) as usize, usize::try_from(bytes.min(MOST_BYTES)).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_never_the_whole_log() {
        assert_eq!(limits_of(None), (100, 1 << 20));
        assert_eq!(limits_of(Some(BatchWish { max_events: 500, max_bytes: 800_000 })), (500, 800_000));
        assert_eq!(
            limits_of(Some(BatchWish { max_events: u32::MAX, max_bytes: u64::MAX })),
            (10_000, 16 << 20)
        );
    }
}
