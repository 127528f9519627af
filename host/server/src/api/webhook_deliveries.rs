//! `/webhook_endpoints/{id}/deliveries`, and sending again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use hardpoint_domain::time::Timestamp;
use hardpoint_store::outbox::{self, Delivery, State as Progress};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::paging::{Page, Paging};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{Path, Query};
use crate::service::accounts::{Principal, text};
use crate::service::webhooks::Webhooks;
use crate::state::App;

/// The delivery of an event to an endpoint.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WebhookDelivery {
    /// `dlv_…`.
    id: String,
    /// `whe_…`.
    endpoint_id: String,
    /// The event's id, which is sent as `webhook-id`: the same in every attempt, and when it is replayed.
    webhook_id: String,
    /// The event's name.
    #[schema(example = "user.created")]
    event: String,
    /// `pending`, `delivered`, or `dead`: given up, and replayed only when asked.
    #[schema(example = "delivered")]
    state: &'static str,
    /// When the event happened.
    created_at: String,
    /// From when on the next attempt is made; null where none is.
    next_attempt_at: Option<String>,
    /// When it was delivered or given up.
    ended_at: Option<String>,
    /// Attempts that were begun.
    attempt_count: i64,
    /// Why the latest one failed.
    last_error: Option<String>,
    /// The latest attempts, oldest first, at most 20.
    attempts: Vec<WebhookAttempt>,
}

/// One attempt at a delivery.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WebhookAttempt {
    /// When it began.
    at: String,
    /// The status of the answer; null where there was none.
    status: Option<u16>,
    /// Why it failed.
    error: Option<String>,
    /// How long it took, in milliseconds.
    duration_ms: u64,
}

impl From<Delivery> for WebhookDelivery {
    fn from(delivery: Delivery) -> Self {
        let next = (delivery.state == Progress::Open).then_some(delivery.due_at);
        Self {
            id: delivery.id,
            endpoint_id: delivery.destination,
            webhook_id: delivery.event_id,
            event: delivery.kind,
            state: shown(delivery.state),
            created_at: delivery.created_at.to_rfc3339(),
            next_attempt_at: next.map(Timestamp::to_rfc3339),
            ended_at: delivery.ended_at.map(Timestamp::to_rfc3339),
            attempt_count: delivery.attempt,
            last_error: delivery.last_error,
            attempts: delivery.attempts.into_iter().map(WebhookAttempt::from).collect(),
        }
    }
}

impl From<outbox::Attempt> for WebhookAttempt {
    fn from(attempt: outbox::Attempt) -> Self {
        let outbox::Attempt { at, status, error, duration_ms } = attempt;
        Self { at: at.to_rfc3339(), status, error, duration_ms }
    }
}

/// A state as clients know it.
pub(super) const fn shown(state: Progress) -> &'static str {
    match state {
        Progress::Open => "pending",
        Progress::Delivered => "delivered",
        Progress::Dropped => "dead",
    }
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only those that are `pending`, `delivered` or `dead`.
    #[param(inline)]
    state: Option<Shown>,
}

/// A state.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Shown {
    /// To be made.
    Pending,
    /// Made.
    Delivered,
    /// Given up.
    Dead,
}

impl From<Shown> for Progress {
    fn from(shown: Shown) -> Self {
        match shown {
            Shown::Pending => Self::Open,
            Shown::Delivered => Self::Delivered,
            Shown::Dead => Self::Dropped,
        }
    }
}

/// Since when.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Since {
    /// RFC 3339, or a date alone.
    #[param(required = true, value_type = String, example = "2026-01-01T00:00:00Z")]
    since: Option<String>,
}

/// What is sent again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// Deliveries that were given up, and are begun anew.
    replayed: u64,
}

