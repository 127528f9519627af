//! `/events` and `/events/export`: what happened, as a list and as a stream.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use hardpoint_store::StoreError;
use hardpoint_store::event_search::Found;
use http::{HeaderValue, header};
use serde::Deserialize;
use utoipa::IntoParams;

use super::logged_event::{EventPage, ListForm, LoggedEvent, ShownEvent, page};
use super::paging::LogPaging;
use crate::caller::Caller;
use crate::error::ApiError;
use crate::error::schema::{ErrorBody, FlatErrorBody};
use crate::extract::Query;
use crate::service::audit::log::{self, Asked, Stream};
use crate::state::App;

/// Which events.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventChoice {
    /// What is asked for: `event`, which is all that is kept here.
    #[param(value_type = Option<String>, example = "event")]
    kind: Option<Kind>,
    /// Of this type.
    #[param(example = "key.created")]
    r#type: Option<String>,
    /// Of this request.
    #[serde(rename = "requestId")]
    #[param(rename = "requestId")]
    request_id: Option<String>,
    /// From then on, RFC 3339.
    #[param(example = "2026-01-01T00:00:00Z")]
    since: Option<String>,
    /// Before then, RFC 3339.
    until: Option<String>,
    /// Another organisation's than the caller's; for operators, who see all where it is left out.
    organization_id: Option<String>,
    /// Of this workspace.
    workspace_id: Option<String>,
}

/// What there is to ask for.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Event,
}

impl From<EventChoice> for Asked {
    fn from(choice: EventChoice) -> Self {
        let EventChoice { kind: None | Some(Kind::Event), r#type: action, request_id, .. } = choice;
        Self {
            organization_id: choice.organization_id,
            workspace_id: choice.workspace_id,
            action,
            request_id,
            since: choice.since,
            until: choice.until,
            ..Self::default()
        }
    }
}

/// Lists what happened, newest first. What was purged after its time is not listed any more.
#[utoipa::path(get, path = "/events", tag = "audit logs",
    params(EventChoice, LogPaging, ListForm),
    responses(
        (status = 200, description = "The events", body = EventPage),
        (status = 400, description = "A parameter that does not fit", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 403, description = "Not an administrator", body = ErrorBody),
        (status = 404, description = "Not your organisation or workspace", body = ErrorBody),
    )
)]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(choice): Query<EventChoice>,
    Query(paging): Query<LogPaging>,
    Query(form): Query<ListForm>,
) -> Result<Json<EventPage>, ApiError> {
    page(&app, &caller, choice.into(), paging, &form).await
}

/// How many, and in which form.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ExportForm {
    /// At most so many, the newest; all where left out.
    #[param(minimum = 1)]
    limit: Option<i64>,
    /// Those before this place, from the answer to an earlier list.
    cursor: Option<String>,
    /// `json`, an array; `ndjson`, an object on each line; `ocsf`, the same as the Open Cybersecurity Schema Framework
    /// has events.
    #[serde(default)]
    #[param(value_type = Option<String>, example = "ndjson")]
    format: ExportFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ExportFormat {
    #[default]
    Json,
    Ndjson,
    Ocsf,
}

impl ExportFormat {
    const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Ocsf => "ocsf",
        }
    }

    const fn media_type(self) -> HeaderValue {
        match self {
            Self::Json => HeaderValue::from_static("application/json"),
            Self::Ndjson | Self::Ocsf => HeaderValue::from_static("application/x-ndjson"),
        }
    }
}

/// Streams what happened, newest first, as it is read: any number of events in little memory. That somebody exported
/// is itself an event. A stream that fails on the way breaks off without its end.
#[utoipa::path(get, path = "/events/export", tag = "audit logs",
    params(EventChoice, ExportForm),
    responses(
        (status = 200, description = "The events", content(
            (Vec<LoggedEvent> = "application/json"),
            (String = "application/x-ndjson"),
        )),
        (status = 400, description = "A parameter that does not fit", body = ErrorBody),
        (status = 401, description = "No valid credential", body = ErrorBody),
        (status = 402, description = "The plan does not include it", body = FlatErrorBody),
        (status = 403, description = "Not an administrator", body = ErrorBody),
        (status = 404, description = "Not your organisation or workspace", body = ErrorBody),
    )
)]
pub async fn export(
    State(app): State<Arc<App>>,
    caller: Caller,
    Query(choice): Query<EventChoice>,
    Query(form): Query<ExportForm>,
) -> Result<Response, ApiError> {
    if form.limit.is_some_and(|limit| limit < 1) {
        return Err(ApiError::bad_field("limit", "range", "The 'limit' parameter must be at least 1."));
    }
    let search = Asked::from(choice).by(&app, &caller).await?;
    let format = form.format;
    let stream =
        log::export(&app, &caller, search, form.cursor.as_deref(), form.limit, format.name()).await?;
    let mut response = Response::new(Body::from_stream(written(stream, format)));
    response.headers_mut().insert(header::CONTENT_TYPE, format.media_type());
    Ok(response)
}

/// The bytes of an export, a page of events at a time.
fn written(
    events: Stream,
    format: ExportFormat,
) -> impl futures_util::Stream<Item = Result<Bytes, StoreError>> + Send {
    let begin = Writer { events, format, count: 0, is_over: false };
    stream::try_unfold(
        begin,
        |mut writer| async move { Ok(writer.next().await?.map(|bytes| (bytes, writer))) },
    )
}

struct Writer {
    events: Stream,
    format: ExportFormat,
    count: u64,
    is_over: bool,
}

impl Writer {
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.is_over {
            return Ok(None);
        }
        let page = self.events.next().await?;
        self.is_over = page.is_empty();
        let is_array = self.format == ExportFormat::Json;
        let mut text = Vec::new();
        if is_array && self.count == 0 {
            text.push(b'[');
        }
        for found in page {
            if is_array && self.count > 0 {
                text.push(b',');
            }
            self.count += 1;
            self.write(found, &mut text)?;
        }
        if self.is_over && is_array {
            text.push(b']');
        }
        Ok(Some(text.into()))
    }

    fn write(&self, found: Found, text: &mut Vec<u8>) -> Result<(), StoreError> {
        let shown = ShownEvent::new(found, self.format == ExportFormat::Ocsf);
        serde_json::to_writer(&mut *text, &shown).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        text.push(b'\n');
        Ok(())
    }
}
