//! `/plugins`: for operators.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hardpoint_domain::event::Target;
use hardpoint_store::plugins::Source;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::followed_log;
use super::form::Form;
use super::paging::Paging;
use crate::caller::{Caller, Operator};
use crate::error::ApiError;
use crate::error::schema::ErrorBody;
use crate::extract::{self, JsonBytes, Path, Query};
use crate::service::audit;
use crate::service::events::{self, Author};
use crate::service::plugins::Desk;
use crate::service::plugins::desk::DeskError;
use crate::service::plugins::rehearsal::{Rehearsal, RehearsalError};
use crate::service::plugins::upload::UploadError;
use crate::service::plugins::view::{FileView, Overview, PluginView, Running};
use crate::state::App;
use crate::worker::reload::Retry;

/// How long an answer waits for a change to be live. Loading goes on after it.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Plugins, and the files of the plugins folder.
#[derive(Serialize, ToSchema)]
pub struct PluginList {
    /// By id.
    data: Vec<PluginView>,
    /// Every file of the plugins folder, the bad ones too, by name; on every page.
    files: Vec<FileView>,
    /// Plugins on all pages.
    total: usize,
    /// From 1.
    page: usize,
    /// The most plugins on a page.
    page_size: usize,
    /// Why the plugins folder cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    folder_error: Option<String>,
}

/// What to approve.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The SHA-256 of exactly the bytes that are approved, as `/plugins` shows it.
    #[schema(example = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")]
    digest: String,
    /// Only this binding.
    binding: Option<String>,
}

/// What to revoke.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// Only this binding.
    binding: Option<String>,
}

/// A line of a plugin's log.
#[derive(Serialize, ToSchema)]
pub struct LogEntry {
    /// When it was written.
    time: String,
    /// `debug`, `info`, `warn` or `error`.
    #[schema(value_type = String)]
    level: hardpoint_runtime::LogLevel,
    /// The request in which it was written.
    request_id: String,
    /// The version that wrote it.
    version: String,
    /// Secrets redacted.
    message: String,
}

/// Lines of a plugin's log.
#[derive(Serialize, ToSchema)]
pub struct LogList {
    /// Oldest first.
    data: Vec<LogEntry>,
}

/// How much of a log.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Tail {
    /// The newest so many lines; 100 where left out, at most 2,000.
    #[param(minimum = 1, maximum = 2000)]
    limit: Option<usize>,
    /// Whether to go on with what is written from then on.
    follow: Option<bool>,
}

/// How a component is published.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Publishing {
    /// Whether to tell only what would change.
    dry_run: Option<bool>,
}

/// Lists plugins and files.
#[utoipa::path(get, path = "/plugins", tag = "plugins", params(Paging), responses(
    (status = 200, description = "The plugins", body = PluginList),
    (status = 400, description = "No such page", body = ErrorBody),
    (status = 401, description = "No valid credential", body = ErrorBody),
    (status = 403, description = "Not an operator", body = ErrorBody),
))]
pub async fn list(
    State(app): State<Arc<App>>,
    _: Operator,
    Query(paging): Query<Paging>,
) -> Result<Json<PluginList>, ApiError> {
    overview(&app, paging).await.map(Json)
}

/// Keeps a component, which waits until exactly its bytes are approved; with `dry_run` only tells what
/// publishing it would change.
#[utoipa::path(post, path = "/plugins", tag = "plugins", params(Publishing),
    request_body(content(
        (Vec<u8> = "application/wasm"),
        (UploadForm = "multipart/form-data"),
    )),
    responses(
        (status = 200, description = "What would change; nothing was kept", body = Rehearsal),
        (status = 201, description = "Kept; it waits for approval", body = PluginView),
        (status = 400, description = "No file in the form", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 413, description = "Larger than a plugin may be", body = ErrorBody),
        (status = 415, description = "Neither a form nor a component", body = ErrorBody),
        (status = 422, description = "Not a plugin; the message says why", body = ErrorBody),
    )
)]
pub async fn upload(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Query(publishing): Query<Publishing>,
    request: Request,
) -> Result<Response, ApiError> {
    let (bytes, file_name) = uploaded(request).await?;
    if publishing.dry_run.unwrap_or(false) {
        return Ok(Json(Desk::of(&app).rehearse(&app.runtime, bytes).await?).into_response());
    }
    let kept = Desk::of(&app).upload(&Author::from(&caller), bytes, Source::Upload, file_name).await?;
    app.reload.settle(Retry::None, PATIENCE).await;
    Ok((StatusCode::CREATED, Json(view(&app, &kept.id).await?)).into_response())
}

