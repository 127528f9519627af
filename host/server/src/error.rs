//! The one error of the HTTP API, and the shapes it is rendered in.
//!
//! A handler returns an [`ApiError`]; the outermost middleware takes it out of the answer's extensions,
//! logs its cause once with the request id, and renders it in the shape of the path it was asked under.
//! Texts of 5xx answers are generic: what the client cannot mend it need not read.

mod failure;
pub mod schema;

use std::borrow::Cow;
use std::fmt;

use axum::response::{IntoResponse, Response};
use hardpoint_domain::access::{Excess, Refusal, Role};
use hardpoint_domain::catalogue::{Upgrade, Used};
use hardpoint_store::StoreError;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value, json};

/// How an error's body looks. Which one applies is a matter of the path alone; see [`Shape::of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `{"error":{"type","message","details"?,"retry_after"?}}`.
    Standard,
    /// The same with OpenAI's `code` and `param` inside, null where absent.
    OpenAi,
    /// `{"error":"<type>","message", …}`: the quick-answer endpoints. Every 402 has this shape too.
    Flat,
}

impl Shape {
    /// The shape under a request path, wherever the API is mounted.
    pub fn of(path: &str) -> Self {
        let path = path.strip_prefix("/api").unwrap_or(path);
        let path = path.strip_prefix("/v1").unwrap_or(path);
        let under =
            |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if under("/chat/completions") || under("/models") || under("/embeddings") {
            Self::OpenAi
        } else if path == "/chat"
            || path == "/search"
            || path == "/documents/upload"
            || under("/chat/conversations")
            || under("/analytics")
        {
            Self::Flat
        } else {
            Self::Standard
        }
    }
}

/// The longest message, in characters.
const LONGEST: usize = 1_000;

/// Text that may repeat what a client sent, of at most so many characters: what is too long is without its middle.
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    let count = text.chars().count();
    if count <= most {
        return text.into();
    }
    let end = most / 3;
    let (start, end) = (text.chars().take(most - end - 3), text.chars().skip(count - end));
    start.chain(" … ".chars()).chain(end).collect::<String>().into()
}

/// An answer that is not what the client hoped for.
#[derive(Clone)]
pub struct ApiError(Box<Inner>);

#[derive(Clone)]
struct Inner {
    status: StatusCode,
    kind: &'static str,
    message: Cow<'static, str>,
    details: Map<String, Value>,
    /// Whole seconds.
    retry_after: Option<u64>,
    code: Option<Cow<'static, str>>,
    param: Option<String>,
    /// Members beside `error` and `message` in the flat shape.
    beside: Map<String, Value>,
    /// For the log alone.
    cause: Option<String>,
}

impl ApiError {
    /// An error of any status and type.
    pub fn new(status: StatusCode, kind: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        let message = match message.into() {
            Cow::Owned(text) => shortened(&text, LONGEST).into_owned().into(),
            fixed => fixed,
        };
        Self(Box::new(Inner {
            status,
            kind,
            message,
            details: Map::new(),
            retry_after: None,
            code: None,
            param: None,
            beside: Map::new(),
            cause: None,
        }))
    }

    /// 400: not what the endpoint takes. `field` is the path of the member (`messages[2].role`),
    /// `constraint` one word for the rule it breaks (`required`, `type`, `range` …).
    pub fn bad_field(
        field: impl Into<String>,
        constraint: &str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_error", message).at(field.into(), constraint)
    }

    /// 422: well-formed but impossible.
    pub fn impossible(
        field: impl Into<String>,
        constraint: &str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", message).at(field.into(), constraint)
    }

