//! `/documents`, and the documents of a knowledge base under `/knowledge/{kb_id}/documents`.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hardpoint_domain::knowledge::state::Coverage;
use hardpoint_domain::time::Timestamp;
use hardpoint_domain::{hex, id};
use hardpoint_store::knowledge::bases::KnowledgeBase;
use hardpoint_store::knowledge::documents::Document as Kept;
use http::header::{
    CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::form::Form;
use super::knowledge::KnowledgeCoverage;
use super::paging::{Page, Paging};
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::{ErrorBody, FlatErrorBody};
use crate::extract::{Path, Query};
use crate::service::knowledge::upload::{self, MOST_FILES, Upload};
use crate::service::knowledge::{bases, documents};
use crate::state::App;

/// The longest id of a knowledge base in a form, in bytes.
const LONGEST_ID: usize = 100;

/// What was uploaded, and how far it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Document {
    /// `doc-…`.
    id: String,
    /// What it is in.
    knowledge_base_id: String,
    /// As the client named it, without folders.
    #[schema(example = "brake-pads-catalog-2026.pdf")]
    filename: String,
    /// As the client declared it, or what its content and its name tell.
    #[schema(example = "application/pdf")]
    media_type: Option<String>,
    /// In bytes.
    size: u64,
    /// SHA-256 of its bytes, in hex.
    sha256: String,
    /// Its own title, where it has one.
    title: Option<String>,
    /// `processing`, then `indexed` (the very next search finds it) or `failed`.
    #[schema(example = "indexed")]
    status: &'static str,
    /// Why it failed; where it is indexed, why something of it is not as it should be: why its vectors wait, for example.
    reason: Option<String>,
    /// How far its reading is.
    progress: DocumentProgress,
    /// Its pages.
    page_count: u64,
    /// Its chunks, and how many of them have a vector.
    coverage: KnowledgeCoverage,
    /// RFC 3339.
    created_at: String,
    /// When its status or progress last changed.
    updated_at: String,
    /// Since when what is found of it can be found.
    indexed_at: Option<String>,
}

/// How far a reading is, as a share: in what its format has, pages of a PDF, slides, sheets, or the bytes of what has none.
/// Pages and chunks are counted beside it.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct DocumentProgress {
    /// So many …
    done: u64,
    /// … of so many; 0 where that is not known.
    total: u64,
}

/// What came of several files at once.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UploadedDocuments {
    /// In the order in which they came.
    data: Vec<Document>,
    /// How many there are.
    total: usize,
}

/// What came of an upload: of one file its document, of several all of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum UploadAnswer {
    /// Of one file.
    One(Box<Document>),
    /// Of several.
    Many(UploadedDocuments),
}

/// What came of an upload, as FAQSure has it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct QuickDocument {
    /// The document's bare UUID.
    id: String,
    /// As the client named it, without folders.
    filename: String,
    /// `processing`, unless the same file was there already.
    #[schema(example = "processing")]
    status: &'static str,
}

/// Files on their way into a knowledge base.
#[derive(ToSchema)]
#[allow(dead_code)] // Only described; read as it comes.
pub struct DocumentForm {
    /// A file; up to 100 of these.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
}

/// Files on their way into a knowledge base that is named in the form, or into the default one.
#[derive(ToSchema)]
#[allow(dead_code)] // Only described; read as it comes.
pub struct DocumentFormOfAnyBase {
    /// A file; up to 100 of these.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
    /// Where they go; the organisation's default knowledge base where left out.
    knowledge_base_id: Option<String>,
}

impl From<Kept> for Document {
    fn from(kept: Kept) -> Self {
        Self {
            id: kept.id,
            knowledge_base_id: kept.knowledge_base_id,
            filename: kept.filename,
            media_type: kept.media_type,
            size: kept.size,
            sha256: hex::show(&kept.digest),
            title: kept.title,
            status: kept.state.as_str(),
            reason: kept.reason,
            progress: DocumentProgress { done: kept.done, total: kept.total },
            page_count: kept.page_count,
            coverage: Coverage { chunks: kept.chunk_count, embedded: kept.embedded }.into(),
            created_at: kept.created_at.to_rfc3339(),
            updated_at: kept.updated_at.to_rfc3339(),
            indexed_at: kept.indexed_at.map(Timestamp::to_rfc3339),
        }
    }
}

