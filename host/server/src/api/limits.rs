//! `/limits`: what is let in of the caller; `/orgs/{org_id}/limits`: what is let in of any organisation, for operators.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::plan::{Rates, SetBy, Tightest, tightest};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::{Caller, Operator};
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{JsonBytes, Path};
use crate::service::accounts::limits::Limits;
use crate::service::accounts::{Accounts, Principal};
use crate::state::App;

/// What limits a request of this caller. The tightest of them is what holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitsReport {
    /// The id of the organisation's plan.
    #[schema(example = "standard")]
    plan: String,
    /// Of the organisation, over all of its keys: its own where it was given some, else its plan's.
    organization: LimitSet,
    /// Of the key that asks.
    key: LimitSet,
    /// What decides, and whose limit it is; names that nothing limits are left out.
    tightest: Vec<DecidingLimit>,
}

/// Limits; null, or left out, where there is none.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSet {
    /// Requests in a minute.
    requests_per_minute: Option<u64>,
    /// Requests in an hour.
    requests_per_hour: Option<u64>,
    /// Requests in a day.
    requests_per_day: Option<u64>,
    /// Requests at once.
    concurrent_requests: Option<u32>,
    /// Of these, requests that a model answers, in a minute.
    completions_per_minute: Option<u64>,
    /// Of these, requests that a model answers, in a day.
    completions_per_day: Option<u64>,
    /// Of these, requests that a model answers, at once.
    concurrent_completions: Option<u32>,
    /// What models read and write, in a minute.
    tokens_per_minute: Option<u64>,
}

impl From<Rates> for LimitSet {
    fn from(rates: Rates) -> Self {
        Self {
            requests_per_minute: rates.requests_per_minute,
            requests_per_hour: rates.requests_per_hour,
            requests_per_day: rates.requests_per_day,
            concurrent_requests: rates.concurrent,
            completions_per_minute: rates.completions_per_minute,
            completions_per_day: rates.completions_per_day,
            concurrent_completions: rates.concurrent_completions,
            tokens_per_minute: rates.tokens_per_minute,
        }
    }
}

impl From<LimitSet> for Rates {
    fn from(set: LimitSet) -> Self {
        Self {
            requests_per_minute: set.requests_per_minute,
            requests_per_hour: set.requests_per_hour,
            requests_per_day: set.requests_per_day,
            concurrent: set.concurrent_requests,
            completions_per_minute: set.completions_per_minute,
            completions_per_day: set.completions_per_day,
            concurrent_completions: set.concurrent_completions,
            tokens_per_minute: set.tokens_per_minute,
        }
    }
}

/// A limit that decides.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecidingLimit {
    /// As above.
    #[schema(example = "requests_per_minute")]
    name: &'static str,
    /// How many.
    limit: u64,
    /// `plan`, `organization` or `key`. A key's counts its own requests, the others those of all keys together.
    #[schema(value_type = String, example = "plan")]
    set_by: SetBy,
}

impl From<Tightest> for DecidingLimit {
    fn from(Tightest { name, most, set_by }: Tightest) -> Self {
        Self { name, limit: most, set_by }
    }
}

/// The limits of the caller's organisation and key.
#[utoipa::path(get, path = "/limits", tag = "billing",
    responses((status = 200, description = "The limits", body = LimitsReport))
)]
pub async fn get(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<LimitsReport>, ApiError> {
    let key = caller.own_rates.clone();
    let found = Accounts::of(&app).limits(&Principal::from(caller), None).await?;
    Ok(Json(LimitsReport {
        tightest: tightest(&found.of_plan, &found.own, &key).into_iter().map(Into::into).collect(),
        organization: found.held().into(),
        key: key.into(),
        plan: found.plan,
    }))
}

/// What is let in of an organisation, over all of its keys.
#[derive(Debug, Serialize, ToSchema)]
pub struct OrganizationLimits {
    /// `org_…`.
    organization_id: String,
    /// The id of its plan.
    #[schema(example = "standard")]
    plan: String,
    /// Its own, in the place of its plan's.
    own: LimitSet,
    /// Those that hold.
    limits: LimitSet,
}

impl From<Limits> for OrganizationLimits {
    fn from(found: Limits) -> Self {
        let limits = found.held().into();
        Self { organization_id: found.organization_id, plan: found.plan, own: found.own.into(), limits }
    }
}

/// The limits of an organisation. Only for operators.
#[utoipa::path(get, path = "/orgs/{org_id}/limits", tag = "organisations",
    params(("org_id" = String, Path, description = "`org_…`")),
    responses(
        (status = 200, description = "The limits", body = OrganizationLimits),
        (status = 404, description = "No such organisation", body = ErrorBody),
    )
)]
pub async fn of_organization(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path(id): Path<String>,
) -> Result<Json<OrganizationLimits>, ApiError> {
    Ok(Json(Accounts::of(&app).limits(&Principal::from(caller), Some(&id)).await?.into()))
}

/// Gives an organisation limits of its own, lower or higher than its plan's; what is left out, or null, is the plan's
/// again. They hold on every host within a second. Only for operators.
#[utoipa::path(put, path = "/orgs/{org_id}/limits", tag = "organisations", request_body = LimitSet,
    params(("org_id" = String, Path, description = "`org_…`")),
    responses(
        (status = 200, description = "The limits now", body = OrganizationLimits),
        (status = 404, description = "No such organisation", body = ErrorBody),
    )
)]
pub async fn set_of_organization(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path(id): Path<String>,
    body: JsonBytes,
) -> Result<Json<OrganizationLimits>, ApiError> {
    let own: LimitSet = body.parse()?;
    let set = Accounts::of(&app).set_limits(&Principal::from(caller), &id, own.into()).await?;
    // What keys of it may send was looked up with them.
    app.keys.clear();
    Ok(Json(set.into()))
}
