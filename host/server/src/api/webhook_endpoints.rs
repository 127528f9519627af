//! `/webhook_endpoints`.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use hardpoint_domain::time::Timestamp;
use hardpoint_domain::webhook::breaker::Breaker;
use hardpoint_domain::webhook::signature::SigningSecret;
use hardpoint_store::webhooks::Endpoint;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::paging::{Page, Paging};
use super::whose::Whose;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{JsonBytes, Path, Query};
use crate::service::accounts::Principal;
use crate::service::webhooks::{Change, Webhooks};
use crate::shown_once::shown_once;
use crate::state::App;

/// A place where an organisation's events are told.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct WebhookEndpoint {
    /// `whe_…`.
    id: String,
    /// Whose events it is told.
    organization_id: String,
    /// Where to.
    #[schema(example = "https://example.com/hooks")]
    url: String,
    /// Names of events, beginnings of several, or all: `user.created`, `user.*`, `*`.
    #[schema(example = json!(["user.created", "key.*"]))]
    events: Vec<String>,
    /// For people; may be empty.
    description: String,
    /// Whether it is told anything.
    enabled: bool,
    /// Why not, where nobody switched it off.
    disabled_reason: Option<String>,
    /// `active`, `disabled`, or `failing`: then only a probe is sent every two minutes.
    #[schema(example = "active")]
    status: &'static str,
    /// Attempts that failed since the last one that succeeded.
    consecutive_failures: u32,
    /// Until when the secret before the present one signs as well; null where it does not.
    previous_secret_until: Option<String>,
    /// RFC 3339.
    created_at: String,
    /// When it was last changed.
    updated_at: String,
}

impl WebhookEndpoint {
    fn new(endpoint: Endpoint, now: Timestamp) -> Self {
        let breaker = Breaker::from(&endpoint.health);
        let status = match (endpoint.is_enabled, breaker.is_open()) {
            (false, _) => "disabled",
            (true, true) => "failing",
            (true, false) => "active",
        };
        let previous = endpoint.previous_until.filter(|until| now < *until);
        Self {
            id: endpoint.id,
            organization_id: endpoint.organization_id,
            url: endpoint.url,
            events: endpoint.events,
            description: endpoint.description,
            enabled: endpoint.is_enabled,
            disabled_reason: endpoint.disabled_reason,
            status,
            consecutive_failures: breaker.failures,
            previous_secret_until: previous.map(Timestamp::to_rfc3339),
            created_at: endpoint.created_at.to_rfc3339(),
            updated_at: endpoint.updated_at.to_rfc3339(),
        }
    }
}

/// What stands in the place of a signing secret.
const SHOWN_BEFORE: &str = "The secret was made by the first of these requests, and shown in the answer to that alone. \
                            Where it was lost, rotate it.";

/// An endpoint whose secret was just made.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SignedWebhookEndpoint {
    /// What signs. It is shown here, and never again: null where the same request is answered once more.
    #[serde(rename = "signingSecret")]
    #[schema(example = "whsec_…")]
    signing_secret: Option<String>,
    /// Why there is no `signingSecret`; only where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    notice: Option<&'static str>,
    /// The endpoint.
    #[serde(flatten)]
    endpoint: WebhookEndpoint,
}

fn with_secret(app: &App, status: StatusCode, (endpoint, secret): (Endpoint, SigningSecret)) -> Response {
    let endpoint = WebhookEndpoint::new(endpoint, app.clock.now());
    let again = SignedWebhookEndpoint {
        signing_secret: None,
        notice: Some(SHOWN_BEFORE),
        endpoint: endpoint.clone(),
    };
    let first = SignedWebhookEndpoint { signing_secret: Some(secret.reveal()), notice: None, endpoint };
    shown_once(status, &first, &again)
}

/// A new endpoint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateWebhookEndpoint {
    /// Where to: `https`, without credentials. `http` is for internal hosts that the operator allows.
    #[schema(example = "https://example.com/hooks")]
    url: String,
    /// Names of events, beginnings of several, or all; 1 to 50. All where left out.
    #[schema(example = json!(["user.created", "key.*"]), min_items = 1, max_items = 50)]
    events: Option<Vec<String>>,
    /// For people, at most 1,000 characters.
    description: Option<String>,
    /// True where left out.
    enabled: Option<bool>,
    /// Whose it is to be; the caller's own organisation where left out. Another one is for operators.
    organization_id: Option<String>,
}

/// What is to change; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateWebhookEndpoint {
    /// Where to.
    url: Option<String>,
    /// Names of events, beginnings of several, or all; 1 to 50.
    #[schema(min_items = 1, max_items = 50)]
    events: Option<Vec<String>>,
    /// For people, at most 1,000 characters.
    description: Option<String>,
    /// Whether it is told anything.
    enabled: Option<bool>,
}

/// How a secret is replaced.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateWebhookSecret {
    /// Seconds for which the old secret signs as well, at most 604,800; 0 where left out: it stops at once.
    #[serde(default)]
    #[schema(maximum = 604_800)]
    overlap_seconds: u64,
}