/// Uploads documents into a knowledge base, all of them or none. What has the same bytes as a document that is there is
/// that document.
#[utoipa::path(post, path = "/knowledge/{kb_id}/documents", tag = "knowledge",
    params(("kb_id" = String, Path, description = "The knowledge base")),
    request_body(content = DocumentForm, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "All of them were there already", body = UploadAnswer),
        (status = 201, description = "The documents; they are being read", body = UploadAnswer),
        (status = 400, description = "No file in the form, or too many", body = ErrorBody),
        (status = 403, description = "Not a member, or a test key and the retriever may reach others", body = ErrorBody),
        (status = 404, description = "No such knowledge base", body = ErrorBody),
        (status = 422, description = "A file is empty", body = ErrorBody),
    )
)]
pub async fn upload_into(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(kb_id): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let base = bases::find(&app, &caller, &kb_id).await?;
    answer(take_in(app, caller, Some(base), MOST_FILES, request).await?)
}

/// Uploads documents into the knowledge base that is named in the form, or into the default one; all of them or none.
#[utoipa::path(post, path = "/documents", tag = "knowledge",
    request_body(content = DocumentFormOfAnyBase, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "All of them were there already", body = UploadAnswer),
        (status = 201, description = "The documents; they are being read", body = UploadAnswer),
        (status = 400, description = "No file in the form, or too many", body = ErrorBody),
        (status = 403, description = "Not a member, or a test key and the retriever may reach others", body = ErrorBody),
        (status = 404, description = "No such knowledge base", body = ErrorBody),
        (status = 409, description = "There are as many knowledge bases as there may be", body = ErrorBody),
        (status = 422, description = "A file is empty, or the default retriever is not open to the organisation", body = ErrorBody),
    )
)]
pub async fn upload(
    State(app): State<Arc<App>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    answer(take_in(app, caller, None, MOST_FILES, request).await?)
}

/// Uploads one document, as FAQSure has it.
#[utoipa::path(post, path = "/documents/upload", tag = "knowledge",
    request_body(content = DocumentFormOfAnyBase, content_type = "multipart/form-data"),
    responses(
        (status = 200, description = "It was there already", body = QuickDocument),
        (status = 201, description = "It is being read", body = QuickDocument),
        (status = 400, description = "Not one file in the form", body = FlatErrorBody),
        (status = 403, description = "Not a member, or a test key and the retriever may reach others", body = FlatErrorBody),
        (status = 404, description = "No such knowledge base", body = FlatErrorBody),
        (status = 409, description = "There are as many knowledge bases as there may be", body = FlatErrorBody),
        (status = 422, description = "The file is empty, or the default retriever is not open to the organisation", body = FlatErrorBody),
    )
)]
pub async fn quick_upload(
    State(app): State<Arc<App>>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<QuickDocument>), ApiError> {
    let mut kept = take_in(app, caller, None, 1, request).await?;
    let kept = kept.pop().ok_or_else(|| ApiError::internal("an upload of nothing"))?;
    let document = kept.document;
    let bare = id::bare(&document.id).map_or(document.id, |bare| bare.to_string());
    let status = document.state.as_str();
    let shown = QuickDocument { id: bare, filename: document.filename, status };
    Ok((status_of([kept.is_new]), Json(shown)))
}

