//! `/billing/checkout`, `/billing/portal`: pages of the payment provider's. `/billing/webhook`: its notices.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::JsonBytes;
use crate::service::idempotency;
use crate::service::login::Visitor;
use crate::service::payments::{self, Bought, Opened};
use crate::state::App;

/// The header that a notice is signed in.
const SIGNATURE: &str = "stripe-signature";

/// What is to be bought: exactly one of `planKey`, `credits` and `priceId`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BeginCheckout {
    /// A plan, as long as it is paid.
    #[schema(example = "professional")]
    plan_key: Option<String>,
    /// So many credits, once.
    #[schema(example = 50, minimum = 1)]
    credits: Option<i64>,
    /// What is sold under this price of the payment provider's.
    #[schema(example = "price_1PgafmB7WZ01zgkW")]
    price_id: Option<String>,
    /// Where those come to who have paid, in an origin that the operator allowed; one that the operator chose where
    /// left out.
    #[schema(example = "https://app.example.com/billing?session={CHECKOUT_SESSION_ID}")]
    success_url: Option<String>,
    /// The same for those who turn back.
    cancel_url: Option<String>,
}

/// Where to go back to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenPortal {
    /// In an origin that the operator allowed; one that the operator chose where left out.
    #[schema(example = "https://app.example.com/billing")]
    return_url: Option<String>,
}

/// A page of the payment provider's, to send somebody to.
#[derive(Debug, Serialize, ToSchema)]
pub struct BillingPage {
    /// The payment provider's id: `cs_…` or `bps_…`.
    #[schema(example = "cs_test_a11YYufWQzNY63zpQ6QSNRQhkUpVph4WRmzW0zWJO2znZKdVujZ0N0S22u")]
    id: String,
    /// Where it is.
    #[schema(
        example = "https://checkout.stripe.com/c/pay/cs_test_a11YYufWQzNY63zpQ6QSNRQhkUpVph4WRmzW0zWJO2znZKdVujZ0N0S22u"
    )]
    url: String,
}

impl From<Opened> for BillingPage {
    fn from(opened: Opened) -> Self {
        Self { id: opened.id, url: opened.url }
    }
}

/// Opens a page where the caller's organisation buys a plan or credits. What was bought is there when the payment
/// provider has said that it is paid.
#[utoipa::path(post, path = "/billing/checkout", tag = "billing", request_body = BeginCheckout,
    responses(
        (status = 200, description = "The page", body = BillingPage),
        (status = 409, description = "The organisation has a subscription already, which `/billing/portal` changes", body = ErrorBody),
        (status = 422, description = "It is not sold here, or nobody may be sent to that address", body = ErrorBody),
        (status = 502, description = "The payment provider failed or refused", body = ErrorBody),
        (status = 503, description = "No payment provider is configured, or it or the host is too busy", body = ErrorBody),
        (status = 504, description = "The payment provider did not answer in time", body = ErrorBody),
    )
)]
pub async fn checkout(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    body: JsonBytes,
) -> Result<Json<BillingPage>, ApiError> {
    let BeginCheckout { plan_key, credits, price_id, success_url, cancel_url } = body.parse()?;
    let bought = match (plan_key, credits, price_id) {
        (Some(plan), None, None) => Bought::Plan(plan),
        (None, Some(credits), None) => Bought::Credits(credits),
        (None, None, Some(price)) => Bought::Price(price),
        _ => {
            let message = "Exactly one of the fields 'planKey', 'credits' and 'priceId' must be there.";
            return Err(ApiError::bad_field("planKey", "required", message));
        }
    };
    let urls = [success_url.as_deref(), cancel_url.as_deref()];
    let opened = payments::checkout(&app, &caller, &bought, urls, name(&headers)).await?;
    Ok(Json(opened.into()))
}

/// Opens a page where the caller's organisation looks after its subscription, cards and invoices.
#[utoipa::path(post, path = "/billing/portal", tag = "billing", request_body = OpenPortal,
    responses(
        (status = 200, description = "The page", body = BillingPage),
        (status = 422, description = "Nobody may be sent to that address", body = ErrorBody),
        (status = 502, description = "The payment provider failed or refused", body = ErrorBody),
        (status = 503, description = "No payment provider is configured, or it or the host is too busy", body = ErrorBody),
        (status = 504, description = "The payment provider did not answer in time", body = ErrorBody),
    )
)]
pub async fn portal(
    State(app): State<Arc<App>>,
    caller: Caller,
    headers: HeaderMap,
    body: JsonBytes,
) -> Result<Json<BillingPage>, ApiError> {
    let OpenPortal { return_url } = body.parse()?;
    let opened = payments::portal(&app, &caller, return_url.as_deref(), name(&headers)).await?;
    Ok(Json(opened.into()))
}

/// What the request is called, so that the provider too carries it out once.
fn name(headers: &HeaderMap) -> Option<&str> {
    headers.get(idempotency::HEADER)?.to_str().ok()
}

/// Something that happened at the payment provider's. For the description: the service reads the bytes, which are what
/// is signed.
#[derive(ToSchema)]
pub struct PaymentNotice {
    /// The same however often it is sent.
    #[schema(example = "evt_1NG8Du2eZvKYlo2CUI79vXWy")]
    pub id: String,
    /// What happened. Nothing follows from one that is not known.
    #[schema(example = "checkout.session.completed")]
    pub r#type: String,
    /// About what.
    pub data: NoticeData,
}

/// What a notice is about.
#[derive(ToSchema)]
pub struct NoticeData {
    /// An object of the payment provider's.
    #[schema(value_type = Object)]
    pub object: serde_json::Map<String, serde_json::Value>,
}

/// What became of a notice.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoticeTaken {
    /// True.
    received: bool,
    /// `done`, `known` (it was done before), `ignored` (nothing follows from it), or `unmatched` (nobody here knows for
    /// whom or for what it is; an event tells operators).
    #[schema(example = "done")]
    outcome: &'static str,
}

/// Takes a notice of the payment provider's, signed as Stripe signs them; the same one is acted upon once.
#[utoipa::path(post, path = "/billing/webhook", tag = "billing", security(()), request_body = PaymentNotice,
    params(("Stripe-Signature" = Option<String>, Header,
        description = "`t=<unix seconds>,v1=<hex>`: an HMAC-SHA256 of `t`, a full stop and the body, at most five minutes old")),
    responses(
        (status = 200, description = "It was taken", body = NoticeTaken),
        (status = 401, description = "It is not signed, or not with this secret, or not now", body = ErrorBody),
        (status = 502, description = "The payment provider could not be asked; send it again", body = ErrorBody),
        (status = 503, description = "No payment provider is configured, or the host is too busy; send it again", body = ErrorBody),
        (status = 504, description = "The payment provider did not answer in time; send it again", body = ErrorBody),
    )
)]
pub async fn webhook(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    headers: HeaderMap,
    JsonBytes(body): JsonBytes,
) -> Result<Json<NoticeTaken>, ApiError> {
    let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    let outcome = payments::receive(&app, &visitor, signature, &body).await?;
    Ok(Json(NoticeTaken { received: true, outcome: outcome.word() }))
}
