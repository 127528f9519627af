//! `/me`: who is calling.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::access::Role;
use serde::Serialize;
use utoipa::ToSchema;

use super::api_keys::ApiKey;
use super::org::Organization;
use super::users::User;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::accounts::{Accounts, Principal};
use crate::state::App;

/// Who is calling, and what they may do.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// `key_…`; of somebody who logged in, `user_…`.
    id: String,
    /// `api_key` or `user`.
    r#type: &'static str,
    /// `viewer`, `member`, `admin`, `owner` or `operator`.
    #[schema(value_type = String, example = "member")]
    role: Role,
    /// `verb:resource`: what of the role may be used. None leaves it to the role.
    scopes: Vec<String>,
    /// False for a test key.
    livemode: bool,
    /// The only workspace that may be used; null for all of them.
    workspace_id: Option<String>,
    /// Where.
    organization: Organization,
    /// The key; not there for somebody who logged in.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<ApiKey>,
    /// Who logged in; not there for a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<User>,
}

/// Who is calling. Any good key or session may ask, whatever its scopes.
#[utoipa::path(get, path = "/me", tag = "organisations",
    responses((status = 200, description = "The caller", body = Me))
)]
pub async fn get(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Me>, ApiError> {
    let (accounts, identity) = (Accounts::of(&app), Arc::clone(&caller.identity));
    let by = Principal::from(caller);
    let organization = accounts.organization(&by, None).await?.into();
    let (api_key, user) = match &identity.user {
        Some(user) => (None, Some(accounts.user(&by, None, &user.id).await?.into())),
        None => (Some(ApiKey::of(&app, accounts.key(&by, &identity.key_id).await?)), None),
    };
    Ok(Json(Me {
        id: identity.user.as_ref().map_or(&identity.key_id, |user| &user.id).clone(),
        r#type: if user.is_some() { "user" } else { "api_key" },
        role: identity.role,
        scopes: identity.scopes.clone(),
        livemode: identity.livemode,
        workspace_id: identity.workspace_id.clone(),
        organization,
        api_key,
        user,
    }))
}
