//! `/admin/auth`: logging in by a PIN that is sent by mail, and out again.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::JsonBytes;
use crate::service::login::{self, Asked, LoggedIn, Visitor};
use crate::state::App;

/// Who wants to log in.
#[derive(Debug, Deserialize, ToSchema)]
pub struct RequestPin {
    /// The address that they were invited by.
    #[schema(example = "admin@sekuire.ai")]
    email: String,
    /// `org_…`: which of the organisations that invited them. Where left out, the one that did so first.
    organization_id: Option<String>,
}

/// What a PIN that was sent is good for. The same whether or not anybody has the address.
#[derive(Debug, Serialize, ToSchema)]
pub struct PinRequested {
    /// To be sent with the PIN.
    #[schema(example = "cf4b26f1-3b34-4c8f-b4c4-dccb0c1828b0")]
    challenge_id: String,
    /// When the PIN ends, RFC 3339.
    expires_at: String,
    /// `email`.
    delivery: &'static str,
}

/// The PIN that came by mail.
#[derive(Debug, Deserialize, ToSchema)]
pub struct VerifyPin {
    /// As it was when the PIN was asked for.
    #[schema(example = "admin@sekuire.ai")]
    email: String,
    /// As it was answered then.
    #[schema(example = "cf4b26f1-3b34-4c8f-b4c4-dccb0c1828b0")]
    challenge_id: String,
    /// Six digits.
    #[schema(example = "123456")]
    pin: String,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// To be sent as `Authorization: Bearer adm_…`. Shown this once.
    #[schema(example = "adm_00OUTnkTGbMvdYqsy0cjEnpwuGlqK1IwmN")]
    session_token: String,
    /// When the session ends, however much it is used; RFC 3339.
    expires_at: String,
    /// Whose it is.
    email: String,
}

/// Sends a PIN by mail to whoever has the address. It lets them in once, within five minutes and five attempts.
#[utoipa::path(post, path = "/admin/auth/request-pin", tag = "login", security(()), request_body = RequestPin,
    responses(
        (status = 200, description = "A PIN was sent, if somebody has the address", body = PinRequested),
        (status = 429, description = "PINs were asked for too often, for this address or from this network", body = ErrorBody),
        (status = 503, description = "The host is too busy, or its database out of reach", body = ErrorBody),
    )
)]
pub async fn request_pin(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    body: JsonBytes,
) -> Result<Json<PinRequested>, ApiError> {
    let RequestPin { email, organization_id } = body.parse()?;
    let Asked { challenge, expires_at } = login::request_pin(&app, &email, organization_id, &visitor).await?;
    Ok(Json(PinRequested {
        challenge_id: challenge.to_string(),
        expires_at: expires_at.to_rfc3339(),
        delivery: "email",
    }))
}

/// Begins a session for whoever has the PIN.
#[utoipa::path(post, path = "/admin/auth/verify-pin", tag = "login", security(()), request_body = VerifyPin,
    responses(
        (status = 200, description = "The session", body = Session),
        (status = 401, description = "It is not the PIN, or that has ended, was used, or was tried too often", body = ErrorBody),
        (status = 429, description = "PINs were tried too often from this network", body = ErrorBody),
        (status = 503, description = "The host is too busy, or its database out of reach", body = ErrorBody),
    )
)]
pub async fn verify_pin(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    body: JsonBytes,
) -> Result<Json<Session>, ApiError> {
    let VerifyPin { email, challenge_id, pin } = body.parse()?;
    let LoggedIn { token, expires_at, user } =
        login::verify_pin(&app, &email, &challenge_id, &pin, &visitor).await?;
    Ok(Json(Session {
        session_token: token.reveal().to_owned(),
        expires_at: expires_at.to_rfc3339(),
        email: user.email,
    }))
}

/// Ends the session that this is asked with.
#[utoipa::path(post, path = "/admin/auth/logout", tag = "login",
    responses(
        (status = 204, description = "The session has ended"),
        (status = 403, description = "It was asked with an API key", body = ErrorBody),
    )
)]
pub async fn log_out(State(app): State<Arc<App>>, caller: Caller) -> Result<StatusCode, ApiError> {
    login::log_out(&app, &caller).await?;
    Ok(StatusCode::NO_CONTENT)
}
