//! `/org`: the caller's organisation; `/orgs`: all of them, for operators.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::plan;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paging::{Page, Paging};
use crate::caller::{Caller, Operator};
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{JsonBytes, Query};
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

/// An organisation that is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrganization {
    /// For people, at most 100 characters.
    #[schema(example = "Acme Inc.")]
    name: String,
    /// `free` where left out, `standard` (or `starter`), `professional`, `enterprise`.
    #[serde(default = "free")]
    #[schema(value_type = Option<String>, example = "standard")]
    plan: String,
}

fn free() -> String {
    plan::IDS[0].to_owned()
}

/// Lists all organisations, newest first. Only for operators.
#[utoipa::path(get, path = "/orgs", tag = "organisations", params(Paging),
    responses((status = 200, description = "The organisations", body = Page<Organization>))
)]
pub async fn list(
    State(app): State<Arc<App>>,
    _operator: Operator,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Organization>>, ApiError> {
    let place = paging.usual()?;
    let found = Accounts::of(&app).organizations(place.window()).await?;
    Ok(Json(place.page(found, Organization::from)))
}

/// Makes an organisation. Only for operators.
#[utoipa::path(post, path = "/orgs", tag = "organisations", request_body = NewOrganization,
    responses(
        (status = 201, description = "The organisation", body = Organization),
        (status = 422, description = "There is no such plan", body = ErrorBody),
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    body: JsonBytes,
) -> Result<(StatusCode, Json<Organization>), ApiError> {
    let NewOrganization { name, plan } = body.parse()?;
    let made = Accounts::of(&app).create_organization(&Principal::from(caller), &name, &plan).await?;
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// The caller's organisation.
#[utoipa::path(get, path = "/org", tag = "organisations",
    responses((status = 200, description = "The organisation", body = Organization))
)]
pub async fn get(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Organization>, ApiError> {
    let found = Accounts::of(&app).organization(&Principal::from(caller), None).await?;
    Ok(Json(found.into()))
}
