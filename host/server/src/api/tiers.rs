//! `/tiers`: the plans that there are.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::catalogue::Plan;
use hardpoint_domain::feature::Feature;
use hardpoint_domain::plan;
use serde::Serialize;
use utoipa::ToSchema;

use super::paging::{Page, Paging};
use crate::error::ApiError;
use crate::extract::Query;
use crate::state::App;

/// A plan. Where a limit is null, there is none.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Tier {
    /// As an organisation's `plan` has it.
    #[schema(example = "standard")]
    pub(crate) id: &'static str,
    /// Requests in a minute, of all keys of an organisation together.
    pub(crate) requests_per_minute: Option<u64>,
    /// Requests in an hour.
    requests_per_hour: Option<u64>,
    /// Requests in a day.
    pub(crate) requests_per_day: Option<u64>,
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
    /// Users who are not deactivated.
    pub(crate) seats: Option<u64>,
    /// API keys that have not ended.
    pub(crate) api_keys: Option<u64>,
    /// What it includes beside.
    #[schema(value_type = Vec<String>, example = json!(["fleet_ops", "audit_logs"]))]
    features: BTreeSet<Feature>,
    /// Credits that come with each month; null where none come by themselves.
    pub(crate) credits: Option<u64>,
    /// Days for which the audit log keeps what events say; null for ever.
    audit_retention_days: Option<u64>,
}

impl Tier {
    /// A plan, for who asks.
    pub(crate) fn new(id: &'static str, plan: Plan) -> Self {
        let Plan { rates, seats, api_keys, features, credits, audit_retention_days } = plan;
        Self {
            id,
            requests_per_minute: rates.requests_per_minute,
            requests_per_hour: rates.requests_per_hour,
            requests_per_day: rates.requests_per_day,
            concurrent_requests: rates.concurrent,
            completions_per_minute: rates.completions_per_minute,
            completions_per_day: rates.completions_per_day,
            concurrent_completions: rates.concurrent_completions,
            tokens_per_minute: rates.tokens_per_minute,
            seats,
            api_keys,
            features,
            credits,
            audit_retention_days,
        }
    }
}

/// Lists the plans, from least to most. Any good key may ask, whatever its scopes.
#[utoipa::path(get, path = "/tiers", tag = "organisations", params(Paging),
    responses((status = 200, description = "The plans", body = Page<Tier>))
)]
pub async fn list(
    State(app): State<Arc<App>>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Tier>>, ApiError> {
    let tiers = plan::IDS.into_iter().map(|id| Tier::new(id, app.effective().config.plans.plan(id)));
    Ok(Json(paging.of(tiers.collect())?))
}