/// Looks through folder and store once more, and tries again what failed before.
#[utoipa::path(post, path = "/plugins/reload", tag = "plugins", responses(
    (status = 200, description = "The plugins afterwards", body = PluginList),
    (status = 401, description = "No valid credential", body = ErrorBody),
    (status = 403, description = "Not an operator", body = ErrorBody),
))]
pub async fn reload(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
) -> Result<Json<PluginList>, ApiError> {
    note_reload(&app, &caller, events::plugin("*")).await?;
    app.reload.settle(Retry::All, PATIENCE).await;
    overview(&app, Paging::default()).await.map(Json)
}

/// Shows a plugin.
#[utoipa::path(get, path = "/plugins/{id}", tag = "plugins", params(("id" = String, Path, description = "The plugin")),
    responses(
        (status = 200, description = "The plugin", body = PluginView),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
    )
)]
pub async fn get(
    State(app): State<Arc<App>>,
    _: Operator,
    Path(id): Path<String>,
) -> Result<Json<PluginView>, ApiError> {
    view(&app, &id).await.map(Json)
}

/// Takes a plugin away, with what it was allowed. A file in the folder stays, and is taken up again when
/// it changes.
#[utoipa::path(delete, path = "/plugins/{id}", tag = "plugins", params(("id" = String, Path, description = "The plugin")),
    responses(
        (status = 204, description = "It is gone; what is under way is finished"),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
    )
)]
pub async fn remove(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    Desk::of(&app).remove(&Author::from(&caller), &id).await?;
    app.reload.settle(Retry::None, PATIENCE).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Approves a version's bytes, and allows its bindings what they ask for.
#[utoipa::path(post, path = "/plugins/{id}/approve", tag = "plugins", params(("id" = String, Path, description = "The plugin")),
    request_body = Approval,
    responses(
        (status = 200, description = "The plugin afterwards", body = PluginView),
        (status = 400, description = "No digest, or an unknown member", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
        (status = 409, description = "The configuration says what it may do", body = ErrorBody),
        (status = 422, description = "No such version or binding", body = ErrorBody),
    )
)]
pub async fn approve(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path(id): Path<String>,
    body: JsonBytes,
) -> Result<Json<PluginView>, ApiError> {
    let approval: Approval = body.parse()?;
    let desk = Desk::of(&app);
    desk.version(&id, None).await?;
    desk.grant(&Author::from(&caller), &id, Some(&approval.digest), approval.binding.as_deref()).await?;
    app.reload.settle(Retry::Plugin(id.clone()), PATIENCE).await;
    view(&app, &id).await.map(Json)
}

/// Takes back what a plugin was allowed.
#[utoipa::path(post, path = "/plugins/{id}/revoke", tag = "plugins", params(("id" = String, Path, description = "The plugin")),
    request_body = Option<Revocation>,
    responses(
        (status = 200, description = "The plugin afterwards", body = PluginView),
        (status = 400, description = "An unknown member", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
        (status = 409, description = "The configuration says what it may do", body = ErrorBody),
        (status = 422, description = "No such binding", body = ErrorBody),
    )
)]
pub async fn revoke(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path(id): Path<String>,
    body: JsonBytes,
) -> Result<Json<PluginView>, ApiError> {
    let revocation: Revocation = body.parse()?;
    Desk::of(&app).revoke(&Author::from(&caller), &id, revocation.binding.as_deref()).await?;
    app.reload.settle(Retry::None, PATIENCE).await;
    view(&app, &id).await.map(Json)
}

/// Tries a plugin again that failed before.
#[utoipa::path(post, path = "/plugins/{id}/reload", tag = "plugins", params(("id" = String, Path, description = "The plugin")),
    responses(
        (status = 200, description = "The plugin afterwards", body = PluginView),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
    )
)]
pub async fn reload_one(
    State(app): State<Arc<App>>,
    Operator(caller): Operator,
    Path(id): Path<String>,
) -> Result<Json<PluginView>, ApiError> {
    view(&app, &id).await?;
    note_reload(&app, &caller, events::plugin(&id)).await?;
    app.reload.settle(Retry::Plugin(id.clone()), PATIENCE).await;
    view(&app, &id).await.map(Json)
}

/// What comes of it is told by events of its own.
async fn note_reload(app: &App, caller: &Caller, target: Target) -> Result<(), ApiError> {
    let kind = "plugin.reload_requested";
    let event = Author::from(caller).event(app.clock.now(), &*app.rng, kind, target, Value::Null);
    Ok(audit::note(&app.store, event).await?)
}

