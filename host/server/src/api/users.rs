//! `/users`: the people of an organisation, for its administrators.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::access::Role;
use hardpoint_store::users;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paging::{Page, Paging};
use super::whose::Whose;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::{ErrorBody, FlatErrorBody};
use crate::extract::{JsonBytes, Path, Query};
use crate::service::accounts::users::Change;
use crate::service::accounts::{Accounts, Principal};
use crate::state::App;

/// Somebody in an organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct User {
    /// `user_…`.
    pub id: String,
    /// Where.
    organization_id: String,
    /// In lower case.
    #[schema(example = "admin@example.com")]
    pub email: String,
    /// For people; may be empty.
    pub name: String,
    /// `viewer`, `member`, `admin`, `owner` or `operator`.
    #[schema(value_type = String, example = "member")]
    pub role: Role,
    /// `invited`, `active` or `deactivated`.
    #[schema(value_type = String, example = "invited")]
    pub status: users::State,
    /// When they were invited, RFC 3339.
    created_at: String,
    /// When anything of this was last changed.
    updated_at: String,
}

impl From<users::User> for User {
    fn from(user: users::User) -> Self {
        Self {
            id: user.id,
            organization_id: user.organization_id,
            email: user.email,
            name: user.name,
            role: user.role,
            status: user.state,
            created_at: user.created_at.to_rfc3339(),
            updated_at: user.updated_at.to_rfc3339(),
        }
    }
}

/// Who is to be let in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteUser {
    /// Unique in its organisation; kept in lower case.
    #[schema(example = "ann@example.com")]
    email: String,
    /// For people, at most 200 characters.
    #[serde(default)]
    name: String,
    /// `member` where left out. No more than the caller's own.
    #[serde(default = "member")]
    #[schema(value_type = Option<String>, example = "member")]
    role: Role,
}

fn member() -> Role {
    Role::Member
}

/// What is to change; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateUser {
    /// For people, at most 200 characters.
    name: Option<String>,
    /// No more than the caller's own.
    #[schema(value_type = Option<String>, example = "admin")]
    role: Option<Role>,
}

/// Lists an organisation's users, newest first, deactivated ones too.
#[utoipa::path(get, path = "/users", tag = "organisations", params(Paging, Whose),
    responses(
        (status = 200, description = "The users", body = Page<User>),
        (status = 404, description = "No such organisation", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paging): Query<Paging>,
    Query(whose): Query<Whose>,
) -> Result<Json<Page<User>>, ApiError> {
    let place = paging.usual()?;
    let by = Principal::from(caller);
    let found = Accounts::of(&app).users(&by, whose.organization(), place.window()).await?;
    Ok(Json(place.page(found, User::from)))
}

/// Invites somebody into an organisation, by mail.
#[utoipa::path(post, path = "/users", tag = "organisations", params(Whose), request_body = InviteUser,
    responses(
        (status = 201, description = "The user", body = User),
        (status = 402, description = "The plan has no seat left", body = FlatErrorBody),
        (status = 403, description = "The caller may not, or the role is above the caller's own", body = ErrorBody),
        (status = 404, description = "No such organisation", body = ErrorBody),
        (status = 409, description = "The address is there already", body = ErrorBody),
    )
)]
pub async fn invite(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(whose): Query<Whose>,
    body: JsonBytes,
) -> Result<(StatusCode, Json<User>), ApiError> {
    let InviteUser { email, name, role } = body.parse()?;
    let by = Principal::from(caller);
    let invited = Accounts::of(&app).invite_user(&by, whose.organization(), &email, name, role).await?;
    Ok((StatusCode::CREATED, Json(invited.into())))
}

/// One user.
#[utoipa::path(get, path = "/users/{id}", tag = "organisations",
    params(("id" = String, Path, description = "The user"), Whose),
    responses(
        (status = 200, description = "The user", body = User),
        (status = 404, description = "No such user", body = ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<Json<User>, ApiError> {
    let found = Accounts::of(&app).user(&Principal::from(caller), whose.organization(), &id).await?;
    Ok(Json(found.into()))
}

/// Changes somebody's name or role.
#[utoipa::path(put, path = "/users/{id}", tag = "organisations",
    params(("id" = String, Path, description = "The user"), Whose),
    request_body = UpdateUser,
    responses(
        (status = 200, description = "The user as they are now", body = User),
        (status = 402, description = "They were deactivated meanwhile, and the plan has no seat left", body = FlatErrorBody),
        (status = 403, description = "The caller may not, or one of the roles is above the caller's own", body = ErrorBody),
        (status = 404, description = "No such user", body = ErrorBody),
        (status = 409, description = "Nobody would own the organisation any more", body = ErrorBody),
    )
)]
pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(whose): Query<Whose>,
    body: JsonBytes,
) -> Result<Json<User>, ApiError> {
    let UpdateUser { name, role } = body.parse()?;
    change(&app, caller, &whose, &id, Change { name, role, is_active: None }).await
}

/// Lets somebody in no more; who they were stays.
#[utoipa::path(post, path = "/users/{id}/deactivate", tag = "organisations",
    params(("id" = String, Path, description = "The user"), Whose),
    responses(
        (status = 200, description = "The user as they are now", body = User),
        (status = 403, description = "The caller may not, or the user's role is above the caller's own", body = ErrorBody),
        (status = 404, description = "No such user", body = ErrorBody),
        (status = 409, description = "Nobody would own the organisation any more", body = ErrorBody),
    )
)]
pub async fn deactivate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<Json<User>, ApiError> {
    change(&app, caller, &whose, &id, Change { is_active: Some(false), ..Change::default() }).await
}

/// Lets somebody in again.
#[utoipa::path(post, path = "/users/{id}/activate", tag = "organisations",
    params(("id" = String, Path, description = "The user"), Whose),
    responses(
        (status = 200, description = "The user as they are now", body = User),
        (status = 402, description = "The plan has no seat left", body = FlatErrorBody),
        (status = 403, description = "The caller may not, or the user's role is above the caller's own", body = ErrorBody),
        (status = 404, description = "No such user", body = ErrorBody),
    )
)]
pub async fn activate(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<Json<User>, ApiError> {
    change(&app, caller, &whose, &id, Change { is_active: Some(true), ..Change::default() }).await
}

async fn change(
    app: &App,
    caller: Caller,
    whose: &Whose,
    id: &str,
    change: Change,
) -> Result<Json<User>, ApiError> {
    let by = Principal::from(caller);
    let changed = Accounts::of(app).change_user(&by, whose.organization(), id, change).await?;
    app.keys.clear();
    Ok(Json(changed.into()))
}