/// Makes an endpoint. Its signing secret is shown in the answer and never again.
#[utoipa::path(post, path = "/webhook_endpoints", tag = "webhooks", request_body = CreateWebhookEndpoint,
    responses(
        (status = 201, description = "The endpoint, with its secret", body = SignedWebhookEndpoint),
        (status = 403, description = "Not an administrator, a test key, or one that is bound to a workspace", body = ErrorBody),
        (status = 404, description = "No such organisation", body = ErrorBody),
        (status = 409, description = "There are as many as there may be", body = ErrorBody),
        (status = 422, description = "An address that nothing is sent to", body = ErrorBody),
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    body: JsonBytes,
) -> Result<Response, ApiError> {
    let CreateWebhookEndpoint { url, events, description, enabled, organization_id } = body.parse()?;
    let wanted = Change { url: Some(url), events, description, is_enabled: enabled };
    let by = Principal::from(caller);
    let made = Webhooks::of(&app).create(&by, organization_id.as_deref(), wanted).await?;
    Ok(with_secret(&app, StatusCode::CREATED, made))
}

/// Lists an organisation's endpoints, newest first.
#[utoipa::path(get, path = "/webhook_endpoints", tag = "webhooks", params(Paging, Whose),
    responses(
        (status = 200, description = "The endpoints", body = Page<WebhookEndpoint>),
        (status = 403, description = "A key that is bound to a workspace", body = ErrorBody),
        (status = 404, description = "No such organisation", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paging): Query<Paging>,
    Query(whose): Query<Whose>,
) -> Result<Json<Page<WebhookEndpoint>>, ApiError> {
    let (place, now) = (paging.usual()?, app.clock.now());
    let by = Principal::from(caller);
    let found = Webhooks::of(&app).list(&by, whose.organization(), place.window()).await?;
    Ok(Json(place.page(found, |endpoint| WebhookEndpoint::new(endpoint, now))))
}

/// One endpoint.
#[utoipa::path(get, path = "/webhook_endpoints/{id}", tag = "webhooks", params(("id" = String, Path, description = "The endpoint")),
    responses(
        (status = 200, description = "The endpoint", body = WebhookEndpoint),
        (status = 403, description = "A key that is bound to a workspace", body = ErrorBody),
        (status = 404, description = "No such endpoint", body = ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<WebhookEndpoint>, ApiError> {
    let found = Webhooks::of(&app).get(&Principal::from(caller), &id).await?;
    Ok(Json(WebhookEndpoint::new(found, app.clock.now())))
}

/// Changes an endpoint.
#[utoipa::path(put, path = "/webhook_endpoints/{id}", tag = "webhooks", params(("id" = String, Path, description = "The endpoint")),
    request_body = UpdateWebhookEndpoint,
    responses(
        (status = 200, description = "The endpoint as it is now", body = WebhookEndpoint),
        (status = 403, description = "Not an administrator, a test key, or one that is bound to a workspace", body = ErrorBody),
        (status = 404, description = "No such endpoint", body = ErrorBody),
        (status = 422, description = "An address that nothing is sent to", body = ErrorBody),
    )
)]
pub async fn update(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBytes,
) -> Result<Json<WebhookEndpoint>, ApiError> {
    let UpdateWebhookEndpoint { url, events, description, enabled } = body.parse()?;
    let change = Change { url, events, description, is_enabled: enabled };
    let updated = Webhooks::of(&app).update(&Principal::from(caller), &id, change).await?;
    Ok(Json(WebhookEndpoint::new(updated, app.clock.now())))
}

/// Removes an endpoint. What was queued for it ends unsent.
#[utoipa::path(delete, path = "/webhook_endpoints/{id}", tag = "webhooks", params(("id" = String, Path, description = "The endpoint")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "Not an administrator, a test key, or one that is bound to a workspace", body = ErrorBody),
        (status = 404, description = "No such endpoint", body = ErrorBody),
    )
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    Webhooks::of(&app).delete(&Principal::from(caller), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives an endpoint another secret, which is shown in the answer and never again. The old one stops at once, or after
/// the overlap.
#[utoipa::path(post, path = "/webhook_endpoints/{id}/rotate_secret", tag = "webhooks",
    params(("id" = String, Path, description = "The endpoint")),
    request_body = RotateWebhookSecret,
    responses(
        (status = 200, description = "The endpoint, with its new secret", body = SignedWebhookEndpoint),
        (status = 403, description = "Not an administrator, a test key, or one that is bound to a workspace", body = ErrorBody),
        (status = 404, description = "No such endpoint", body = ErrorBody),
    )
)]
pub async fn rotate_secret(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
    body: JsonBytes,
) -> Result<Response, ApiError> {
    let RotateWebhookSecret { overlap_seconds } = body.parse()?;
    let overlap = Duration::from_secs(overlap_seconds);
    let rotated = Webhooks::of(&app).rotate_secret(&Principal::from(caller), &id, overlap).await?;
    Ok(with_secret(&app, StatusCode::OK, rotated))
}
