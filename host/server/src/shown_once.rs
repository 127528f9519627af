//! Answers that show a secret. They are nowhere kept; who asks again under the same `Idempotency-Key` is given
//! another one, without it.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// What is kept in the place of an answer's body; an extension of the answer.
#[derive(Clone, Debug)]
pub struct Again(pub Bytes);

/// A JSON answer, and the one that takes its place when it is given again.
pub fn shown_once(status: StatusCode, first: &impl Serialize, again: &impl Serialize) -> Response {
    let mut response = Response::new(Body::from(json(first)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.extensions_mut().insert(Again(json(again)));
    response
}

/// Structs of strings and numbers always serialise.
fn json(value: &impl Serialize) -> Bytes {
    serde_json::to_vec(value).unwrap_or_default().into()
}
