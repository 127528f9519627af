//! `/enterprise/orgs/{org_id}/retention`: how long an organisation's events keep their bodies.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::{ErrorBody, FlatErrorBody};
use crate::extract::{JsonBytes, Path};
use crate::service::audit::retention;
use crate::state::App;

/// How long events are to keep their bodies.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRetention {
    /// Days; null for the plan's.
    #[schema(required, minimum = 366, maximum = 3650, example = 730)]
    #[serde(deserialize_with = "Option::deserialize")]
    audit_log_retention_days: Option<i64>,
}

/// How long events keep their bodies. Then a body is purged; its place in the log, and its hash, stay.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditRetention {
    /// `org_…`.
    organization_id: String,
    /// The days that hold; null where bodies are kept for ever.
    audit_log_retention_days: Option<i64>,
    /// The plan's.
    plan_days: Option<i64>,
}

impl From<retention::Retention> for AuditRetention {
    fn from(found: retention::Retention) -> Self {
        Self {
            audit_log_retention_days: found.days(),
            plan_days: found.of_plan,
            organization_id: found.organization_id,
        }
    }
}

/// How long an organisation's events keep their bodies.
#[utoipa::path(get, path = "/enterprise/orgs/{org_id}/retention", tag = "audit logs",
    params(("org_id" = String, Path, description = "`org_…`")),
    responses(
        (status = 200, description = "How long", body = AuditRetention),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 403, description = "Not an administrator", body = ErrorBody),
        (status = 404, description = "No such organisation", body = ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<AuditRetention>, ApiError> {
    Ok(Json(retention::of(&app, &caller, &id).await?.into()))
}

/// Gives an organisation a time of its own for which events keep their bodies, longer than a year, or its plan's again.
/// What was purged before does not come back.
#[utoipa::path(put, path = "/enterprise/orgs/{org_id}/retention", tag = "audit logs",
    params(("org_id" = String, Path, description = "`org_…`")),
    request_body = NewRetention,
    responses(
        (status = 200, description = "How long now", body = AuditRetention),
        (status = 400, description = "A field that does not fit", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 403, description = "Not an administrator", body = ErrorBody),
        (status = 404, description = "No such organisation", body = ErrorBody),
        (status = 422, description = "Not longer than a year, or longer than ten", body = ErrorBody),
    )
)]
pub async fn put(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBytes,
) -> Result<Json<AuditRetention>, ApiError> {
    let wanted: NewRetention = body.parse()?;
    Ok(Json(retention::set(&app, &caller, &id, wanted.audit_log_retention_days).await?.into()))
}
