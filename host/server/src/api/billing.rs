//! `/billing`: credits, what things cost, and the budget. Members are named as the SEC API's documents name them.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::budget::Budget;
use hardpoint_domain::money::Credits;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::openai::request;
use super::openai::schema::ChatCompletionRequest;
use super::paging::{Page, Paging};
use crate::caller::{Caller, Operator};
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{JsonBytes, Query};
use crate::service::accounts::credits::Standing;
use crate::service::accounts::{Accounts, Principal};
use crate::service::completions;
use crate::state::App;

/// How an organisation stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Billing {
    /// `org_…`.
    organization_id: String,
    /// The id of its plan.
    #[schema(example = "professional")]
    plan_key: String,
    /// `active`, or `exhausted` where nothing is left to spend.
    #[schema(example = "active")]
    billing_state: &'static str,
    /// Whether it may spend only what it has.
    prepaid: bool,
    /// What it has, a credit being a dollar; below nothing where it pays afterwards.
    balance_micro_credits: i64,
    /// Of that, what is kept for requests that are under way, or about to be.
    held_micro_credits: i64,
    /// What was spent this month.
    spent_micro_credits: i64,
    /// The same in cents, rounded up.
    spent_cents: i64,
    /// When the month began, RFC 3339.
    period_start: String,
    /// When it ends.
    period_end: String,
    /// No more than this is spent in a month; null for no cap.
    spend_cap_cents: Option<i64>,
    /// An event says when this is reached.
    soft_cap_cents: Option<i64>,
    /// A single request that may cost more needs an approval.
    approval_threshold_cents: Option<i64>,
    /// Caps that are reached: `soft_cap`, `spend_cap`.
    budget_alerts: Vec<&'static str>,
}

impl From<Standing> for Billing {
    fn from(standing: Standing) -> Self {
        let Standing { budget, spent, available, held, terms, period, .. } = standing;
        let cents = |amount: Option<Credits>| amount.map(Credits::cents_down);
        let reached = |cap: Option<Credits>| cap.is_some_and(|cap| spent >= cap);
        let alerts = [("soft_cap", budget.soft_cap), ("spend_cap", budget.spend_cap)];
        let is_out = (terms.prepaid && available + held <= Credits::ZERO) || reached(budget.spend_cap);
        Self {
            organization_id: standing.organization_id,
            plan_key: standing.plan,
            billing_state: if is_out { "exhausted" } else { "active" },
            prepaid: terms.prepaid,
            balance_micro_credits: (available + held).micros(),
            held_micro_credits: held.micros(),
            spent_micro_credits: spent.micros(),
            spent_cents: spent.cents_up(),
            period_start: period.from.to_rfc3339(),
            period_end: period.to.to_rfc3339(),
            spend_cap_cents: cents(budget.spend_cap),
            soft_cap_cents: cents(budget.soft_cap),
            approval_threshold_cents: cents(budget.approval_threshold),
            budget_alerts: alerts
                .into_iter()
                .filter(|(_, cap)| reached(*cap))
                .map(|(name, _)| name)
                .collect(),
        }
    }
}

/// Plan, balance, spending and budget of the caller's organisation.
#[utoipa::path(get, path = "/billing", tag = "billing",
    responses((status = 200, description = "How it stands", body = Billing))
)]
pub async fn get(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Billing>, ApiError> {
    standing(&app, &Principal::from(caller), None).await
}

async fn standing(app: &App, by: &Principal, named: Option<&str>) -> Result<Json<Billing>, ApiError> {
    let standing = Accounts::of(app).standing(by, named).await?;
    Ok(Json(standing.into()))
}

/// A budget for a month. What is left out, or null, is not bounded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetBudget {
    /// No more than this is spent: what would is answered with 402.
    #[schema(example = 50000, minimum = 0)]
    spend_cap_cents: Option<i64>,
    /// The event `billing.soft_cap_reached` says when this is reached.
    #[schema(example = 30000, minimum = 0)]
    soft_cap_cents: Option<i64>,
    /// A single request that may cost more needs an approval.
    #[schema(example = 40000, minimum = 0)]
    approval_threshold_cents: Option<i64>,
}

