//! What a failed exchange with a provider is answered with.

use std::borrow::Cow;
use std::time::Duration;

use hardpoint_domain::failure::{Failure, FailureKind};
use http::StatusCode;

use super::ApiError;

/// Whole seconds, rounded up: a client that waits them has waited long enough.
fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// A failed exchange with a provider. What the caller can mend is told; the rest is for the log.
impl From<Failure> for ApiError {
    fn from(failure: Failure) -> Self {
        use FailureKind::*;
        let told = |status, kind: &'static str| Self::new(status, kind, failure.message.clone());
        let hidden = |status, kind: &'static str, message: &'static str| {
            let status_of_upstream =
                failure.status.map(|status| format!(" (HTTP {status})")).unwrap_or_default();
            Self::new(status, kind, message)
                .caused_by(format_args!("{:?}: {}{status_of_upstream}", failure.kind, failure.message))
        };
        let wait = failure.retry_after.map(whole_seconds);
        let mut error = match failure.kind {
            InvalidRequest if failure.status == Some(422) => {
                told(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request")
            }
            InvalidRequest => told(StatusCode::BAD_REQUEST, "invalid_request"),
            ContentFiltered => told(StatusCode::BAD_REQUEST, "content_filtered"),
            Unsupported => told(StatusCode::UNPROCESSABLE_ENTITY, "unsupported"),
            // The host's own credentials: nothing that the caller did, and nothing it can mend.
            Authentication => hidden(
                StatusCode::BAD_GATEWAY,
                "upstream_authentication_failed",
                "The model's provider refused this host's credentials. An operator has to mend them.",
            ),
            RateLimited => hidden(
                StatusCode::TOO_MANY_REQUESTS,
                "upstream_rate_limited",
                "The model's provider takes no more requests at the moment. Retry later.",
            )
            .retry_after(wait.unwrap_or(1)),
            Overloaded => hidden(
                StatusCode::SERVICE_UNAVAILABLE,
                "upstream_overloaded",
                "The model's provider is overloaded. Retry later.",
            )
            .retry_after(wait.unwrap_or(5)),
            Upstream => hidden(StatusCode::BAD_GATEWAY, "upstream_error", "The model's provider failed."),
            Protocol => hidden(
                StatusCode::BAD_GATEWAY,
                "upstream_protocol_error",
                "The model's provider gave no valid answer.",
            ),
            Connect => hidden(
                StatusCode::BAD_GATEWAY,
                "upstream_unreachable",
                "The model's provider cannot be reached.",
            ),
            Reset => hidden(
                StatusCode::BAD_GATEWAY,
                "upstream_connection_lost",
                "The connection to the model's provider was lost before its answer was complete.",
            ),
            Timeout => hidden(
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "The model's provider did not answer within the time allowed.",
            ),
            Denied => hidden(
                StatusCode::SERVICE_UNAVAILABLE,
                "model_unavailable",
                "The model is not available now. Its plugin is still being loaded, or an operator has to enable it.",
            ),
            Plugin => hidden(
                StatusCode::BAD_GATEWAY,
                "plugin_failed",
                "The plugin that serves this was stopped or broke its interface's rules.",
            ),
            Busy => hidden(
                StatusCode::SERVICE_UNAVAILABLE,
                "overloaded",
                "Too many requests are under way here. Retry later.",
            )
            .retry_after(wait.unwrap_or(1)),
            Paused => {
                let seconds = wait.unwrap_or(1).max(1);
                Self::plugin_paused(seconds).caused_by(&failure.message)
            }
        };
        // `cpu`, `memory`, `trap` …: the class of the cause, for those who wrote the plugin.
        if let (Plugin, Some(cause)) = (failure.kind, failure.code.as_deref()) {
            error = error.with_detail("cause", cause.strip_prefix("plugin_").unwrap_or(cause));
        }
        error.0.code = match failure.kind {
            ContentFiltered => Some(Cow::Borrowed("content_filter")),
            InvalidRequest | Unsupported | Plugin => failure.code.map(Cow::Owned),
            _ => None,
        };
        if failure.kind == InvalidRequest {
            error.0.param = failure.param;
        }
        error
    }
}
