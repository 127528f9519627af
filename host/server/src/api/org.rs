//! `/org`: the caller's organisation.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::accounts::{Accounts, Principal};
use crate::state::App;

/// An organisation.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Organization {
    /// `org_…`.
    pub id: String,
    /// For people.
    pub name: String,
    /// The id of its plan.
    #[schema(example = "standard")]
    pub plan: String,
    /// RFC 3339.
    pub created_at: String,
}

impl From<hardpoint_store::organizations::Organization> for Organization {
    fn from(organization: hardpoint_store::organizations::Organization) -> Self {
        Self {
            id: organization.id,
            name: organization.name,
            plan: organization.plan,
            created_at: organization.created_at.to_rfc3339(),
        }
    }
}

/// The caller's organisation.
#[utoipa::path(get, path = "/org", tag = "organisations",
    responses((status = 200, description = "The organisation", body = Organization))
)]
pub async fn get(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Organization>, ApiError> {
    let found = Accounts::of(&app).organization(&Principal::from(caller), None).await?;
    Ok(Json(found.into()))
}
