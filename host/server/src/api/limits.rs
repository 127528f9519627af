//! `/limits`: what the caller's plan and key let in.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::plan::Rates;
use serde::Serialize;
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::service::accounts::{Accounts, Principal};
use crate::state::App;

/// What limits a request of this caller. The tightest of them is what holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct LimitsReport {
    /// The id of the organisation's plan.
    #[schema(example = "standard")]
    plan: String,
    /// Of the organisation, by its plan.
    organization: LimitSet,
    /// Of the key that asks.
    key: LimitSet,
}

/// Limits; null where there is none.
#[derive(Debug, Serialize, ToSchema)]
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
        }
    }
}

/// The limits of the caller's plan and key.
#[utoipa::path(get, path = "/limits", tag = "billing",
    responses((status = 200, description = "The limits", body = LimitsReport))
)]
pub async fn get(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<LimitsReport>, ApiError> {
    let key = caller.own_rates.clone();
    let organization = Accounts::of(&app).organization(&Principal::from(caller), None).await?;
    Ok(Json(LimitsReport {
        organization: app.config.rates(&organization.plan).into(),
        key: key.into(),
        plan: organization.plan,
    }))
}
