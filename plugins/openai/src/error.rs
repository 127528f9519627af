//! Failures out of what servers say of them, in OpenAI's words and in others'.

use alloc::format;
use alloc::string::{String, ToString};

use hardpoint_sdk::{Failure, FailureKind};
use serde_json::Value;

/// Messages longer than this are cut.
const MAX_MESSAGE: usize = 2_000;

/// An error object, whoever's it is.
struct Reported {
    message: String,
    /// The server's code, where it is more than a status.
    code: Option<String>,
    /// A kind of error in the server's words; many servers have this and no code.
    class: Option<String>,
    param: Option<String>,
    /// A status among the members, for errors that come inside a success.
    status: Option<u16>,
}

/// The failure of an answer whose status is no success.
pub(crate) fn of_answer(status: u16, body: &str, retry_after_ms: Option<u64>) -> Failure {
    let reported = serde_json::from_str::<Value>(body).ok().and_then(|json| Reported::find(&json));
    let Some(reported) = reported else {
        return Failure::of_status(status, plain(status, body)).with_retry_after_ms(retry_after_ms);
    };
    // A code says more than a status; that a request was invalid (OpenAI's class for half its errors) less.
    let kind = reported.kind().filter(|_| status < 500).unwrap_or_else(|| FailureKind::of_status(status));
    Failure { status: Some(status), retry_after_ms, ..reported.into_failure(kind) }
}

/// The failure of an error object that came with a success, in a stream most often.
pub(crate) fn of_object(json: &str) -> Failure {
    find(json).unwrap_or_else(|| Failure::upstream("the server reported an error without a word about it"))
}

/// The failure that some JSON tells of, if it does.
pub(crate) fn find(json: &str) -> Option<Failure> {
    let reported = Reported::find(&serde_json::from_str(json).ok()?)?;
    let by_status = || reported.status.map(FailureKind::of_status);
    let by_class = || match reported.class.as_deref() {
        Some("invalid_request_error" | "BadRequestError") => Some(FailureKind::InvalidRequest),
        _ => None,
    };
    let kind = reported.kind().or_else(by_status).or_else(by_class).unwrap_or(FailureKind::Upstream);
    let status = reported.status;
    Some(Failure { status, ..reported.into_failure(kind) })
}

impl Reported {
    /// Errors stand under `error` or `errors`, are the whole answer, or the first of a list of such.
    fn find(json: &Value) -> Option<Self> {
        match json {
            Value::Array(items) => Self::find(items.first()?),
            Value::String(message) => Self::new(message, &Value::Null),
            Value::Object(members) => match members.get("error").or_else(|| members.get("errors")) {
                // `{"error": "Not Found", "message": "There is no such model"}`
                Some(Value::String(error)) => Self::object(json).or_else(|| Self::new(error, json)),
                Some(error @ (Value::Object(_) | Value::Array(_))) => Self::find(error),
                _ => Self::object(json),
            },
            _ => None,
        }
    }

    fn object(json: &Value) -> Option<Self> {
        match (&json["message"], &json["detail"]) {
            (Value::String(message), _) | (_, Value::String(message)) => Self::new(message, json),
            // A validator's list: what and where is more than no message at all.
            (_, detail @ Value::Array(_)) => Self::new(&detail.to_string(), json),
            _ => None,
        }
    }

    fn new(message: &str, json: &Value) -> Option<Self> {
        if message.is_empty() {
            return None;
        }
        let text = |name: &str| json[name].as_str().filter(|text| !text.is_empty()).map(ToString::to_string);
        let number = json["code"].as_u64().or_else(|| json["status"].as_u64());
        let status =
            number.and_then(|number| u16::try_from(number).ok()).filter(|status| (400..600).contains(status));
        let code =
            text("code").or_else(|| number.filter(|_| status.is_none()).map(|number| number.to_string()));
        Some(Self {
            message: cut(message),
            code,
            class: text("type").or_else(|| text("status")),
            param: text("param"),
            status,
        })
    }

    /// What codes and classes say more than a status.
    fn kind(&self) -> Option<FailureKind> {
        [&self.code, &self.class].into_iter().flatten().find_map(|word| {
            Some(match word.as_str() {
                "content_filter" | "content_policy_violation" | "ResponsibleAIPolicyViolation" => {
                    FailureKind::ContentFiltered
                }
                "context_length_exceeded" | "INVALID_ARGUMENT" => FailureKind::InvalidRequest,
                "model_not_found" => FailureKind::Unsupported,
                "invalid_api_key" | "authentication_error" | "permission_error" => {
                    FailureKind::Authentication
                }
                "insufficient_quota" | "rate_limit_exceeded" | "rate_limit_error" | "RESOURCE_EXHAUSTED" => {
                    FailureKind::RateLimited
                }
                "overloaded_error" | "engine_overloaded" | "UNAVAILABLE" => FailureKind::Overloaded,
                _ => return None,
            })
        })
    }

    fn into_failure(self, kind: FailureKind) -> Failure {
        let class = self.class.filter(|class| class != "invalid_request_error" && class != "error");
        Failure { code: self.code.or(class), param: self.param, ..Failure::new(kind, self.message) }
    }
}

/// A body that says nothing as JSON: a proxy's page most often, of which the markup helps nobody.
fn plain(status: u16, body: &str) -> String {
    let body = body.trim();
    if body.is_empty() || body.starts_with(['<', '{', '[']) {
        return format!("the server answered with status {status}");
    }
    format!("the server answered with status {status}: {}", cut(body))
}

fn cut(message: &str) -> String {
    message[..message.floor_char_boundary(MAX_MESSAGE.min(message.len()))].to_string()
}
