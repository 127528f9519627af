//! The API's own description, and pages to try it from. Everything they need is in the binary.

use std::sync::{Arc, LazyLock};

use axum::body::Body;
use axum::response::{IntoResponse, Redirect, Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use utoipa_swagger_ui::Config;

use crate::error::ApiError;
use crate::extract::Path;
use crate::openapi;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| openapi::json().into());
static PAGES: LazyLock<Arc<Config<'static>>> =
    LazyLock::new(|| Arc::new(Config::from("/api/v1/openapi.json")));

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operation", security(()), responses(
    (status = 200, description = "OpenAPI 3.1 of what is served", content_type = "application/json"),
))]
pub async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], Body::from(DOCUMENT.clone()))
        .into_response()
}

/// Pages that are relative to `/docs/` need the slash.
pub async fn to_index() -> Redirect {
    Redirect::permanent("/docs/")
}

/// The page.
pub async fn index() -> Result<Response, ApiError> {
    page("index.html")
}

/// What the page needs.
pub async fn file(Path(file): Path<String>) -> Result<Response, ApiError> {
    page(&file)
}

fn page(file: &str) -> Result<Response, ApiError> {
    let found = utoipa_swagger_ui::serve(file, PAGES.clone()).map_err(ApiError::internal)?;
    let found =
        found.ok_or_else(|| ApiError::not_found(format_args!("page `{file}` of the documentation")))?;
    let kind = HeaderValue::from_str(&found.content_type).map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, kind)], found.bytes.into_owned()).into_response())
}
