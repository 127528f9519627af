//! `/siem/destinations`: where the audit log goes, for as long as they stand.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::destinations::State as Standing;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::paging::{Page, Paging};
use super::whose::Whose;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::{ErrorBody, FlatErrorBody};
use crate::extract::{JsonBytes, Path, Query};
use crate::service::accounts::{Principal, text};
use crate::service::destinations::make::{self, Change, Wanted};
use crate::service::destinations::{self as service, Destinations, Since, TriedOut, try_out};
use crate::state::App;

/// A standing destination of the audit log.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SiemDestination {
    /// `dst_…`.
    id: String,
    /// Unique for its organisation.
    #[schema(example = "security team")]
    name: String,
    /// The exporter.
    #[schema(example = "splunk")]
    exporter: String,
    /// Whose events; null for everybody's and the platform's own.
    organization_id: Option<String>,
    /// Of which workspace only.
    workspace_id: Option<String>,
    /// Of which kinds only, `plugin.approved` or `plugin.*`; all where there are none.
    events: Vec<String>,
    /// The exporter's own options, without secrets.
    #[schema(value_type = Object)]
    options: Value,
    /// `active`, `paused`, or `parked` where the destination does not let us in.
    #[schema(example = "active")]
    state: &'static str,
    /// Why it is parked.
    reason: Option<String>,
    /// The place in the log up to which every event was delivered, or is a dead letter.
    cursor: i64,
    /// How far it is behind.
    lag: SiemLag,
    /// Events that were delivered so far.
    delivered: i64,
    /// When the last of them was.
    delivered_at: Option<String>,
    /// Events that it did not take.
    dead_letters: i64,
    /// What was wrong last.
    last_error: Option<SiemError>,
    /// When the next attempt is, where it waits for one.
    next_attempt_at: Option<String>,
    /// RFC 3339.
    created_at: String,
    /// When somebody last changed it.
    updated_at: String,
}

/// How far a destination is behind the log.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct SiemLag {
    /// Events behind its cursor; 10,000 stands for that many or more.
    events: i64,
    /// How long the first of them has waited.
    seconds: f64,
}

/// What was wrong with a destination.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SiemError {
    /// For people.
    message: String,
    /// RFC 3339.
    at: String,
}

impl From<service::Standing> for SiemDestination {
    fn from(service::Standing { destination, lag }: service::Standing) -> Self {
        let shown = |time: Timestamp| time.to_rfc3339();
        let is_failing = destination.state == Standing::Active && destination.failures > 0;
        // What somebody asked for waits for nothing.
        let is_waiting = is_failing && destination.due_at > Timestamp::from_micros(0);
        Self {
            id: destination.id,
            name: destination.name,
            exporter: destination.exporter,
            organization_id: destination.organization_id,
            workspace_id: destination.workspace_id,
            events: destination.kinds,
            options: destination.options,
            state: destination.state.as_str(),
            reason: destination.reason,
            cursor: destination.cursor,
            lag: SiemLag { events: lag.events, seconds: lag.age.as_secs_f64() },
            delivered: destination.delivered,
            delivered_at: destination.delivered_at.map(shown),
            dead_letters: lag.dead_letters,
            last_error: destination.last_error.map(|message| SiemError {
                message,
                at: destination.last_error_at.unwrap_or_default().to_rfc3339(),
            }),
            next_attempt_at: is_waiting.then(|| shown(destination.due_at)),
            created_at: shown(destination.created_at),
            updated_at: shown(destination.updated_at),
        }
    }
}

/// A new destination. What happens from now on is delivered to it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSiemDestination {
    /// Unique for its organisation, at most 100 characters.
    #[schema(example = "security team")]
    name: String,
    /// The name of an enabled exporter.
    #[schema(example = "splunk")]
    exporter: String,
    /// Whose events: the caller's own organisation where left out; for an operator who leaves it out, everybody's and
    /// the platform's own.
    organization_id: Option<String>,
    /// Only this workspace's.
    workspace_id: Option<String>,
    /// Only of these kinds, `plugin.approved` or `plugin.*`; all where left out.
    #[serde(default)]
    #[schema(max_items = 100)]
    events: Vec<String>,
    /// Laid over the exporter's settings, such as `intake_url`, `service`, `tags`. Secrets, such as `hec_token`, are
    /// sealed and never shown again.
    #[serde(default)]
    #[schema(value_type = Object)]
    options: Map<String, Value>,
}

