//! `POST /embeddings`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::approval::Approval;
use super::completions::plugin_header;
use super::openai::embedding;
use super::openai::schema::{CreateEmbeddingRequest, EmbeddingList};
use crate::call::CallNote;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::{ErrorBody, FlatErrorBody};
use crate::extract::JsonBytes;
use crate::service::embeddings;
use crate::state::App;

/// Turns texts into vectors.
#[utoipa::path(
    post,
    path = "/embeddings",
    tag = "completions",
    params(Approval),
    request_body = CreateEmbeddingRequest,
    responses(
        (status = 200, description = "A vector for each input, in their order", body = EmbeddingList),
        (status = 400, description = "No valid request, or the provider says so", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 402, description = "No money for it, or it needs an approval", body = FlatErrorBody),
        (status = 403, description = "A test key", body = ErrorBody),
        (status = 422, description = "A model that there is not, or that makes no embeddings", body = ErrorBody),
        (status = 429, description = "Too many requests, here or at the provider", body = ErrorBody),
        (status = 502, description = "The provider or the plugin failed", body = ErrorBody),
        (status = 503, description = "The model is not available, too busy, or paused after repeated faults", body = ErrorBody),
        (status = 504, description = "The provider did not answer in time", body = ErrorBody),
    )
)]
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    note: CallNote,
    approval: Approval,
    JsonBytes(body): JsonBytes,
) -> Result<Response, ApiError> {
    let (request, encoding) = embedding::embedding(&body)?;
    note.model(&request.model);
    let embedded = embeddings::embed(&app, &caller, &note, &request, approval.id()).await?;
    note.served_by(&embedded.binding);
    let list = embedding::list(embedded.model, embedded.embeddings, encoding);
    Ok((plugin_header(&embedded.binding.plugin_version()), axum::Json(list)).into_response())
}