/// Lists the documents of a knowledge base, newest first.
#[utoipa::path(get, path = "/knowledge/{kb_id}/documents", tag = "knowledge",
    params(("kb_id" = String, Path, description = "The knowledge base"), Paging),
    responses(
        (status = 200, description = "The documents", body = Page<Document>),
        (status = 404, description = "No such knowledge base", body = ErrorBody),
    )
)]
pub async fn list_in(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(kb_id): Path<String>,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Document>>, ApiError> {
    let base = bases::find(&app, &caller, &kb_id).await?;
    let place = paging.usual()?;
    let found = documents::list_in(&app, &base, place.window()).await?;
    Ok(Json(place.page(found, Document::from)))
}

/// Lists the documents of all knowledge bases, newest first.
#[utoipa::path(get, path = "/documents", tag = "knowledge", params(Paging),
    responses((status = 200, description = "The documents", body = Page<Document>))
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(paging): Query<Paging>,
) -> Result<Json<Page<Document>>, ApiError> {
    let place = paging.usual()?;
    let found = documents::list(&app, &caller, place.window()).await?;
    Ok(Json(place.page(found, Document::from)))
}

/// One document of a knowledge base.
#[utoipa::path(get, path = "/knowledge/{kb_id}/documents/{id}", tag = "knowledge",
    params(("kb_id" = String, Path, description = "The knowledge base"), ("id" = String, Path, description = "The document")),
    responses(
        (status = 200, description = "The document", body = Document),
        (status = 404, description = "No such knowledge base or document", body = ErrorBody),
    )
)]
pub async fn get_in(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((kb_id, id)): Path<(String, String)>,
) -> Result<Json<Document>, ApiError> {
    let base = bases::find(&app, &caller, &kb_id).await?;
    documents::find(&app, &caller, Some(&base), &id).await.map(|found| Json(found.into()))
}

/// One document.
#[utoipa::path(get, path = "/documents/{id}", tag = "knowledge", params(("id" = String, Path, description = "The document")),
    responses(
        (status = 200, description = "The document", body = Document),
        (status = 404, description = "No such document", body = ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Document>, ApiError> {
    documents::find(&app, &caller, None, &id).await.map(|found| Json(found.into()))
}

/// A document's bytes as they were uploaded, to be saved and not to be shown.
#[utoipa::path(get, path = "/documents/{id}/content", tag = "knowledge", params(("id" = String, Path, description = "The document")),
    responses(
        (status = 200, description = "The bytes, of the media type that was declared, or found out", content_type = "*/*", body = Vec<u8>),
        (status = 404, description = "No such document", body = ErrorBody),
    )
)]
pub async fn content(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let document = documents::find(&app, &caller, None, &id).await?;
    let mut response = Response::new(Body::from_stream(documents::content(&app, &document).await?));
    let declared = document.media_type.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, declared.unwrap_or(HeaderValue::from_static("application/octet-stream")));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(document.size));
    headers.insert(CONTENT_DISPOSITION, disposition(&document.filename));
    // Whatever it is, no browser runs it as a page of ours.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    Ok(response)
}