/// What is to change; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateSiemDestination {
    /// Unique for its organisation, at most 100 characters.
    name: Option<String>,
    /// Only of these kinds from now on; all where it is empty.
    #[schema(max_items = 100)]
    events: Option<Vec<String>>,
    /// In the place of all options. Secrets that are left out stay, for the address that they were given for; one that
    /// is null is taken away.
    #[schema(value_type = Option<Object>)]
    options: Option<Map<String, Value>>,
}

/// From where on the log is delivered again: one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiemReplay {
    /// What stands behind this place of the log; 0 is the beginning.
    #[schema(minimum = 0)]
    cursor: Option<i64>,
    /// What happened from this time on, RFC 3339.
    #[schema(example = "2026-02-18T12:00:00Z")]
    since: Option<String>,
}

/// What became of a test.
#[derive(Debug, Serialize, ToSchema)]
pub struct SiemTest {
    /// Whether the destination has the event.
    delivered: bool,
    /// The made-up event's id.
    event_id: String,
    /// Why the destination does not have it.
    reason: Option<String>,
}

impl From<TriedOut> for SiemTest {
    fn from(TriedOut { event_id, reason }: TriedOut) -> Self {
        Self { delivered: reason.is_none(), event_id, reason }
    }
}

/// Destinations, newest first.
#[utoipa::path(get, path = "/siem/destinations", tag = "audit logs", params(Whose, Paging),
    responses(
        (status = 200, description = "A page of them; an operator who names no organisation gets all", body = Page<SiemDestination>),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 404, description = "Not your organisation", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(whose): Query<Whose>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<SiemDestination>>, ApiError> {
    let (by, place) = (Principal::from(caller), paging.usual()?);
    let found = Destinations::of(&app).list(&by, whose.organization(), place.window()).await?;
    Ok(Json(place.page(found, SiemDestination::from)))
}

/// Makes a destination. What happens from now on is delivered to it, at least once and in order.
#[utoipa::path(post, path = "/siem/destinations", tag = "audit logs", request_body = CreateSiemDestination,
    responses(
        (status = 201, description = "The destination", body = SiemDestination),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 404, description = "Not your organisation, or no such workspace", body = ErrorBody),
        (status = 409, description = "The name is taken, or no secret can be kept", body = ErrorBody),
        (status = 422, description = "No such exporter, no address or one that was not allowed, or no secret for it", body = ErrorBody),
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    body: JsonBytes,
) -> Result<(StatusCode, Json<SiemDestination>), ApiError> {
    let new: CreateSiemDestination = body.parse()?;
    let wanted = Wanted {
        name: new.name,
        exporter: new.exporter,
        organization_id: new.organization_id,
        workspace_id: new.workspace_id,
        kinds: new.events,
        options: new.options,
    };
    Ok((StatusCode::CREATED, Json(make::create(&app, &caller, wanted).await?.into())))
}

/// A destination, how far it is, and what was wrong last.
#[utoipa::path(get, path = "/siem/destinations/{id}", tag = "audit logs",
    params(("id" = String, Path, description = "The destination")),
    responses(
        (status = 200, description = "The destination", body = SiemDestination),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 404, description = "No such destination", body = ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<SiemDestination>, ApiError> {
    Ok(Json(Destinations::of(&app).get(&Principal::from(caller), &id).await?.into()))
}

/// Changes a destination; where it goes on stays as it is.
#[utoipa::path(put, path = "/siem/destinations/{id}", tag = "audit logs",
    params(("id" = String, Path, description = "The destination")),
    request_body = UpdateSiemDestination,
    responses(
        (status = 200, description = "The destination afterwards", body = SiemDestination),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 404, description = "No such destination", body = ErrorBody),
        (status = 409, description = "The name is taken, or no secret can be kept", body = ErrorBody),
        (status = 422, description = "No such exporter, no address or one that was not allowed, or no secret for it", body = ErrorBody),
    )
)]
pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBytes,
) -> Result<Json<SiemDestination>, ApiError> {
    let UpdateSiemDestination { name, events, options } = body.parse()?;
    let change = Change { name, kinds: events, options };
    Ok(Json(make::update(&app, &caller, &id, change).await?.into()))
}

