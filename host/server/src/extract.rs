//! Request bodies, paths and query strings as values, with the contract's errors: 413 too large, 415 wrong
//! media type, 400 not JSON, wrong type or missing field, with the field's path in `details`.

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use http_body::Body as _;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer};

use crate::error::{ApiError, shortened};
use crate::stall::Stalled;

/// A JSON body. Whether unknown members are refused is up to `T`.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let body = JsonBytes::from_request(request, state).await?;
        Ok(Self(body.parse()?))
    }
}

/// A body that claims to be JSON, unparsed. A `POST` without any has an empty object: what is required is named
/// then, and where nothing is, there is nothing to send. Whoever puts something in another's place sends it.
#[derive(Clone, Debug)]
pub struct JsonBytes(pub Bytes);

const EMPTY_OBJECT: &[u8] = b"{}";

impl JsonBytes {
    /// Parses the body; the error names the member that does not fit.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        parse_json(&self.0)
    }
}

impl<S: Send + Sync> FromRequest<S> for JsonBytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let may_lack = *request.method() == Method::POST;
        let lacks = request.body().is_end_stream() && !request.headers().contains_key(header::CONTENT_TYPE);
        if !(lacks && may_lack) {
            require_json(request.headers())?;
        }
        let body = read(request).await?;
        Ok(Self(if body.is_empty() && may_lack { Bytes::from_static(EMPTY_OBJECT) } else { body }))
    }
}

/// The most bytes that a route takes; an extension of every request, set where the routes are.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(pub usize);

/// A whole body within the route's limit, of any media type.
pub async fn read(request: Request) -> Result<Bytes, ApiError> {
    let limit = request.extensions().get::<BodyLimit>().map_or(usize::MAX, |limit| limit.0);
    read_body(request.into_body(), limit).await
}

/// A whole body of at most `limit` bytes.
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    use http_body_util::{BodyExt, LengthLimitError, Limited};
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(ApiError::too_large(limit)),
        Err(error) if is_stalled(&*error) => Err(ApiError::request_timeout()),
        Err(_) => Err(ApiError::bad_request("The request's body could not be read to its end.")),
    }
}

/// Whether a body ended because nothing more of it came.
pub(crate) fn is_stalled(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<Stalled>())
}

/// Parses JSON text. It is parsed a second time only to find where an error is, so a good body pays nothing.
pub fn parse_json<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(text).map_err(|first| {
        let mut deserializer = serde_json::Deserializer::from_slice(text);
        match serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
            Err(error) if is_misfit(error.inner(), text) => {
                let reason = error.inner().to_string();
                misfit(&error.path().to_string(), reason.split(" at line ").next().unwrap_or(&reason))
            }
            Err(error) => invalid_json(error.inner()),
            Ok(_) => invalid_json(&first),
        }
    })
}

/// A member that may be null, told apart from one that is left out: `#[serde(default, deserialize_with = "given")]`.
///
/// # Errors
/// Those of the value.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    value: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// A query string. Whether unknown parameters are refused is up to `T`.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let pairs = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        serde_path_to_error::deserialize(serde_urlencoded::Deserializer::new(pairs))
            .map(Self)
            .map_err(|error| unfit(&error.path().to_string(), &error.inner().to_string()))
    }
}

/// What stands in the path in the place of a route's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        use axum::extract::path::ErrorKind;
        use axum::extract::rejection::PathRejection;
        let rejection = match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => return Ok(Self(value)),
            Err(rejection) => rejection,
        };
        let PathRejection::FailedToDeserializePathParams(error) = rejection else {
            return Err(ApiError::internal(rejection.body_text()));
        };
        Err(match error.into_kind() {
            ErrorKind::InvalidUtf8InPathParam { key } => {
                let message = format!("The '{key}' in the path is not UTF-8.");
                ApiError::bad_field(key, "utf8", message)
            }
            ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
                let message = format!("The '{key}' in the path must be a {expected_type}.");
                ApiError::bad_field(key, "type", message)
            }
            other => ApiError::internal(other),
        })
    }
}

/// The media type of a body, without its parameters, in lower case.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(text.split(';').next()?.trim().to_ascii_lowercase())
}

fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    let value = headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    if value == Some(b"application/json") {
        return Ok(());
    }
    match media_type(headers) {
        Some(kind) if kind == "application/json" || kind.ends_with("+json") => Ok(()),
        _ => Err(ApiError::unsupported_media_type("application/json")),
    }
}

fn invalid_json(error: &serde_json::Error) -> ApiError {
    ApiError::bad_request(format!("The request's body is not valid JSON: {error}."))
}

/// Whether it is JSON that does not fit. serde_json calls some of that a syntax error: null in the place of
/// a word, say.
fn is_misfit(error: &serde_json::Error, text: &[u8]) -> bool {
    error.is_data() || serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// The parameter of a query that serde's `reason` is about. All of a query is text, so what serde says of a value is what
/// became of parsing it.
fn unfit(name: &str, reason: &str) -> ApiError {
    let (name, reason) = (&*shortened(name, LONGEST), &*shortened(reason, LONGEST));
    let twice = reason.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next());
    if let Some(name) = twice {
        return ApiError::bad_field(name, "once", format!("The '{name}' parameter is there twice."));
    }
    let must = match reason {
        "provided string was not `true` or `false`" => "must be 'true' or 'false'".to_owned(),
        "invalid digit found in string"
        | "cannot parse integer from empty string"
        | "number too large to fit in target type"
        | "number too small to fit in target type" => "must be a whole number in its range".to_owned(),
        _ => match reason.split_once("`, expected ") {
            Some((_, known)) if reason.starts_with("unknown variant `") => {
                format!("must be {}", known.replace('`', "'"))
            }
            _ => return misfit(name, reason),
        },
    };
    ApiError::bad_field(name, "type", format!("The '{name}' parameter {must}."))
}

/// The longest part of a message that repeats what a client sent, in characters.
const LONGEST: usize = 300;

/// The field that serde's `reason` is about.
/// `missing field` names its field in serde's text alone, the path being that of the object around it.
fn misfit(path: &str, reason: &str) -> ApiError {
    let (path, reason) = (&*shortened(path, LONGEST), &*shortened(reason, LONGEST));
    let named = |prefix: &str| {
        let name = reason.strip_prefix(prefix)?.split('`').next()?;
        Some(if path == "." { name.to_owned() } else { format!("{path}.{name}") })
    };
    if let Some(field) = named("missing field `") {
        let message = format!("The '{field}' field is required.");
        return ApiError::bad_field(field, "required", message);
    }
    if let Some(field) = named("unknown field `") {
        // The path may end with the unknown name already.
        let twice =
            field.rsplit_once('.').is_some_and(|(before, name)| before.rsplit('.').next() == Some(name));
        let field = if twice { path.to_owned() } else { field };
        // Serde goes on with `, expected …`, where anything is.
        let known = reason.split_once(", expected ").map(|(_, known)| known.replace('`', "'"));
        let known = known.map(|known| format!("; expected is {known}")).unwrap_or_default();
        let message = format!("There is no field '{field}' here{known}.");
        return ApiError::bad_field(field, "unknown", message);
    }
    ApiError::bad_field(path, "type", format!("The '{path}' field does not fit: {reason}."))
}
