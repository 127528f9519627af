//! `/sources/{id}`: documents, as Seclai's clients know them. Lists and uploads are those of `/documents`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;

use super::documents::Document;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::Path;
use crate::service::knowledge::documents;
use crate::state::App;

/// One source: a document.
#[utoipa::path(get, path = "/sources/{id}", tag = "knowledge", params(("id" = String, Path, description = "The source")),
    responses(
        (status = 200, description = "The source", body = Document),
        (status = 404, description = "Source not found", body = ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Document>, ApiError> {
    let found = documents::find(&app, &caller, None, &id).await.map_err(in_its_words)?;
    Ok(Json(found.into()))
}

/// Removes a source: it is not found from here on, and what it leaves is wiped out.
#[utoipa::path(delete, path = "/sources/{id}", tag = "knowledge", params(("id" = String, Path, description = "The source")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "Not a member, or a test key and the retriever may reach others", body = ErrorBody),
        (status = 404, description = "Source not found", body = ErrorBody),
    )
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    documents::remove(&app, &caller, None, &id).await.map_err(in_its_words)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Seclai's exact words.
fn in_its_words(error: ApiError) -> ApiError {
    match error.status() {
        StatusCode::NOT_FOUND => ApiError::new(StatusCode::NOT_FOUND, "not_found", "Source not found"),
        _ => error,
    }
}
