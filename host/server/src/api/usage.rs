//! `/usage`: what the caller's organisation used and what it cost.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::Query;
use crate::service::accounts::credits::{By, Share};
use crate::service::accounts::{Accounts, Principal};
use crate::state::App;

/// Of which time, and told apart by what.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// Hours (`24h`) or days (`7d`, `30d`) until now, or two times with a comma between them; the present month where
    /// left out. At most 366 days.
    #[param(example = "7d")]
    range: Option<String>,
    /// `key`, `model`, `workspace` and `day`, with commas between them; all together where left out.
    #[param(example = "model,day")]
    group_by: Option<String>,
}

/// What was used.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageReport {
    /// The first moment, RFC 3339.
    from: String,
    /// The first moment after it.
    to: String,
    /// The dearest first; at most 10,000.
    data: Vec<UsageShare>,
    /// All of it.
    total: Meters,
}

/// What was used of one sort.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageShare {
    /// With `key`: the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    /// With `model`: the model that was asked for; left out for requests that none answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    /// With `workspace`: the one that the key is bound to; left out where it is bound to none.
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace_id: Option<String>,
    /// With `day`: its date, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    day: Option<String>,
    /// What was used.
    #[serde(flatten)]
    meters: Meters,
}

/// Every meter.
#[derive(Debug, Serialize, ToSchema)]
pub struct Meters {
    /// Requests, refused and failed ones too.
    requests: u64,
    /// Of these, requests that failed.
    failed: u64,
    /// Tokens read.
    input_tokens: u64,
    /// Of these, tokens that the provider had in its cache.
    cached_input_tokens: u64,
    /// Tokens written.
    output_tokens: u64,
    /// What it cost, a credit being a dollar.
    charge_micro_credits: i64,
}

impl From<&Share> for Meters {
    fn from(share: &Share) -> Self {
        Self {
            requests: share.requests,
            failed: share.failed,
            input_tokens: share.input_tokens,
            cached_input_tokens: share.cached_input_tokens,
            output_tokens: share.output_tokens,
            charge_micro_credits: share.charge.micros(),
        }
    }
}

impl From<Share> for UsageShare {
    fn from(share: Share) -> Self {
        Self {
            meters: Meters::from(&share),
            key_id: share.key_id,
            model: share.model,
            workspace_id: share.workspace_id,
            day: share.day.map(|day| day.to_rfc3339()[..10].to_owned()),
        }
    }
}

/// What was used in a time, and what it cost.
#[utoipa::path(get, path = "/usage", tag = "billing", params(Asked),
    responses(
        (status = 200, description = "What was used", body = UsageReport),
        (status = 400, description = "No such time, or nothing to tell apart by", body = ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(asked): Query<Asked>,
) -> Result<Json<UsageReport>, ApiError> {
    let apart = asked.group_by.as_deref().map(apart).transpose()?.unwrap_or_default();
    let by = Principal::from(caller);
    let usage = Accounts::of(&app).usage(&by, None, asked.range.as_deref(), &apart).await?;
    Ok(Json(UsageReport {
        from: usage.period.from.to_rfc3339(),
        to: usage.period.to.to_rfc3339(),
        total: Meters::from(&usage.total),
        data: usage.shares.into_iter().map(UsageShare::from).collect(),
    }))
}

fn apart(text: &str) -> Result<Vec<By>, ApiError> {
    let read = |word: &str| match word.trim() {
        "key" => Ok(By::Key),
        "model" => Ok(By::Model),
        "workspace" => Ok(By::Workspace),
        "day" => Ok(By::Day),
        _ => {
            let message =
                "The 'group_by' parameter takes `key`, `model`, `workspace` and `day`, with commas between.";
            Err(ApiError::bad_field("group_by", "enum", message))
        }
    };
    text.split(',').filter(|word| !word.trim().is_empty()).map(read).collect()
}