/// Lists the deliveries to an endpoint, those of the newest events first. What ended 30 days ago is forgotten.
#[utoipa::path(get, path = "/webhook_endpoints/{id}/deliveries", tag = "webhooks",
    params(("id" = String, Path, description = "The endpoint"), Which, Paging),
    responses(
        (status = 200, description = "The deliveries", body = Page<WebhookDelivery>),
        (status = 403, description = "A key that is bound to a workspace", body = ErrorBody),
        (status = 404, description = "No such endpoint", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(which): Query<Which>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<WebhookDelivery>>, ApiError> {
    let (place, state) = (paging.usual()?, which.state.map(Progress::from));
    let by = Principal::from(caller);
    let found = Webhooks::of(&app).deliveries(&by, &id, state, place.window()).await?;
    Ok(Json(place.page(found, WebhookDelivery::from)))
}

/// One delivery, with its attempts.
#[utoipa::path(get, path = "/webhook_endpoints/{id}/deliveries/{delivery_id}", tag = "webhooks",
    params(
        ("id" = String, Path, description = "The endpoint"),
        ("delivery_id" = String, Path, description = "The delivery"),
    ),
    responses(
        (status = 200, description = "The delivery", body = WebhookDelivery),
        (status = 403, description = "A key that is bound to a workspace", body = ErrorBody),
        (status = 404, description = "No such endpoint or delivery", body = ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, delivery_id)): Path<(String, String)>,
) -> Result<Json<WebhookDelivery>, ApiError> {
    let found = Webhooks::of(&app).delivery(&Principal::from(caller), &id, &delivery_id).await?;
    Ok(Json(found.into()))
}

/// Sends a delivery again that was made or given up, with the same webhook id. One that waits for its next attempt waits
/// no more, and one that is on its way stays so.
#[utoipa::path(post, path = "/webhook_endpoints/{id}/deliveries/{delivery_id}/replay", tag = "webhooks",
    params(
        ("id" = String, Path, description = "The endpoint"),
        ("delivery_id" = String, Path, description = "The delivery"),
    ),
    responses(
        (status = 202, description = "It is on its way", body = WebhookDelivery),
        (status = 403, description = "Not an administrator, a test key, or one that is bound to a workspace", body = ErrorBody),
        (status = 404, description = "No such endpoint or delivery", body = ErrorBody),
        (status = 409, description = "The endpoint is switched off", body = ErrorBody),
    )
)]
pub async fn replay(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((id, delivery_id)): Path<(String, String)>,
) -> Result<(StatusCode, Json<WebhookDelivery>), ApiError> {
    let replayed = Webhooks::of(&app).replay(&Principal::from(caller), &id, &delivery_id).await?;
    Ok((StatusCode::ACCEPTED, Json(replayed.into())))
}

/// Sends everything again that was given up, of events since then.
#[utoipa::path(post, path = "/webhook_endpoints/{id}/replay", tag = "webhooks",
    params(("id" = String, Path, description = "The endpoint"), Since),
    responses(
        (status = 202, description = "They are on their way", body = Replayed),
        (status = 403, description = "Not an administrator, a test key, or one that is bound to a workspace", body = ErrorBody),
        (status = 404, description = "No such endpoint", body = ErrorBody),
        (status = 409, description = "The endpoint is switched off", body = ErrorBody),
    )
)]
pub async fn replay_since(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    Query(Since { since }): Query<Since>,
) -> Result<(StatusCode, Json<Replayed>), ApiError> {
    let (webhooks, by) = (Webhooks::of(&app), Principal::from(caller));
    // What is not there is told first.
    webhooks.get(&by, &id).await?;
    let required = || ApiError::bad_field("since", "required", "The 'since' parameter is required.");
    let since = text::time("since", &since.ok_or_else(required)?)?;
    let replayed = webhooks.replay_since(&by, &id, since).await?;
    Ok((StatusCode::ACCEPTED, Json(Replayed { replayed })))
}

/// Sends an endpoint the event `webhook.tested`, whatever its filter.
#[utoipa::path(post, path = "/webhook_endpoints/{id}/test", tag = "webhooks",
    params(("id" = String, Path, description = "The endpoint")),
    responses(
        (status = 202, description = "It is on its way", body = WebhookDelivery),
        (status = 403, description = "Not an administrator, a test key, or one that is bound to a workspace", body = ErrorBody),
        (status = 404, description = "No such endpoint", body = ErrorBody),
        (status = 409, description = "The endpoint is switched off", body = ErrorBody),
    )
)]
pub async fn test(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<WebhookDelivery>), ApiError> {
    let sent = Webhooks::of(&app).test(&Principal::from(caller), &id).await?;
    Ok((StatusCode::ACCEPTED, Json(sent.into())))
}