/// Sets the budget of the caller's organisation.
#[utoipa::path(put, path = "/billing/budget", tag = "billing", request_body = SetBudget,
    responses(
        (status = 200, description = "How it stands now", body = Billing),
        (status = 422, description = "A soft cap above the spend cap", body = ErrorBody),
    )
)]
pub async fn set_budget(
    State(app): State<Arc<App>>,
    caller: Caller,
    body: JsonBytes,
) -> Result<Json<Billing>, ApiError> {
    let wanted: SetBudget = body.parse()?;
    let budget = Budget {
        spend_cap: amount("spendCapCents", wanted.spend_cap_cents)?,
        soft_cap: amount("softCapCents", wanted.soft_cap_cents)?,
        approval_threshold: amount("approvalThresholdCents", wanted.approval_threshold_cents)?,
    };
    let organization = caller.organization_id.clone();
    let by = Principal::from(caller);
    Accounts::of(&app).set_budget(&by, None, budget).await?;
    app.billing.changed(&organization);
    standing(&app, &by, None).await
}

fn amount(field: &'static str, cents: Option<i64>) -> Result<Option<Credits>, ApiError> {
    let read = |cents| Credits::from_cents(cents).ok_or_else(|| too_much(field));
    cents.map(read).transpose()
}

fn too_much(field: &'static str) -> ApiError {
    ApiError::bad_field(field, "range", format!("The '{field}' field is more than there can be."))
}

/// Credits for an organisation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AddCredits {
    /// `org_…`.
    organization_id: String,
    /// How much; below nothing to take some away.
    #[schema(example = 5000)]
    amount_cents: i64,
    /// What for, for the books.
    #[serde(default)]
    reason: String,
    /// A name of yours for this payment: a second one of that name adds nothing.
    reference: Option<String>,
}

/// Adds credits to an organisation.
#[utoipa::path(post, path = "/billing/credits", tag = "billing", request_body = AddCredits,
    responses(
        (status = 200, description = "How it stands now; with a known `reference`, as it stood", body = Billing),
        (status = 404, description = "No such organisation", body = ErrorBody),
    )
)]
pub async fn add_credits(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    body: JsonBytes,
) -> Result<Json<Billing>, ApiError> {
    let wanted: AddCredits = body.parse()?;
    let amount = Credits::from_cents(wanted.amount_cents).ok_or_else(|| too_much("amountCents"))?;
    let name = |text: &str| reference(&wanted.organization_id, text);
    let transfer = wanted.reference.as_deref().map(name).transpose()?;
    let (by, organization) = (Principal::from(caller), wanted.organization_id);
    let accounts = Accounts::of(&app);
    accounts.add_credits(&by, &organization, amount, &wanted.reason, transfer.as_deref()).await?;
    app.billing.changed(&organization);
    standing(&app, &by, Some(&organization)).await
}

/// The name of a transfer of an organisation, apart from those that the host makes.
pub fn reference(organization: &str, text: &str) -> Result<String, ApiError> {
    let fits = (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Ok(format!("ref:{organization}:{text}"));
    }
    let message = "The 'reference' field takes 1 to 100 visible ASCII characters.";
    Err(ApiError::bad_field("reference", "format", message))
}

/// What models cost.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateCard {
    /// Changes with any price; call records name the version that they were charged by.
    version: String,
    /// What prices are in: micro-credits per million tokens, a credit being a dollar.
    unit: &'static str,
    /// By model.
    rates: Vec<Rate>,
}

/// What a model costs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rate {
    /// The model's id.
    model: String,
    /// For tokens read.
    input: u64,
    /// For tokens read that the provider had in its cache.
    cached_input: u64,
    /// For tokens written.
    output: u64,
}

/// What models cost now.
#[utoipa::path(get, path = "/billing/rates", tag = "billing",
    responses((status = 200, description = "The rates", body = RateCard))
)]
pub async fn rates(State(app): State<Arc<App>>, caller: Caller) -> Json<RateCard> {
    let open = completions::open_models(&app, &caller);
    let rate = |(model, prices): (&String, &hardpoint_domain::model::Prices)| Rate {
        model: model.clone(),
        input: prices.input,
        cached_input: prices.cached_input,
        output: prices.output,
    };
    let shown = app.rates.prices.iter().filter(|(model, _)| open.contains(*model));
    Json(RateCard {
        version: app.rates.version.to_string(),
        unit: "micro_credits_per_million_tokens",
        rates: shown.map(rate).collect(),
    })
}

