//! `/audit-logs`: what happened, and where it is sent.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::{ErrorBody, FlatErrorBody};
use crate::extract::{JsonBytes, Path};
use crate::service::exporters::{self, Export};
use crate::state::App;

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