/// Removes a document of a knowledge base: it is not found from here on, and what it leaves is wiped out.
#[utoipa::path(delete, path = "/knowledge/{kb_id}/documents/{id}", tag = "knowledge",
    params(("kb_id" = String, Path, description = "The knowledge base"), ("id" = String, Path, description = "The document")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "Not a member, or a test key and the retriever may reach others", body = ErrorBody),
        (status = 404, description = "No such knowledge base or document", body = ErrorBody),
    )
)]
pub async fn remove_in(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((kb_id, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let base = bases::find(&app, &caller, &kb_id).await?;
    documents::remove(&app, &caller, Some(&base), &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a document: it is not found from here on, and what it leaves is wiped out.
#[utoipa::path(delete, path = "/documents/{id}", tag = "knowledge", params(("id" = String, Path, description = "The document")),
    responses(
        (status = 204, description = "It is gone"),
        (status = 403, description = "Not a member, or a test key and the retriever may reach others", body = ErrorBody),
        (status = 404, description = "No such document", body = ErrorBody),
    )
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    documents::remove(&app, &caller, None, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Has a document of a knowledge base read anew. What is found of it is found until that is done.
#[utoipa::path(post, path = "/knowledge/{kb_id}/documents/{id}/reindex", tag = "knowledge",
    params(("kb_id" = String, Path, description = "The knowledge base"), ("id" = String, Path, description = "The document")),
    responses(
        (status = 202, description = "It is being read", body = Document),
        (status = 403, description = "Not a member, or a test key and the retriever may reach others", body = ErrorBody),
        (status = 404, description = "No such knowledge base or document", body = ErrorBody),
    )
)]
pub async fn reindex_in(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path((kb_id, id)): Path<(String, String)>,
) -> Result<(StatusCode, Json<Document>), ApiError> {
    let base = bases::find(&app, &caller, &kb_id).await?;
    let again = documents::read_again(&app, &caller, Some(&base), &id).await?;
    Ok((StatusCode::ACCEPTED, Json(again.into())))
}

/// Has a document read anew. What is found of it is found until that is done.
#[utoipa::path(post, path = "/documents/{id}/reindex", tag = "knowledge", params(("id" = String, Path, description = "The document")),
    responses(
        (status = 202, description = "It is being read", body = Document),
        (status = 403, description = "Not a member, or a test key and the retriever may reach others", body = ErrorBody),
        (status = 404, description = "No such document", body = ErrorBody),
    )
)]
pub async fn reindex(
    State(app): State<Arc<App>>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Document>), ApiError> {
    let again = documents::read_again(&app, &caller, None, &id).await?;
    Ok((StatusCode::ACCEPTED, Json(again.into())))
}

/// Reads a form's files, up to so many, into a knowledge base.
async fn take_in(
    app: Arc<App>,
    caller: Caller,
    base: Option<KnowledgeBase>,
    most: usize,
    request: Request,
) -> Result<Vec<upload::Kept>, ApiError> {
    let may_name = base.is_none();
    let mut upload = Upload::begin(app, caller, base, most)?;
    let mut form = Form::of(request).await?;
    while let Some(mut part) = form.next().await? {
        match part.name() {
            "file" | "files" | "file[]" | "files[]" => {
                let (name, kind) =
                    (part.file_name().map(str::to_owned), part.media_type().map(str::to_owned));
                upload.file(name.as_deref(), kind.as_deref(), &mut part).await?;
            }
            "knowledge_base_id" if may_name => upload.into_base(&part.text(LONGEST_ID).await?).await?,
            _ => part.skip().await?,
        }
    }
    upload.finish().await
}

fn answer(mut kept: Vec<upload::Kept>) -> Result<Response, ApiError> {
    let status = status_of(kept.iter().map(|one| one.is_new));
    let answer = match (kept.len(), kept.pop()) {
        (1, Some(only)) => UploadAnswer::One(Box::new(only.document.into())),
        (total, last) => {
            let all = kept.into_iter().chain(last).map(|one| one.document.into());
            UploadAnswer::Many(UploadedDocuments { data: all.collect(), total })
        }
    };
    Ok((status, Json(answer)).into_response())
}

/// 201 where anything was made.
fn status_of(is_new: impl IntoIterator<Item = bool>) -> StatusCode {
    if is_new.into_iter().any(|is_new| is_new) { StatusCode::CREATED } else { StatusCode::OK }
}

/// A file to be saved under its name (RFC 6266): in ASCII as far as that goes, and as it is.
fn disposition(filename: &str) -> HeaderValue {
    let plain = |c: char| if c.is_ascii_alphanumeric() || " ._-()".contains(c) { c } else { '_' };
    let ascii: String = filename.chars().map(plain).collect();
    let mut encoded = String::new();
    for byte in filename.bytes() {
        match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'-' | b'_' => encoded.push(char::from(byte)),
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    let text = format!("attachment; filename=\"{ascii}\"; filename*=UTF-8''{encoded}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("attachment"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_header() {
        for (name, shown) in [
            ("plan.pdf", "attachment; filename=\"plan.pdf\"; filename*=UTF-8''plan.pdf"),
            (
                "a\"; x=\"ü\\.txt",
                "attachment; filename=\"a__ x____.txt\"; filename*=UTF-8''a%22%3B%20x%3D%22%C3%BC%5C.txt",
            ),
            ("a\r\nb", "attachment; filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"),
        ] {
            assert_eq!(disposition(name), shown);
        }
    }
}
