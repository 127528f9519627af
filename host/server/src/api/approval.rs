//! `X-Spend-Approval`: somebody's yes to what a request may cost.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use utoipa::IntoParams;

/// The header.
#[derive(Clone, Debug, Default, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct Approval {
    /// The id of an approval, for a request that may cost more than the threshold of the budget.
    #[param(rename = "X-Spend-Approval")]
    id: Option<String>,
}

impl Approval {
    /// The approval's id, where one was sent.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }
}

impl<S: Sync> FromRequestParts<S> for Approval {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let id = parts.headers.get("x-spend-approval").and_then(|value| value.to_str().ok());
        Ok(Self { id: id.map(str::to_owned) })
    }
}
