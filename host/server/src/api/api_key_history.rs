//! `/api_keys/{id}/calls` and `/usage`: what was done with a key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::period::Granularity;
use hardpoint_store::call_records::CallRecord;
use hardpoint_store::usage::Used;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::paging::{Page, Paging};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{Path, Query};
use crate::service::accounts::history::KeyUsage;
use crate::service::accounts::{Accounts, Principal};
use crate::state::App;

/// A call that was made with a key.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyCall {
    /// `call_…`.
    id: String,
    /// `req_…`, as in its answer's `Request-Id`.
    request_id: String,
    /// The HTTP method.
    #[schema(example = "POST")]
    method: String,
    /// The route: its pattern, without ids.
    #[schema(example = "/api/v1/chat/completions")]
    endpoint: String,
    /// The HTTP status; 499 where the client left before there was one.
    #[schema(example = 200)]
    status: u16,
    /// The error's message; null for calls that succeeded.
    #[schema(example = "The 'model' field is required.")]
    error: Option<String>,
    /// The error's type.
    #[schema(example = "validation_error")]
    error_type: Option<String>,
    /// RFC 3339.
    started_at: String,
    /// Milliseconds until its last byte.
    duration_ms: f64,
    /// The model that was asked for.
    model: Option<String>,
    /// Tokens read.
    input_tokens: u64,
    /// Tokens written.
    output_tokens: u64,
}

impl From<CallRecord> for KeyCall {
    fn from(record: CallRecord) -> Self {
        Self {
            id: record.id,
            request_id: record.request_id,
            method: record.method,
            endpoint: record.route,
            status: record.status,
            error: record.error_message.or_else(|| record.error_type.clone()),
            error_type: record.error_type,
            started_at: record.time.to_rfc3339(),
            duration_ms: record.duration_us as f64 / 1e3,
            model: record.model,
            input_tokens: record.input_tokens,
            output_tokens: record.output_tokens,
        }
    }
}

/// Lists the calls that were made with a key, newest first.
///
/// Of those that were turned away before they counted against a limit (429, 403, 402) there are ten a minute and host at
/// most; what was refused is forgotten after thirty days.
#[utoipa::path(get, path = "/api_keys/{id}/calls", tag = "API keys",
    params(("id" = String, Path, description = "The key"), Paging),
    responses(
        (status = 200, description = "The calls", body = Page<KeyCall>),
        (status = 404, description = "No such key", body = ErrorBody),
    )
)]
pub async fn calls(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<KeyCall>>, ApiError> {
    let place = paging.usual()?;
    let by = Principal::from(caller);
    let calls = Accounts::of(&app).key_calls(&by, &id, place.window()).await?;
    Ok(Json(place.page(calls, KeyCall::from)))
}

/// For which time, and in which steps.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct UsageRange {
    /// Hours (`24h`) or days (`7d`, `30d`) until now, or two times with a comma between them.
    #[serde(default = "a_day")]
    #[param(example = "7d", default = "24h")]
    range: String,
    /// `hour`, `day`, `week` (from Monday on) or `month`, in UTC; what fits the range where left out.
    #[param(value_type = Option<String>, example = "day")]
    granularity: Option<Granularity>,
}

fn a_day() -> String {
    "24h".to_owned()
}

/// What was used.
#[derive(Debug, Serialize, ToSchema)]
pub struct Amounts {
    /// Requests, failed ones too.
    requests: u64,
    /// Of these, requests that failed.
    failed: u64,
    /// Tokens read.
    input_tokens: u64,
    /// Of these, tokens that the provider had in its cache.
    cached_input_tokens: u64,
    /// Tokens written.
    output_tokens: u64,
}

/// What was used in one step.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageStep {
    /// When it begins, RFC 3339; the first one may begin before the range does.
    start: String,
    /// What was used.
    #[serde(flatten)]
    amounts: Amounts,
}

/// What a key used.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageOfKey {
    /// The key.
    key_id: String,
    /// The first moment, RFC 3339.
    from: String,
    /// The first moment after it.
    to: String,
    /// How long the steps are.
    #[schema(value_type = String, example = "day")]
    granularity: Granularity,
    /// Every step, oldest first, also those in which nothing was used.
    data: Vec<UsageStep>,
    /// All of it.
    total: Amounts,
}

impl From<Used> for Amounts {
    fn from(used: Used) -> Self {
        Self {
            requests: used.requests,
            failed: used.failed,
            input_tokens: used.input_tokens,
            cached_input_tokens: used.cached_input_tokens,
            output_tokens: used.output_tokens,
        }
    }
}

/// What a key used, step by step.
#[utoipa::path(get, path = "/api_keys/{id}/usage", tag = "API keys",
    params(("id" = String, Path, description = "The key"), UsageRange),
    responses(
        (status = 200, description = "What it used", body = UsageOfKey),
        (status = 404, description = "No such key", body = ErrorBody),
    )
)]
pub async fn usage(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(asked): Query<UsageRange>,
) -> Result<Json<UsageOfKey>, ApiError> {
    let by = Principal::from(caller);
    let usage = Accounts::of(&app).key_usage(&by, &id, &asked.range, asked.granularity).await?;
    let KeyUsage { period, granularity, steps, total } = usage;
    let step = |used: Used| UsageStep { start: used.start.to_rfc3339(), amounts: used.into() };
    Ok(Json(UsageOfKey {
        key_id: id,
        from: period.from.to_rfc3339(),
        to: period.to.to_rfc3339(),
        granularity,
        data: steps.into_iter().map(step).collect(),
        total: total.into(),
    }))
}