    /// 400 without a field to name.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "validation_error", message)
    }

    /// 401.
    pub fn unauthenticated() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "authentication_error",
            "A valid API key is required: send `Authorization: Bearer <key>` or `X-API-Key: <key>`.",
        )
        .with_code("invalid_api_key")
    }

    /// 403.
    pub fn forbidden(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "permission_denied", message)
    }

    /// 403 for what a test key does not do, since it never calls an outside service; `what` reads like
    /// `makes no embeddings`.
    pub fn test_key(what: &str) -> Self {
        Self::forbidden(format!("A test key {what}: it never calls an outside service. Use a live key."))
            .with_code("test_key")
    }

    /// 404 for a resource that is not there or not the caller's; `what` reads like `chat "chat-abc"`.
    pub fn not_found(what: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", format!("There is no {what}."))
    }

    /// 409.
    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "conflict", message)
    }

    /// 402, always flat; `kind` is `plan_limit_exceeded`, `insufficient_balance` or `spend_cap_exceeded`.
    pub fn payment_required(kind: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYMENT_REQUIRED, kind, message)
    }

    /// 408.
    pub fn request_timeout() -> Self {
        let message = "The rest of the request's body did not come in time.";
        Self::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", message)
    }

    /// 413.
    pub fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            format!("The body is larger than the {limit} bytes that are allowed here."),
        )
    }

    /// 413 for one file of several that may be sent at once.
    pub fn file_too_large(name: &str, limit: u64) -> Self {
        let message = format!("The file `{name}` is larger than the {limit} bytes that a document may have.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", message)
    }

    /// 415.
    pub fn unsupported_media_type(expected: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            format!("The body must be sent as `Content-Type: {expected}`."),
        )
    }

    /// 429 where too many requests are under way: one of them may end at any time.
    pub fn too_many_at_once(most: u32, what: &str) -> Self {
        let message = format!("At most {most} {what} may be under way at once. Retry when one has ended.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message).retry_after(1)
    }

    /// 403 where a limit is 0: no waiting helps.
    pub fn shut(limit: &str) -> Self {
        Self::forbidden(format!("Your organisation may do nothing of this kind: its limit `{limit}` is 0."))
            .with_detail("limit", limit)
    }

    /// 429.
    pub fn rate_limited(seconds: u64) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limit_exceeded",
            format!("Rate limit exceeded. Retry after {seconds} seconds."),
        )
        .retry_after(seconds)
    }

    /// 500. The cause goes to the log, not to the client.
    pub fn internal(cause: impl fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "Something went wrong on our side. Retry, or contact support with the Request-Id of this answer.",
        )
        .caused_by(cause)
    }

    /// 503: worth another attempt after so many seconds.
    pub fn unavailable(seconds: u64, message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "service_unavailable", message).retry_after(seconds)
    }

    /// 503: nothing can be written until somebody makes room.
    pub fn storage_full() -> Self {
        let message = "There is no room left to write anything. What is there can be read. Retry later.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_full", message).retry_after(5)
    }

    /// Whether it is [`storage_full`](Self::storage_full).
    pub fn is_storage_full(&self) -> bool {
        self.0.kind == "storage_full"
    }

    /// 503: what would serve this failed several times in a row for the caller's organisation, and is left alone for
    /// so many seconds.
    pub fn plugin_paused(seconds: u64) -> Self {
        let unit = if seconds == 1 { "second" } else { "seconds" };
        let message = format!(
            "The plugin that serves this failed several times in a row for your organisation, so it is not asked \
             for a while. Retry after {seconds} {unit}."
        );
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "plugin_paused", message).retry_after(seconds)
    }

    /// 502: a tool that was called answered with a failure of its own, for this reason.
    pub fn tool_failed(reason: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, "tool_failed", format!("The tool failed: {reason}"))
    }

    /// With the member that is to blame and the rule it breaks.
    fn at(mut self, field: String, constraint: &str) -> Self {
        self.0.details.insert("field".to_owned(), Value::String(field.clone()));
        self.0.details.insert("constraint".to_owned(), Value::String(constraint.to_owned()));
        self.0.param = Some(field);
        self
    }

    /// With OpenAI's `code`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> Self {
        self.0.code = Some(code.into());
        self
    }

    /// With one more member in `details`.
    #[must_use]
    pub fn with_detail(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.details.insert(name.to_owned(), value.into());
        self
    }

    /// With one more member beside `error` and `message` in the flat shape.
    #[must_use]
    pub fn with_member(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.beside.insert(name.to_owned(), value.into());
        self
    }

    /// With a time to wait, in the body and as `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds.max(1));
        self
    }

    /// With what is to be logged and never shown.
    #[must_use]
    pub fn caused_by(mut self, cause: impl fmt::Display) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// The status that it is answered with.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// Its `type`.
    pub fn kind(&self) -> &'static str {
        self.0.kind
    }

    /// Its text for the client.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// What is to be logged.
    pub fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// Logs the cause, and every 5xx, once. What a client did wrong is in the call record, not here.
    pub fn log(&self, request_id: &str) {
        let (status, kind) = (self.0.status.as_u16(), self.kind());
        let cause = self.0.cause.as_deref().unwrap_or(&self.0.message);
        match self.0.status {
            StatusCode::INTERNAL_SERVER_ERROR => {
                tracing::error!(request_id, status, kind, cause, "request failed")
            }
            code if code.is_server_error() => {
                tracing::warn!(request_id, status, kind, cause, "request failed")
            }
            _ if self.0.cause.is_some() => tracing::info!(request_id, status, kind, cause, "request refused"),
            _ => {}
        }
    }

    /// The JSON body.
    pub fn body(&self, shape: Shape) -> Vec<u8> {
        let inner = &*self.0;
        let rendered = if inner.status == StatusCode::PAYMENT_REQUIRED || shape == Shape::Flat {
            let flat = FlatBody {
                error: match inner.status {
                    // FAQSure's word.
                    StatusCode::UNAUTHORIZED => "invalid_api_key",
                    _ => inner.kind,
                },
                message: &inner.message,
                retry_after: inner.retry_after,
                beside: &inner.beside,
            };
            serde_json::to_vec(&flat)
        } else {
            let openai = shape == Shape::OpenAi;
            serde_json::to_vec(&Body {
                error: Object {
                    kind: inner.kind,
                    message: &inner.message,
                    details: (!inner.details.is_empty()).then_some(&inner.details),
                    retry_after: inner.retry_after,
                    code: openai.then_some(inner.code.as_deref()),
                    param: openai.then_some(inner.param.as_deref()),
                },
            })
        };
        // Strings, numbers and string-keyed maps always serialise.
        rendered.unwrap_or_default()
    }

    /// The whole answer. It carries the error in its extensions, for the middleware to log.
    pub fn render(self, shape: Shape) -> Response {
        let mut response = Response::new(axum::body::Body::from(self.body(shape)));
        *response.status_mut() = self.0.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.0.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.0.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.0.status.as_u16(), self.0.kind, self.0.message)?;
        self.0.cause.as_deref().map_or(Ok(()), |cause| write!(f, " ({cause})"))
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.render(Shape::Standard)
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: Object<'a>,
}

