//! `/plugins/{id}/pause`, `resume`, `rollback` and `waiting`, for operators.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::plugins::{PATIENCE, view};
use crate::caller::Operator;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{JsonBytes, Path, Query};
use crate::service::events::Author;
use crate::service::plugins::Desk;
use crate::service::plugins::view::PluginView;
use crate::state::App;
use crate::worker::reload::Retry;

/// Which version to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rollback {
    /// SHA-256 of the component; the version that served before where left out.
    digest: Option<String>,
}

/// A plugin that was taken back to an earlier version.
#[derive(Debug, Serialize, ToSchema)]
pub struct RolledBackView {
    /// The plugin afterwards.
    #[serde(flatten)]
    plugin: PluginView,
    /// What its bindings were allowed and this version does not ask for, in plain words by binding. When the version
    /// serves it is allowed no longer.
    taken_back: BTreeMap<String, Vec<String>>,
}

/// A plugin without the version that waited beside the one that serves.
#[derive(Debug, Serialize, ToSchema)]
pub struct DiscardedView {
    /// The plugin afterwards.
    #[serde(flatten)]
    plugin: PluginView,
    /// What its bindings were allowed for the sake of the version that is gone, in plain words by binding.
    taken_back: BTreeMap<String, Vec<String>>,
}

/// Which of the versions that wait.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Waiting {
    /// SHA-256 of the component; the version that would serve next where left out.
    digest: Option<String>,
}

/// Takes a plugin out of service; what is under way is finished, and nothing is taken from it.
#[utoipa::path(post, path = "/plugins/{id}/pause", tag = "plugins", params(("id" = String, Path, description = "The plugin")),
    responses(
        (status = 200, description = "The plugin afterwards", body = PluginView),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
        (status = 409, description = "It does not serve", body = ErrorBody),
    )
)]
pub async fn pause(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path(id): Path<String>,
) -> Result<Json<PluginView>, ApiError> {
    Desk::of(&app).pause(&Author::from(&caller), &id).await?;
    app.reload.settle(Retry::None, PATIENCE).await;
    view(&app, &id).await.map(Json)
}

/// Lets a paused plugin serve again.
#[utoipa::path(post, path = "/plugins/{id}/resume", tag = "plugins", params(("id" = String, Path, description = "The plugin")),
    responses(
        (status = 200, description = "The plugin afterwards", body = PluginView),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
        (status = 409, description = "It is not paused", body = ErrorBody),
    )
)]
pub async fn resume(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path(id): Path<String>,
) -> Result<Json<PluginView>, ApiError> {
    Desk::of(&app).resume(&Author::from(&caller), &id).await?;
    app.reload.settle(Retry::None, PATIENCE).await;
    view(&app, &id).await.map(Json)
}

/// Goes back to the version that served before; the present one serves until that one can.
#[utoipa::path(post, path = "/plugins/{id}/rollback", tag = "plugins", params(("id" = String, Path, description = "The plugin")),
    request_body = Option<Rollback>,
    responses(
        (status = 200, description = "The plugin afterwards, and what it is no longer allowed", body = RolledBackView),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
        (status = 409, description = "There is no version before", body = ErrorBody),
        (status = 422, description = "No such version", body = ErrorBody),
    )
)]
pub async fn roll_back(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path(id): Path<String>,
    body: JsonBytes,
) -> Result<Json<RolledBackView>, ApiError> {
    let wanted: Rollback = body.parse()?;
    let back = Desk::of(&app).roll_back(&Author::from(&caller), &id, wanted.digest.as_deref()).await?;
    app.reload.settle(Retry::None, PATIENCE).await;
    Ok(Json(RolledBackView { plugin: view(&app, &id).await?, taken_back: back.taken_back }))
}

/// Discards the version that waits beside the one that serves. A file of it in the folder stays, and is taken up
/// again when it changes.
#[utoipa::path(delete, path = "/plugins/{id}/waiting", tag = "plugins",
    params(("id" = String, Path, description = "The plugin"), Waiting),
    responses(
        (status = 200, description = "The plugin afterwards, and what it is no longer allowed", body = DiscardedView),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
        (status = 409, description = "No version waits, or no other serves", body = ErrorBody),
        (status = 422, description = "No such version", body = ErrorBody),
    )
)]
pub async fn discard(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path(id): Path<String>,
    Query(which): Query<Waiting>,
) -> Result<Json<DiscardedView>, ApiError> {
    let gone = Desk::of(&app).discard(&Author::from(&caller), &id, which.digest.as_deref()).await?;
    app.reload.settle(Retry::None, PATIENCE).await;
    Ok(Json(DiscardedView { plugin: view(&app, &id).await?, taken_back: gone.taken_back }))
}
