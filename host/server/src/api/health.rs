//! Whether it lives, whether it is ready, and what it counts.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Role;
use crate::config::MetricsAccess;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::metrics;
use crate::middleware::credential;
use crate::state::App;

/// How it is.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// `ok` or `starting` or `unavailable`.
    status: &'static str,
    /// The server's version.
    version: &'static str,
    /// What is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waiting_for: Vec<&'static str>,
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Whether the process answers at all.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()), responses(
    (status = 200, description = "It answers", body = Health),
))]
pub async fn live() -> Json<Health> {
    Json(Health { status: "ok", version: VERSION, waiting_for: Vec::new() })
}

/// Whether it can serve: the database answers, and the plugins that were there at the start are loaded.
#[utoipa::path(get, path = "/readyz", tag = "operation", security(()), responses(
    (status = 200, description = "It can serve", body = Health),
    (status = 503, description = "It cannot, or not yet", body = Health),
))]
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    let mut waiting_for = Vec::new();
    if let Err(error) = app.store.ping().await {
        tracing::warn!(%error, "not ready: the database does not answer");
        waiting_for.push("database");
    }
    if !app.reload.status().ready {
        waiting_for.push("plugins");
    }
    if app.stop.is_stopping() {
        waiting_for.push("stopping");
    }
    let is_ready = waiting_for.is_empty();
    let (code, status) =
        if is_ready { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "unavailable") };
    (code, Json(Health { status, version: VERSION, waiting_for })).into_response()
}

/// Counters, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation", security((), ("key" = [])), responses(
    (status = 200, description = "OpenMetrics text", body = String, content_type = "application/openmetrics-text"),
    (status = 401, description = "`server.metrics` is `operator`, and there is no valid credential", body = ErrorBody),
    (status = 403, description = "`server.metrics` is `operator`, and the key is none", body = ErrorBody),
))]
pub async fn metrics(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, ApiError> {
    if app.config.server.metrics == MetricsAccess::Operator {
        let identity = credential::identify(&app, &headers).await?;
        if identity.role != Role::Operator {
            return Err(ApiError::forbidden("Only an operator may read the metrics here."));
        }
    }
    let text = app.metrics.render().map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static(metrics::MEDIA_TYPE))], text).into_response())
}
