//! `/audit-logs`, and the same as `/auditlogs`: what happened, and where it is sent.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::logged_event::{EventPage, ListForm, page};
use super::paging::LogPaging;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::{ErrorBody, FlatErrorBody};
use crate::extract::{JsonBytes, Path, Query};
use crate::service::audit::log::Asked;
use crate::service::exporters::{self, Export};
use crate::state::App;

/// Which events.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct LogChoice {
    /// Another organisation's than the caller's; for operators, who see all where it is left out.
    organization_id: Option<String>,
    /// Of this workspace.
    workspace_id: Option<String>,
    /// Which the key or user of this id caused.
    actor: Option<String>,
    /// Of this type.
    #[param(example = "key.created")]
    action: Option<String>,
    /// The same under another name.
    event_type: Option<String>,
    /// About the thing of this id.
    target: Option<String>,
    /// Of this request.
    request_id: Option<String>,
    /// From then on, RFC 3339.
    #[param(example = "2026-01-01T00:00:00Z")]
    since: Option<String>,
    /// Before then, RFC 3339.
    until: Option<String>,
    /// With this text anywhere in them; letters of ASCII in either case. A request looks through 10,000 of the events
    /// that are asked for otherwise: `total` counts among the newest, and `cursor` leads on to older ones, also from a
    /// page with nothing on it.
    q: Option<String>,
}

impl TryFrom<LogChoice> for Asked {
    type Error = ApiError;

    fn try_from(choice: LogChoice) -> Result<Self, ApiError> {
        if choice.action.is_some() && choice.event_type.is_some() {
            let message = "Leave 'event_type' out beside 'action'.";
            return Err(ApiError::bad_field("event_type", "exclusive", message));
        }
        Ok(Self {
            organization_id: choice.organization_id,
            workspace_id: choice.workspace_id,
            actor: choice.actor,
            action: choice.action.or(choice.event_type),
            target: choice.target,
            request_id: choice.request_id,
            since: choice.since,
            until: choice.until,
            text: choice.q,
        })
    }
}

/// Lists what happened, newest first; the same under `/auditlogs`. What was purged after its time is not listed.
#[utoipa::path(get, path = "/audit-logs", tag = "audit logs",
    params(LogChoice, LogPaging, ListForm),
    responses(
        (status = 200, description = "The events", body = EventPage),
        (status = 400, description = "A parameter that does not fit", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 403, description = "Not an administrator", body = ErrorBody),
        (status = 404, description = "Not your organisation or workspace", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(choice): Query<LogChoice>,
    Query(paging): Query<LogPaging>,
    Query(form): Query<ListForm>,
) -> Result<Json<EventPage>, ApiError> {
    page(&app, &caller, choice.try_into()?, paging, &form).await
}

/// The same as `/audit-logs`.
#[utoipa::path(get, path = "/auditlogs", tag = "audit logs",
    params(LogChoice, LogPaging, ListForm),
    responses(
        (status = 200, description = "The events", body = EventPage),
        (status = 400, description = "A parameter that does not fit", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 403, description = "Not an administrator", body = ErrorBody),
        (status = 404, description = "Not your organisation or workspace", body = ErrorBody),
    )
)]
pub async fn list_by_its_other_name(
    app: State<Arc<App>>,
    caller: Caller,
    choice: Query<LogChoice>,
    paging: Query<LogPaging>,
    form: Query<ListForm>,
) -> Result<Json<EventPage>, ApiError> {
    list(app, caller, choice, paging, form).await
}

/// What to export. All other members are the exporter's own options, laid over its settings.
#[derive(Deserialize, ToSchema)]
pub struct ExportRequest {
    /// The events themselves, each a JSON object, at most 1,000; from the audit log where left out. With
    /// them goes no member that chooses from the audit log.
    #[schema(value_type = Option<Vec<Object>>, max_items = 1000)]
    events: Option<Vec<Map<String, Value>>>,
    /// Only this organisation's.
    organization_id: Option<String>,
    /// Only this workspace's.
    workspace_id: Option<String>,
    /// Only of this type.
    #[schema(example = "plugin.approved")]
    event_type: Option<String>,
    /// The newest so many: 100 where left out, at most 1,000.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// Those before this place, from the answer to an earlier export.
    cursor: Option<String>,
    /// Such as `api_key`, `intake_url`, `service`, `tags`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    options: Map<String, Value>,
}

/// What became of an export.
#[derive(Serialize, ToSchema)]
pub struct ExportAnswer {
    /// The exporter.
    exporter: String,
    /// Events that the filters let through.
    matched: usize,
    /// Events that the other side has.
    delivered: usize,
    /// Events that it does not have.
    rejected: Vec<RejectedEvent>,
    /// For older events; null if there are none.
    cursor: Option<String>,
}

/// An event that was not delivered.
#[derive(Serialize, ToSchema)]
pub struct RejectedEvent {
    /// The event's id.
    id: String,
    /// Why.
    reason: String,
}

/// Sends events to an outside system, and waits for what becomes of them.
#[utoipa::path(post, path = "/audit-logs/siem/{exporter}/export", tag = "audit logs",
    params(("exporter" = String, Path, description = "The name of an enabled exporter")),
    request_body = ExportRequest,
    responses(
        (status = 200, description = "What became of them", body = ExportAnswer),
        (status = 400, description = "Options that do not fit", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 403, description = "Not an administrator, or a test key", body = ErrorBody),
        (status = 404, description = "No such exporter, or not your organisation", body = ErrorBody),
        (status = 422, description = "An address that was not allowed, or no secret for it", body = ErrorBody),
        (status = 502, description = "The other side failed, or the plugin", body = ErrorBody),
        (status = 503, description = "Too busy, or the exporter is paused after repeated faults", body = ErrorBody),
        (status = 504, description = "The other side did not answer in time", body = ErrorBody),
    )
)]
pub async fn export(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(exporter): Path<String>,
    body: JsonBytes,
) -> Result<Json<ExportAnswer>, ApiError> {
    let request: ExportRequest = body.parse()?;
    let export = Export {
        events: request.events,
        organization_id: request.organization_id,
        workspace_id: request.workspace_id,
        event_type: request.event_type,
        limit: request.limit,
        cursor: request.cursor,
        options: request.options,
    };
    let exported = exporters::export(&app, &caller, &exporter, export).await?;
    let rejected = exported.rejected.into_iter().map(|(id, reason)| RejectedEvent { id, reason }).collect();
    Ok(Json(ExportAnswer {
        exporter,
        matched: exported.matched,
        delivered: exported.delivered,
        rejected,
        cursor: exported.cursor,
    }))
}