/// Removes a destination, with its dead letters and secrets.
#[utoipa::path(delete, path = "/siem/destinations/{id}", tag = "audit logs",
    params(("id" = String, Path, description = "The destination")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 404, description = "No such destination", body = ErrorBody),
    )
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    make::remove(&app, &caller, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delivers nothing to a destination until it is resumed. What happens meanwhile waits.
#[utoipa::path(post, path = "/siem/destinations/{id}/pause", tag = "audit logs",
    params(("id" = String, Path, description = "The destination")),
    responses(
        (status = 200, description = "The destination afterwards", body = SiemDestination),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 404, description = "No such destination", body = ErrorBody),
    )
)]
pub async fn pause(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<SiemDestination>, ApiError> {
    Ok(Json(Destinations::of(&app).pause(&Principal::from(caller), &id).await?.into()))
}

/// Goes on delivering to a destination that was paused or parked; one that waits for its next attempt is tried at once.
#[utoipa::path(post, path = "/siem/destinations/{id}/resume", tag = "audit logs",
    params(("id" = String, Path, description = "The destination")),
    responses(
        (status = 200, description = "The destination afterwards", body = SiemDestination),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 404, description = "No such destination", body = ErrorBody),
    )
)]
pub async fn resume(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<SiemDestination>, ApiError> {
    Ok(Json(Destinations::of(&app).resume(&Principal::from(caller), &id).await?.into()))
}

/// Delivers one made-up event, once, and tells what became of it.
#[utoipa::path(post, path = "/siem/destinations/{id}/test", tag = "audit logs",
    params(("id" = String, Path, description = "The destination")),
    responses(
        (status = 200, description = "What became of it", body = SiemTest),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 404, description = "No such destination", body = ErrorBody),
    )
)]
pub async fn test(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<SiemTest>, ApiError> {
    Ok(Json(try_out(&app, &caller, &id).await?.into()))
}

/// Delivers the log again from a place or a time on.
#[utoipa::path(post, path = "/siem/destinations/{id}/replay", tag = "audit logs",
    params(("id" = String, Path, description = "The destination")),
    request_body = SiemReplay,
    responses(
        (status = 200, description = "The destination afterwards", body = SiemDestination),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 404, description = "No such destination", body = ErrorBody),
        (status = 422, description = "A place behind the log's end", body = ErrorBody),
    )
)]
pub async fn replay(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBytes,
) -> Result<Json<SiemDestination>, ApiError> {
    let SiemReplay { cursor, since } = body.parse()?;
    let (by, destinations) = (Principal::from(caller), Destinations::of(&app));
    // What is not there is not there, whatever else is wrong.
    destinations.get(&by, &id).await?;
    let since = since_of(cursor, since.as_deref())?;
    Ok(Json(destinations.replay(&by, &id, since).await?.into()))
}

/// One of the two.
///
/// # Errors
/// 400 where it is none or both, or no time.
pub(crate) fn since_of(cursor: Option<i64>, since: Option<&str>) -> Result<Since, ApiError> {
    match (cursor, since) {
        (Some(cursor), None) => Ok(Since::Cursor(cursor)),
        (None, Some(since)) => text::time("since", since).map(Since::Time),
        (Some(_), Some(_)) => {
            Err(ApiError::bad_field("since", "exclusive", "Send 'cursor' or 'since', not both."))
        }
        (None, None) => Err(ApiError::bad_field("cursor", "required", "Send 'cursor' or 'since'.")),
    }
}
