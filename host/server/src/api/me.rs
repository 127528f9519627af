//! `/me`: who is calling.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::access::Role;
use serde::Serialize;
use utoipa::ToSchema;

use super::api_keys::ApiKey;
use super::org::Organization;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::accounts::{Accounts, Principal};
use crate::state::App;

/// Who is calling, and what they may do.
#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    /// `key_…`.
    id: String,
    /// `api_key`.
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
    /// Whose key it is.
    organization: Organization,
    /// The key.
    api_key: ApiKey,
}

/// Who is calling. Any good key may ask, whatever its scopes.
#[utoipa::path(get, path = "/me", tag = "organisations",
    responses((status = 200, description = "The caller", body = Me))
)]
pub async fn get(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Me>, ApiError> {
    let (accounts, identity) = (Accounts::of(&app), Arc::clone(&caller.identity));
    let by = Principal::from(caller);
    let organization = accounts.organization(&by, None).await?.into();
    let key = accounts.key(&by, &identity.key_id).await?;
    Ok(Json(Me {
        id: identity.key_id.clone(),
        r#type: "api_key",
        role: identity.role,
        scopes: identity.scopes.clone(),
        livemode: identity.livemode,
        workspace_id: identity.workspace_id.clone(),
        organization,
        api_key: ApiKey::of(&app, key),
    }))
}