/// Shows what a plugin logged, over all its versions, since the server started; with `follow` as a stream of
/// server-sent events, the newest lines first and then each as it is written.
#[utoipa::path(get, path = "/plugins/{id}/logs", tag = "plugins", params(("id" = String, Path, description = "The plugin"), Tail),
    responses(
        (status = 200, description = "The newest lines", content(
            (LogList = "application/json"),
            (LogEntry = "text/event-stream"),
        )),
        (status = 400, description = "No such limit", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 403, description = "Not an operator", body = ErrorBody),
        (status = 404, description = "No such plugin", body = ErrorBody),
    )
)]
pub async fn logs(
    State(app): State<Arc<App>>,
    _: Operator,
    Path(id): Path<String>,
    Query(tail): Query<Tail>,
) -> Result<Response, ApiError> {
    view(&app, &id).await?;
    let limit = tail.limit.unwrap_or(100);
    if !(1..=2_000).contains(&limit) {
        return Err(ApiError::bad_field("limit", "range", "The 'limit' parameter must be from 1 to 2000."));
    }
    if tail.follow.unwrap_or(false) {
        let (lines, coming) = app.runtime.shared(&id).log.follow(limit);
        return Ok(followed_log::response(lines, coming, app.stop.subscribe()));
    }
    let lines = app.runtime.shared(&id).log.tail(limit);
    Ok(Json(LogList { data: lines.into_iter().map(LogEntry::from).collect() }).into_response())
}

impl From<hardpoint_runtime::LogLine> for LogEntry {
    fn from(line: hardpoint_runtime::LogLine) -> Self {
        Self {
            time: line.time.to_rfc3339(),
            level: line.level,
            request_id: line.request_id,
            version: line.version,
            message: line.message,
        }
    }
}

/// An upload as a form.
#[derive(ToSchema)]
#[allow(dead_code)] // Only described; read as it comes.
struct UploadForm {
    /// The component.
    #[schema(format = Binary, content_media_type = "application/octet-stream")]
    file: String,
}

/// The component, however it came, and its file's name.
async fn uploaded(request: Request) -> Result<(Bytes, Option<String>), ApiError> {
    match extract::media_type(request.headers()).as_deref() {
        Some("application/wasm" | "application/octet-stream") => Ok((extract::read(request).await?, None)),
        Some("multipart/form-data") => {
            let mut form = Form::of(request).await?;
            while let Some(part) = form.next().await? {
                if part.name() == "file" {
                    let name = part.file_name().map(str::to_owned);
                    return Ok((part.bytes().await?, name));
                }
                part.skip().await?;
            }
            Err(ApiError::bad_field("file", "required", "The form has no field 'file'."))
        }
        _ => Err(ApiError::unsupported_media_type("application/wasm` or `multipart/form-data")),
    }
}

async fn overview(app: &App, paging: Paging) -> Result<PluginList, ApiError> {
    let (status, catalogue) = (app.reload.status(), app.runtime.snapshot());
    let running = Running { status: &status, runtime: &app.runtime, catalogue: &catalogue };
    let Overview { plugins, files } = Desk::of(app).overview(Some(&running)).await?;
    let page = paging.of(plugins)?;
    let folder_error = status.folder_error.clone();
    Ok(PluginList {
        data: page.data,
        files,
        total: page.total,
        page: page.page,
        page_size: page.page_size,
        folder_error,
    })
}

pub(super) async fn view(app: &App, id: &str) -> Result<PluginView, ApiError> {
    let (status, catalogue) = (app.reload.status(), app.runtime.snapshot());
    let running = Running { status: &status, runtime: &app.runtime, catalogue: &catalogue };
    let found = Desk::of(app).plugin(id, Some(&running)).await?;
    found.ok_or_else(|| ApiError::not_found(format_args!("plugin `{id}`")))
}

impl From<DeskError> for ApiError {
    fn from(error: DeskError) -> Self {
        let text = format!("{error}.");
        match error {
            DeskError::NoPlugin { id, .. } => Self::not_found(format_args!("plugin `{id}`")),
            DeskError::NoVersion { .. } => Self::impossible("digest", "exists", capitalised(text)),
            DeskError::NoBinding { .. } | DeskError::Unfit { .. } => {
                Self::impossible("binding", "exists", capitalised(text))
            }
            DeskError::Invalid { field, reason } => {
                let message = format!("The '{field}' field does not fit: {reason}.");
                Self::impossible(field, "valid", message)
            }
            DeskError::Declared { .. } | DeskError::State(_) => Self::conflict(capitalised(text)),
            DeskError::Manifest(cause) => Self::internal(cause),
            DeskError::Store(error) => error.into(),
        }
    }
}

impl From<RehearsalError> for ApiError {
    fn from(error: RehearsalError) -> Self {
        match error {
            RehearsalError::Upload(error) => error.into(),
            RehearsalError::Desk(error) => error.into(),
        }
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Load(error) => Self::impossible("file", "plugin", capitalised(format!("{error}."))),
            UploadError::Store(error) => error.into(),
        }
    }
}

fn capitalised(text: String) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
