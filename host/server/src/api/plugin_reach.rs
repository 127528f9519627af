//! `/plugins/{id}/organizations`, for operators: whom a plugin is open to.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::ToSchema;

use super::plugins::PATIENCE;
use crate::caller::Operator;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{JsonBytes, Path};
use crate::service::events::Author;
use crate::service::plugins::Desk;
use crate::service::plugins::enable::{For, Openness};
use crate::state::App;
use crate::worker::reload::Retry;

/// Whether organisations that have no switch of their own may use a plugin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OthersBody {
    /// Whether they may.
    others: bool,
}

/// Whether an organisation may use a plugin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SwitchBody {
    /// Whether it may.
    enabled: bool,
}

/// Shows whom a plugin is open to.
#[utoipa::path(get, path = "/plugins/{id}/organizations", tag = "plugins",
    params(("id" = String, Path, description = "The plugin")),
    responses(
        (status = 200, description = "Whom it is open to", body = Openness),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    _: Operator,
    Path(id): Path<String>,
) -> Result<Json<Openness>, ApiError> {
    Ok(Json(Desk::of(&app).openness(&id).await?))
}

/// Opens or closes a plugin for all organisations that have no switch of their own.
#[utoipa::path(put, path = "/plugins/{id}/organizations", tag = "plugins",
    params(("id" = String, Path, description = "The plugin")),
    request_body = OthersBody,
    responses(
        (status = 200, description = "Whom it is open to now", body = Openness),
        (status = 400, description = "No `others`, or an unknown member", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
        (status = 409, description = "hardpoint.toml says whom it is open to, or that it does not serve", body = ErrorBody),
    )
)]
pub async fn put_others(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path(id): Path<String>,
    body: JsonBytes,
) -> Result<Json<Openness>, ApiError> {
    let OthersBody { others } = body.parse()?;
    switch(&app, &Author::from(&caller), &id, For::Others, Some(others)).await
}

/// Opens or closes a plugin for one organisation.
#[utoipa::path(put, path = "/plugins/{id}/organizations/{org}", tag = "plugins",
    params(
        ("id" = String, Path, description = "The plugin"),
        ("org" = String, Path, description = "The organisation's id"),
    ),
    request_body = SwitchBody,
    responses(
        (status = 200, description = "Whom it is open to now", body = Openness),
        (status = 400, description = "No `enabled`, or an unknown member", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
        (status = 409, description = "hardpoint.toml says whom it is open to, or that it does not serve", body = ErrorBody),
        (status = 422, description = "No such organisation", body = ErrorBody),
    )
)]
pub async fn put(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path((id, organization)): Path<(String, String)>,
    body: JsonBytes,
) -> Result<Json<Openness>, ApiError> {
    let SwitchBody { enabled } = body.parse()?;
    switch(&app, &Author::from(&caller), &id, For::Organization(organization), Some(enabled)).await
}

/// Takes an organisation's own switch away: what holds for the others holds for it.
#[utoipa::path(delete, path = "/plugins/{id}/organizations/{org}", tag = "plugins",
    params(
        ("id" = String, Path, description = "The plugin"),
        ("org" = String, Path, description = "The organisation's id"),
    ),
    responses(
        (status = 200, description = "Whom it is open to now", body = Openness),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
        (status = 409, description = "hardpoint.toml says whom it is open to", body = ErrorBody),
    )
)]
pub async fn clear(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path((id, organization)): Path<(String, String)>,
) -> Result<Json<Openness>, ApiError> {
    switch(&app, &Author::from(&caller), &id, For::Organization(organization), None).await
}

async fn switch(
    app: &App,
    author: &Author,
    id: &str,
    whom: For,
    enabled: Option<bool>,
) -> Result<Json<Openness>, ApiError> {
    let openness = Desk::of(app).enable(author, id, whom, enabled).await?;
    app.reload.settle(Retry::None, PATIENCE).await;
    Ok(Json(openness))
}
