//! Failures out of `google.rpc.Status` (<https://google.aip.dev/193>), as
//! <https://ai.google.dev/gemini-api/docs/troubleshooting> explains its codes.

use alloc::format;
use alloc::string::{String, ToString};

use hardpoint_sdk::{Failure, FailureKind};
use serde_json::Value;

/// Messages longer than this are cut, in bytes.
const MAX_MESSAGE: usize = 2_000;
/// No wait is longer, in milliseconds.
const DAY: f64 = 86_400_000.0;

/// The failure of an answer that is no success. How long to wait stands among the error's details, or in a
/// header.
pub(crate) fn of_answer(status: u16, body: &str, retry_after_ms: Option<u64>) -> Failure {
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    let Some(reported) = Reported::find(&json) else {
        return Failure::of_status(status, plain(status, body)).with_retry_after_ms(retry_after_ms);
    };
    let failure = reported.into_failure(Some(status));
    Failure { retry_after_ms: failure.retry_after_ms.or(retry_after_ms), ..failure }
}

/// The failure of an error that came with a success.
pub(crate) fn of_object(json: &str) -> Failure {
    let json: Value = serde_json::from_str(json).unwrap_or_default();
    match Reported::of(&json) {
        Some(reported) => reported.into_failure(None),
        None => Failure::upstream("the API reported an error without a word about it"),
    }
}

/// `{"code": 400, "message": …, "status": "INVALID_ARGUMENT", "details": […]}`.
struct Reported {
    message: String,
    code: Option<u16>,
    status: String,
    /// Of `google.rpc.ErrorInfo`: `API_KEY_INVALID`, say.
    reason: Option<String>,
    /// Of `google.rpc.RetryInfo`.
    retry_after_ms: Option<u64>,
    /// The first of `google.rpc.BadRequest`.
    field: Option<String>,
}

impl Reported {
    /// Streams put the error into a list.
    fn find(json: &Value) -> Option<Self> {
        let json = json.get(0).unwrap_or(json);
        Self::of(&json["error"])
    }

    fn of(error: &Value) -> Option<Self> {
        let message = error["message"].as_str().or(error.as_str()).filter(|text| !text.is_empty())?;
        let code = error["code"].as_u64().and_then(|code| u16::try_from(code).ok());
        let detail = |kind: &str| {
            let is = |it: &&Value| it["@type"].as_str().is_some_and(|it| it.ends_with(kind));
            error["details"].as_array()?.iter().find(is)
        };
        let text = |value: &Value| value.as_str().map(ToString::to_string);
        Some(Self {
            message: cut(message, MAX_MESSAGE).to_string(),
            code: code.filter(|code| (400..600).contains(code)),
            status: error["status"].as_str().unwrap_or_default().to_string(),
            reason: detail("google.rpc.ErrorInfo").and_then(|it| text(&it["reason"])),
            retry_after_ms: detail("google.rpc.RetryInfo").and_then(|it| delay(it["retryDelay"].as_str()?)),
            field: detail("google.rpc.BadRequest").and_then(|it| text(&it["fieldViolations"][0]["field"])),
        })
    }

    fn into_failure(self, status: Option<u16>) -> Failure {
        let status = status.or(self.code);
        let kind = match (self.status.as_str(), self.reason.as_deref()) {
            // A key that is wrong or over its time is told as an invalid argument.
            (_, Some("API_KEY_INVALID" | "API_KEY_SERVICE_BLOCKED" | "ACCESS_TOKEN_EXPIRED")) => {
                FailureKind::Authentication
            }
            ("INVALID_ARGUMENT" | "OUT_OF_RANGE" | "ALREADY_EXISTS", _) => FailureKind::InvalidRequest,
            // The country, or an account without billing: nothing that the caller could mend.
            ("FAILED_PRECONDITION", _) => FailureKind::Authentication,
            ("UNAUTHENTICATED" | "PERMISSION_DENIED", _) => FailureKind::Authentication,
            ("NOT_FOUND" | "UNIMPLEMENTED", _) => FailureKind::Unsupported,
            ("RESOURCE_EXHAUSTED", _) => FailureKind::RateLimited,
            ("UNAVAILABLE", _) => FailureKind::Overloaded,
            ("INTERNAL" | "UNKNOWN" | "DATA_LOSS" | "DEADLINE_EXCEEDED" | "ABORTED" | "CANCELLED", _) => {
                FailureKind::Upstream
            }
            _ => status.map_or(FailureKind::Upstream, FailureKind::of_status),
        };
        let code = self.reason.or(Some(self.status)).filter(|it| !it.is_empty() && it != "INVALID_ARGUMENT");
        Failure {
            status,
            code,
            retry_after_ms: self.retry_after_ms,
            param: self.field.as_deref().and_then(param).map(ToString::to_string),
            ..Failure::new(kind, self.message)
        }
    }
}

/// A duration as JSON has it: seconds with up to nine digits after the point, and an `s`.
fn delay(text: &str) -> Option<u64> {
    let seconds = text.strip_suffix('s')?;
    let is_plain = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = seconds.parse::<f64>().ok().filter(|_| is_plain)?;
    Some((seconds * 1000.0).clamp(0.0, DAY) as u64)
}

/// The member to blame, as the host's callers know it. The API's own names come in either case.
fn param(field: &str) -> Option<&'static str> {
    let mut path = field.split(['.', '[']);
    let first = path.next()?;
    let name = match first {
        "generation_config" | "generationConfig" => path.next()?,
        other => other,
    };
    Some(match name {
        "contents" | "system_instruction" | "systemInstruction" => "messages",
        "model" => "model",
        "tools" => "tools",
        "tool_config" | "toolConfig" => "tool_choice",
        "temperature" => "temperature",
        "top_p" | "topP" => "top_p",
        "max_output_tokens" | "maxOutputTokens" => "max_tokens",
        "stop_sequences" | "stopSequences" => "stop",
        "seed" => "seed",
        "presence_penalty" | "presencePenalty" => "presence_penalty",
        "frequency_penalty" | "frequencyPenalty" => "frequency_penalty",
        "response_schema"
        | "responseSchema"
        | "response_json_schema"
        | "responseJsonSchema"
        | "response_mime_type"
        | "responseMimeType" => "response_format",
        "requests" => "input",
        _ => return None,
    })
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