/// What a request may cost.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// The most that its first round may cost, whichever model answers; this is reserved when it begins.
    max_micro_credits: i64,
    /// The same in cents, rounded up.
    max_cents: i64,
    /// The most tokens that may be read: its bytes, and what providers put around messages.
    max_input_tokens: u64,
    /// The most tokens that may be written.
    max_output_tokens: u64,
    /// The version of the rates.
    rates_version: String,
    /// Whether it needs an approval.
    approval_required: bool,
}

/// Tells what a completion may cost, without asking anybody for it.
#[utoipa::path(post, path = "/billing/quote", tag = "billing", request_body = ChatCompletionRequest,
    responses(
        (status = 200, description = "The most that it may cost", body = Quote),
        (status = 422, description = "A model or tool that there is not, or that cannot do what is asked", body = ErrorBody),
        (status = 503, description = "The model is not available", body = ErrorBody),
    )
)]
pub async fn quote(
    State(app): State<Arc<App>>,
    caller: Caller,
    JsonBytes(body): JsonBytes,
) -> Result<Json<Quote>, ApiError> {
    let request = request::completion(&body)?;
    let quoted = completions::quote(&app, &caller, request).await?;
    let threshold = Accounts::of(&app).budget(&Principal::from(caller)).await?.approval_threshold;
    Ok(Json(Quote {
        max_micro_credits: quoted.most.micros(),
        max_cents: quoted.most.cents_up(),
        max_input_tokens: quoted.bound.input,
        max_output_tokens: quoted.bound.output,
        rates_version: app.rates.version.to_string(),
        approval_required: threshold.is_some_and(|threshold| quoted.most > threshold),
    }))
}

/// A yes to one request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApproveSpending {
    /// The most that the request may cost.
    #[schema(example = 60000, minimum = 1)]
    max_cents: i64,
    /// For how long it may be used: a day where left out, 30 days at most.
    #[schema(example = 3600, minimum = 1, maximum = 2592000)]
    expires_in_seconds: Option<u64>,
}

/// A yes to one request, given.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpendApproval {
    /// `apr_…`: what the request sends as `X-Spend-Approval`.
    id: String,
    /// The most that the request may cost.
    max_cents: i64,
    /// Who gave it.
    approved_by: String,
    /// RFC 3339.
    created_at: String,
    /// Until when it may be used.
    expires_at: String,
    /// The request that used it; null as long as none has.
    request_id: Option<String>,
}

impl From<hardpoint_store::approvals::Approval> for SpendApproval {
    fn from(approval: hardpoint_store::approvals::Approval) -> Self {
        Self {
            id: approval.id,
            max_cents: approval.most.cents_down(),
            approved_by: approval.approved_by,
            created_at: approval.created_at.to_rfc3339(),
            expires_at: approval.expires_at.to_rfc3339(),
            request_id: approval.request_id,
        }
    }
}

/// Approves one request above the approval threshold.
#[utoipa::path(post, path = "/billing/approvals", tag = "billing", request_body = ApproveSpending,
    responses((status = 201, description = "The approval", body = SpendApproval))
)]
pub async fn approve(
    State(app): State<Arc<App>>,
    caller: Caller,
    body: JsonBytes,
) -> Result<(StatusCode, Json<SpendApproval>), ApiError> {
    let wanted: ApproveSpending = body.parse()?;
    let most = Credits::from_cents(wanted.max_cents).ok_or_else(|| too_much("maxCents"))?;
    let lasts = wanted.expires_in_seconds.map(Duration::from_secs);
    let approval = Accounts::of(&app).approve_spending(&Principal::from(caller), None, most, lasts).await?;
    Ok((StatusCode::CREATED, Json(approval.into())))
}

/// Lists approvals, newest first.
#[utoipa::path(get, path = "/billing/approvals", tag = "billing", params(Paging),
    responses((status = 200, description = "The approvals", body = Page<SpendApproval>))
)]
pub async fn approvals(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<SpendApproval>>, ApiError> {
    let place = paging.usual()?;
    let by = Principal::from(caller);
    let found = Accounts::of(&app).approvals(&by, None, place.window()).await?;
    Ok(Json(place.page(found, SpendApproval::from)))
}
