//! `/orgs/{org_id}/workspaces/{id}/members`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::access::Role;
use hardpoint_store::members;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paging::{Page, Paging};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{JsonBytes, Path, Query};
use crate::service::accounts::{Accounts, Principal};
use crate::state::App;

/// A user in a workspace.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Member {
    /// `user_…`.
    user_id: String,
    /// Their address.
    #[schema(example = "ann@example.com")]
    email: String,
    /// Their name; may be empty.
    name: String,
    /// What they are in the workspace: `viewer`, `member` or `admin`.
    #[schema(value_type = String, example = "member")]
    role: Role,
    /// Since when they are there, RFC 3339.
    created_at: String,
}

impl From<members::Member> for Member {
    fn from(member: members::Member) -> Self {
        Self {
            user_id: member.user_id,
            email: member.email,
            name: member.name,
            role: member.role,
            created_at: member.created_at.to_rfc3339(),
        }
    }
}

/// What somebody is to be in a workspace.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PutMember {
    /// `viewer`, `member` or `admin`.
    #[schema(value_type = String, example = "member")]
    role: Role,
}

/// Lists who is in a workspace.
#[utoipa::path(get, path = "/orgs/{org_id}/workspaces/{id}/members", tag = "organisations",
    params(
        ("org_id" = String, Path, description = "The organisation"),
        ("id" = String, Path, description = "The workspace"),
        Paging,
    ),
    responses(
        (status = 200, description = "The members", body = Page<Member>),
        (status = 404, description = "No such organisation or workspace", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((org_id, id)): Path<(String, String)>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Member>>, ApiError> {
    let place = paging.usual()?;
    let by = Principal::from(caller);
    let found = Accounts::of(&app).members(&by, &org_id, &id, place.window()).await?;
    Ok(Json(place.page(found, Member::from)))
}

/// Puts a user into a workspace, or gives them another role there.
#[utoipa::path(put, path = "/orgs/{org_id}/workspaces/{id}/members/{user_id}", tag = "organisations",
    params(
        ("org_id" = String, Path, description = "The organisation"),
        ("id" = String, Path, description = "The workspace"),
        ("user_id" = String, Path, description = "The user"),
    ),
    request_body = PutMember,
    responses(
        (status = 200, description = "The member", body = Member),
        (status = 404, description = "No such organisation, workspace or user", body = ErrorBody),
        (status = 422, description = "A role that nobody has in a workspace", body = ErrorBody),
    )
)]
pub async fn put(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((org_id, id, user_id)): Path<(String, String, String)>,
    body: JsonBytes,
) -> Result<Json<Member>, ApiError> {
    let PutMember { role } = body.parse()?;
    let by = Principal::from(caller);
    let member = Accounts::of(&app).put_member(&by, &org_id, &id, &user_id, role).await?;
    // What they may do was looked up with their session.
    app.keys.clear();
    Ok(Json(member.into()))
}

/// Takes a user out of a workspace.
#[utoipa::path(delete, path = "/orgs/{org_id}/workspaces/{id}/members/{user_id}", tag = "organisations",
    params(
        ("org_id" = String, Path, description = "The organisation"),
        ("id" = String, Path, description = "The workspace"),
        ("user_id" = String, Path, description = "The user"),
    ),
    responses(
        (status = 204, description = "They are not in it any more"),
        (status = 404, description = "No such organisation, workspace or member", body = ErrorBody),
    )
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((org_id, id, user_id)): Path<(String, String, String)>,
) -> Result<StatusCode, ApiError> {
    Accounts::of(&app).remove_member(&Principal::from(caller), &org_id, &id, &user_id).await?;
    app.keys.clear();
    Ok(StatusCode::NO_CONTENT)
}
