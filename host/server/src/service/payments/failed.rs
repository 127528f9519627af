//! Why the payment provider was not asked, or did not answer as it should.

use hardpoint_runtime::egress::{EgressError, EgressErrorKind};
use http::StatusCode;

use crate::error::ApiError;

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Failed {
    /// It was not asked at all.
    Here(ApiError),
    /// Nothing came, or nothing that can be read.
    Lost(EgressError),
    /// It said no.
    Refused(Refusal),
    /// It answered with something else than it should.
    Garbled(String),
}

/// How the provider says no.
#[derive(Debug, Default)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// `resource_missing` …, or its kind, `api_error` …
    pub code: String,
    /// Which parameter it is about.
    pub param: String,
    /// For people; never holds our key.
    pub message: String,
}

impl Failed {
    /// Whether the provider does not know the customer that was named: it was removed there, or is another account's.
    pub(super) fn is_for_lack_of_customer(&self) -> bool {
        matches!(self, Self::Refused(refusal)
            if refusal.code == "resource_missing" && refusal.param == "customer")
    }
}

impl From<ApiError> for Failed {
    fn from(error: ApiError) -> Self {
        Self::Here(error)
    }
}

impl From<EgressError> for Failed {
    fn from(error: EgressError) -> Self {
        Self::Lost(error)
    }
}

/// What clients are told: nothing of it is theirs to mend. The rest is for the log.
impl From<Failed> for ApiError {
    fn from(failed: Failed) -> Self {
        let bad = |kind, message: &'static str| Self::new(StatusCode::BAD_GATEWAY, kind, message);
        match failed {
            Failed::Here(error) => error,
            Failed::Lost(error) if error.kind == EgressErrorKind::Timeout => {
                let message = "The payment provider did not answer in time. Retry later.";
                Self::new(StatusCode::GATEWAY_TIMEOUT, "billing_provider_timeout", message).caused_by(error)
            }
            Failed::Lost(error) => {
                let message = "The payment provider cannot be reached. Retry later.";
                bad("billing_provider_unreachable", message).caused_by(error)
            }
            Failed::Garbled(reason) => {
                bad("billing_provider_error", "The payment provider gave no valid answer.").caused_by(reason)
            }
            Failed::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let Refusal { status, code, param, message } = refusal;
        let bad = |kind, message: &'static str| Self::new(StatusCode::BAD_GATEWAY, kind, message);
        let error = match status {
            429 => Self::unavailable(5, "The payment provider takes no more requests. Retry later."),
            500.. => bad("billing_provider_error", "The payment provider failed. Retry later."),
            401 | 403 => bad(
                "billing_provider_refused",
                "The payment provider refused this host's credentials. An operator has to mend them.",
            ),
            _ => bad(
                "billing_provider_refused",
                "The payment provider refused what this host asked. An operator has to look into it.",
            ),
        };
        error.caused_by(format!("HTTP {status} {code} {param}: {message}"))
    }
}
