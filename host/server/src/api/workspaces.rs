//! `/orgs/{org_id}/workspaces`, as Sekuire documents them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paging::{Page, Paging};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{JsonBytes, Path, Query};
use crate::service::accounts::workspaces::Change;
use crate::service::accounts::{Accounts, Principal};
use crate::state::App;

/// A part of an organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Workspace {
    /// `ws_…`.
    id: String,
    /// Whose it is.
    organization_id: String,
    /// Unique in its organisation.
    #[schema(example = "Production")]
    name: String,
    /// For people; may be empty.
    description: String,
    /// RFC 3339.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
}

impl From<hardpoint_store::workspaces::Workspace> for Workspace {
    fn from(workspace: hardpoint_store::workspaces::Workspace) -> Self {
        Self {
            id: workspace.id,
            organization_id: workspace.organization_id,
            name: workspace.name,
            description: workspace.description,
            created_at: workspace.created_at.to_rfc3339(),
            updated_at: workspace.updated_at.to_rfc3339(),
        }
    }
}

/// A new workspace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWorkspace {
    /// Unique in its organisation, at most 100 characters.
    #[schema(example = "Production")]
    name: String,
    /// For people, at most 1,000 characters.
    #[serde(default)]
    #[schema(example = "Production workspace")]
    description: String,
}

/// What is to change; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateWorkspace {
    /// Unique in its organisation, at most 100 characters.
    #[schema(example = "Production (Updated)")]
    name: Option<String>,
    /// For people, at most 1,000 characters.
    description: Option<String>,
}

/// Lists an organisation's workspaces, newest first; to a key that is bound to one, that one.
#[utoipa::path(get, path = "/orgs/{org_id}/workspaces", tag = "organisations",
    params(("org_id" = String, Path, description = "The organisation"), Paging),
    responses(
        (status = 200, description = "The workspaces", body = Page<Workspace>),
        (status = 404, description = "No such organisation", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(org_id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Workspace>>, ApiError> {
    let place = paging.usual()?;
    let by = Principal::from(caller);
    let found = Accounts::of(&app).workspaces(&by, &org_id, place.window()).await?;
    Ok(Json(place.page(found, Workspace::from)))
}

/// Makes a workspace.
#[utoipa::path(post, path = "/orgs/{org_id}/workspaces", tag = "organisations",
    params(("org_id" = String, Path, description = "The organisation")),
    request_body = CreateWorkspace,
    responses(
        (status = 201, description = "The workspace", body = Workspace),
        (status = 404, description = "No such organisation", body = ErrorBody),
        (status = 409, description = "The name is taken", body = ErrorBody),
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(org_id): Path<String>,
    body: JsonBytes,
) -> Result<(StatusCode, Json<Workspace>), ApiError> {
    let CreateWorkspace { name, description } = body.parse()?;
    let by = Principal::from(caller);
    let created = Accounts::of(&app).create_workspace(&by, &org_id, name, description).await?;
    Ok((StatusCode::CREATED, Json(created.into())))
}

/// One workspace.
#[utoipa::path(get, path = "/orgs/{org_id}/workspaces/{id}", tag = "organisations",
    params(
        ("org_id" = String, Path, description = "The organisation"),
        ("id" = String, Path, description = "The workspace"),
    ),
    responses(
        (status = 200, description = "The workspace", body = Workspace),
        (status = 404, description = "No such organisation or workspace", body = ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((org_id, id)): Path<(String, String)>,
) -> Result<Json<Workspace>, ApiError> {
    let found = Accounts::of(&app).workspace(&Principal::from(caller), &org_id, &id).await?;
    Ok(Json(found.into()))
}

/// Changes a workspace's name or description.
#[utoipa::path(put, path = "/orgs/{org_id}/workspaces/{id}", tag = "organisations",
    params(
        ("org_id" = String, Path, description = "The organisation"),
        ("id" = String, Path, description = "The workspace"),
    ),
    request_body = UpdateWorkspace,
    responses(
        (status = 200, description = "The workspace as it is now", body = Workspace),
        (status = 404, description = "No such organisation or workspace", body = ErrorBody),
        (status = 409, description = "The name is taken", body = ErrorBody),
    )
)]
pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((org_id, id)): Path<(String, String)>,
    body: JsonBytes,
) -> Result<Json<Workspace>, ApiError> {
    let UpdateWorkspace { name, description } = body.parse()?;
    let (by, change) = (Principal::from(caller), Change { name, description });
    let updated = Accounts::of(&app).update_workspace(&by, &org_id, &id, change).await?;
    Ok(Json(updated.into()))
}

/// Removes a workspace to which no API key is bound but archived ones.
#[utoipa::path(delete, path = "/orgs/{org_id}/workspaces/{id}", tag = "organisations",
    params(
        ("org_id" = String, Path, description = "The organisation"),
        ("id" = String, Path, description = "The workspace"),
    ),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such organisation or workspace", body = ErrorBody),
        (status = 409, description = "API keys are bound to it", body = ErrorBody),
    )
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((org_id, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    Accounts::of(&app).delete_workspace(&Principal::from(caller), &org_id, &id).await?;
    app.keys.clear();
    Ok(StatusCode::NO_CONTENT)
}
