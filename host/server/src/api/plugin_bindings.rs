//! `/plugins/{id}/bindings`, for operators.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::plugins::{PATIENCE, view};
use crate::caller::Operator;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{JsonBytes, Path};
use crate::service::events::Author;
use crate::service::plugins::bind::NewBinding;
use crate::service::plugins::view::BindingView;
use crate::service::plugins::{Desk, DeskError};
use crate::state::App;
use crate::worker::reload::Retry;

/// What a binding is to be.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BindingBody {
    /// Its settings, by the schema in the plugin's manifest.
    #[schema(value_type = Object)]
    settings: Map<String, Value>,
    /// The manifest's name for a secret, and the name of the one in hardpoint.toml that stands for it.
    secrets: BTreeMap<String, String>,
}

/// A binding of a plugin.
#[derive(Debug, Serialize, ToSchema)]
pub struct BoundView {
    /// The plugin.
    plugin: String,
    /// The binding as it is now.
    #[serde(flatten)]
    binding: BindingView,
}

/// Binds a plugin to settings and secrets under a name, in place of its binding of that name. What the
/// plugin asks for with these settings and was not allowed before waits for approval.
#[utoipa::path(put, path = "/plugins/{id}/bindings/{name}", tag = "plugins",
    params(
        ("id" = String, Path, description = "The plugin"),
        ("name" = String, Path, description = "The binding: what models, exports and tools are called by"),
    ),
    request_body = BindingBody,
    responses(
        (status = 200, description = "The binding, which was there before", body = BoundView),
        (status = 201, description = "The new binding", body = BoundView),
        (status = 400, description = "No JSON object, or an unknown member", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
        (status = 409, description = "The name is another plugin's, or stands in hardpoint.toml", body = ErrorBody),
        (status = 422, description = "Settings that do not fit, or no such secret", body = ErrorBody),
    )
)]
pub async fn put(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path((id, name)): Path<(String, String)>,
    body: JsonBytes,
) -> Result<Response, ApiError> {
    let BindingBody { settings, secrets } = body.parse()?;
    let new = NewBinding { settings, secrets };
    let bound = Desk::of(&app).bind(&Author::from(&caller), &id, &name, new).await?;
    app.reload.settle(Retry::None, PATIENCE).await;
    let shown = view(&app, &id).await?;
    let binding = shown.bindings.into_iter().find(|binding| binding.name == name);
    let binding = binding.ok_or_else(|| ApiError::not_found(format_args!("binding `{name}`")))?;
    let status = if bound.created { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(BoundView { plugin: id, binding })).into_response())
}

/// Removes a binding, with what it was allowed.
#[utoipa::path(delete, path = "/plugins/{id}/bindings/{name}", tag = "plugins",
    params(
        ("id" = String, Path, description = "The plugin"),
        ("name" = String, Path, description = "The binding"),
    ),
    responses(
        (status = 204, description = "It is gone; what is under way is finished"),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin or binding", body = ErrorBody),
        (status = 409, description = "It stands in hardpoint.toml", body = ErrorBody),
    )
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path((id, name)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    match Desk::of(&app).unbind(&Author::from(&caller), &id, &name).await {
        Err(error @ DeskError::NoBinding { .. }) => {
            return Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", format!("{error}.")));
        }
        removed => removed?,
    }
    app.reload.settle(Retry::None, PATIENCE).await;
    Ok(StatusCode::NO_CONTENT)
}