#[derive(Serialize)]
struct Object<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    /// Outer: whether the shape has the member at all; inner: null where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    param: Option<Option<&'a str>>,
}

#[derive(Serialize)]
struct FlatBody<'a> {
    error: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(flatten)]
    beside: &'a Map<String, Value>,
}

/// A caller that may not do what it asks.
impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Role { needed: Role::Operator, .. } => {
                Self::forbidden("Only an operator may do this: call it with a key whose role is `operator`.")
            }
            Refusal::Role { needed, has } => Self::forbidden(format!(
                "This needs the role `{needed}` or a higher one; this key's is `{has}`."
            )),
            Refusal::Scope(scope) => {
                Self::forbidden(format!("This key lacks the scope `{scope}`.")).with_detail("scope", scope)
            }
        }
    }
}

/// An organisation whose plan does not allow it.
impl From<Upgrade> for ApiError {
    fn from(upgrade: Upgrade) -> Self {
        let code = format!("{}_REQUIRES_UPGRADE", upgrade.lacks.to_ascii_uppercase());
        let mut error =
            Self::payment_required("plan_limit_exceeded", upgrade.to_string()).with_member("code", code);
        if let Some(plan) = upgrade.required_plan {
            error = error.with_member("required_plan", plan);
        }
        if let Some(Used { current, max }) = upgrade.used {
            error = error.with_member("current_usage", json!({ "current": current, "max": max }));
        }
        error.with_member("upgrade_url", upgrade.url)
    }
}

/// A key that would be more than who makes, renews or ends it.
impl From<Excess> for ApiError {
    fn from(excess: Excess) -> Self {
        Self::forbidden(format!("A key passes on, renews and ends no more than it may do itself: {excess}."))
            .with_detail("field", excess.field())
    }
}

/// What the store could not do is hardly ever the client's affair.
impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::InvalidText => Self::bad_request("Text may not contain the character NUL."),
            StoreError::Duplicate { .. } => Self::conflict("It exists already.").caused_by(error),
            StoreError::Blobs(_) => {
                Self::unavailable(1, "The folder for bytes cannot be used. Retry later.").caused_by(error)
            }
            transient if transient.is_transient() => {
                Self::unavailable(1, "The database cannot be reached. Retry later.").caused_by(error)
            }
            StoreError::Full => Self::storage_full().caused_by(error),
            _ => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests;
