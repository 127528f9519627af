//! Failures out of errors, in the words of <https://platform.claude.com/docs/en/api/errors>.

use alloc::format;
use alloc::string::{String, ToString};

use hardpoint_sdk::{Failure, FailureKind};
use serde_json::Value;

/// Messages longer than this are cut, in bytes.
const MAX_MESSAGE: usize = 2_000;

/// The head of an answer that is no success.
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) retry_after_ms: Option<u64>,
    /// What Anthropic's support asks for.
    pub(crate) request_id: Option<String>,
}

/// The failure of an answer that is no success.
pub(crate) fn of_answer(answered: &Answered, body: &str) -> Failure {
    let status = answered.status;
    let reported = serde_json::from_str::<Value>(body).ok().and_then(|json| Reported::find(&json));
    let failure = match reported {
        Some(reported) => {
            let kind = reported.kind(Some(status));
            reported.into_failure(kind)
        }
        None => Failure::new(FailureKind::of_status(status), plain(status, body)),
    };
    let failure = Failure { status: Some(status), retry_after_ms: answered.retry_after_ms, ..failure };
    with_request_id(failure, answered.request_id.as_deref())
}

/// The failure of an `error` event, or of an error that came with a success.
pub(crate) fn of_event(json: &str) -> Failure {
    let json: Value = serde_json::from_str(json).unwrap_or_default();
    let Some(reported) = Reported::find(&json) else {
        return Failure::upstream("the API reported an error without a word about it");
    };
    let kind = reported.kind(None);
    with_request_id(reported.into_failure(kind), json["request_id"].as_str())
}

/// `{"type": "error", "error": {"type": …, "message": …}, "request_id": …}`.
struct Reported {
    kind: String,
    message: String,
}

impl Reported {
    fn find(json: &Value) -> Option<Self> {
        let error = &json["error"];
        // Gateways in between have simpler forms.
        let message = error["message"].as_str().or(error.as_str()).or(json["message"].as_str());
        let message = message.filter(|text| !text.is_empty())?;
        let kind = error["type"].as_str().unwrap_or_default();
        Some(Self { kind: kind.to_string(), message: cut(message, MAX_MESSAGE).to_string() })
    }

    fn kind(&self, status: Option<u16>) -> FailureKind {
        match self.kind.as_str() {
            // Where the money ran out, or a limit that the operator set on spending, the API says that the
            // request is invalid. It is not; a fallback may serve it.
            "invalid_request_error" if self.is_about_money() => FailureKind::Authentication,
            // Used with several statuses, of which some say more; an event has none.
            "invalid_request_error" => status.map_or(FailureKind::InvalidRequest, FailureKind::of_status),
            "authentication_error" | "permission_error" | "billing_error" => FailureKind::Authentication,
            "not_found_error" => FailureKind::Unsupported,
            "request_too_large" => FailureKind::InvalidRequest,
            "rate_limit_error" => FailureKind::RateLimited,
            "overloaded_error" => FailureKind::Overloaded,
            "api_error" | "timeout_error" => FailureKind::Upstream,
            _ => status.map_or(FailureKind::Upstream, FailureKind::of_status),
        }
    }

    fn is_about_money(&self) -> bool {
        ["credit balance is too low", "specified API usage limits", "specified workspace API usage limits"]
            .iter()
            .any(|words| self.message.contains(words))
    }

    fn into_failure(self, kind: FailureKind) -> Failure {
        let code = Some(self.kind).filter(|it| !it.is_empty() && it != "invalid_request_error");
        Failure { code, param: param(&self.message).map(str::to_string), ..Failure::new(kind, self.message) }
    }
}

/// Messages of validation begin with the path of the member: `messages.0.content: …`. Its name as the
/// host's callers know it.
fn param(message: &str) -> Option<&'static str> {
    let (path, _) = message.split_once(':')?;
    Some(match path.split('.').next()? {
        "messages" | "system" => "messages",
        "model" => "model",
        "max_tokens" => "max_tokens",
        "temperature" => "temperature",
        "top_p" => "top_p",
        "stop_sequences" => "stop",
        "tools" => "tools",
        "tool_choice" => "tool_choice",
        "metadata" => "user",
        "output_config" => "response_format",
        _ => return None,
    })
}

/// What the caller can mend is told to the caller; all else is for the operator, who may ask for support.
fn with_request_id(failure: Failure, request_id: Option<&str>) -> Failure {
    match request_id {
        Some(id) if failure.kind != FailureKind::InvalidRequest && !id.is_empty() => {
            Failure { message: format!("{} (request {})", failure.message, cut(id, 100)), ..failure }
        }
        _ => failure,
    }
}

/// A body that says nothing as JSON: a proxy's page most often, of which the markup helps nobody.
fn plain(status: u16, body: &str) -> String {
    let body = body.trim();
    if body.is_empty() || body.starts_with(['<', '{', '[']) {
        return format!("the API answered with status {status}");
    }
    format!("the API answered with status {status}: {}", cut(body, MAX_MESSAGE))
}

/// At most so many bytes of a text.
pub(crate) fn cut(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes.min(text.len()))]
}
